//! FLUX.1, dev and schnell (Black Forest Labs): T5's states, CLIP's pooled vector, and a transformer. The strength of guidance is embedded
//! in dev, and schnell has none. Noise levels of dev are shifted by how many tokens an image has.

use std::sync::Arc;

use moa_adapter::{Parameters, ParametersError};

use super::{ClipStates, Family, Network, Reads, TextPart, Widths};
use crate::codec::Codec;
use crate::pipeline::source::{TEXT_ENCODER, TEXT_ENCODER_2, TRANSFORMER};
use crate::pipeline::{PipelineError, fit};
use crate::schedule::FlowLevels;
use crate::{Backbone, Compute, FluxConfig, FluxTransformer};

pub(super) const FAMILY: Family = Family {
    name: "FLUX.1",
    class: "FluxPipeline",
    other_class: None,
    texts: &[
        TextPart {
            part: TEXT_ENCODER,
            tokenizer: "tokenizer",
            reads: Reads::Clip { states: ClipStates::None, pooled: true, projects: false },
        },
        TextPart { part: TEXT_ENCODER_2, tokenizer: "tokenizer_2", reads: Reads::T5 { optional: false } },
    ],
    denoiser: TRANSFORMER,
    denoiser_class: ["FluxTransformer2DModel", "FluxTransformer2DModel is known"],
    needs_vae: true,
    zeros_for_no_prompt: false,
    corrects_schedule: false,
    flow: Some(FlowLevels::Even),
    network: |json| Ok(Box::new(FluxConfig::read(json)?)),
};

impl Network for FluxConfig {
    fn sample_size(&self) -> usize {
        self.sample_size
    }

    fn check(&self, texts: Widths, codec: &Codec) -> Result<(), PipelineError> {
        let width = texts.t5.unwrap_or_default();
        if self.joint_attention_dim != width {
            let wanted = format!("the text states are {width} wide: are transformer and text encoders of one model?");
            return Err(fit::mismatch("joint_attention_dim", self.joint_attention_dim, wanted));
        }
        fit::check_pooled(self.pooled_projection_dim, texts)?;
        let wanted = 4 * codec.channels();
        if self.in_channels != wanted {
            let wanted = format!(
                "samples have {} channels, and 2 × 2 of their pixels are a token of {wanted} (models that also take an image are \
                 not known)",
                codec.channels()
            );
            return Err(fit::mismatch("in_channels", self.in_channels, wanted));
        }
        Ok(())
    }

    fn t5_tokens(&self) -> usize {
        self.text_tokens()
    }

    fn image_tokens(&self) -> Option<usize> {
        Some(self.image_tokens())
    }

    fn embeds_guidance(&self) -> bool {
        self.guidance_embeds
    }

    fn load(
        &self,
        parameters: &Parameters,
        _: Widths,
        compute: &Compute,
    ) -> Result<Arc<dyn Backbone>, ParametersError> {
        Ok(Arc::new(FluxTransformer::load(self, &parameters.in_type(compute.kept()))?.computing(compute)))
    }
}
