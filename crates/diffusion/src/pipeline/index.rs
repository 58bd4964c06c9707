//! `model_index.json`: which family a pipeline is of, and the classes of its parts.

use serde_json::{Map, Value};

use crate::ConfigError;
use crate::schedule::ScheduleOwner;

pub(super) const FILE: &str = "model_index.json";

/// A family of pipelines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// Stable Diffusion 1 and 2, and `emoji-32`.
    StableDiffusion,
    /// Stable Diffusion XL.
    Xl,
    /// Stable Diffusion 3 and 3.5.
    Sd3,
}

/// A part of a pipeline whose class is checked: the name of its folder, and the classes that are known.
type Part = (&'static str, &'static [&'static str], &'static str);

const TOKENIZERS: &[&str] = &["CLIPTokenizer", "CLIPTokenizerFast"];
const ONE: &[Part] = &[
    ("tokenizer", TOKENIZERS, "CLIPTokenizer is known"),
    ("text_encoder", &["CLIPTextModel"], "CLIPTextModel is known"),
    ("unet", &["UNet2DConditionModel"], "UNet2DConditionModel is known"),
];
const TWO: &[Part] = &[
    ("tokenizer_2", TOKENIZERS, "CLIPTokenizer is known"),
    ("text_encoder_2", &["CLIPTextModelWithProjection"], "CLIPTextModelWithProjection is known"),
];
const SD3: &[Part] = &[
    ("tokenizer", TOKENIZERS, "CLIPTokenizer is known"),
    ("tokenizer_2", TOKENIZERS, "CLIPTokenizer is known"),
    ("text_encoder", &["CLIPTextModelWithProjection"], "CLIPTextModelWithProjection is known"),
    ("text_encoder_2", &["CLIPTextModelWithProjection"], "CLIPTextModelWithProjection is known"),
    ("transformer", &["SD3Transformer2DModel"], "SD3Transformer2DModel is known"),
];
const VAES: &[&str] = &["AutoencoderKL", "AutoencoderTiny"];

/// A pipeline's index, checked.
#[derive(Clone, Debug)]
pub(super) struct ModelIndex {
    pub(super) family: Family,
    /// Whether there is an autoencoder; without one, pixels are folded into channels.
    pub(super) has_vae: bool,
    /// Whether zeros stand for no prompt.
    pub(super) zeros_for_empty_prompt: bool,
    /// The scheduler's class, where it is named.
    pub(super) scheduler: Option<String>,
}

impl ModelIndex {
    /// Reads the index.
    ///
    /// # Errors
    /// Names the pipeline's or the part's class where it is unknown, and the part where it is missing.
    pub(super) fn read(json: &[u8]) -> Result<Self, ConfigError> {
        let index: Map<String, Value> =
            serde_json::from_slice(json).map_err(|source| ConfigError::Json { file: FILE, source })?;
        let family = match index.get("_class_name").and_then(Value::as_str) {
            Some("StableDiffusionPipeline") => Family::StableDiffusion,
            Some("StableDiffusionXLPipeline") => Family::Xl,
            Some("StableDiffusion3Pipeline") => Family::Sd3,
            other => {
                let wanted =
                    "StableDiffusionPipeline, StableDiffusionXLPipeline and StableDiffusion3Pipeline are known";
                return Err(refuse("_class_name", other, wanted));
            }
        };
        let parts = match family {
            Family::StableDiffusion => vec![ONE],
            Family::Xl => vec![ONE, TWO],
            Family::Sd3 => vec![SD3],
        };
        for (part, classes, wanted) in parts.into_iter().flatten() {
            check(&index, part, classes, wanted)?;
        }
        let has_vae = index.get("vae").is_some_and(|vae| class(vae).is_some());
        if has_vae {
            check(&index, "vae", VAES, "AutoencoderKL and AutoencoderTiny are known")?;
        } else if family != Family::StableDiffusion {
            return Err(refuse("vae", None, "Stable Diffusion XL and 3 need their autoencoders"));
        }
        let flag = |name: &str| index.get(name).and_then(Value::as_bool);
        if flag("requires_aesthetics_score") == Some(true) {
            let wanted = "a refiner takes images, not noise: name the base model instead";
            return Err(refuse("requires_aesthetics_score", Some("true"), wanted));
        }
        let zeros_for_empty_prompt = flag("force_zeros_for_empty_prompt").unwrap_or(true);
        let scheduler = index.get("scheduler").and_then(class).map(str::to_owned);
        Ok(Self { family, has_vae, zeros_for_empty_prompt, scheduler })
    }
}

impl ModelIndex {
    /// Returns what a scheduler's config is read with.
    pub(super) fn schedule_owner(&self) -> ScheduleOwner<'_> {
        ScheduleOwner { class: self.scheduler.as_deref(), corrects: self.family == Family::StableDiffusion }
    }
}

/// Returns the class of a part, which is `[library, class]`, both `null` where there is no such part.
fn class(part: &Value) -> Option<&str> {
    part.get(1)?.as_str()
}

fn check(
    index: &Map<String, Value>,
    part: &'static str,
    classes: &[&str],
    wanted: &'static str,
) -> Result<(), ConfigError> {
    match index.get(part).and_then(class) {
        Some(class) if classes.contains(&class) => Ok(()),
        other => Err(refuse(part, other, wanted)),
    }
}

fn refuse(field: &'static str, value: Option<&str>, wanted: &'static str) -> ConfigError {
    ConfigError::Field { file: FILE, field, value: value.unwrap_or("absent").to_owned(), wanted }
}
