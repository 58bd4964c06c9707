//! The families of bases. Each has a file with its descriptor: what its pipelines are made of, and how prompts become what its denoiser is
//! conditioned on. A new family is its file, its place in [`FAMILIES`] and, where no other family has it, its denoiser.

mod flux;
mod sd3;
mod stable_diffusion;
mod xl;

use std::sync::Arc;

use moa_adapter::{Parameters, ParametersError};

use super::PipelineError;
use super::source::Part;
use crate::codec::Codec;
use crate::schedule::FlowLevels;
use crate::transformer::T5_TOKENS;
use crate::{Backbone, Compute, ConfigError};

/// All families.
pub(super) const FAMILIES: [&Family; 4] = [&stable_diffusion::FAMILY, &xl::FAMILY, &sd3::FAMILY, &flux::FAMILY];
/// Their pipelines' classes, as a message says them.
pub(super) const KNOWN: &str = "StableDiffusionPipeline, LatentConsistencyModelPipeline, \
     StableDiffusionXLPipeline, StableDiffusion3Pipeline and FluxPipeline are known";

/// Reads and checks the config of a denoiser.
type ReadNetwork = fn(&[u8]) -> Result<Box<dyn Network>, ConfigError>;

/// A family of bases: all by which its pipelines differ from others.
#[derive(Debug)]
pub(super) struct Family {
    /// Its name.
    pub(super) name: &'static str,
    /// diffusers' class of its pipelines.
    pub(super) class: &'static str,
    /// Another class of pipelines that are laid out alike; their schedulers' configs are taken as they are.
    pub(super) other_class: Option<&'static str>,
    /// Its text encoders. CLIP's states lie side by side, T5's tokens follow; pooled vectors lie side by side.
    pub(super) texts: &'static [TextPart],
    /// Where its denoiser is: the part whose linear layers are adapted.
    pub(super) denoiser: Part,
    /// diffusers' class of its denoiser, and what a message says of it.
    pub(super) denoiser_class: [&'static str; 2],
    /// Whether there must be an autoencoder. Otherwise pixels are folded into channels where there is none.
    pub(super) needs_vae: bool,
    /// Whether zeros stand for no prompt, unless `force_zeros_for_empty_prompt` of the index is false.
    pub(super) zeros_for_no_prompt: bool,
    /// Whether its pipelines correct old configs of schedulers; see [`ScheduleOwner`](crate::schedule::ScheduleOwner).
    pub(super) corrects_schedule: bool,
    /// Which noise levels a number of steps means, of a family that is a rectified flow.
    pub(super) flow: Option<FlowLevels>,
    /// What reads the denoiser's config.
    pub(super) network: ReadNetwork,
}

/// A text encoder of a family, with its tokenizer.
#[derive(Debug)]
pub(super) struct TextPart {
    /// The encoder.
    pub(super) part: Part,
    /// The tokenizer's folder.
    pub(super) tokenizer: &'static str,
    /// What it is, and what is read from it.
    pub(super) reads: Reads,
}

/// What is read from a text encoder.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reads {
    /// A text transformer of CLIP.
    Clip {
        /// The states that are read.
        states: ClipStates,
        /// Whether the pooled vector is read.
        pooled: bool,
        /// Whether pooled vectors are projected: a `CLIPTextModelWithProjection`.
        projects: bool,
    },
    /// T5's encoder.
    T5 {
        /// Whether pipelines may lack it.
        optional: bool,
    },
}

/// Which states of CLIP's tokens are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClipStates {
    /// None.
    None,
    /// Those after the last layer and the final norm.
    Last,
    /// Those before the last layer, without a norm.
    Penultimate,
}

impl TextPart {
    /// Returns whether pipelines may lack it.
    pub(super) fn is_optional(&self) -> bool {
        matches!(self.reads, Reads::T5 { optional: true })
    }

    /// Returns transformers' classes of the tokenizer and of the encoder, each with what a message says.
    pub(super) fn classes(&self) -> [(&'static [&'static str], &'static str); 2] {
        match self.reads {
            Reads::Clip { projects, .. } => [
                (&["CLIPTokenizer", "CLIPTokenizerFast"], "CLIPTokenizer is known"),
                if projects {
                    (&["CLIPTextModelWithProjection"], "CLIPTextModelWithProjection is known")
                } else {
                    (&["CLIPTextModel"], "CLIPTextModel is known")
                },
            ],
            Reads::T5 { .. } => [
                (&["T5Tokenizer", "T5TokenizerFast"], "T5Tokenizer is known"),
                (&["T5EncoderModel"], "T5EncoderModel is known"),
            ],
        }
    }
}

/// What a pipeline's text encoders give its denoiser.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Widths {
    /// Width of CLIP's states, side by side.
    pub(super) clip: usize,
    /// Width of the pooled vectors, side by side.
    pub(super) pooled: usize,
    /// Width of T5's states; `None` without T5.
    pub(super) t5: Option<usize>,
}

/// A denoiser before it is loaded: its config.
pub(super) trait Network {
    /// Returns height and width of samples.
    fn sample_size(&self) -> usize;

    /// Refuses text encoders and a codec that the denoiser does not fit.
    fn check(&self, texts: Widths, codec: &Codec) -> Result<(), PipelineError>;

    /// Returns how many of T5's tokens texts have, in pipelines with T5.
    fn t5_tokens(&self) -> usize {
        T5_TOKENS
    }

    /// Returns how many tokens a sample is, on which a shift of noise levels depends; `None` where there is no such shift.
    fn image_tokens(&self) -> Option<usize> {
        None
    }

    /// Returns whether a strength of guidance is embedded (see [`TextContext::guidance`](crate::TextContext::guidance)); otherwise
    /// guidance is classifier-free.
    fn embeds_guidance(&self) -> bool {
        false
    }

    /// Returns the numbers that are embedded beside every prompt (see
    /// [`AddedConditions::time_ids`](crate::AddedConditions::time_ids)), for images of so many pixels along each side.
    fn numbers(&self, _side: usize) -> Vec<f32> {
        Vec::new()
    }

    /// Builds the denoiser from its weights.
    fn load(
        &self,
        parameters: &Parameters,
        texts: Widths,
        compute: &Compute,
    ) -> Result<Arc<dyn Backbone>, ParametersError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_every_family() {
        for family in FAMILIES {
            let classes = [Some(family.class), family.other_class];
            assert!(classes.into_iter().flatten().all(|class| KNOWN.contains(class)), "{}", family.name);
        }
    }
}
