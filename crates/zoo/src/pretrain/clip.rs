//! CLIP on scenes: contrastive training of a picture tower and a text tower (Radford et al., 2103.00020).
//!
//! Captions come in three forms, so that single concepts get embeddings of their own: the whole caption, the objects
//! without the background, one object alone. Several captions of a batch can be true of one picture; every true pair
//! counts, where CLIP counts the diagonal alone.

use std::collections::{BTreeMap, HashMap};

use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor, TensorData};
use moa_adapter::{Parameter, Parameters};
use moa_core::NoiseKey;
use moa_diffusion::text::Activation;
use moa_diffusion::{TextConfig, Tokenizer};
use moa_reward::{Clip, ClipConfig, Preprocessor, VisionConfig};
use moa_scenes::{Content, HeldOut, SIDE, Scene, Thing, tokenizer};

use super::denoiser::denoiser_text_config;
use super::{Hooks, ModelFiles, PretrainError, PretrainSpec, SceneBatch, TrainingState, run};

/// Returns the shape of the zoo's CLIPs.
pub fn clip_config() -> ClipConfig {
    ClipConfig {
        text_config: TextConfig { projection_dim: Some(64), ..denoiser_text_config() },
        vision_config: VisionConfig {
            image_size: SIDE,
            patch_size: 4,
            num_channels: 3,
            hidden_size: 96,
            intermediate_size: 192,
            num_hidden_layers: 3,
            num_attention_heads: 4,
            hidden_act: Activation::QuickGelu,
            layer_norm_eps: 1e-5,
            model_type: "clip_vision_model".into(),
        },
        projection_dim: 64,
        logit_scale_init_value: 2.659,
        model_type: "clip".into(),
    }
}

/// What a caption claims of a scene.
#[derive(Clone, Copy, PartialEq)]
enum Claim {
    Whole(Scene),
    Objects(Content),
    Object(Thing),
}

impl Claim {
    /// Draws one of the claims that are true of a scene: the whole half of the time, parts else.
    fn draw(scene: Scene, key: NoiseKey) -> Self {
        let form = key.uniform(0);
        if form < 0.5 {
            Self::Whole(scene)
        } else if form < 0.75 {
            Self::Objects(scene.content)
        } else {
            let things = scene.content.things();
            // The shipped weights took numbers below ½ for the second of two objects.
            let from_last = (key.uniform(1) * things.len() as f64) as usize;
            Self::Object(things[things.len() - 1 - from_last])
        }
    }

    fn text(self) -> String {
        match self {
            Self::Whole(scene) => scene.caption(),
            Self::Objects(content) => content.to_string(),
            Self::Object(thing) => thing.to_string(),
        }
    }

    fn is_true_of(self, scene: Scene) -> bool {
        match self {
            Self::Whole(claimed) => claimed == scene,
            // A single object's phrase says nothing of others, and nothing of a colour unless it names one.
            Self::Objects(Content::One(claimed)) | Self::Object(claimed) => {
                let fits = |thing: &Thing| claimed.tint.is_none() || thing.tint == claimed.tint;
                scene.content.things().iter().any(|thing| thing.concept == claimed.concept && fits(thing))
            }
            Self::Objects(content) => content == scene.content,
        }
    }
}

