//! What a file says of itself in its header, and what its shapes say.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Component, Contents, Target};
use crate::family::{Family, Named, Part};

/// What is known of a file besides its layers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// The family that names and shapes of layers belong to, and which.
    pub by_shapes: Option<(Family, String)>,
    /// The family that the header names, and in which words.
    pub by_header: Option<(Family, String)>,
    /// The program that wrote it.
    pub trainer: Option<String>,
    /// The words that stand most often in the captions that it was trained on, with how often.
    pub words: Vec<(String, u64)>,
    /// Texts on what it is and how it is meant to be used (`modelspec.…`), by key without prefix.
    pub texts: BTreeMap<String, String>,
}

/// How many words are listed.
const WORDS: usize = 10;
/// The longest text.
const LONGEST: usize = 300;
/// Texts of <https://github.com/Stability-AI/ModelSpec> that are passed on.
const TEXTS: [&str; 9] =
    ["title", "author", "date", "description", "license", "tags", "trigger_phrase", "usage_hint", "merged_from"];

impl Contents<'_> {
    /// Returns what the file says of itself, and what its shapes say. Texts come without control characters, and are cut.
    pub fn about(&self) -> About {
        let get = |key: &str| self.metadata.get(key).map(String::as_str).filter(|text| !text.is_empty());
        let texts = TEXTS.iter().filter_map(|key| Some(((*key).to_owned(), plain(get(&format!("modelspec.{key}"))?))));
        About {
            by_shapes: self.by_shapes(),
            by_header: by_header(get),
            trainer: trainer(self, get),
            words: get("ss_tag_frequency").map(words).unwrap_or_default(),
            texts: texts.collect(),
        }
    }

    fn by_shapes(&self) -> Option<(Family, String)> {
        let layers = self.layers.iter().flat_map(|layer| {
            let inputs = layer.parts.iter().find(|part| part.target == Target::Weight).map(super::Part::shape);
            let inputs = inputs.and_then(|shape| shape.get(1).copied());
            let part = match layer.component {
                Component::UNet => Part::UNet,
                Component::Transformer => Part::Transformer,
                _ => Part::Text,
            };
            layer.canonical.iter().chain([&layer.name]).map(move |name| Named { part, name, inputs })
        });
        Family::of(&layers.collect::<Vec<_>>())
    }
}

fn by_header<'t>(get: impl Fn(&str) -> Option<&'t str>) -> Option<(Family, String)> {
    // Beginnings, the longest first.
    const NAMES: [(&str, Family); 16] = [
        ("sdxl", Family::SdXl),
        ("sd_v1", Family::Sd1),
        ("sd_v2", Family::Sd2),
        ("sd_1.5", Family::Sd1),
        ("sd3.5-medium", Family::Sd35Medium),
        ("sd3.5-large", Family::Sd35Large),
        ("sd3.5", Family::Sd3),
        ("sd3", Family::Sd3),
        ("flux", Family::Flux1),
        ("stable-diffusion-xl-v1-refiner", Family::SdXlRefiner),
        ("stable-diffusion-xl", Family::SdXl),
        ("stable-diffusion-v1", Family::Sd1),
        ("stable-diffusion-v2", Family::Sd2),
        ("stable-diffusion-3", Family::Sd3),
        ("qwen", Family::QwenImage),
        ("wan", Family::Wan),
    ];
    for key in ["ss_base_model_version", "modelspec.architecture"] {
        let Some(text) = get(key) else { continue };
        if let Some((_, family)) = NAMES.iter().find(|(start, _)| text.to_lowercase().starts_with(start)) {
            return Some((*family, format!("{key}: {}", plain(text))));
        }
    }
    let version = get("ss_v2")?;
    (version == "True").then(|| (Family::Sd2, "ss_v2: True".to_owned()))
}

/// Returns what wrote a file, from the marks that programs leave.
fn trainer<'t>(contents: &Contents<'_>, get: impl Fn(&str) -> Option<&'t str>) -> Option<String> {
    let any = |start: &str| contents.metadata.keys().any(|key| key.starts_with(start));
    if any("moa.") {
        return Some("moa".into());
    }
    if any("ot_") {
        return Some("OneTrainer".into());
    }
    if let Some(software) = get("software") {
        let value = serde_json::from_str::<Value>(software).ok();
        return Some(value.and_then(|value| value["name"].as_str().map(plain)).unwrap_or_else(|| plain(software)));
    }
    if let Some(module) = get("ss_network_module") {
        let by = if module.starts_with("lycoris") { "LyCORIS in kohya's sd-scripts" } else { "kohya's sd-scripts" };
        return Some(format!("{by} ({})", plain(module)));
    }
    if let Some(implementation) = get("modelspec.implementation") {
        return Some(plain(implementation));
    }
    if get("lora_adapter_metadata").is_some() {
        return Some("diffusers or peft".into());
    }
    contents.base.as_ref().map(|_| "peft, or a program that writes its format".into())
}

/// Returns the most frequent captions' parts: the counts of all folders together.
fn words(text: &str) -> Vec<(String, u64)> {
    let Ok(Value::Object(folders)) = serde_json::from_str::<Value>(text) else { return Vec::new() };
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for (word, count) in folders.values().filter_map(Value::as_object).flatten() {
        let sum = counts.entry(plain(word.trim())).or_default();
        *sum = sum.saturating_add(count.as_u64().unwrap_or(0));
    }
    let mut counts: Vec<(String, u64)> =
        counts.into_iter().filter(|(word, count)| !word.is_empty() && *count > 0).collect();
    counts.sort_by(|(one, count), (other, next)| next.cmp(count).then_with(|| one.cmp(other)));
    counts.truncate(WORDS);
    counts
}

/// Returns a text of the file as it may be shown: in one line, without control characters, and not too long.
fn plain(text: &str) -> String {
    let one_line = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    let text: String = one_line.take(LONGEST).collect();
    text.trim().to_owned()
}
