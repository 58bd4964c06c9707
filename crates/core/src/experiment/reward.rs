//! What images are scored by.

mod files;
mod judges;
mod kinds;
mod range;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use files::FileRole;
pub use judges::{Watch, WatchedPrompts};
pub(super) use kinds::forms;
pub use range::judge_range;

use super::{AiSpec, HttpSpec, OnnxSpec, ProgramSpec, Scale};

/// One objective of the experiment: a reward model with its settings, under a name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "RewardFile")]
pub struct RewardSpec {
    /// The name in weightings, tables, metrics and folder names. Default: the kind in lower case, e.g. `aesthetics`
    /// or `clip_score`.
    pub name: String,
    /// The reward model and its settings.
    pub kind: RewardKind,
    /// Weight of the KL divergence to the base where this reward alone is trained for: rewards that are easily hacked want a
    /// tie, others none. A run's weight is the mean of its rewards' by shares. Default: `training.kl`.
    pub kl: Option<f64>,
    /// Rewards that are to be kept up beside this one, by name: what is added of each to the objective of a run for each share that it
    /// has of this one. Weightings, fronts and soups do not count them. Default: none.
    pub beside: BTreeMap<String, f64>,
}

impl From<RewardKind> for RewardSpec {
    fn from(kind: RewardKind) -> Self {
        Self { name: kind.default_name().into(), kind, kl: None, beside: BTreeMap::new() }
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
    #[serde(default)]
    beside: BTreeMap<String, f64>,
}

impl From<RewardFile> for RewardSpec {
    fn from(file: RewardFile) -> Self {
        let name = file.name.unwrap_or_else(|| file.kind.default_name().into());
        Self { name, kind: file.kind, kl: file.kl, beside: file.beside }
    }
}

/// The reward models. All are maximised. What is known of each beside its settings stands in one row of `reward/kinds.rs`.
///
/// Those that take models read them from disk. A model is a folder as transformers or diffusers saves it, counted from the
/// experiment file's folder, or `hf:org/name`, which the hub's cache holds. A CLIP may be a file of OpenCLIP, too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum RewardKind {
    /// A rating head on CLIP's image embedding (the form of LAION's aesthetic predictor).
    Aesthetics,
    /// The CLIP score of image and prompt.
    Alignment,
    /// The mean probability of what the prompt claims (objects, their colours, places and number, the background), by a detector.
    Composition,
    /// That no unsafe object is shown, by a detector.
    Safety,
    /// That none of the named objects is shown, by a detector: `Safety` with norms of one's own.
    Avoid {
        /// Names of the detector's concepts, one or more.
        objects: Vec<String>,
    },
    /// The image's leave-one-out contribution to the spread of its prompt's images in CLIP space, among those that are of the prompt.
    Diversity,
    /// Hasler & Süsstrunk's colourfulness.
    Colourfulness,
    /// The contrast of figure and ground.
    Contrast,
    /// The harmony of the image's hues.
    Harmony,
    /// Minus the image's JPEG size, in kB (DDPO's).
    Compressibility {
        /// JPEG quality, 1 to 100. Default: 95.
        #[serde(default = "jpeg_quality")]
        quality: u8,
    },
    /// The image's JPEG size, in kB (DDPO's).
    Incompressibility {
        /// JPEG quality, 1 to 100. Default: 95.
        #[serde(default = "jpeg_quality")]
        quality: u8,
    },
    /// The CLIP score of image and prompt by any CLIP: 100 × cosine.
    ClipScore {
        /// A `CLIPModel`.
        model: String,
        /// The folder with tokenizer and image processor. Default: the model's.
        #[serde(default)]
        processor: Option<String>,
    },
    /// LAION's aesthetic predictor: a rating, about 1 to 10, by a head on a CLIP's image embedding.
    LaionAesthetics {
        /// The `CLIPModel` that the head was fitted on: ViT-L/14 for most.
        clip: String,
        /// The head's state dict, `.pth` or `.safetensors`; `hf:org/name/file` too.
        head: String,
    },
    /// PickScore, or another preference model of CLIP's form: logit scale × cosine.
    PickScore {
        /// A `CLIPModel`.
        model: String,
        /// The folder with tokenizer and image processor. Default: the model's.
        #[serde(default)]
        processor: Option<String>,
    },
    /// How far an image stays from what Stable Diffusion's safety checker refuses, as a difference of cosines; below 0 it is
    /// refused.
    SafetyChecker {
        /// A `StableDiffusionSafetyChecker`, or a pipeline that has one.
        model: String,
    },
    /// The image's leave-one-out contribution to the spread of its prompt's images in the space of any CLIP.
    ClipDiversity {
        /// A `CLIPModel`.
        model: String,
    },
    /// HPSv2, or another preference model of OpenCLIP's form: 100 × cosine.
    Hps {
        /// The checkpoint, a state dict of OpenCLIP: `.pt` or `.safetensors`; `hf:org/name/file` too.
        model: String,
        /// The folder with tokenizer and `open_clip_config.json`. Default: the checkpoint's.
        #[serde(default)]
        processor: Option<String>,
    },
    /// ImageReward: how people would rate the image for its prompt, in standard deviations.
    ImageReward {
        /// The folder with `ImageReward.pt` or `ImageReward.safetensors`, and `med_config.json`.
        model: String,
        /// The folder with BERT's `vocab.txt` or `tokenizer.json`. Default: the model's.
        #[serde(default)]
        tokenizer: Option<String>,
    },
    /// Whether the image shows all that the prompt claims, 1 or 0, by a detector.
    GenEval,
    /// What raters prefer, as `moa fit` learned it of their judgements: a head on a CLIP's embeddings of image and prompt, in logits of
    /// choice.
    Preference {
        /// The folder that `moa fit` wrote.
        model: String,
        /// How far below its mean the reward stays where it is uncertain, in standard deviations. Default: 1.
        #[serde(default = "pessimism")]
        pessimism: f64,
        /// The CLIP that it was fitted on. Default: the one that its file names.
        #[serde(default)]
        clip: Option<String>,
    },
    /// What is preferred by those who judge while it is trained ([`FeedbackSpec`](super::FeedbackSpec)): fitted again each time they were
    /// asked, in logits of choice.
    Feedback {
        /// The CLIP that it sees by. Default: `emoji-32`, the built-in one.
        #[serde(default = "built_in")]
        clip: String,
        /// How far below its mean the reward stays where it is uncertain, in standard deviations. Default: 1.
        #[serde(default = "pessimism")]
        pessimism: f64,
    },
    /// The formula that stands for a person's taste where raters are simulated: of pixels alone, 0 to 1.
    Taste,
    /// Any program that speaks JSON lines.
    Program(ProgramSpec),
    /// Any service that answers JSON by POST.
    Http(HttpSpec),
    /// A model in an ONNX file.
    Onnx(OnnxSpec),
    /// A model behind a chat endpoint: the score that it gives an image, 0 to 1.
    AiScore(AiSpec),
}

fn jpeg_quality() -> u8 {
    95
}

fn built_in() -> String {
    super::BUILT_IN_BASE.into()
}

fn pessimism() -> f64 {
    1.0
}

/// How a run's rewards become one advantage per image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Combine {
    /// Each reward is standardised among the images of its prompt, then weighted and summed, and the sums are whitened
    /// over the batch (GDPO). Every reward pulls as its share says, whatever its units.
    #[default]
    Normalised,
    /// The raw rewards are weighted and summed, and the sums are standardised among the images of a prompt. The reward
    /// with the widest spread wins.
    RawSum,
}
