//! The denoiser of a pipeline before it is loaded: its config, and where its weights are.

use moa_adapter::Parameters;

use super::index::Family;
use super::source::{Part, Source, TRANSFORMER, UNET};
use super::{PipelineError, fit};
use crate::codec::Codec;
use crate::{Backbone, Compute, Sd3Config, Sd3Transformer, TextConfig, Unet, UnetConfig};

/// The config of a denoiser.
pub(super) enum Network {
    Unet(UnetConfig),
    Sd3(Sd3Config),
}

impl Network {
    /// Reads and checks the config of a family's denoiser.
    pub(super) fn read(source: &Source<'_>, family: Family) -> Result<Self, PipelineError> {
        let json = source.bytes(Self::part(family).config)?;
        Ok(match family {
            Family::StableDiffusion | Family::Xl => Self::Unet(UnetConfig::read(&json)?),
            Family::Sd3 => Self::Sd3(Sd3Config::read(&json)?),
        })
    }

    /// Returns where a family's denoiser is.
    pub(super) fn part(family: Family) -> Part {
        match family {
            Family::StableDiffusion | Family::Xl => UNET,
            Family::Sd3 => TRANSFORMER,
        }
    }

    /// Refuses text encoders and a codec that the denoiser does not fit.
    pub(super) fn check(&self, family: Family, texts: &[TextConfig], codec: &Codec) -> Result<(), PipelineError> {
        match self {
            Self::Unet(config) => fit::check_unet(family, config, texts, codec),
            Self::Sd3(config) => fit::check_sd3(config, texts, codec),
        }
    }

    /// Returns height and width of samples.
    pub(super) fn sample_size(&self) -> usize {
        match self {
            Self::Unet(config) => config.sample_size,
            Self::Sd3(config) => config.sample_size,
        }
    }

    /// Builds the denoiser from its weights.
    pub(super) fn load(&self, source: &Source<'_>, compute: &Compute) -> Result<Backbone, PipelineError> {
        match self {
            Self::Unet(config) => {
                let load = |parameters: &Parameters| Unet::load(config, &parameters.in_type(compute.kept()));
                Ok(Backbone::Unet(Box::new(source.load(UNET, &compute.device, load)?.computing(compute))))
            }
            Self::Sd3(config) => {
                let load = |parameters: &Parameters| Sd3Transformer::load(config, &parameters.in_type(compute.kept()));
                Ok(Backbone::Sd3(Box::new(source.load(TRANSFORMER, &compute.device, load)?.computing(compute))))
            }
        }
    }
}
