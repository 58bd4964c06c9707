//! The text encoders' names: transformers' own in OpenAI's CLIP, and OpenCLIP's with fused projections.

use std::collections::BTreeMap;

use moa_adapter::{Origin, Parameters};
use serde_json::{Value, json};

use super::family::{SD1_TEXT, SD2_TEXT, XL_TEXTS};
use super::{Family, Part, below, count, size};
use crate::text::open_clip_layer;

/// Names outside OpenCLIP's layers.
const OUTSIDE: [(&str, &str); 4] = [
    ("positional_embedding", "text_model.embeddings.position_embedding.weight"),
    ("token_embedding.weight", "text_model.embeddings.token_embedding.weight"),
    ("ln_final.weight", "text_model.final_layer_norm.weight"),
    ("ln_final.bias", "text_model.final_layer_norm.bias"),
];

/// Returns the text encoders of a family, in order.
pub(super) fn parts(parameters: &Parameters, family: Family) -> Result<Vec<Part>, String> {
    match family {
        Family::Sd1 => Ok(vec![clip(parameters, SD1_TEXT)?]),
        // The last layer was not used in training; diffusers leaves it out.
        Family::Sd2 => Ok(vec![open_clip(parameters, SD2_TEXT, 1, false)?]),
        Family::Xl => Ok(vec![clip(parameters, XL_TEXTS[0])?, open_clip(parameters, XL_TEXTS[1], 0, true)?]),
    }
}

/// Returns a config; heads are 64 wide in every CLIP. The end token is the largest id, which the historical 2 stands for.
fn config(vocab: usize, tokens: usize, width: usize, inner: usize, layers: usize, activation: &str) -> Value {
    json!({
        "model_type": "clip_text_model", "vocab_size": vocab, "max_position_embeddings": tokens, "hidden_size": width,
        "intermediate_size": inner, "num_hidden_layers": layers, "num_attention_heads": (width / 64).max(1),
        "hidden_act": activation, "layer_norm_eps": 1e-5, "eos_token_id": 2, "projection_dim": width,
    })
}

/// Returns OpenAI's CLIP below a prefix: its names are transformers' already.
fn clip(parameters: &Parameters, prefix: &str) -> Result<Part, String> {
    let p = parameters.at(format_args!("{prefix}text_model"));
    let (tokens, positions) = ("embeddings.token_embedding.weight", "embeddings.position_embedding.weight");
    let layers = count(|i| p.has(&format!("encoder.layers.{i}.mlp.fc1.weight")));
    let (vocab, width) = (size(&p, tokens, 0)?, size(&p, tokens, 1)?);
    let inner = size(&p, "encoder.layers.0.mlp.fc1.weight", 0)?;
    let config = config(vocab, size(&p, positions, 0)?, width, inner, layers, "quick_gelu");
    let origin = |name: String| (name.clone(), Origin::Whole(format!("{prefix}{name}")));
    let origins = below(parameters, prefix).filter(|name| !name.ends_with("position_ids")).map(origin).collect();
    Ok(Part { config, origins })
}

/// Returns OpenCLIP below a prefix, without its last `unused` layers.
fn open_clip(parameters: &Parameters, prefix: &str, unused: usize, projects: bool) -> Result<Part, String> {
    let p = parameters.at(prefix.trim_end_matches('.'));
    let stored = count(|i| p.has(&format!("transformer.resblocks.{i}.mlp.c_fc.weight")));
    let layers = stored.saturating_sub(unused);
    let (vocab, width) = (size(&p, "token_embedding.weight", 0)?, size(&p, "token_embedding.weight", 1)?);
    let inner = size(&p, "transformer.resblocks.0.mlp.c_fc.weight", 0)?;
    let mut config = config(vocab, size(&p, "positional_embedding", 0)?, width, inner, layers, "gelu");
    let mut origins = BTreeMap::new();
    if projects {
        config["projection_dim"] = size(&p, "text_projection", 1)?.into();
        origins.insert("text_projection.weight".into(), Origin::Transposed(format!("{prefix}text_projection")));
    }
    for original in below(parameters, prefix) {
        origins.extend(named(&original, &format!("{prefix}{original}"), layers));
    }
    Ok(Part { config, origins })
}

/// Returns transformers' names of a parameter of OpenCLIP, with what each is made of; none of what the model does not need.
fn named(original: &str, tensor: &str, layers: usize) -> Vec<(String, Origin)> {
    if let Some((_, name)) = OUTSIDE.iter().find(|(from, _)| *from == original) {
        return vec![((*name).to_owned(), Origin::Whole(tensor.to_owned()))];
    }
    let in_layer = original.strip_prefix("transformer.resblocks.").and_then(|rest| rest.split_once('.'));
    let Some((layer, rest)) = in_layer.filter(|(layer, _)| layer.parse().is_ok_and(|layer: usize| layer < layers))
    else {
        return Vec::new();
    };
    let below = |(name, origin)| (format!("text_model.encoder.layers.{layer}.{name}"), origin);
    open_clip_layer(tensor, rest).into_iter().map(below).collect()
}
