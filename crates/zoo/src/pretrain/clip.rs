//! The rewards' CLIP and the judge's: contrastive training on scenes and captions (Radford et al., 2103.00020), with what
//! a contrast alone does not keep.
//!
//! A caption claims something of a scene, and may be true of other scenes in the batch too ("a cat" fits every scene with
//! one). Pairs that are true count as positives, wherever they stand, so that partial captions teach nothing wrong. Four
//! things beside it make the embeddings keep composition (contrastive training alone leaves a bag of words: Yuksekgonul et
//! al., 2210.01936):
//!
//! - a caption for each scene that is wrong in one thing: a relation, a colour, a number, an object;
//! - one linear head that reads the composition off images and off captions ([`CompositionHead`]);
//! - a linear head over each patch that says whose centre lies there, as a detector does ([`detection_loss`]): a transformer without
//!   it learns slowly what objects are;
//! - a linear head that reads off images what the simulated rater sees in them ([`rater`]), for the rewards' CLIP alone. It
//!   learns from generated images too.

use std::collections::BTreeMap;

use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};
use moa_adapter::{Linear, Parameter, Parameters, ParametersError};
use moa_core::NoiseKey;
use moa_diffusion::{TextConfig, Tokenizer, text::Activation};
use moa_reward::{Clip, ClipConfig, DetectorConfig, DetectorHeads, Preprocessor, Raster, VisionConfig, rater};
use moa_scenes::{Content, HeldOut, SIDE, Scene, SceneRng, Thing, tokenizer};
use rayon::prelude::*;

use super::captions;
use super::composition::CompositionHead;
use super::corruption::corrupted;
use super::detector::detection_loss;
use super::drawn::DrawnImages;
use super::parts::begin_with;
use super::wrong::wrong;
use super::{
    Hooks, ModelFiles, Parts, PretrainError, PretrainSpec, SceneBatch, Target, TrainingState, config_file,
    denoiser_text_config, metadata, run,
};

/// Weight of reading compositions off images and captions.
const COMPOSITION: f64 = 0.5;
/// Weight of finding objects in patches.
const DETECTION: f64 = 0.3;
/// Weight of the rater's parts: their mean squared error is about a hundredth of the other losses.
const RATING: f64 = 20.0;
/// The rater's parts and their sum.
const RATINGS: usize = 5;
/// Batches of generated images that the rewards' CLIP learns the rater from beside scenes.
const DRAWN_BATCHES: usize = 32;
/// Scenes of a batch for each generated image beside them.
const DRAWN_SHARE: usize = 4;

/// Returns the shape of both CLIPs.
pub fn clip_config() -> ClipConfig {
    ClipConfig {
        text_config: TextConfig { model_type: "clip_text_model".into(), ..denoiser_text_config() },
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
        projection_dim: 96,
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
            Self::Object(things[(key.uniform(1) * things.len() as f64) as usize])
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
            Self::Whole(claimed) => is_same(claimed.content, scene.content) && claimed.background == scene.background,
            // A single object's phrase says nothing of others, and nothing of a colour unless it names one.
            Self::Objects(Content::One(claimed)) | Self::Object(claimed) => {
                let fits = |thing: &Thing| claimed.tint.is_none() || thing.tint == claimed.tint;
                scene.content.things().iter().any(|thing| thing.concept == claimed.concept && fits(thing))
            }
            Self::Objects(content) => is_same(content, scene.content),
        }
    }
}

/// Returns whether two contents look alike: "a cat left of a dog" is "a dog right of a cat", and three objects lie anywhere.
fn is_same(a: Content, b: Content) -> bool {
    match (a, b) {
        (Content::Pair(first, relation, second), Content::Pair(other, ..)) if first != other => {
            b == Content::Pair(second, relation.inverse(), first)
        }
        (Content::Trio(mut a), Content::Trio(mut b)) => {
            a.sort();
            b.sort();
            a == b
        }
        (a, b) => a == b,
    }
}

/// A CLIP under training, and the heads that are thrown away.
struct Learner {
    clip: Clip,
    composition: CompositionHead,
    /// Over patches, and over the embedding for the background.
    detection: DetectorHeads,
    rating: Linear,
}

