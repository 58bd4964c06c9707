//! Names of U-Net layers that have lost their dots: `down_blocks_1_attentions_0_…`, or in the original order of blocks, as
//! Stable Diffusion XL's adapters have it, `input_blocks_4_1_…`.

/// Parts of names that hold an underscore themselves.
const LONG: [&str; 22] = [
    "down_blocks",
    "up_blocks",
    "mid_block",
    "transformer_blocks",
    "to_q",
    "to_k",
    "to_v",
    "to_out",
    "proj_in",
    "proj_out",
    "time_emb_proj",
    "time_embedding",
    "add_embedding",
    "class_embedding",
    "linear_1",
    "linear_2",
    "conv_in",
    "conv_out",
    "conv_shortcut",
    "norm_out",
    "conv_norm_out",
    "to_add_out",
];
/// Parts that do not.
const SHORT: [&str; 17] = [
    "attentions",
    "resnets",
    "attn1",
    "attn2",
    "ff",
    "net",
    "proj",
    "downsamplers",
    "upsamplers",
    "conv",
    "conv1",
    "conv2",
    "mlp",
    "norm",
    "norm1",
    "norm2",
    "norm3",
];

/// How diffusers' names of a U-Net's layers begin.
const BEGINNINGS: [&str; 8] = [
    "down_blocks.",
    "mid_block.",
    "up_blocks.",
    "conv_in",
    "conv_out",
    "conv_norm_out",
    "time_embedding.linear_",
    "add_embedding.linear_",
];

/// Returns whether a layer is a U-Net's, by its name in diffusers.
pub(crate) fn is_of_unet(layer: &str) -> bool {
    BEGINNINGS.iter().any(|start| layer.starts_with(start))
}

/// Returns the kernel that a layer of a U-Net has in every family; nothing of linear ones, and of those that are linear in some.
pub(crate) fn kernel_of(layer: &str) -> Option<[usize; 2]> {
    match layer.rsplit('.').next()? {
        "conv_in" | "conv_out" | "conv1" | "conv2" | "conv" => Some([3, 3]),
        "conv_shortcut" => Some([1, 1]),
        _ => None,
    }
}

/// Puts the dots back; nothing where a part is none of a U-Net's.
pub(crate) fn dotted(flat: &str) -> Option<String> {
    let mut rest = flat;
    let mut parts = Vec::new();
    while !rest.is_empty() {
        let ends_there =
            |part: &&&str| rest.strip_prefix(**part).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'));
        let known = LONG.iter().filter(ends_there).max_by_key(|part| part.len());
        let known = known.or_else(|| SHORT.iter().find(ends_there)).map(|part| part.len());
        let length = known.or_else(|| {
            let digits = rest.find('_').unwrap_or(rest.len());
            rest[..digits].bytes().all(|byte| byte.is_ascii_digit()).then_some(digits).filter(|digits| *digits > 0)
        })?;
        parts.push(&rest[..length]);
        rest = rest[length..].strip_prefix('_').unwrap_or(&rest[length..]);
    }
    (!parts.is_empty()).then(|| parts.join("."))
}

/// Residual blocks of a stage in every U-Net of Stable Diffusion; on the way up there is one more.
const BLOCKS: usize = 2;

/// Embeddings in the original names and in diffusers'.
const EMBEDDINGS: [(&str, &str); 4] = [
    ("time_embed_0", "time_embedding_linear_1"),
    ("time_embed_2", "time_embedding_linear_2"),
    ("label_emb_0_0", "add_embedding_linear_1"),
    ("label_emb_0_2", "add_embedding_linear_2"),
];

/// Returns the flat name that programs of kohya's format look for. They take diffusers' names, but for the embedding of added
/// conditions, which has the original's: diffusers itself, ComfyUI and A1111 know it by no other.
pub(crate) fn for_kohya(flat: String) -> String {
    let original = EMBEDDINGS[2..].iter().find(|(_, name)| *name == flat);
    original.map_or(flat, |(original, _)| (*original).to_owned())
}

