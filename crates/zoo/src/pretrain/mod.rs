//! Pre-training of everything that the zoo embeds, from scenes drawn on the spot. Every number is keyed by seed and
//! step, and a checkpoint holds the whole state: a resumed run equals an uninterrupted one.

mod captions;
mod clip;
mod composition;
mod corruption;
mod denoiser;
mod detector;
mod drawn;
mod heads;
mod optimiser;
mod parts;
mod spec;
mod student;
mod wrong;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use burn::tensor::{Device, Tensor, TensorData};
use moa_adapter::ParametersError;
use moa_scenes::{Layout, SIDE, Scene, SceneDistribution, SceneRng, Sprites, sample_scene};

pub use clip::clip_config;
pub use denoiser::{denoiser_text_config, denoiser_unet_config};
use optimiser::TrainingState;
pub use parts::Parts;
pub use spec::{PretrainSpec, PretrainSpecError, Target};

/// Why pre-training fails.
#[derive(Debug, thiserror::Error)]
pub enum PretrainError {
    /// Gradients are not finite.
    #[error("the gradient of step {step} is not finite: lower learning_rate")]
    Diverged {
        /// The step.
        step: u64,
    },
    /// A checkpoint is unreadable, or belongs to another model, seed or version.
    #[error("the checkpoint is {0}: remove it to start again, or name another folder with `--out`")]
    Checkpoint(String),
    /// A model cannot be read or written as safetensors.
    #[error("safetensors: {0}")]
    Safetensors(#[from] safetensors::SafeTensorError),
    /// Parameters do not fit.
    #[error(transparent)]
    Parameters(#[from] ParametersError),
    /// A model of the zoo that this one builds on cannot be opened.
    #[error(transparent)]
    Zoo(#[from] crate::ZooError),
    /// A part that this one builds on is not there.
    #[error("{} is not there, and {target} builds on it: run `moa pretrain experiments/pretrain/{part}.ron --out {}` first", path.display(), folder.display())]
    MissingPart {
        /// The file.
        path: PathBuf,
        /// The part's folder.
        folder: PathBuf,
        /// The part that is missing.
        part: &'static str,
        /// The part that needs it.
        target: &'static str,
    },
    /// A head cannot be fitted.
    #[error(transparent)]
    Reward(#[from] moa_reward::RewardError),
    /// A pipeline of parts cannot read its prompts.
    #[error(transparent)]
    Pipeline(#[from] moa_diffusion::PipelineError),
    /// A config or tokenizer is unreadable.
    #[error(transparent)]
    Config(#[from] moa_diffusion::ConfigError),
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

/// A sign of life.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// Steps taken.
    pub step: u64,
    /// Steps in all.
    pub steps: u64,
    /// Loss, averaged over the latest hundred steps or so.
    pub loss: f64,
}

/// The files of a finished model, by their path inside its folder.
pub type ModelFiles = BTreeMap<String, Vec<u8>>;

/// Returns the header of safetensors files that transformers opens.
fn metadata() -> HashMap<String, String> {
    HashMap::from([("format".to_owned(), "pt".to_owned())])
}

/// Returns a config as a file.
fn config_file(config: &impl serde::Serialize) -> Vec<u8> {
    let value = serde_json::to_value(config).unwrap_or_else(|_| unreachable!("configs are plain data"));
    format!("{value:#}\n").into_bytes()
}

/// Scenes with their captions and images.
pub(crate) struct SceneBatch {
    pub(crate) scenes: Vec<Scene>,
    /// Where each scene's objects are.
    pub(crate) layouts: Vec<Layout>,
    /// `[scenes, 3, 32, 32]` in `[0, 1]`.
    pub(crate) pictures: Tensor<4>,
}

impl SceneBatch {
    /// Draws the scenes of one step.
    pub(crate) fn draw(spec: &PretrainSpec, step: u64, distribution: &SceneDistribution, device: &Device) -> Self {
        let (mut scenes, mut layouts) = (Vec::with_capacity(spec.batch), Vec::with_capacity(spec.batch));
        let mut values = vec![0.0f32; spec.batch * 3 * SIDE * SIDE];
        for (index, picture) in values.chunks_mut(3 * SIDE * SIDE).enumerate() {
            let mut rng = SceneRng::keyed(spec.seed, &[step, index as u64]);
            let scene = sample_scene(&mut rng, distribution);
            let rendered = scene.render(Sprites::embedded(), &mut rng);
            for (at, pixel) in rendered.pixels.chunks_exact(3).enumerate() {
                for (channel, value) in pixel.iter().enumerate() {
                    picture[channel * SIDE * SIDE + at] = f32::from(*value) / 255.0;
                }
            }
            scenes.push(scene);
            layouts.push(rendered.layout);
        }
        let pictures = Tensor::from_data(TensorData::new(values, [spec.batch, 3, SIDE, SIDE]), device);
        Self { scenes, layouts, pictures }
    }
}

/// Trains what the spec names, from `checkpoint` on if there is one; `parts` are those that it may build on.
///
/// `progress` is told of every step; `save` is handed a checkpoint every `checkpoint_every` steps, and `preview` the
/// model as it stands at the same times. Returning `false` from `progress` stops after a last checkpoint and returns
/// `None`.
///
/// # Errors
/// See [`PretrainError`].
pub fn pretrain(
    spec: &PretrainSpec,
    parts: &Parts,
    device: &Device,
    checkpoint: Option<&[u8]>,
    hooks: &mut dyn Hooks,
) -> Result<Option<ModelFiles>, PretrainError> {
    match spec.target {
        Target::Captions => captions::train(spec, device, checkpoint, hooks),
        Target::Denoiser => denoiser::train(spec, parts, device, checkpoint, hooks),
        Target::Student => student::train(spec, parts, device, checkpoint, hooks),
        Target::Clip | Target::JudgeClip => clip::train(spec, parts, device, checkpoint, hooks),
        Target::Detector | Target::JudgeDetector => detector::train(spec, device, checkpoint, hooks),
        Target::Heads => heads::train(spec, parts, device, hooks),
    }
}

/// What pre-training tells its caller.
pub trait Hooks {
    /// Takes a sign of life; `false` asks to stop.
    fn progress(&mut self, progress: &Progress) -> bool;

    /// Keeps a checkpoint.
    ///
    /// # Errors
    /// Fails when it cannot be written.
    fn checkpoint(&mut self, bytes: &[u8]) -> Result<(), PretrainError>;

    /// Takes the model as it stands.
    ///
    /// # Errors
    /// Fails when it cannot be written.
    fn preview(&mut self, files: &ModelFiles) -> Result<(), PretrainError>;
}

/// Runs the loop that all targets share: `loss` builds the model from the leaves and returns the step's loss.
fn run(
    state: &mut TrainingState,
    spec: &PretrainSpec,
    hooks: &mut dyn Hooks,
    mut loss: impl FnMut(u64, BTreeMap<String, moa_adapter::Parameter>) -> Result<Tensor<1>, PretrainError>,
    finish: impl Fn(&TrainingState) -> Result<ModelFiles, PretrainError>,
) -> Result<Option<ModelFiles>, PretrainError> {
    let mut smooth: Option<f64> = None;
    while state.step < spec.steps {
        let leaves = state.leaves();
        let value = loss(state.step, leaves.clone())?;
        let gradients = value.backward();
        let value = f64::from(value.inner().into_scalar::<f32>());
        state.update(&leaves, gradients)?;
        let next = smooth.map_or(value, |smooth| 0.98 * smooth + 0.02 * value);
        smooth = Some(next);
        let go_on = hooks.progress(&Progress { step: state.step, steps: spec.steps, loss: next });
        if !go_on || state.step.is_multiple_of(spec.checkpoint_every) {
            hooks.checkpoint(&state.checkpoint()?)?;
            hooks.preview(&finish(state)?)?;
        }
        if !go_on {
            return Ok(None);
        }
    }
    Ok(Some(finish(state)?))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use moa_adapter::{Init, Parameters};

    use super::*;

    /// Keeps nothing.
    struct Silent;

    impl Hooks for Silent {
        fn progress(&mut self, _: &Progress) -> bool {
            true
        }

        fn checkpoint(&mut self, _: &[u8]) -> Result<(), PretrainError> {
            Ok(())
        }

        fn preview(&mut self, _: &ModelFiles) -> Result<(), PretrainError> {
            Ok(())
        }
    }

    /// With a learning rate that moves nothing, each part is still what it begins with.
    #[test]
    fn parts_begin_with_the_parts_that_they_build_on() {
        let (folder, device) = (tempfile::tempdir().expect("temporary folder"), Device::flex());
        let parts = Parts::new(folder.path());
        let train = |target: Target| {
            let fields = "steps: 1, batch: 2, learning_rate: 1e-30, weight_decay: 0.0";
            let spec = PretrainSpec::from_ron(&format!("(target: {target:?}, {fields})")).expect("a spec");
            let files = pretrain(&spec, &parts, &device, None, &mut Silent).expect("trains").expect("to the end");
            for (name, bytes) in &files {
                let path = folder.path().join(target.part()).join(name);
                fs::create_dir_all(path.parent().expect("in a folder")).expect("creates");
                fs::write(path, bytes).expect("writes");
            }
            files
        };
        let values = |files: &ModelFiles, file: &str, name: &str, shape: &[usize]| -> Vec<f32> {
            let parameters = Parameters::read(&files[file], &device).expect("safetensors");
            let flat = parameters.flat(name, shape, Init::Zeros).expect("the tensor");
            flat.into_data().try_into_vec().expect("f32")
        };
        let captions = train(Target::Captions);
        let (encoder, unet) = ("text_encoder/model.safetensors", "unet/diffusion_pytorch_model.safetensors");
        let (tokens, shape) = ("text_model.embeddings.token_embedding.weight", [moa_scenes::tokenizer::VOCABULARY, 96]);
        let read = values(&captions, "model.safetensors", &format!("text_encoder.{tokens}"), &shape);
        let denoiser = train(Target::Denoiser);
        assert_eq!(values(&denoiser, encoder, tokens, &shape), read, "the denoiser reads as captions taught");
        let student = train(Target::Student);
        assert_eq!(student[encoder], denoiser[encoder], "the student keeps the encoder");
        let first = |files: &ModelFiles| values(files, unet, "conv_in.weight", &[48, 12, 3, 3]);
        assert_eq!(first(&student), first(&denoiser), "and begins as its teacher");
        assert_eq!(values(&train(Target::Clip), "model.safetensors", tokens, &shape), read, "so does the CLIP");
        let judge = values(&train(Target::JudgeClip), "model.safetensors", tokens, &shape);
        assert_ne!(judge, read, "the judge shares nothing with what it judges");
    }
}
