//! What diffusers' `UNet2DConditionModel` can do and moa does not: configs that ask for it are refused by field.

use serde_json::Value;

use super::config::FILE;
use crate::ConfigError;

/// Fields that change the computation, the values that are computed (absent and `null` besides), and what is said of others.
const FIXED: [(&str, &[&str], &str); 27] = [
    ("_class_name", &["\"UNet2DConditionModel\""], "only \"UNet2DConditionModel\" is known"),
    ("act_fn", &["\"silu\"", "\"swish\""], "only \"silu\" is supported"),
    ("addition_embed_type", &["\"text_time\""], "only \"text_time\", Stable Diffusion XL's, is known"),
    ("attention_type", &["\"default\""], "only \"default\" is known"),
    ("center_input_sample", &["false"], "only false is known"),
    ("class_embed_type", &[], "class embeddings are not known"),
    ("class_embeddings_concat", &["false"], "only false is known"),
    ("conv_in_kernel", &["3"], "only 3 is known"),
    ("conv_out_kernel", &["3"], "only 3 is known"),
    ("cross_attention_norm", &[], "norms of the text states are not known"),
    ("downsample_padding", &["1"], "only 1 is known"),
    ("dual_cross_attention", &["false"], "only false is known"),
    ("encoder_hid_dim", &[], "projections of the text states are not known"),
    ("encoder_hid_dim_type", &[], "projections of the text states are not known"),
    ("mid_block_only_cross_attention", &["false"], "only false is known"),
    ("mid_block_scale_factor", &["1", "1.0"], "only 1 is known"),
    ("num_attention_heads", &[], "diffusers itself refuses it: `attention_head_dim` holds the number of heads"),
    ("num_class_embeds", &[], "class embeddings are not known (is this an upscaler?)"),
    ("only_cross_attention", &["false"], "only false is known"),
    ("resnet_out_scale_factor", &["1", "1.0"], "only 1 is known"),
    ("resnet_skip_time_act", &["false"], "only false is known"),
    ("resnet_time_scale_shift", &["\"default\""], "only \"default\" is known"),
    ("reverse_transformer_layers_per_block", &[], "the way up has the depths of the way down"),
    ("time_embedding_act_fn", &[], "activations of the time embedding are not known"),
    ("time_embedding_dim", &[], "only 4 · block_out_channels[0] is known, which is meant where it is null"),
    ("time_embedding_type", &["\"positional\""], "only \"positional\" is known"),
    ("timestep_post_act", &[], "activations of the time embedding are not known"),
];

/// Blocks that are computed, by the field that holds them.
const BLOCKS: [(&str, [&str; 2], &str); 2] = [
    (
        "down_block_types",
        ["DownBlock2D", "CrossAttnDownBlock2D"],
        "DownBlock2D and CrossAttnDownBlock2D are known, as in Stable Diffusion 1, 2 and XL",
    ),
    (
        "up_block_types",
        ["UpBlock2D", "CrossAttnUpBlock2D"],
        "UpBlock2D and CrossAttnUpBlock2D are known, as in Stable Diffusion 1, 2 and XL",
    ),
];

/// Channels of models whose samples are 4 channels beside other inputs, and what they are.
const OTHER_TASKS: [(u64, &str); 4] = [
    (5, "it takes a depth map beside the sample: name the model without depth"),
    (7, "it is an upscaler, which takes the small image beside the sample: name a text-to-image model"),
    (8, "it takes an image beside the sample, to edit it or to find its depth: name a text-to-image model"),
    (
        9,
        "it is an inpainting model, which takes a mask and the masked image beside the sample: name the model that it was made from",
    ),
];

const MID_BLOCK: &str = "UNetMidBlock2DCrossAttn";

/// Refuses a config that asks for what is not computed.
pub(super) fn refuse_unknown(config: &Value) -> Result<(), ConfigError> {
    if let Some(channels) = config.get("in_channels").and_then(Value::as_u64).filter(|channels| *channels != 4)
        && let Some((_, wanted)) = OTHER_TASKS.iter().find(|(known, _)| *known == channels)
        && config.get("out_channels").and_then(Value::as_u64) == Some(4)
    {
        return Err(ConfigError::Field { file: FILE, field: "in_channels", value: channels.to_string(), wanted });
    }
    let refuse = |field, value: &Value, wanted| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        Err(ConfigError::Field { file: FILE, field, value, wanted })
    };
    for (field, values, wanted) in FIXED {
        let Some(found) = config.get(field).filter(|found| !found.is_null()) else { continue };
        let known = |found: &Value| values.contains(&found.to_string().as_str());
        // Some fields may be lists of one value for each block.
        let all_known = found.as_array().is_some_and(|each| !each.is_empty() && each.iter().all(known));
        if !known(found) && !all_known {
            return refuse(field, found, wanted);
        }
    }
    for (field, known, wanted) in BLOCKS {
        let blocks = config.get(field).and_then(Value::as_array).into_iter().flatten();
        let unknown = |block: &&Value| block.as_str().is_none_or(|name| !known.contains(&name));
        if let Some(block) = blocks.into_iter().find(unknown) {
            return refuse(field, block, wanted);
        }
    }
    // Here `null` is no default: it means a network without the block.
    match config.get("mid_block_type") {
        Some(found) if found.as_str() != Some(MID_BLOCK) => {
            refuse("mid_block_type", found, "only \"UNetMidBlock2DCrossAttn\" is known")
        }
        _ => Ok(()),
    }
}
