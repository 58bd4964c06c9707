//! `open_clip_config.json`: what the tensors of a CLIP do not tell.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::super::json::read_object;
use crate::RewardError;

const FILE: &str = "open_clip_config.json";

/// Fields of a tower that change nothing but sizes, or that matter in training alone.
const KNOWN: [&str; 13] = [
    "image_size",
    "layers",
    "width",
    "head_width",
    "heads",
    "mlp_ratio",
    "patch_size",
    "patch_dropout",
    "output_tokens",
    "context_length",
    "vocab_size",
    "hf_tokenizer_name",
    "tokenizer_kwargs",
];

/// Fields that say what a plain CLIP does, with that value.
const PLAIN: [(&str, &str); 5] = [
    ("pool_type", "tok"),
    ("pool_type", "argmax"),
    ("pos_embed_type", "learnable"),
    ("proj_type", "linear"),
    ("text_arch", "clip"),
];

/// What `open_clip_config.json` says of a model, or what holds without it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in super::super) struct Settings {
    /// The file; nothing where there is none.
    pub(in super::super) path: Option<PathBuf>,
    pub(super) quick_gelu: bool,
    /// Of the image tower.
    pub(super) head_width: Option<usize>,
    pub(super) text_heads: Option<usize>,
    model: Value,
    preprocessing: Value,
}

impl Settings {
    /// Reads `open_clip_config.json` in the processor's folder, or else beside the model's file.
    ///
    /// # Errors
    /// Refuses what is no such file, and models that are more than a plain CLIP.
    pub(in super::super) fn find(file: &Path, processor: &Path) -> Result<Self, RewardError> {
        let beside = file.parent().map(|folder| folder.join(FILE));
        let path = [Some(processor.join(FILE)), beside].into_iter().flatten().find(|path| path.is_file());
        let Some(path) = path else { return Ok(Self::default()) };
        let found = read_object(&path)?;
        let model = if found["model_cfg"].is_object() { found["model_cfg"].clone() } else { found.clone() };
        let refuse = |problem: String| RewardError::file(&path, problem);
        for tower in ["vision_cfg", "text_cfg"] {
            let Some(fields) = model[tower].as_object() else {
                return Err(refuse(format!("it has no `{tower}`: is it OpenCLIP's config of a model?")));
            };
            if let Some((field, value)) = unknown(fields) {
                let problem = format!("`{tower}.{field}` is {value}: moa reads plain CLIPs with a vision transformer");
                return Err(refuse(problem));
            }
        }
        let number = |tower: &str, field: &str| match &model[tower][field] {
            Value::Null => Ok(None),
            value => match value.as_u64().filter(|number| (1..=1 << 16).contains(number)) {
                Some(number) => Ok(Some(number as usize)),
                None => Err(refuse(format!("`{tower}.{field}` is {value}: give a whole number from 1"))),
            },
        };
        Ok(Self {
            quick_gelu: model["quick_gelu"].as_bool().unwrap_or(false),
            head_width: number("vision_cfg", "head_width")?,
            text_heads: number("text_cfg", "heads")?,
            preprocessing: found["preprocess_cfg"].clone(),
            model,
            path: Some(path),
        })
    }

    /// Refuses settings that contradict the tensors, whose sizes are in a config of transformers' form.
    pub(super) fn check(&self, sizes: &Value) -> Result<(), String> {
        let pairs = [
            ("vision_cfg", "width", "vision_config", "hidden_size"),
            ("vision_cfg", "layers", "vision_config", "num_hidden_layers"),
            ("vision_cfg", "patch_size", "vision_config", "patch_size"),
            ("vision_cfg", "image_size", "vision_config", "image_size"),
            ("text_cfg", "width", "text_config", "hidden_size"),
            ("text_cfg", "layers", "text_config", "num_hidden_layers"),
            ("text_cfg", "vocab_size", "text_config", "vocab_size"),
        ];
        for (part, field, of, size) in pairs {
            let (said, found) = (&self.model[part][field], &sizes[of][size]);
            if said.is_u64() && said != found {
                let file = self.path.as_deref().unwrap_or(Path::new(FILE)).display();
                return Err(format!(
                    "`{part}.{field}` is {said} in {file}, and {found} in the tensors: are both of one model?"
                ));
            }
        }
        Ok(())
    }

    /// Returns the image processor that OpenCLIP makes of the settings, in the form of `preprocessor_config.json`, for images of
    /// `side` × `side` pixels.
    pub(super) fn processor(&self, side: usize) -> Value {
        let said = &self.preprocessing;
        let resample = match said["interpolation"].as_str() {
            Some("bilinear") => 2,
            _ => 3,
        };
        let square = json!({ "height": side, "width": side });
        let squash = said["resize_mode"] == "squash";
        json!({
            "size": if squash { square.clone() } else { json!({ "shortest_edge": side }) },
            "crop_size": square, "resample": resample, "image_mean": said["mean"], "image_std": said["std"],
        })
    }
}

/// Returns the first field that a plain CLIP does not have, with its value.
fn unknown(fields: &Map<String, Value>) -> Option<(&String, &Value)> {
    let is_plain = |field: &str, value: &Value| {
        KNOWN.contains(&field)
            || matches!(value, Value::Null | Value::Bool(false))
            || PLAIN.iter().any(|(name, plain)| *name == field && value == plain)
    };
    fields.iter().find(|(field, value)| !is_plain(field, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_plain_clip_does_not_have_is_found() {
        let fields = |value: Value| value.as_object().cloned().unwrap_or_default();
        assert_eq!(unknown(&fields(json!({ "width": 9, "pool_type": "tok", "attentional_pool": false }))), None);
        let with = fields(json!({ "layers": 2, "timm_model_name": "vit" }));
        assert_eq!(unknown(&with).map(|(field, _)| field.as_str()), Some("timm_model_name"));
        assert!(unknown(&fields(json!({ "pool_type": "avg" }))).is_some());
    }
}
