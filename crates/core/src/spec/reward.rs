//! What pictures are scored by.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{HttpSpec, OnnxSpec, ProgramSpec};

/// One objective of the experiment: a reward model with its settings, under a name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "RewardFile")]
pub struct RewardSpec {
    /// The name in weightings, tables, metrics and folder names. Default: the kind in lower case, e.g. `aesthetics`.
    pub name: String,
    /// The reward model and its settings.
    pub kind: RewardKind,
    /// Weight of the KL divergence to the base where this reward alone is trained for: rewards that are easily hacked want a
    /// tie, others none. A run's weight is the mean of its rewards' by shares. Default: `training.kl`.
    pub kl: Option<f64>,
}

impl From<RewardKind> for RewardSpec {
    fn from(kind: RewardKind) -> Self {
        Self { name: kind.default_name().into(), kind, kl: None }
    }
}

/// A [`RewardSpec`] as written: the name may be left out.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename = "RewardSpec")]
struct RewardFile {
    #[serde(default)]
    name: Option<String>,
    kind: RewardKind,
    #[serde(default)]
    kl: Option<f64>,
}

impl From<RewardFile> for RewardSpec {
    fn from(file: RewardFile) -> Self {
        let name = file.name.unwrap_or_else(|| file.kind.default_name().into());
        Self { name, kind: file.kind, kl: file.kl }
    }
}

/// The reward models. All are maximised.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum RewardKind {
    /// A rating head on CLIP's picture embedding (the form of LAION's aesthetic predictor).
    Aesthetics,
    /// The CLIP score of picture and prompt.
    Alignment,
    /// 1 − P(unsafe concept), by concept embeddings in CLIP space (the form of Stable Diffusion's safety checker).
    Safety,
    /// The picture's leave-one-out contribution to the spread of its prompt's pictures in CLIP space.
    Diversity,
    /// Hasler & Süsstrunk's colourfulness.
    Colourfulness,
    /// The contrast of figure and ground.
    Contrast,
    /// The harmony of the picture's hues.
    Harmony,
    /// Minus the picture's JPEG size, in kB (DDPO's).
    Compressibility {
        /// JPEG quality, 1 to 100. Default: 95.
        #[serde(default = "jpeg_quality")]
        quality: u8,
    },
    /// The picture's JPEG size, in kB (DDPO's).
    Incompressibility {
        /// JPEG quality, 1 to 100. Default: 95.
        #[serde(default = "jpeg_quality")]
        quality: u8,
    },
    /// Any program that speaks JSON lines.
    Program(ProgramSpec),
    /// Any service that answers JSON by POST.
    Http(HttpSpec),
    /// A model in an ONNX file.
    Onnx(OnnxSpec),
}

fn jpeg_quality() -> u8 {
    95
}

impl RewardKind {
    /// Returns the name that a reward of this kind has where the experiment gives none.
    pub fn default_name(&self) -> &'static str {
        match self {
            Self::Aesthetics => "aesthetics",
            Self::Alignment => "alignment",
            Self::Safety => "safety",
            Self::Diversity => "diversity",
            Self::Colourfulness => "colourfulness",
            Self::Contrast => "contrast",
            Self::Harmony => "harmony",
            Self::Compressibility { .. } => "compressibility",
            Self::Incompressibility { .. } => "incompressibility",
            Self::Program(_) => "program",
            Self::Http(_) => "http",
            Self::Onnx(_) => "onnx",
        }
    }

    /// Makes paths absolute; relative ones count from `folder`.
    pub(super) fn anchor(&mut self, folder: &Path) {
        match self {
            Self::Program(program) => program.anchor(folder),
            Self::Onnx(onnx) => onnx.anchor(folder),
            _ => {}
        }
    }
}

/// How a run's rewards become one advantage per picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Combine {
    /// Each reward is standardised among the pictures of its prompt, then weighted and summed, and the sums are whitened
    /// over the batch (GDPO). Every reward pulls as its share says, whatever its units.
    #[default]
    Normalised,
    /// The raw rewards are weighted and summed, and the sums are standardised among the pictures of a prompt. The reward
    /// with the widest spread wins.
    RawSum,
}