pub(super) fn train(
    spec: &PretrainSpec,
    device: &Device,
    checkpoint: Option<&[u8]>,
    hooks: &mut dyn Hooks,
) -> Result<Option<ModelFiles>, PretrainError> {
    let config = clip_config();
    let fresh = Clip::fresh(&config, NoiseKey::new(spec.seed).named("clip"), device)?;
    let mut state = TrainingState::new(fresh, spec, device);
    if let Some(bytes) = checkpoint {
        state.restore(bytes)?;
    }
    let words = Tokenizer::read(tokenizer::TOKENIZER_JSON, config.text_config.max_position_embeddings)?;
    let distribution = spec.scenes(HeldOut::Any);
    let key = NoiseKey::new(spec.seed).named("clip-captions");
    let loss = |step: u64, leaves: BTreeMap<String, Parameter>| {
        let clip = Clip::load(&config, &Parameters::stored(leaves, device))?;
        let batch = SceneBatch::draw(spec, step, &distribution, device);
        let claims: Vec<Claim> = batch
            .scenes
            .iter()
            .enumerate()
            .map(|(row, scene)| Claim::draw(*scene, key.with(step).with(row as u64)))
            .collect();
        let texts: Vec<String> = claims.iter().copied().map(Claim::text).collect();
        let pictures = clip.embed_pictures(batch.pictures);
        let texts = clip.embed_texts(&words.encode(&texts)?);
        // CLIP bounds the scale at 100.
        let scale = clip.logit_scale().clamp(1.0, 100.0).reshape([1, 1]);
        let logits = pictures.matmul(texts.transpose()) * scale;
        let truth = |of: &dyn Fn(usize, usize) -> bool| {
            let count = claims.len();
            let mut values = vec![0.0f32; count * count];
            for (row, values) in values.chunks_mut(count).enumerate() {
                let hits: Vec<usize> = (0..count).filter(|column| of(row, *column)).collect();
                for column in &hits {
                    values[*column] = 1.0 / hits.len() as f32;
                }
            }
            Tensor::<2>::from_data(TensorData::new(values, [count, count]), device)
        };
        let to_text = truth(&|picture, text| claims[text].is_true_of(batch.scenes[picture]));
        let to_picture = truth(&|text, picture| claims[text].is_true_of(batch.scenes[picture]));
        let cross_entropy =
            |logits: Tensor<2>, truth: Tensor<2>| (log_softmax(logits, 1) * truth).sum_dim(1).mean().neg();
        Ok((cross_entropy(logits.clone(), to_text) + cross_entropy(logits.transpose(), to_picture)) * 0.5)
    };
    let finish = |state: &TrainingState| {
        let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        let text = serde_json::to_value(&config).unwrap_or_else(|_| unreachable!("configs are plain data"));
        Ok(ModelFiles::from([
            ("config.json".to_owned(), format!("{text:#}\n").into_bytes()),
            ("preprocessor_config.json".to_owned(), Preprocessor::default().to_json(SIDE).into_bytes()),
            ("model.safetensors".to_owned(), Parameters::write_half(&state.averaged(), metadata)?),
        ]))
    };
    run(&mut state, spec, hooks, loss, finish)
}

#[cfg(test)]
mod tests {
    use moa_scenes::{Background, Concept, Count, Relation, Tint};

    use super::*;

    #[test]
    fn objects_are_true_of_scenes_that_show_them_and_colours_only_where_they_are_named() {
        let (cat, red_cat) = (Thing::from(Concept::Cat), Thing::tinted(Concept::Cat, Tint::Red));
        let shown = Scene::pair(red_cat, Relation::Above, Concept::Dog, Background::Blue);
        assert!(Claim::Object(cat).is_true_of(shown) && Claim::Object(red_cat).is_true_of(shown));
        assert!(Claim::Objects(Content::One(cat)).is_true_of(shown));
        assert!(!Claim::Object(Thing::tinted(Concept::Cat, Tint::Green)).is_true_of(shown));
        assert!(!Claim::Object(Thing::tinted(Concept::Dog, Tint::Red)).is_true_of(shown));
        let several = Scene::several(Count::Two, Concept::Cat, Background::Blue);
        assert!(Claim::Object(cat).is_true_of(several) && !Claim::Object(red_cat).is_true_of(several));
        assert!(!Claim::Objects(Content::Several(Count::Three, Concept::Cat)).is_true_of(several));
        assert_eq!(Claim::Objects(several.content).text(), "two cats");
    }

    #[test]
    fn every_claim_that_is_drawn_is_true_and_every_object_is_claimed() {
        let concepts = [Concept::Cat, Concept::Dog, Concept::Apple];
        let trio = Scene::trio(concepts, Background::Blue);
        let claims: Vec<Claim> = (0..200).map(|row| Claim::draw(trio, NoiseKey::new(1).with(row))).collect();
        assert!(claims.iter().all(|claim| claim.is_true_of(trio)));
        assert!(concepts.into_iter().all(|concept| claims.contains(&Claim::Object(concept.into()))));
    }
}
