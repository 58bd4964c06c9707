//! Where and how a model computes.

use burn::tensor::{Device, FloatDType};
use moa_core::experiment::Precision;

/// Where and how a model computes.
#[derive(Clone, Debug)]
pub struct Compute {
    /// The device.
    pub device: Device,
    /// The type of number that text encoders, denoiser and the autoencoder's decoder are kept and computed in; the decoder stays f32 where
    /// that is `F16`, which the last layers of Stable Diffusion XL's overflow.
    pub precision: Precision,
    /// Whether denoisers may run on moa's own engine, on the CPU; otherwise burn's operations do the work everywhere.
    pub engine: bool,
    /// Whether the backward pass computes blocks again rather than keeping their activations; `None` does so where the denoiser is
    /// large.
    pub gradient_checkpointing: Option<bool>,
    /// Whether T5 is read where a pipeline has it and can do without: Stable Diffusion 3's is 9.5 GB in half precision.
    pub t5: bool,
}

impl From<&Device> for Compute {
    /// Returns the defaults: f32, by the engine where it can, with all text encoders.
    fn from(device: &Device) -> Self {
        Self { device: device.clone(), precision: Precision::F32, engine: true, gradient_checkpointing: None, t5: true }
    }
}

impl From<&Compute> for Compute {
    fn from(compute: &Compute) -> Self {
        compute.clone()
    }
}

impl Compute {
    /// Returns the type that the weights of an autoencoder's decoder are kept in.
    pub fn kept_by_decoders(&self) -> FloatDType {
        if self.precision == Precision::Bf16 { FloatDType::BF16 } else { FloatDType::F32 }
    }

    /// Returns the type that weights are kept in.
    pub fn kept(&self) -> FloatDType {
        match self.precision {
            Precision::F32 | Precision::Tf32 => FloatDType::F32,
            Precision::Bf16 => FloatDType::BF16,
            Precision::F16 => FloatDType::F16,
        }
    }
}