impl Learner {
    fn load(config: &ClipConfig, p: &Parameters) -> Result<Self, ParametersError> {
        let width = config.projection_dim;
        Ok(Self {
            clip: Clip::load(config, &p.at("clip"))?,
            composition: CompositionHead::load(&p.at("composition"), width)?,
            detection: DetectorHeads::load(&DetectorConfig::scenes(), p, config.vision_config.hidden_size, width)?,
            rating: Linear::load(&p.at("rating"), width, RATINGS, true)?,
        })
    }

    /// Returns the loss of finding objects in patches, `[scenes, patches, hidden]`, `[1]`.
    fn detection_loss(&self, patches: Tensor<3>, embeddings: Tensor<2>, batch: &SceneBatch) -> Tensor<1> {
        let patch = self.clip.config().vision_config.patch_size;
        let logits = self.detection.forward(patches, embeddings, SIDE / patch);
        detection_loss(logits, batch, patch)
    }

    /// Returns the parameters of an untrained learner.
    fn fresh(
        config: &ClipConfig,
        key: NoiseKey,
        device: &Device,
    ) -> Result<BTreeMap<String, Parameter>, PretrainError> {
        let parameters = Parameters::fresh(key, device);
        Self::load(config, &parameters)?;
        let clip = Clip::fresh(config, key.named("clip"), device)?;
        let clip = clip.into_iter().map(|(name, parameter)| (format!("clip.{name}"), parameter));
        Ok(parameters.into_map().into_iter().chain(clip).collect())
    }

    /// Returns the loss of reading the rater's verdict on images `[rows, 3, side, side]` off their embeddings, `[1]`.
    fn rating_loss(&self, images: &Tensor<4>, embeddings: Tensor<2>) -> Tensor<1> {
        let device = images.device().without_autodiff();
        let rows = images.dims()[0];
        let ratings: Vec<[f32; RATINGS]> = Raster::of(images.clone()).par_iter().map(ratings).collect();
        let truth = Tensor::<2>::from_data(TensorData::new(ratings.concat(), [rows, RATINGS]), &device);
        (self.rating.forward(embeddings, None) - truth).powi_scalar(2).mean()
    }
}

fn ratings(image: &Raster) -> [f32; RATINGS] {
    let rating = rater::rate(image);
    [rating.contrast, rating.colourfulness, rating.balance, rating.harmony, rating.total()]
}