/// Returns a flat name in diffusers' order of blocks from one in the original order; nothing for any other name.
///
/// Every block of the original is a list: a residual block, then an attention where the stage has one, then what changes the
/// size.
pub(crate) fn in_order_of_diffusers(flat: &str) -> Option<String> {
    if let Some((_, name)) = EMBEDDINGS.iter().find(|(original, _)| *original == flat) {
        return Some((*name).to_owned());
    }
    if let Some(rest) = flat.strip_prefix("middle_block_") {
        return match rest.split_once('_')? {
            ("0", inner) => Some(format!("mid_block_resnets_0_{}", residual(inner))),
            ("1", inner) => Some(format!("mid_block_attentions_0_{inner}")),
            ("2", inner) => Some(format!("mid_block_resnets_1_{}", residual(inner))),
            _ => None,
        };
    }
    let down = flat.starts_with("input_blocks_");
    let rest = flat.strip_prefix("input_blocks_").or_else(|| flat.strip_prefix("output_blocks_"))?;
    let (block, rest) = rest.split_once('_')?;
    let (place, inner) = rest.split_once('_')?;
    // The first input block is the convolution that lets images in.
    let block = block.parse::<usize>().ok()?.checked_sub(usize::from(down))?;
    let (stage, layer) = (block / (BLOCKS + 1), block % (BLOCKS + 1));
    let side = if down { "down" } else { "up" };
    Some(match (place, inner) {
        ("0", "op") if down => format!("down_blocks_{stage}_downsamplers_0_conv"),
        (_, "conv") if !down => format!("up_blocks_{stage}_upsamplers_0_conv"),
        ("0", _) => format!("{side}_blocks_{stage}_resnets_{layer}_{}", residual(inner)),
        ("1", _) => format!("{side}_blocks_{stage}_attentions_{layer}_{inner}"),
        _ => return None,
    })
}

/// Returns the name of a part of a residual block.
fn residual(original: &str) -> &str {
    match original {
        "in_layers_0" => "norm1",
        "in_layers_2" => "conv1",
        "out_layers_0" => "norm2",
        "out_layers_3" => "conv2",
        "emb_layers_1" => "time_emb_proj",
        "skip_connection" => "conv_shortcut",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_come_back_where_a_u_net_has_them() {
        for name in [
            "down_blocks.1.attentions.0.transformer_blocks.9.attn1.to_q",
            "up_blocks.2.attentions.1.transformer_blocks.0.attn2.to_out.0",
            "mid_block.attentions.0.transformer_blocks.3.ff.net.0.proj",
            "down_blocks.0.attentions.1.proj_in",
            "up_blocks.0.resnets.2.time_emb_proj",
            "time_embedding.linear_1",
        ] {
            assert_eq!(dotted(&name.replace('.', "_")).as_deref(), Some(name));
        }
        for name in ["", "text_model_encoder", "down_blocks_x", "to_qq", "input_blocks_4_1_proj_in"] {
            assert_eq!(dotted(name), None, "{name}");
        }
    }

    #[test]
    fn the_original_order_of_blocks_is_that_of_sdxl() {
        // Pairs of diffusers' own conversion.
        for (original, wanted) in [
            ("input_blocks_1_0_emb_layers_1", "down_blocks_0_resnets_0_time_emb_proj"),
            (
                "input_blocks_4_1_transformer_blocks_0_attn1_to_k",
                "down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_k",
            ),
            ("input_blocks_5_1_proj_in", "down_blocks_1_attentions_1_proj_in"),
            (
                "input_blocks_8_1_transformer_blocks_9_attn2_to_v",
                "down_blocks_2_attentions_1_transformer_blocks_9_attn2_to_v",
            ),
            ("input_blocks_6_0_op", "down_blocks_1_downsamplers_0_conv"),
            ("middle_block_1_proj_out", "mid_block_attentions_0_proj_out"),
            ("middle_block_2_emb_layers_1", "mid_block_resnets_1_time_emb_proj"),
            ("output_blocks_0_1_proj_in", "up_blocks_0_attentions_0_proj_in"),
            ("output_blocks_2_2_conv", "up_blocks_0_upsamplers_0_conv"),
            (
                "output_blocks_5_1_transformer_blocks_1_ff_net_2",
                "up_blocks_1_attentions_2_transformer_blocks_1_ff_net_2",
            ),
            ("output_blocks_8_0_skip_connection", "up_blocks_2_resnets_2_conv_shortcut"),
            ("time_embed_2", "time_embedding_linear_2"),
            ("label_emb_0_0", "add_embedding_linear_1"),
        ] {
            assert_eq!(in_order_of_diffusers(original).as_deref(), Some(wanted), "{original}");
        }
        for name in
            ["down_blocks_0_attentions_0_proj_in", "input_blocks_0_0", "middle_block_3_x", "output_blocks_x_0_y"]
        {
            assert_eq!(in_order_of_diffusers(name), None, "{name}");
        }
    }
}
