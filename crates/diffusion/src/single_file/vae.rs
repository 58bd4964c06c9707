//! The autoencoder's names.

use moa_adapter::{Origin, Parameters};
use serde_json::json;

use super::{Family, Part, below, count, renamed, size};

const PREFIX: &str = "first_stage_model.";

/// Names inside the middle block.
const MIDDLE: [(&str, &str); 7] = [
    ("block_1.", "resnets.0."),
    ("block_2.", "resnets.1."),
    ("attn_1.norm.", "attentions.0.group_norm."),
    ("attn_1.q.", "attentions.0.to_q."),
    ("attn_1.k.", "attentions.0.to_k."),
    ("attn_1.v.", "attentions.0.to_v."),
    ("attn_1.proj_out.", "attentions.0.to_out.0."),
];

/// Returns diffusers' name of a parameter of the autoencoder with this many blocks; nothing of what only training needed.
fn name(original: &str, blocks: usize) -> Option<String> {
    let shortcut = |name: &str| name.replacen("nin_shortcut.", "conv_shortcut.", 1);
    let (half, rest) = original.split_once('.')?;
    match half {
        "quant_conv" | "post_quant_conv" => return Some(original.to_owned()),
        "encoder" | "decoder" => (),
        _ => return None,
    }
    if let Some(rest) =
        renamed(rest, &[("norm_out.", "conv_norm_out."), ("conv_in.", "conv_in."), ("conv_out.", "conv_out.")])
    {
        return Some(format!("{half}.{rest}"));
    }
    if let Some(rest) = rest.strip_prefix("mid.") {
        return Some(format!("{half}.mid_block.{}", shortcut(&renamed(rest, &MIDDLE)?)));
    }
    let (way, rest) = rest.split_once('.')?;
    let (block, rest) = rest.split_once('.')?;
    let block: usize = block.parse().ok()?;
    let (way, block, moves) = match way {
        "down" => ("down_blocks", block, [("block.", "resnets."), ("downsample.", "downsamplers.0.")]),
        "up" => ("up_blocks", blocks.checked_sub(block + 1)?, [("block.", "resnets."), ("upsample.", "upsamplers.0.")]),
        _ => return None,
    };
    Some(format!("{half}.{way}.{block}.{}", shortcut(&renamed(rest, &moves)?)))
}

/// Returns the autoencoder.
pub(super) fn part(parameters: &Parameters, family: Family) -> Result<Part, String> {
    let p = parameters.at(PREFIX.trim_end_matches('.'));
    let block = |i: usize| format!("encoder.down.{i}.block");
    let blocks = count(|i| p.has(&format!("{}.0.conv1.weight", block(i))));
    let layers = count(|i| p.has(&format!("{}.{i}.conv1.weight", block(0))));
    if blocks == 0 {
        return Err(format!("it holds no autoencoder (`{PREFIX}encoder…`): name a file that holds the whole model"));
    }
    let channels =
        (0..blocks).map(|i| size(&p, &format!("{}.0.conv1.weight", block(i)), 0)).collect::<Result<Vec<_>, _>>()?;
    let config = json!({
        "_class_name": "AutoencoderKL", "in_channels": 3, "out_channels": 3, "block_out_channels": channels,
        "down_block_types": vec!["DownEncoderBlock2D"; blocks], "up_block_types": vec!["UpDecoderBlock2D"; blocks],
        "layers_per_block": layers, "latent_channels": size(&p, "post_quant_conv.weight", 1)?, "norm_num_groups": 32,
        "act_fn": "silu",
        "scaling_factor": if family == Family::Xl { 0.13025 } else { 0.18215 },
    });
    let origin = |original: String| {
        let name = name(&original, blocks)?;
        let original = format!("{PREFIX}{original}");
        let of_attention = name.contains(".attentions.0.to_") && name.ends_with(".weight");
        Some((name, if of_attention { Origin::Matrix(original) } else { Origin::Whole(original) }))
    };
    Ok(Part { config, origins: below(parameters, PREFIX).filter_map(origin).collect() })
}
