//! Whether the parts of a pipeline belong together: what families have in common.

use super::PipelineError;
use super::family::Widths;
use crate::UnetConfig;
use crate::codec::Codec;

/// Returns the refusal of a field of a transformer's config.
pub(super) fn mismatch(field: &'static str, value: usize, wanted: String) -> PipelineError {
    PipelineError::Mismatch { file: "transformer/config.json", field, value: value.to_string(), wanted }
}

/// Refuses a transformer that takes pooled vectors of another width than the text encoders'.
pub(super) fn check_pooled(width: usize, texts: Widths) -> Result<(), PipelineError> {
    if width == texts.pooled {
        return Ok(());
    }
    let wanted = format!("the pooled texts are {} wide: are transformer and text encoders of one model?", texts.pooled);
    Err(mismatch("pooled_projection_dim", width, wanted))
}

/// Returns the refusal of a field of a U-Net's config.
pub(super) fn refused(field: &'static str, value: String, wanted: String) -> PipelineError {
    PipelineError::Mismatch { file: "unet/config.json", field, value, wanted }
}

/// Refuses a U-Net that takes states of another width than the text encoders'.
pub(super) fn check_states(unet: &UnetConfig, texts: Widths) -> Result<(), PipelineError> {
    if unet.cross_attention_dim == texts.clip {
        return Ok(());
    }
    let wanted = format!("the text states are {} wide: are denoiser and text encoder of one model?", texts.clip);
    Err(refused("cross_attention_dim", unet.cross_attention_dim.to_string(), wanted))
}

/// Refuses a U-Net whose samples have other channels than the codec's.
pub(super) fn check_channels(unet: &UnetConfig, codec: &Codec) -> Result<(), PipelineError> {
    let channels = codec.channels();
    if unet.in_channels != channels {
        let wanted =
            format!("samples have {channels} channels (models that also take a mask or an image are not supported)");
        return Err(refused("in_channels", unet.in_channels.to_string(), wanted));
    }
    if unet.out_channels != channels {
        let wanted = format!("samples have {channels} channels, and predicted variances are not known");
        return Err(refused("out_channels", unet.out_channels.to_string(), wanted));
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
