//! Images that `emoji-32` drew, for models that should know such images.

use burn::tensor::{Int, Tensor, TensorData};
use moa_core::NoiseKey;
use moa_diffusion::sampler::sample;
use moa_diffusion::{Conditions, Pipeline};
use moa_scenes::{HeldOut, SceneRng, sample_scene};

use super::student::STEPS;
use super::{PretrainError, PretrainSpec};

/// Images drawn at once.
const BATCH: usize = 128;

/// Images of `emoji-32`, all drawn before they are needed.
pub(super) struct DrawnImages {
    /// `[count, 3, side, side]` in [0, 1].
    images: Tensor<4>,
}

impl DrawnImages {
    /// Draws images of scenes in the spec's mixture, which the spec's seed names, with one pass for each of [`STEPS`] steps.
    pub(super) fn draw(pipeline: &Pipeline, spec: &PretrainSpec, count: usize) -> Result<Self, PretrainError> {
        let rules = pipeline.schedule().deterministic(STEPS);
        let distribution = spec.scenes(HeldOut::Any);
        let key = NoiseKey::new(spec.seed).named("drawn");
        let caption =
            |row: u64| sample_scene(&mut SceneRng::keyed(spec.seed, &[u64::MAX, row]), &distribution).caption();
        let rows: Vec<u64> = (0..count as u64).collect();
        let draw = |rows: &[u64]| {
            let captions: Vec<String> = rows.iter().copied().map(caption).collect();
            let keys: Vec<NoiseKey> = rows.iter().map(|row| key.with(*row)).collect();
            let conditions = Conditions { context: pipeline.encode_prompts(&captions)?, guidance: None };
            Ok(pipeline.decode(sample(pipeline, None, &rules, &conditions, &keys)))
        };
        let images = rows.chunks(BATCH).map(draw).collect::<Result<Vec<_>, PretrainError>>()?;
        Ok(Self { images: Tensor::cat(images, 0) })
    }

    /// Returns all images.
    pub(super) fn all(&self) -> Tensor<4> {
        self.images.clone()
    }

    /// Returns `count` of the images, drawn by a key.
    pub(super) fn some(&self, count: usize, key: NoiseKey) -> Tensor<4> {
        let all = self.images.dims()[0] as f64;
        let rows: Vec<i64> = (0..count as u64).map(|row| (key.uniform(row) * all) as i64).collect();
        let rows = Tensor::<1, Int>::from_data(TensorData::new(rows, [count]), &self.images.device());
        self.images.clone().select(0, rows)
    }
}
