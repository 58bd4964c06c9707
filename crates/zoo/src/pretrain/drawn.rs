//! Images that `emoji-32` drew, for models that should know such images.

use burn::tensor::{Device, Int, Tensor, TensorData};
use moa_core::NoiseKey;
use moa_diffusion::codec::PixelCodec;
use moa_diffusion::{TextEncoder, Tokenizer, Unet};
use moa_scenes::{HeldOut, Scene, SceneRng, sample_scene, tokenizer};

use super::denoiser::{TEXT_ENCODER, UNET, schedule};
use super::student::STEPS;
use super::{Parts, PretrainError, PretrainSpec, Target, denoiser_text_config, denoiser_unet_config};

/// Images drawn at once.
const BATCH: usize = 128;

/// Images of `emoji-32`, all drawn before they are needed.
pub(super) struct DrawnImages {
    /// `[count, 3, side, side]` in [0, 1].
    images: Tensor<4>,
}

impl DrawnImages {
    /// Draws images of scenes in the spec's mixture, which the spec's seed names, with one pass for each of [`STEPS`] steps.
    pub(super) fn draw(
        parts: &Parts,
        spec: &PretrainSpec,
        count: usize,
        held_out: HeldOut,
        device: &Device,
    ) -> Result<Self, PretrainError> {
        let (text_config, unet_config) = (denoiser_text_config(), denoiser_unet_config());
        let open = |file| parts.parameters(Target::Student, file, spec.target, device);
        let text = TextEncoder::load(&text_config, &open(TEXT_ENCODER)?)?;
        let unet = Unet::load(&unet_config, &open(UNET)?)?;
        let words = Tokenizer::read(tokenizer::TOKENIZER_JSON, text_config.max_position_embeddings)?;
        let distribution = spec.scenes(held_out);
        let key = NoiseKey::new(spec.seed).named("drawn");
        let mut images = Vec::new();
        for first in (0..count).step_by(BATCH) {
            let rows = BATCH.min(count - first);
            let scene = |row: usize| {
                sample_scene(&mut SceneRng::keyed(spec.seed, &[u64::MAX, (first + row) as u64]), &distribution)
            };
            let captions: Vec<String> = (0..rows).map(|row| Scene::caption(&scene(row))).collect();
            let context = text.forward(&words.encode(&captions)?);
            let dims = [rows, unet_config.in_channels, unet_config.sample_size, unet_config.sample_size];
            let noise = key.with(first as u64).normal(dims.iter().product());
            let mut x = Tensor::<4>::from_data(TensorData::new(noise, dims), device);
            for step in 0..STEPS {
                let timestep = schedule().level(1.0 - step as f64 / STEPS as f64).timestep;
                let velocity = unet.forward(x.clone(), &vec![timestep; rows], &context.clone().into(), None);
                x = x - velocity / STEPS as f64;
            }
            images.push(PixelCodec { factor: 2 }.decode(x).clamp(0.0, 1.0));
        }
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
