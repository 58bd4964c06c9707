//! The rewards, one file each. Everything is maximised; a cost is negated once, here.

mod aesthetics;
mod alignment;
mod colourfulness;
mod contrast;
mod diversity;
mod harmony;
mod jpeg;
mod safety;

use std::borrow::Cow;

use moa_core::spec::{RewardKind, RewardSpec};
use rayon::prelude::*;

pub use aesthetics::Aesthetics;
pub use alignment::Alignment;
pub use colourfulness::{Colourfulness, colourfulness};
pub use contrast::Contrast;
pub use diversity::Diversity;
pub use harmony::{Harmony, harmony};
pub use jpeg::JpegSize;
pub use safety::Safety;

use crate::external::{Http, Onnx, Program};
use crate::{Embedder, LinearHead, Raster, RewardError, SafetyHead, View};

/// What a reward's numbers mean.
#[derive(Clone, Debug, PartialEq)]
pub struct Unit {
    /// The quantity and its unit.
    pub meaning: Cow<'static, str>,
    /// The smallest possible score.
    pub least: f32,
    /// The largest possible score.
    pub most: f32,
}

/// Something that pictures are scored by: higher is better.
pub trait Reward: Send + Sync {
    /// Returns the reward's name in the experiment.
    fn name(&self) -> &str;

    /// Returns what the numbers mean.
    fn unit(&self) -> Unit;

    /// Returns one score per picture; the same pictures always get the same scores.
    ///
    /// # Errors
    /// Says why the pictures cannot be scored. Scores that are not finite are the [`crate::Scorer`]'s to refuse.
    fn score(&self, view: &View<'_>) -> Result<Vec<f32>, RewardError>;
}

/// The fitted heads that rewards on CLIP embeddings need.
#[derive(Clone, Debug, PartialEq)]
pub struct Heads {
    /// The rating head.
    pub aesthetics: LinearHead,
    /// The unsafe concepts.
    pub safety: SafetyHead,
}

/// Returns the reward that an experiment asks for.
///
/// `group` is the number of pictures drawn for each prompt in training; `embedder` the CLIP that will score.
///
/// # Errors
/// Refuses settings that cannot work: a head of another width than the CLIP's, one picture per prompt where pictures are
/// compared, an impossible JPEG quality; a program that does not start, a service that does not answer, a model that does
/// not fit its settings.
pub fn reward(
    spec: &RewardSpec,
    embedder: &Embedder,
    heads: &Heads,
    group: usize,
) -> Result<Box<dyn Reward>, RewardError> {
    let name = spec.name.clone();
    Ok(match &spec.kind {
        RewardKind::Aesthetics => Box::new(Aesthetics::new(name, heads.aesthetics.clone(), embedder)?),
        RewardKind::Alignment => Box::new(Alignment::new(name)),
        RewardKind::Safety => Box::new(Safety::new(name, &heads.safety, embedder)?),
        RewardKind::Diversity => Box::new(Diversity::new(name, group)?),
        RewardKind::Colourfulness => Box::new(Colourfulness::new(name)),
        RewardKind::Contrast => Box::new(Contrast::new(name)),
        RewardKind::Harmony => Box::new(Harmony::new(name)),
        RewardKind::Compressibility { quality } => Box::new(JpegSize::small(name, *quality)?),
        RewardKind::Incompressibility { quality } => Box::new(JpegSize::large(name, *quality)?),
        RewardKind::Program(program) => Box::new(Program::start(name, program)?),
        RewardKind::Http(http) => Box::new(Http::connect(name, http)?),
        RewardKind::Onnx(onnx) => Box::new(Onnx::open(name, onnx)?),
    })
}

/// Returns a formula's value for each picture; not a number for pictures that hold values that are not finite, whatever
/// the formula makes of them.
fn per_picture(view: &View<'_>, formula: impl Fn(&Raster) -> f32 + Sync) -> Vec<f32> {
    let value = |raster: &Raster| if raster.is_finite() { formula(raster) } else { f32::NAN };
    view.rasters().par_iter().map(value).collect()
}
