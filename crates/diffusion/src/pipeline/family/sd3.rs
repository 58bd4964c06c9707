//! Stable Diffusion 3 and 3.5 (Esser et al., 2403.03206): the states of two CLIPs before their last layers side by side, both pooled
//! vectors, T5's tokens after them, and a transformer. Where there is no T5, zeros stand for its states: the model was trained with
//! each encoder left out at times.

use std::sync::Arc;

use moa_adapter::{Parameters, ParametersError};

use super::{ClipStates, Family, Network, Reads, TextPart, Widths};
use crate::codec::Codec;
use crate::pipeline::source::{TEXT_ENCODER, TEXT_ENCODER_2, TEXT_ENCODER_3, TRANSFORMER};
use crate::pipeline::{PipelineError, fit};
use crate::schedule::FlowLevels;
use crate::{Backbone, Compute, Sd3Config, Sd3Transformer};

const CLIP: Reads = Reads::Clip { states: ClipStates::Penultimate, pooled: true, projects: true };

pub(super) const FAMILY: Family = Family {
    name: "Stable Diffusion 3",
    class: "StableDiffusion3Pipeline",
    other_class: None,
    texts: &[
        TextPart { part: TEXT_ENCODER, tokenizer: "tokenizer", reads: CLIP },
        TextPart { part: TEXT_ENCODER_2, tokenizer: "tokenizer_2", reads: CLIP },
        TextPart { part: TEXT_ENCODER_3, tokenizer: "tokenizer_3", reads: Reads::T5 { optional: true } },
    ],
    denoiser: TRANSFORMER,
    denoiser_class: ["SD3Transformer2DModel", "SD3Transformer2DModel is known"],
    needs_vae: true,
    zeros_for_no_prompt: false,
    corrects_schedule: false,
    flow: Some(FlowLevels::Timesteps),
    network: |json| Ok(Box::new(Sd3Config::read(json)?)),
};

impl Network for Sd3Config {
    fn sample_size(&self) -> usize {
        self.sample_size
    }

    fn check(&self, texts: Widths, codec: &Codec) -> Result<(), PipelineError> {
        let of_states =
            |width| format!("the text states are {width} wide: are transformer and text encoders of one model?");
        match texts.t5 {
            _ if self.joint_attention_dim < texts.clip => {
                return Err(fit::mismatch("joint_attention_dim", self.joint_attention_dim, of_states(texts.clip)));
            }
            Some(width) if self.joint_attention_dim != width => {
                return Err(fit::mismatch("joint_attention_dim", self.joint_attention_dim, of_states(width)));
            }
            _ => {}
        }
        fit::check_pooled(self.pooled_projection_dim, texts)?;
        if self.in_channels != codec.channels() {
            let wanted = format!("samples have {} channels: are transformer and vae of one model?", codec.channels());
            return Err(fit::mismatch("in_channels", self.in_channels, wanted));
        }
        Ok(())
    }

    fn load(
        &self,
        parameters: &Parameters,
        texts: Widths,
        compute: &Compute,
    ) -> Result<Arc<dyn Backbone>, ParametersError> {
        let transformer = Sd3Transformer::load(self, &parameters.in_type(compute.kept()))?;
        Ok(Arc::new(transformer.computing(compute).reading_t5(texts.t5.is_some())))
    }
}
