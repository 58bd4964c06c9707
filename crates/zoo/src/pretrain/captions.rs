//! A text encoder that reads compositions off captions, before it sees an image.
//!
//! Beside denoising alone a text encoder learns what is where slowly, if at all: 1,800 steps later 3 of 8 pairs stand as the caption says.
//! From captions alone it takes three minutes.

use std::collections::BTreeMap;

use burn::tensor::{Device, Int, Tensor, TensorData};
use moa_adapter::{Parameter, Parameters};
use moa_core::NoiseKey;
use moa_diffusion::{TextConfig, TextEncoder, Tokenizer};
use moa_scenes::{HeldOut, Scene, SceneRng, sample_scene, tokenizer};

use super::composition::CompositionHead;
use super::{Hooks, ModelFiles, PretrainError, PretrainSpec, TrainingState, denoiser_text_config, metadata, run};

/// The file of [`ModelFiles`], with the encoder below `text_encoder` and the head below `composition`.
pub(super) const FILE: &str = "model.safetensors";

/// A text encoder and the head that reads compositions off its end token.
pub(super) struct CaptionReader {
    pub(super) text: TextEncoder,
    head: CompositionHead,
}

impl CaptionReader {
    /// Takes the parameters, or creates them.
    pub(super) fn load(config: &TextConfig, p: &Parameters) -> Result<Self, PretrainError> {
        let text = TextEncoder::load(config, &p.at("text_encoder"))?;
        Ok(Self { text, head: CompositionHead::load(&p.at("composition"), config.hidden_size)? })
    }

    /// Returns the mean loss over the captions of some rows' scenes, `[1]`.
    ///
    /// - `states`: what the encoder says of every row, `[rows, tokens, width]`
    /// - `kept`: the rows that count, one or more
    pub(super) fn loss(&self, states: Tensor<3>, ids: &[Vec<u32>], kept: &[usize], scenes: &[Scene]) -> Tensor<1> {
        let device = states.device().without_autodiff();
        let rows: Vec<i64> = kept.iter().map(|row| *row as i64).collect();
        let rows = Tensor::<1, Int>::from_data(TensorData::new(rows, [kept.len()]), &device);
        let scenes: Vec<Scene> = kept.iter().map(|row| scenes[*row]).collect();
        self.head.loss(self.text.pool(states, ids).select(0, rows), &scenes)
    }
}

pub(super) fn train(
    spec: &PretrainSpec,
    device: &Device,
    checkpoint: Option<&[u8]>,
    hooks: &mut dyn Hooks,
) -> Result<Option<ModelFiles>, PretrainError> {
    let config = denoiser_text_config();
    let fresh = Parameters::fresh(NoiseKey::new(spec.seed).named("captions"), device);
    CaptionReader::load(&config, &fresh)?;
    let mut state = TrainingState::new(fresh.into_map(), spec, device);
    if let Some(bytes) = checkpoint {
        state.restore(bytes)?;
    }
    let words = Tokenizer::read(tokenizer::TOKENIZER_JSON, config.max_position_embeddings)?;
    // Held-out combinations are held out here as well, so that nothing but the data's rule is learnt of them.
    let distribution = spec.scenes(HeldOut::Excluded);
    let loss = |step: u64, leaves: BTreeMap<String, Parameter>| {
        let reader = CaptionReader::load(&config, &Parameters::stored(leaves, device))?;
        let scene = |row: u64| sample_scene(&mut SceneRng::keyed(spec.seed, &[step, row]), &distribution);
        let scenes: Vec<Scene> = (0..spec.batch as u64).map(scene).collect();
        let ids = words.encode(&scenes.iter().map(Scene::caption).collect::<Vec<_>>())?;
        let rows: Vec<usize> = (0..scenes.len()).collect();
        Ok(reader.loss(reader.text.forward(&ids), &ids, &rows, &scenes))
    };
    let finish = |state: &TrainingState| {
        Ok(ModelFiles::from([(FILE.to_owned(), Parameters::write_half(&state.averaged(), metadata())?)]))
    };
    run(&mut state, spec, hooks, loss, finish)
}
