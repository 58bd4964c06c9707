//! The denoiser's names: numbered input and output blocks become blocks of one resolution with their layers.

use moa_adapter::{Origin, Parameters};
use serde_json::json;

use super::{Family, Part, below, count, renamed, size};

const PREFIX: &str = "model.diffusion_model.";

/// Names outside the blocks.
const OUTSIDE: [(&str, &str); 7] = [
    ("time_embed.0.", "time_embedding.linear_1."),
    ("time_embed.2.", "time_embedding.linear_2."),
    ("label_emb.0.0.", "add_embedding.linear_1."),
    ("label_emb.0.2.", "add_embedding.linear_2."),
    ("input_blocks.0.0.", "conv_in."),
    ("out.0.", "conv_norm_out."),
    ("out.2.", "conv_out."),
];

/// Names inside a residual block.
const RESNET: [(&str, &str); 6] = [
    ("in_layers.0.", "norm1."),
    ("in_layers.2.", "conv1."),
    ("emb_layers.1.", "time_emb_proj."),
    ("out_layers.0.", "norm2."),
    ("out_layers.3.", "conv2."),
    ("skip_connection.", "conv_shortcut."),
];

/// Returns diffusers' name of a parameter of the denoiser. `layers` is the number of residual blocks of each resolution on
/// the way down.
fn name(original: &str, layers: usize) -> Option<String> {
    if let Some(name) = renamed(original, &OUTSIDE) {
        return Some(name);
    }
    let mut parts = original.splitn(4, '.');
    let (way, block) = (parts.next()?, parts.next()?.parse::<usize>().ok()?);
    let (layer, rest) = (parts.next()?, parts.next());
    let of_block = |number: usize| (number / (layers + 1), number % (layers + 1));
    if way == "middle_block" {
        let rest = original.splitn(3, '.').nth(2)?;
        return match block {
            0 | 2 => Some(format!("mid_block.resnets.{}.{}", block / 2, renamed(rest, &RESNET)?)),
            1 => Some(format!("mid_block.attentions.0.{rest}")),
            _ => None,
        };
    }
    let (up, (block, index)) = match way {
        "input_blocks" => ("down_blocks", of_block(block.checked_sub(1)?)),
        "output_blocks" => ("up_blocks", of_block(block)),
        _ => return None,
    };
    let rest = rest?;
    if let Some(rest) = rest.strip_prefix("op.").filter(|_| layer == "0") {
        return Some(format!("{up}.{block}.downsamplers.0.conv.{rest}"));
    }
    if let Some(rest) = rest.strip_prefix("conv.").filter(|_| layer != "0") {
        return Some(format!("{up}.{block}.upsamplers.0.conv.{rest}"));
    }
    match layer {
        "0" => Some(format!("{up}.{block}.resnets.{index}.{}", renamed(rest, &RESNET)?)),
        "1" => Some(format!("{up}.{block}.attentions.{index}.{rest}")),
        _ => None,
    }
}

/// The blocks of a denoiser, one of each for every resolution, finest first.
struct Blocks {
    /// Residual blocks of each resolution on the way down.
    layers: usize,
    channels: Vec<usize>,
    down: Vec<&'static str>,
    up: Vec<&'static str>,
    /// Transformer blocks of each spatial transformer.
    depths: Vec<usize>,
    /// Width of the text states.
    context: usize,
}

impl Blocks {
    /// Reads the blocks off the tensors.
    fn read(p: &Parameters) -> Result<Self, String> {
        let has = |i: usize, rest: &str| p.has(&format!("input_blocks.{i}.0.{rest}.weight"));
        let inputs = count(|i| i == 0 || has(i, "in_layers.0") || has(i, "op"));
        let halves: Vec<usize> = (0..inputs).filter(|i| has(*i, "op")).collect();
        let layers = halves.first().map_or(inputs, |first| *first).saturating_sub(1);
        if layers == 0 || halves.iter().enumerate().any(|(block, i)| *i != (block + 1) * (layers + 1)) {
            return Err("its denoiser has not equally many layers in every block: that is of no known layout".into());
        }
        let mut blocks =
            Self { layers, channels: Vec::new(), down: Vec::new(), up: Vec::new(), depths: Vec::new(), context: 0 };
        for block in 0..=halves.len() {
            let input = format!("input_blocks.{}", 1 + block * (layers + 1));
            let output = format!("output_blocks.{}", block * (layers + 1));
            let depth = count(|i| p.has(&format!("{input}.1.transformer_blocks.{i}.norm1.weight")));
            let attends = p.has(&format!("{output}.1.norm.weight"));
            blocks.channels.push(size(p, &format!("{input}.0.out_layers.3.weight"), 0)?);
            blocks.down.push(if depth > 0 { "CrossAttnDownBlock2D" } else { "DownBlock2D" });
            blocks.up.push(if attends { "CrossAttnUpBlock2D" } else { "UpBlock2D" });
            blocks.depths.push(depth.max(1));
        }
        blocks.context = size(p, "middle_block.1.transformer_blocks.0.attn2.to_k.weight", 1)?;
        Ok(blocks)
    }
}

/// Returns the denoiser. `velocity` tells Stable Diffusion 2's two sizes apart.
pub(super) fn part(parameters: &Parameters, family: Family, velocity: bool) -> Result<Part, String> {
    let p = parameters.at(PREFIX.trim_end_matches('.'));
    let blocks = Blocks::read(&p)?;
    let (d_in, d_out) = (size(&p, "input_blocks.0.0.weight", 1)?, size(&p, "out.2.weight", 0)?);
    if d_in != d_out {
        return Err(format!(
            "its denoiser takes {d_in} channels and predicts {d_out}: models for inpainting or editing take images; name a \
             text-to-image model"
        ));
    }
    let heads = match family {
        Family::Sd1 => json!(8),
        Family::Sd2 | Family::Xl => blocks.channels.iter().map(|channels| channels / 64).collect(),
    };
    let mut config = json!({
        "_class_name": "UNet2DConditionModel",
        "sample_size": match family {
            Family::Sd1 => 64,
            Family::Sd2 => if velocity { 96 } else { 64 },
            Family::Xl => 128,
        },
        "in_channels": d_in, "out_channels": d_out,
        "block_out_channels": blocks.channels, "down_block_types": blocks.down, "up_block_types": blocks.up,
        "layers_per_block": blocks.layers, "cross_attention_dim": blocks.context, "attention_head_dim": heads,
        "use_linear_projection": p.shape("middle_block.1.proj_in.weight").is_some_and(|shape| shape.len() == 2),
        "transformer_layers_per_block": blocks.depths, "norm_num_groups": 32, "norm_eps": 1e-5, "act_fn": "silu",
        "flip_sin_to_cos": true, "freq_shift": 0,
    });
    if family == Family::Xl {
        config["addition_embed_type"] = "text_time".into();
        config["addition_time_embed_dim"] = 256.into();
        config["projection_class_embeddings_input_dim"] = size(&p, "label_emb.0.0.weight", 1)?.into();
    }
    let origin = |original: String| {
        let name = name(&original, blocks.layers);
        let original = format!("{PREFIX}{original}");
        let unknown =
            || format!("tensor `{original}` is of no known denoiser: plain Stable Diffusion 1, 2 and XL are known");
        Ok((name.ok_or_else(unknown)?, Origin::Whole(original)))
    };
    let origins = below(parameters, PREFIX).map(origin).collect::<Result<_, String>>()?;
    Ok(Part { config, origins })
}
