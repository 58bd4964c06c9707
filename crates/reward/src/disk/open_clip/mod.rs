//! CLIPs that OpenCLIP saved (<https://github.com/mlfoundations/open_clip>): one file, under OpenCLIP's names.
//!
//! Sizes are read off the tensors. What no tensor tells, the width of heads and the activation, is in `open_clip_config.json`
//! ([`settings`]); without that file it is what OpenCLIP's models of that width have, and the exact GELU.

mod settings;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::Device;
use moa_adapter::{Origin, Parameters};
use moa_diffusion::text::open_clip_layer;
use serde_json::{Value, json};

use super::json::within;
use super::processor::PictureProcessor;
use super::torch::StateDict;
use crate::{ClipConfig, RewardError};
pub(super) use settings::Settings;

/// Names outside the layers, and transformers'; whether the tensor is transposed.
const OUTSIDE: [(&str, &str, bool); 14] = [
    ("logit_scale", "logit_scale", false),
    ("token_embedding.weight", "text_model.embeddings.token_embedding.weight", false),
    ("positional_embedding", "text_model.embeddings.position_embedding.weight", false),
    ("ln_final.weight", "text_model.final_layer_norm.weight", false),
    ("ln_final.bias", "text_model.final_layer_norm.bias", false),
    ("text_projection", "text_projection.weight", true),
    ("visual.class_embedding", "vision_model.embeddings.class_embedding", false),
    ("visual.conv1.weight", "vision_model.embeddings.patch_embedding.weight", false),
    ("visual.positional_embedding", "vision_model.embeddings.position_embedding.weight", false),
    // Spelt so upstream.
    ("visual.ln_pre.weight", "vision_model.pre_layrnorm.weight", false),
    ("visual.ln_pre.bias", "vision_model.pre_layrnorm.bias", false),
    ("visual.ln_post.weight", "vision_model.post_layernorm.weight", false),
    ("visual.ln_post.bias", "vision_model.post_layernorm.bias", false),
    ("visual.proj", "visual_projection.weight", true),
];

/// Prefixes of layers, and transformers'.
const LAYERS: [(&str, &str); 2] = [
    ("transformer.resblocks.", "text_model.encoder.layers."),
    ("visual.transformer.resblocks.", "vision_model.encoder.layers."),
];

/// Layers of larger towers than there are.
const MOST_LAYERS: usize = 1 << 10;

/// A CLIP's file, open: its config and parameters as transformers would have them.
pub(super) struct OpenClip {
    pub(super) config: ClipConfig,
    pub(super) parameters: Parameters,
}

impl OpenClip {
    /// Opens `.safetensors`, or a state dict of `torch.save`; `processor` is the folder that may have `open_clip_config.json`.
    ///
    /// # Errors
    /// Refuses files that are neither, other models than plain CLIPs with a vision transformer, and settings that do not fit the
    /// tensors.
    pub(super) fn open(file: &Path, processor: &Path, device: &Device) -> Result<Self, RewardError> {
        let stored = open_tensors(file, device)?;
        let settings = Settings::find(file, processor)?;
        let config = config(&stored, &settings).map_err(|problem| RewardError::file(file, problem))?;
        let config = ClipConfig::read(&config.to_string()).map_err(|error| within(file, &error))?;
        Ok(Self { config, parameters: stored.view(origins(&stored)) })
    }
}

/// Returns the image processor of a file, and where it is from: what `open_clip_config.json` says, or else `preprocessor_config.json`,
/// or else OpenAI's.
///
/// # Errors
/// Says what moa does not know of it.
pub(super) fn processor(file: &Path, folder: &Path, side: usize) -> Result<(PictureProcessor, PathBuf), RewardError> {
    let settings = Settings::find(file, folder)?;
    if settings.path.is_none()
        && let Some(found) = PictureProcessor::look(&[folder.to_owned()])?
    {
        return Ok(found);
    }
    let path = settings.path.clone().unwrap_or_else(|| file.to_owned());
    let processor = PictureProcessor::parse(&path, &settings.processor(side))?;
    Ok((processor.cropped_as_torchvision(), path))
}

/// Opens a file's tensors by their names.
///
/// # Errors
/// Refuses files that are neither safetensors nor a state dict of `torch.save`.
pub(super) fn open_tensors(file: &Path, device: &Device) -> Result<Parameters, RewardError> {
    let ending = file.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default();
    match ending.as_str() {
        "safetensors" => Ok(Parameters::open(&[file.to_owned()], device)?),
        "pt" | "pth" | "bin" | "ckpt" => Ok(Parameters::of_file(Arc::new(StateDict::open(file)?), device)),
        _ => Err(RewardError::file(file, "name a .safetensors or .pt file with the model's state dict, or a folder")),
    }
}

