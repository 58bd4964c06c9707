//! Whether the parts of a pipeline belong together.

use super::PipelineError;
use super::index::Family;
use crate::codec::Codec;
use crate::{Sd3Config, TextConfig, UnetConfig};

/// Refuses a transformer that its text encoders or its codec do not fit.
pub(super) fn check_sd3(config: &Sd3Config, texts: &[TextConfig], codec: &Codec) -> Result<(), PipelineError> {
    let refuse = |field, value: usize, wanted| {
        Err(PipelineError::Mismatch { file: "transformer/config.json", field, value: value.to_string(), wanted })
    };
    let width: usize = texts.iter().map(|text| text.hidden_size).sum();
    if config.joint_attention_dim < width {
        let wanted = format!("the text states are {width} wide: are transformer and text encoders of one model?");
        return refuse("joint_attention_dim", config.joint_attention_dim, wanted);
    }
    let pooled: usize = texts.iter().map(TextConfig::projected_width).sum();
    if config.pooled_projection_dim != pooled {
        let wanted = format!("the pooled texts are {pooled} wide: are transformer and text encoders of one model?");
        return refuse("pooled_projection_dim", config.pooled_projection_dim, wanted);
    }
    if config.in_channels != codec.channels() {
        let wanted = format!("samples have {} channels: are transformer and vae of one model?", codec.channels());
        return refuse("in_channels", config.in_channels, wanted);
    }
    Ok(())
}

/// Refuses a U-Net that its text encoders or its codec do not fit.
pub(super) fn check_unet(
    family: Family,
    unet: &UnetConfig,
    texts: &[TextConfig],
    codec: &Codec,
) -> Result<(), PipelineError> {
    let refuse = |field, value: String, wanted: String| {
        Err(PipelineError::Mismatch { file: "unet/config.json", field, value, wanted })
    };
    let width: usize = texts.iter().map(|text| text.hidden_size).sum();
    if unet.cross_attention_dim != width {
        let wanted = format!("the text states are {width} wide: are denoiser and text encoder of one model?");
        return refuse("cross_attention_dim", unet.cross_attention_dim.to_string(), wanted);
    }
    match (family, unet.added_widths(), texts.last()) {
        (Family::StableDiffusion, Some(_), _) => {
            let value = unet.addition_embed_type.clone().unwrap_or_default();
            return refuse("addition_embed_type", value, "model_index.json's class adds no conditions".into());
        }
        (Family::Xl, None, _) => {
            let wanted = "Stable Diffusion XL's denoiser has \"text_time\"".into();
            return refuse("addition_embed_type", "absent".into(), wanted);
        }
        (Family::Xl, Some(widths), Some(text)) if widths.pooled != text.projected_width() => {
            let value = unet.projection_class_embeddings_input_dim.unwrap_or_default().to_string();
            let wanted = format!(
                "that leaves {} for the pooled text, which is {} wide: are denoiser and text_encoder_2 of one model?",
                widths.pooled,
                text.projected_width()
            );
            return refuse("projection_class_embeddings_input_dim", value, wanted);
        }
        _ => {}
    }
    let channels = codec.channels();
    if unet.in_channels != channels {
        let wanted =
            format!("samples have {channels} channels (models that also take a mask or an image are not supported)");
        return refuse("in_channels", unet.in_channels.to_string(), wanted);
    }
    if unet.out_channels != channels {
        let wanted = format!("samples have {channels} channels, and predicted variances are not known");
        return refuse("out_channels", unet.out_channels.to_string(), wanted);
    }
    Ok(())
}

/// Refuses two tokenizers whose texts have different lengths.
pub(super) fn check_lengths(first: usize, second: usize) -> Result<(), PipelineError> {
    if first == second {
        return Ok(());
    }
    Err(PipelineError::Mismatch {
        file: "tokenizer_2/tokenizer_config.json",
        field: "model_max_length",
        value: second.to_string(),
        wanted: format!("tokenizer cuts texts to {first} tokens, and the states of both lie side by side"),
    })
}
