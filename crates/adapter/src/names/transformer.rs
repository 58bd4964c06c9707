//! Names of transformers' layers: diffusers', and the original ones, under which projections are fused.

use super::segments;

/// Parts of the names of transformers' layers in diffusers (Stable Diffusion 3, FLUX).
const TRANSFORMER: [&str; 36] = [
    "transformer_blocks",
    "single_transformer_blocks",
    "attn",
    "attn2",
    "to_q",
    "to_k",
    "to_v",
    "to_out",
    "add_q_proj",
    "add_k_proj",
    "add_v_proj",
    "to_add_out",
    "ff",
    "ff_context",
    "net",
    "proj",
    "norm",
    "norm1",
    "norm1_context",
    "norm_q",
    "norm_k",
    "norm_added_q",
    "norm_added_k",
    "linear",
    "proj_mlp",
    "proj_out",
    "norm_out",
    "context_embedder",
    "x_embedder",
    "pos_embed",
    "time_text_embed",
    "timestep_embedder",
    "text_embedder",
    "guidance_embedder",
    "linear_1",
    "linear_2",
];

/// Original names of a transformer's layers and diffusers': `*` is a number. Rows of fused projections are those of several layers, in
/// this order.
type Originals = [(&'static str, &'static [&'static str])];

/// Stable Diffusion 3 and 3.5. The modulation of the last block and of the end is absent: diffusers has its halves in another order.
const SD3: &Originals = &[
    (
        "joint_blocks.*.x_block.attn.qkv",
        &["transformer_blocks.*.attn.to_q", "transformer_blocks.*.attn.to_k", "transformer_blocks.*.attn.to_v"],
    ),
    ("joint_blocks.*.x_block.attn.proj", &["transformer_blocks.*.attn.to_out.0"]),
    (
        "joint_blocks.*.x_block.attn2.qkv",
        &["transformer_blocks.*.attn2.to_q", "transformer_blocks.*.attn2.to_k", "transformer_blocks.*.attn2.to_v"],
    ),
    ("joint_blocks.*.x_block.attn2.proj", &["transformer_blocks.*.attn2.to_out.0"]),
    ("joint_blocks.*.x_block.mlp.fc1", &["transformer_blocks.*.ff.net.0.proj"]),
    ("joint_blocks.*.x_block.mlp.fc2", &["transformer_blocks.*.ff.net.2"]),
    ("joint_blocks.*.x_block.adaLN_modulation.1", &["transformer_blocks.*.norm1.linear"]),
    (
        "joint_blocks.*.context_block.attn.qkv",
        &[
            "transformer_blocks.*.attn.add_q_proj",
            "transformer_blocks.*.attn.add_k_proj",
            "transformer_blocks.*.attn.add_v_proj",
        ],
    ),
    ("joint_blocks.*.context_block.attn.proj", &["transformer_blocks.*.attn.to_add_out"]),
    ("joint_blocks.*.context_block.mlp.fc1", &["transformer_blocks.*.ff_context.net.0.proj"]),
    ("joint_blocks.*.context_block.mlp.fc2", &["transformer_blocks.*.ff_context.net.2"]),
    ("x_embedder.proj", &["pos_embed.proj"]),
    ("context_embedder", &["context_embedder"]),
    ("t_embedder.mlp.0", &["time_text_embed.timestep_embedder.linear_1"]),
    ("t_embedder.mlp.2", &["time_text_embed.timestep_embedder.linear_2"]),
    ("y_embedder.mlp.0", &["time_text_embed.text_embedder.linear_1"]),
    ("y_embedder.mlp.2", &["time_text_embed.text_embedder.linear_2"]),
    ("final_layer.linear", &["proj_out"]),
    ("joint_blocks.*.x_block.attn.ln_q", &["transformer_blocks.*.attn.norm_q"]),
    ("joint_blocks.*.x_block.attn.ln_k", &["transformer_blocks.*.attn.norm_k"]),
];

/// FLUX.1. The modulation of the end is absent, as that of Stable Diffusion 3.
const FLUX: &Originals = &[
    (
        "double_blocks.*.img_attn.qkv",
        &["transformer_blocks.*.attn.to_q", "transformer_blocks.*.attn.to_k", "transformer_blocks.*.attn.to_v"],
    ),
    ("double_blocks.*.img_attn.proj", &["transformer_blocks.*.attn.to_out.0"]),
    ("double_blocks.*.img_mlp.0", &["transformer_blocks.*.ff.net.0.proj"]),
    ("double_blocks.*.img_mlp.2", &["transformer_blocks.*.ff.net.2"]),
    ("double_blocks.*.img_mod.lin", &["transformer_blocks.*.norm1.linear"]),
    (
        "double_blocks.*.txt_attn.qkv",
        &[
            "transformer_blocks.*.attn.add_q_proj",
            "transformer_blocks.*.attn.add_k_proj",
            "transformer_blocks.*.attn.add_v_proj",
        ],
    ),
    ("double_blocks.*.txt_attn.proj", &["transformer_blocks.*.attn.to_add_out"]),
    ("double_blocks.*.txt_mlp.0", &["transformer_blocks.*.ff_context.net.0.proj"]),
    ("double_blocks.*.txt_mlp.2", &["transformer_blocks.*.ff_context.net.2"]),
    ("double_blocks.*.txt_mod.lin", &["transformer_blocks.*.norm1_context.linear"]),
    (
        "single_blocks.*.linear1",
        &[
            "single_transformer_blocks.*.attn.to_q",
            "single_transformer_blocks.*.attn.to_k",
            "single_transformer_blocks.*.attn.to_v",
            "single_transformer_blocks.*.proj_mlp",
        ],
    ),
    ("single_blocks.*.linear2", &["single_transformer_blocks.*.proj_out"]),
    ("single_blocks.*.modulation.lin", &["single_transformer_blocks.*.norm.linear"]),
    ("img_in", &["x_embedder"]),
    ("txt_in", &["context_embedder"]),
    ("time_in.in_layer", &["time_text_embed.timestep_embedder.linear_1"]),
    ("time_in.out_layer", &["time_text_embed.timestep_embedder.linear_2"]),
    ("vector_in.in_layer", &["time_text_embed.text_embedder.linear_1"]),
    ("vector_in.out_layer", &["time_text_embed.text_embedder.linear_2"]),
    ("guidance_in.in_layer", &["time_text_embed.guidance_embedder.linear_1"]),
    ("guidance_in.out_layer", &["time_text_embed.guidance_embedder.linear_2"]),
];

/// How the names of a transformer's layers begin in diffusers, and those of a U-Net's do not.
const BEGINNINGS: [&str; 8] = [
    "context_embedder",
    "norm_out",
    "pos_embed",
    "proj_out",
    "single_transformer_blocks.",
    "time_text_embed.",
    "transformer_blocks.",
    "x_embedder",
];

/// Returns whether a layer is a transformer's, by its name in diffusers.
pub(crate) fn is_of_transformer(layer: &str) -> bool {
    BEGINNINGS.iter().any(|start| layer.starts_with(start))
}

/// Returns diffusers' names of a layer from its original one without dots: several where that is fused.
pub(crate) fn of_original(flat: &str) -> Option<Vec<String>> {
    SD3.iter().chain(FLUX).find_map(|(pattern, names)| {
        let number = matched(&pattern.replace('.', "_"), flat)?.to_owned();
        Some(names.iter().map(|name| name.replace('*', &number)).collect())
    })
}

/// Puts the dots back into diffusers' name of a layer.
pub(crate) fn dotted(flat: &str) -> Option<String> {
    segments(flat, &TRANSFORMER).filter(|name| is_of_transformer(name))
}

/// Returns the original name of a transformer's layer, which of the layers it is that are fused there, and how many those are.
///
/// - `is_flux`: whether the transformer is FLUX.1's, whose blocks have Stable Diffusion 3's names in diffusers
pub(crate) fn original_of(name: &str, is_flux: bool) -> Option<(String, usize, usize)> {
    let table = if is_flux { FLUX } else { SD3 };
    table.iter().find_map(|(original, names)| {
        let (place, number) =
            names.iter().enumerate().find_map(|(place, pattern)| Some((place, matched(pattern, name)?)))?;
        Some((original.replace('*', number), place, names.len()))
    })
}

/// Returns what stands for `*` in a pattern that a name has, or nothing; patterns without `*` are whole names.
fn matched<'a>(pattern: &str, name: &'a str) -> Option<&'a str> {
    let Some((start, end)) = pattern.split_once('*') else { return (pattern == name).then_some("") };
    let number = name.strip_prefix(start)?.strip_suffix(end)?;
    (!number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())).then_some(number)
}
