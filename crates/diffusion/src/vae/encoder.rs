//! The encoder of an autoencoder, which is read when it is first used.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use burn::tensor::Tensor;
use moa_adapter::{Parameters, ParametersError};

use super::VaeConfig;
use super::kl::KlEncoder;
use super::tiny::TinyEncoder;

/// From images to latents.
#[derive(Debug)]
pub(super) enum Encoder {
    Kl(Box<KlEncoder>),
    Tiny(TinyEncoder),
}

impl Encoder {
    /// Returns the latents of images in [0, 1], in the autoencoder's own scale.
    pub(super) fn encode(&self, images: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Kl(encoder) => encoder.encode(images),
            Self::Tiny(encoder) => encoder.encode(images),
        }
    }
}

/// An encoder, or where it can be read from. Copies share it.
#[derive(Clone)]
pub(super) struct LazyEncoder {
    config: VaeConfig,
    /// Opened files keep no tensors.
    parameters: Parameters,
    read: Arc<Mutex<Option<Arc<Encoder>>>>,
}

impl LazyEncoder {
    pub(super) fn new(config: &VaeConfig, parameters: &Parameters) -> Self {
        Self { config: config.clone(), parameters: parameters.clone(), read: Arc::default() }
    }

    /// Returns the encoder, which the first call reads.
    ///
    /// # Errors
    /// Says which tensor is missing or has another shape; the next call tries again.
    pub(super) fn get(&self) -> Result<Arc<Encoder>, ParametersError> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(encoder) = &*read {
            return Ok(encoder.clone());
        }
        let encoder = Arc::new(match &self.config {
            VaeConfig::Kl(kl) => Encoder::Kl(Box::new(KlEncoder::load(kl, &self.parameters)?)),
            VaeConfig::Tiny(tiny) => Encoder::Tiny(TinyEncoder::load(tiny, &self.parameters)?),
        });
        Ok(read.insert(encoder).clone())
    }
}

impl fmt::Debug for LazyEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LazyEncoder").field("config", &self.config).finish_non_exhaustive()
    }
}
