//! `emoji-32`: guidance and steps distilled into the denoiser (in the manner of Meng et al., 2210.03142, and of
//! progressive distillation, Salimans and Ho, 2202.00512).
//!
//! A teacher walks from noise to image in many small guided steps; the student, which begins as the teacher, learns the
//! velocity that covers [`SUBSTEPS`] of them at once. It then draws in six unguided passes what took the teacher 36.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor, TensorData};
use moa_adapter::{Parameter, Parameters};
use moa_core::NoiseKey;
use moa_diffusion::{TextEncoder, Tokenizer, Unet};
use moa_scenes::{HeldOut, Scene, SceneRng, sample_scene, tokenizer};

use super::denoiser::{TEXT_ENCODER, UNET, pipeline_files, schedule};
use super::parts::begin_with;
use super::{
    Hooks, ModelFiles, Parts, PretrainError, PretrainSpec, Target, TrainingState, denoiser_text_config,
    denoiser_unet_config, metadata, run,
};

/// Steps of the student from noise to image, at the levels 1, 5/6 … 1/6.
pub(super) const STEPS: usize = 6;
/// Steps of the teacher in one of the student.
const SUBSTEPS: usize = 3;
/// The teacher's guidance: enough for crisp edges. Stronger clears the haze from every image, and with it what a reward for clear ones
/// could choose among.
const GUIDANCE: f64 = 1.4;

/// The teacher: it never learns.
struct Teacher {
    text: TextEncoder,
    unet: Unet,
    words: Tokenizer,
}

/// Where the teacher came by: states at the student's levels, and the velocities that lead to the next.
struct Walk {
    /// `[STEPS · rows, channels, side, side]`, the steps one after the other.
    states: Tensor<4>,
    /// As `states`.
    velocities: Tensor<4>,
    /// The level of each row.
    timesteps: Vec<f32>,
    /// What the captions say, once for each step: `[STEPS · rows, tokens, width]`.
    context: Tensor<3>,
}

impl Teacher {
    /// Walks from noise, `[rows, channels, side, side]`, to images of the captions.
    fn walk(&self, noise: Tensor<4>, captions: &[String]) -> Result<Walk, PretrainError> {
        let rows = captions.len();
        let context = self.text.forward(&self.words.encode(captions)?);
        let empty = self.text.forward(&self.words.encode(&[""])?).expand(context.dims());
        let both = Tensor::cat(vec![context.clone(), empty], 0);
        let (mut x, mut states, mut velocities, mut timesteps) = (noise, Vec::new(), Vec::new(), Vec::new());
        for step in 0..STEPS {
            let start = x.clone();
            for substep in 0..SUBSTEPS {
                let level = 1.0 - (step * SUBSTEPS + substep) as f64 / (STEPS * SUBSTEPS) as f64;
                let timestep = schedule().level(level).timestep;
                let twice = Tensor::cat(vec![x.clone(), x.clone()], 0);
                let velocity = self.unet.forward(twice, &vec![timestep; 2 * rows], &both.clone().into(), None);
                let [guided, free] = [0, rows].map(|from| velocity.clone().narrow(0, from, rows));
                x = x - (free.clone() + (guided - free) * GUIDANCE) / (STEPS * SUBSTEPS) as f64;
            }
            velocities.push((start.clone() - x.clone()) * STEPS as f64);
            states.push(start);
            timesteps.extend(vec![schedule().level(1.0 - step as f64 / STEPS as f64).timestep; rows]);
        }
        Ok(Walk {
            states: Tensor::cat(states, 0),
            velocities: Tensor::cat(velocities, 0),
            timesteps,
            context: Tensor::cat(vec![context; STEPS], 0),
        })
    }
}

pub(super) fn train(
    spec: &PretrainSpec,
    parts: &Parts,
    device: &Device,
    checkpoint: Option<&[u8]>,
    hooks: &mut dyn Hooks,
) -> Result<Option<ModelFiles>, PretrainError> {
    let (text_config, unet_config) = (denoiser_text_config(), denoiser_unet_config());
    let trained = parts.parameters(Target::Denoiser, UNET, spec.target, device)?;
    let text_encoder = parts.file(Target::Denoiser, TEXT_ENCODER, spec.target)?;
    let teacher = Teacher {
        text: TextEncoder::load(&text_config, &Parameters::read(&text_encoder, device)?)?,
        unet: Unet::load(&unet_config, &trained)?,
        words: Tokenizer::read(tokenizer::TOKENIZER_JSON, text_config.max_position_embeddings)?,
    };
    let fresh = Parameters::fresh(NoiseKey::new(spec.seed).named("student"), device);
    Unet::load(&unet_config, &fresh.at("unet"))?;
    let begun = begin_with(fresh.into_map(), "unet", &trained)?;
    let mut state = TrainingState::new(begun, spec, device).building_on(parts.digests());
    if let Some(bytes) = checkpoint {
        state.restore(bytes)?;
    }
    let distribution = spec.scenes(HeldOut::Excluded);
    let key = NoiseKey::new(spec.seed).named("student-noise");
    let loss = |step: u64, leaves: BTreeMap<String, Parameter>| {
        let key = key.with(step);
        let dropped = |row: u64| key.named("dropout").uniform(row) < spec.caption_dropout;
        let scene = |row: u64| sample_scene(&mut SceneRng::keyed(spec.seed, &[step, row]), &distribution);
        let caption = |row: u64| if dropped(row) { String::new() } else { Scene::caption(&scene(row)) };
        let captions: Vec<String> = (0..spec.batch as u64).map(caption).collect();
        let dims = [captions.len(), unet_config.in_channels, unet_config.sample_size, unet_config.sample_size];
        let noise = key.named("noise").normal(dims.iter().product());
        let walk = teacher.walk(Tensor::from_data(TensorData::new(noise, dims), device), &captions)?;
        let unet = Unet::load(&unet_config, &Parameters::stored(leaves, device).at("unet"))?;
        let predicted = unet.forward(walk.states, &walk.timesteps, &walk.context.into(), None);
        Ok((predicted - walk.velocities).powi_scalar(2).mean())
    };
    let finish = |state: &TrainingState| {
        let unet = Parameters::write_half(&state.averaged_below("unet"), metadata())?;
        Ok(pipeline_files(text_encoder.clone(), unet))
    };
    run(&mut state, spec, hooks, loss, finish)
}
