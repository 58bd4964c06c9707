//! `model_index.json`: which family a pipeline is of, and the classes of its parts.

use serde_json::{Map, Value};

use super::family::{FAMILIES, Family, KNOWN, TextPart};
use super::unknown;
use crate::ConfigError;
use crate::schedule::ScheduleOwner;

pub(super) const FILE: &str = "model_index.json";

const VAES: &[&str] = &["AutoencoderKL", "AutoencoderTiny"];

/// A pipeline's index, checked.
#[derive(Clone, Debug)]
pub(super) struct ModelIndex {
    pub(super) family: &'static Family,
    /// Its text encoders, those that it may lack and lacks left out.
    pub(super) texts: Vec<&'static TextPart>,
    /// Whether there is an autoencoder; without one, pixels are folded into channels.
    pub(super) has_vae: bool,
    /// Whether zeros stand for no prompt.
    pub(super) zeros_for_no_prompt: bool,
    /// The scheduler's class, where it is named.
    pub(super) scheduler: Option<String>,
    /// Whether old configs of the scheduler are corrected.
    corrects_schedule: bool,
}

impl ModelIndex {
    /// Reads the index.
    ///
    /// - `has`: whether a text encoder that pipelines may lack is there and wanted
    ///
    /// # Errors
    /// Names the pipeline's or the part's class where it is unknown, and the part where it is missing.
    pub(super) fn read(json: &[u8], has: impl Fn(&TextPart) -> bool) -> Result<Self, ConfigError> {
        let index: Map<String, Value> =
            serde_json::from_slice(json).map_err(|source| ConfigError::Json { file: FILE, source })?;
        let found = index.get("_class_name").and_then(Value::as_str);
        let of_class =
            |family: &&Family| found.is_some_and(|found| found == family.class || family.other_class == Some(found));
        let family = FAMILIES
            .into_iter()
            .find(of_class)
            .ok_or_else(|| refuse("_class_name", found, found.and_then(unknown::wanted).unwrap_or(KNOWN)))?;
        let is_named = |text: &TextPart| index.get(text.part.folder).and_then(class).is_some();
        let is_there = |text: &&TextPart| !text.is_optional() || (is_named(text) && has(text));
        let texts: Vec<&TextPart> = family.texts.iter().filter(is_there).collect();
        for text in &texts {
            let [(tokenizers, of_tokenizer), (encoders, of_encoder)] = text.classes();
            check(&index, text.tokenizer, tokenizers, of_tokenizer)?;
            check(&index, text.part.folder, encoders, of_encoder)?;
        }
        let [denoiser, of_denoiser] = family.denoiser_class;
        check(&index, family.denoiser.folder, &[denoiser], of_denoiser)?;
        let has_vae = index.get("vae").is_some_and(|vae| class(vae).is_some());
        if has_vae {
            check(&index, "vae", VAES, "AutoencoderKL and AutoencoderTiny are known")?;
        } else if family.needs_vae {
            return Err(refuse("vae", None, "the model's samples are latents, which its autoencoder decodes"));
        }
        let flag = |name: &str| index.get(name).and_then(Value::as_bool);
        if flag("requires_aesthetics_score") == Some(true) {
            let wanted = "a refiner takes images, not noise: name the base model instead";
            return Err(refuse("requires_aesthetics_score", Some("true"), wanted));
        }
        let zeros_for_no_prompt = family.zeros_for_no_prompt && flag("force_zeros_for_empty_prompt").unwrap_or(true);
        let scheduler = index.get("scheduler").and_then(class).map(str::to_owned);
        let corrects_schedule = family.corrects_schedule && found == Some(family.class);
        Ok(Self { family, texts, has_vae, zeros_for_no_prompt, scheduler, corrects_schedule })
    }

    /// Returns what a scheduler's config is read with.
    pub(super) fn schedule_owner(&self) -> ScheduleOwner<'_> {
        ScheduleOwner { class: self.scheduler.as_deref(), corrects: self.corrects_schedule }
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
