//! Stable Diffusion XL (Podell et al., 2307.01952): two CLIPs, whose states before their last layers lie side by side, the second one's
//! pooled vector, sizes in pixels, and a U-Net.

use std::sync::Arc;

use moa_adapter::{Parameters, ParametersError};

use super::{ClipStates, Family, Network, Reads, TextPart, Widths};
use crate::codec::Codec;
use crate::pipeline::source::{TEXT_ENCODER, TEXT_ENCODER_2, UNET};
use crate::pipeline::{PipelineError, fit};
use crate::{Backbone, Compute, Unet, UnetConfig};

pub(super) const FAMILY: Family = Family {
    name: "Stable Diffusion XL",
    class: "StableDiffusionXLPipeline",
    other_class: None,
    texts: &[
        TextPart {
            part: TEXT_ENCODER,
            tokenizer: "tokenizer",
            reads: Reads::Clip { states: ClipStates::Penultimate, pooled: false, projects: false },
        },
        TextPart {
            part: TEXT_ENCODER_2,
            tokenizer: "tokenizer_2",
            reads: Reads::Clip { states: ClipStates::Penultimate, pooled: true, projects: true },
        },
    ],
    denoiser: UNET,
    denoiser_class: ["UNet2DConditionModel", "UNet2DConditionModel is known"],
    needs_vae: true,
    zeros_for_no_prompt: true,
    corrects_schedule: false,
    flow: None,
    network: |json| Ok(Box::new(Added(UnetConfig::read(json)?))),
};

/// A U-Net that takes a pooled vector and sizes besides.
struct Added(UnetConfig);

impl Network for Added {
    fn sample_size(&self) -> usize {
        self.0.sample_size
    }

    fn check(&self, texts: Widths, codec: &Codec) -> Result<(), PipelineError> {
        fit::check_states(&self.0, texts)?;
        let Some(widths) = self.0.added_widths() else {
            let wanted = "Stable Diffusion XL's denoiser has \"text_time\"".into();
            return Err(fit::refused("addition_embed_type", "absent".into(), wanted));
        };
        if widths.pooled != texts.pooled {
            let value = self.0.projection_class_embeddings_input_dim.unwrap_or_default().to_string();
            let wanted = format!(
                "that leaves {} for the pooled text, which is {} wide: are denoiser and text_encoder_2 of one model?",
                widths.pooled, texts.pooled
            );
            return Err(fit::refused("projection_class_embeddings_input_dim", value, wanted));
        }
        fit::check_channels(&self.0, codec)
    }

    /// Original size, top left of the crop, target size: the whole image.
    fn numbers(&self, side: usize) -> Vec<f32> {
        let side = side as f32;
        vec![side, side, 0.0, 0.0, side, side]
    }

    fn embeds_guidance(&self) -> bool {
        self.0.time_cond_proj_dim.is_some()
    }

    fn load(
        &self,
        parameters: &Parameters,
        _: Widths,
        compute: &Compute,
    ) -> Result<Arc<dyn Backbone>, ParametersError> {
        Ok(Arc::new(Unet::load(&self.0, &parameters.in_type(compute.kept()))?.computing(compute)))
    }
}