/// Returns where each parameter comes from, by transformers' name.
fn origins(stored: &Parameters) -> BTreeMap<String, Origin> {
    let mut origins = BTreeMap::new();
    for tensor in stored.names() {
        if let Some((_, name, transposed)) = OUTSIDE.iter().find(|(from, ..)| *from == tensor) {
            let origin = if *transposed { Origin::Transposed(tensor) } else { Origin::Whole(tensor) };
            origins.insert((*name).to_owned(), origin);
            continue;
        }
        let of_layer = LAYERS.iter().find_map(|(from, to)| Some((to, tensor.strip_prefix(from)?.split_once('.')?)));
        if let Some((to, (layer, inside))) = of_layer {
            let below = |(name, origin)| (format!("{to}{layer}.{name}"), origin);
            origins.extend(open_clip_layer(&tensor, inside).into_iter().map(below));
        }
    }
    origins
}

/// Returns `config.json` as transformers would write it.
fn config(stored: &Parameters, settings: &Settings) -> Result<Value, String> {
    let size = |name: &str, axis: usize| {
        let found = stored.shape(name).and_then(|shape| shape.get(axis).copied());
        found.ok_or_else(|| missing(stored, name))
    };
    let layers =
        |prefix: &str| (0..MOST_LAYERS).take_while(|i| stored.has(&format!("{prefix}{i}.ln_1.weight"))).count();
    let [texts, pictures] = LAYERS.map(|(prefix, _)| prefix);
    let (width, patch) = (size("visual.conv1.weight", 0)?, size("visual.conv1.weight", 2)?);
    let patches = size("visual.positional_embedding", 0)?.saturating_sub(1);
    let side = patches.isqrt();
    if side * side != patches || patch == 0 {
        return Err(format!("its images have {patches} patches of {patch} × {patch} pixels: moa reads square images"));
    }
    let text = size("token_embedding.weight", 1)?;
    let vocabulary = size("token_embedding.weight", 0)?;
    let activation = if settings.quick_gelu { "quick_gelu" } else { "gelu" };
    let sizes = json!({
        "model_type": "clip", "projection_dim": size("visual.proj", 1)?,
        "text_config": {
            "vocab_size": vocabulary, "max_position_embeddings": size("positional_embedding", 0)?, "hidden_size": text,
            "intermediate_size": size(&format!("{texts}0.mlp.c_fc.weight"), 0)?, "num_hidden_layers": layers(texts),
            "num_attention_heads": settings.text_heads.unwrap_or((text / 64).max(1)), "hidden_act": activation,
            "layer_norm_eps": 1e-5, "eos_token_id": vocabulary.saturating_sub(1),
        },
        "vision_config": {
            "image_size": side * patch, "patch_size": patch, "num_channels": size("visual.conv1.weight", 1)?,
            "hidden_size": width, "intermediate_size": size(&format!("{pictures}0.mlp.c_fc.weight"), 0)?,
            "num_hidden_layers": layers(pictures), "hidden_act": activation, "layer_norm_eps": 1e-5,
            "num_attention_heads": (width / settings.head_width.unwrap_or(head_width(width))).max(1),
        },
    });
    settings.check(&sizes)?;
    Ok(sizes)
}

/// Returns the width of an image tower's heads in OpenCLIP's models of some width: ViT-H, ViT-g, ViT-bigG and ViT-e have others than 64.
fn head_width(width: usize) -> usize {
    match width {
        1280 => 80,
        1408 => 88,
        1664 => 104,
        1792 => 112,
        _ => 64,
    }
}

/// Says that a tensor is not there, and what the file is.
fn missing(stored: &Parameters, name: &str) -> String {
    let has = |part: &str| stored.names().iter().any(|name| name.contains(part));
    let found = if has("text_model.") {
        "it has transformers' names: name the folder that has it as model.safetensors beside config.json".to_owned()
    } else if has("visual.trunk.") || has("visual.layer1.") {
        "its image tower is no plain vision transformer".to_owned()
    } else if has("text.transformer.") {
        "its text tower is not CLIP's".to_owned()
    } else {
        let names = stored.names();
        format!("it has {}", names.iter().take(4).map(String::as_str).collect::<Vec<_>>().join(", "))
    };
    format!("there is no tensor `{name}`, as in files of OpenCLIP: {found}")
}