pub(super) fn train(
    spec: &PretrainSpec,
    parts: &Parts,
    device: &Device,
    checkpoint: Option<&[u8]>,
    hooks: &mut dyn Hooks,
) -> Result<Option<ModelFiles>, PretrainError> {
    let config = clip_config();
    let fresh = Learner::fresh(&config, NoiseKey::new(spec.seed).named("clip"), device)?;
    // The judge's CLIP shares nothing with what it judges: neither the captions' encoder nor images that were drawn.
    let (begun, painter) = match spec.target {
        Target::Clip => {
            let read = parts.parameters(Target::Captions, captions::FILE, spec.target, device)?;
            let begun = begin_with(fresh, "clip.text_model", &read.at("text_encoder").at("text_model"))?;
            (begun, Some(parts.emoji_32(spec.target, device)?))
        }
        _ => (fresh, None),
    };
    // Drawn when the first step asks for them.
    let mut drawn: Option<DrawnImages> = None;
    let mut state = TrainingState::new(begun, spec, device).building_on(parts.digests());
    if let Some(bytes) = checkpoint {
        state.restore(bytes)?;
    }
    let words = Tokenizer::read(tokenizer::TOKENIZER_JSON, config.text_config.max_position_embeddings)?;
    let distribution = spec.scenes(HeldOut::Any);
    let key = NoiseKey::new(spec.seed).named("clip-captions");
    let loss = |step: u64, leaves: BTreeMap<String, Parameter>| {
        let learner = Learner::load(&config, &Parameters::stored(leaves, device))?;
        let batch = SceneBatch::draw(spec, step, &distribution, device);
        let (rows, key) = (batch.scenes.len(), key.with(step));
        let claims: Vec<Claim> =
            (0u64..).zip(&batch.scenes).map(|(row, scene)| Claim::draw(*scene, key.with(row))).collect();
        let others = (0u64..)
            .zip(&batch.scenes)
            .map(|(row, scene)| Claim::Whole(wrong(*scene, &mut SceneRng::keyed(spec.seed, &[step, row, 1]))));
        let claims: Vec<Claim> = claims.into_iter().chain(others).collect();
        let ids = words.encode(&claims.iter().copied().map(Claim::text).collect::<Vec<_>>())?;
        let scenes = corrupted(batch.pictures.clone(), key.named("corruption"));
        let images = match &painter {
            Some(painter) => {
                let all = match drawn.take() {
                    Some(all) => all,
                    None => DrawnImages::draw(painter, spec, spec.batch * DRAWN_BATCHES)?,
                };
                let drawn = drawn.insert(all).some((rows / DRAWN_SHARE).max(1), key.named("drawn"));
                Tensor::cat(vec![scenes, corrupted(drawn, key.named("drawn-corruption"))], 0)
            }
            None => scenes,
        };
        let (embeddings, patches) = learner.clip.embed_with_patches(images.clone());
        let texts = learner.clip.embed_texts(&ids);
        let of_scenes = embeddings.clone().narrow(0, 0, rows);
        let contrast = contrast(&learner.clip, of_scenes.clone(), texts.clone(), &claims, &batch.scenes);
        let (whole, read): (Vec<i64>, Vec<Scene>) = (0i64..)
            .zip(&claims)
            .filter_map(|(row, claim)| if let Claim::Whole(scene) = claim { Some((row, *scene)) } else { None })
            .unzip();
        let whole = Tensor::<1, Int>::from_data(TensorData::new(whole, [read.len()]), device);
        let composition = learner.composition.loss(of_scenes, &batch.scenes)
            + learner.composition.loss(texts.select(0, whole), &read);
        let patches = patches.narrow(0, 0, rows);
        let detection = learner.detection_loss(patches, embeddings.clone().narrow(0, 0, rows), &batch);
        let loss = contrast + composition * COMPOSITION + detection * DETECTION;
        Ok(match painter {
            Some(_) => loss + learner.rating_loss(&images, embeddings) * RATING,
            None => loss,
        })
    };
    let finish = |state: &TrainingState| {
        Ok(ModelFiles::from([
            ("config.json".to_owned(), config_file(&config)),
            ("preprocessor_config.json".to_owned(), Preprocessor::default().to_json(SIDE).into_bytes()),
            ("model.safetensors".to_owned(), Parameters::write_half(&state.averaged_below("clip"), metadata())?),
        ]))
    };
    run(&mut state, spec, hooks, loss, finish)
}

/// Returns CLIP's loss of images against claims, of which the first `scenes.len()` are true of their own scene, and the others
/// stand beside them as wrong answers; `[1]`.
fn contrast(clip: &Clip, images: Tensor<2>, texts: Tensor<2>, claims: &[Claim], scenes: &[Scene]) -> Tensor<1> {
    let (rows, columns) = (scenes.len(), claims.len());
    let device = images.device().without_autodiff();
    // CLIP bounds the scale at 100.
    let scale = clip.logit_scale().clamp(1.0, 100.0).reshape([1, 1]);
    let logits = images.matmul(texts.transpose()) * scale;
    let truth = |rows: usize, columns: usize, of: &dyn Fn(usize, usize) -> bool| {
        let mut values = vec![0.0f32; rows * columns];
        for (row, values) in values.chunks_mut(columns).enumerate() {
            let hits: Vec<usize> = (0..columns).filter(|column| of(row, *column)).collect();
            for column in &hits {
                values[*column] = 1.0 / hits.len() as f32;
            }
        }
        Tensor::<2>::from_data(TensorData::new(values, [rows, columns]), &device)
    };
    let to_text = truth(rows, columns, &|image, text| claims[text].is_true_of(scenes[image]));
    let to_image = truth(rows, rows, &|text, image| claims[text].is_true_of(scenes[image]));
    let cross_entropy = |logits: Tensor<2>, truth: Tensor<2>| (log_softmax(logits, 1) * truth).sum_dim(1).mean().neg();
    (cross_entropy(logits.clone(), to_text) + cross_entropy(logits.narrow(1, 0, rows).transpose(), to_image)) * 0.5
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
        let mirrored = Scene::pair(Concept::Dog, Relation::Below, red_cat, Background::Blue);
        assert!(Claim::Whole(mirrored).is_true_of(shown) && Claim::Objects(mirrored.content).is_true_of(shown));
        let swapped = Scene::pair(Concept::Dog, Relation::Above, red_cat, Background::Blue);
        assert!(!Claim::Whole(swapped).is_true_of(shown));
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
