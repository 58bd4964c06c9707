//! `config.json` of a `CLIPModel` or a safety checker, with the defaults of transformers.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::json::{read_object, within};
use crate::{ClipConfig, RewardError};

/// Reads a folder's `config.json`. Values that transformers leaves out are its `CLIPConfig`'s, and `text_config_dict` and
/// `vision_config_dict` go before `text_config` and `vision_config`, as they do there.
///
/// # Errors
/// Refuses folders without that file, other models than CLIP, and impossible values.
pub(super) fn read_config(folder: &Path) -> Result<ClipConfig, RewardError> {
    let path = folder.join("config.json");
    if !path.is_file() {
        let problem = if folder.join("model_index.json").is_file() {
            "it is a whole pipeline: name the folder of a CLIPModel of transformers, such as hf:openai/clip-vit-large-patch14 \
             (a pipeline's text_encoder is half of one: it reads no images)"
        } else {
            "it has no config.json: name the folder of a CLIP that transformers saved"
        };
        return Err(RewardError::file(folder, problem));
    }
    let mut found = read_object(&path)?;
    let kind = found["model_type"].as_str().unwrap_or("not given");
    if kind != "clip" {
        let problem = format!("`model_type` is {kind}: moa reads clip; name the folder of a CLIPModel of transformers");
        return Err(RewardError::file(path, problem));
    }
    let (text, vision) =
        (tower(&found, "text_config", &text_defaults()), tower(&found, "vision_config", &vision_defaults()));
    found["text_config"] = text;
    found["vision_config"] = vision;
    if found["projection_dim"].is_null() {
        found["projection_dim"] = json!(512);
    }
    let text = found.to_string();
    ClipConfig::read(&text).map_err(|error| within(&path, &error))
}

/// Returns a tower's config: the defaults, with what the file says over them.
fn tower(found: &Value, name: &str, defaults: &Value) -> Value {
    let mut config: Map<String, Value> = defaults.as_object().cloned().unwrap_or_default();
    for part in [&found[name], &found[format!("{name}_dict")]] {
        let given = part.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
        config.extend(given.map(|(key, value)| (key.clone(), value.clone())));
    }
    Value::Object(config)
}

fn text_defaults() -> Value {
    json!({
        "vocab_size": 49408, "hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 12,
        "num_attention_heads": 8, "max_position_embeddings": 77, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5,
        "eos_token_id": 49407,
    })
}

fn vision_defaults() -> Value {
    json!({
        "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12,
        "num_channels": 3, "image_size": 224, "patch_size": 32, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_left_out_are_those_of_transformers_and_the_dicts_go_first() {
        let found = json!({
            "vision_config": { "patch_size": 14, "hidden_size": 1024, "image_size": null },
            "vision_config_dict": { "hidden_size": 1280 },
        });
        let config = tower(&found, "vision_config", &vision_defaults());
        assert_eq!(config["patch_size"], 14);
        assert_eq!(config["hidden_size"], 1280);
        assert_eq!(config["image_size"], 224);
        assert_eq!(tower(&found, "text_config", &text_defaults()), text_defaults());
    }
}
