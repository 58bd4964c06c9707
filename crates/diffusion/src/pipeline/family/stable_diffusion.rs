//! Stable Diffusion 1 and 2, latent consistency models that were made from them, and `emoji-32`: one CLIP, and a U-Net.

use std::sync::Arc;

use moa_adapter::{Parameters, ParametersError};

use super::{ClipStates, Family, Network, Reads, TextPart, Widths};
use crate::codec::Codec;
use crate::pipeline::source::{TEXT_ENCODER, UNET};
use crate::pipeline::{PipelineError, fit};
use crate::{Backbone, Compute, Unet, UnetConfig};

pub(super) const FAMILY: Family = Family {
    name: "Stable Diffusion 1 and 2",
    class: "StableDiffusionPipeline",
    other_class: Some("LatentConsistencyModelPipeline"),
    texts: &[TextPart {
        part: TEXT_ENCODER,
        tokenizer: "tokenizer",
        reads: Reads::Clip { states: ClipStates::Last, pooled: false, projects: false },
    }],
    denoiser: UNET,
    denoiser_class: ["UNet2DConditionModel", "UNet2DConditionModel is known"],
    needs_vae: false,
    zeros_for_no_prompt: false,
    corrects_schedule: true,
    flow: None,
    network: |json| Ok(Box::new(Plain(UnetConfig::read(json)?))),
};

/// A U-Net that takes states of texts alone.
struct Plain(UnetConfig);

impl Network for Plain {
    fn sample_size(&self) -> usize {
        self.0.sample_size
    }

    fn check(&self, texts: Widths, codec: &Codec) -> Result<(), PipelineError> {
        fit::check_states(&self.0, texts)?;
        if self.0.added_widths().is_some() {
            let value = self.0.addition_embed_type.clone().unwrap_or_default();
            let wanted = "model_index.json's class adds no conditions".into();
            return Err(fit::refused("addition_embed_type", value, wanted));
        }
        fit::check_channels(&self.0, codec)
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
