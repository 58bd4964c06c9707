//! Where and how a model computes.

use burn::tensor::{Device, FloatDType};
use moa_core::experiment::Precision;

/// Where and how a model computes.
#[derive(Clone, Debug)]
pub struct Compute {
    /// The device.
    pub device: Device,
    /// The type of number that text encoders and denoiser are kept and computed in. The autoencoder is f32 in any case: its last layers
    /// overflow half precision (Stable Diffusion XL's), and what it draws would show the rounding.
    pub precision: Precision,
    /// Whether denoisers may run on moa's own engine, on the CPU; otherwise burn's operations do the work everywhere.
    pub engine: bool,
    /// Whether the backward pass computes blocks again rather than keeping their activations; `None` does so where the denoiser is
    /// large.
    pub gradient_checkpointing: Option<bool>,
}

impl From<&Device> for Compute {
    /// Returns the defaults: f32, by the engine where it can.
    fn from(device: &Device) -> Self {
        Self { device: device.clone(), precision: Precision::F32, engine: true, gradient_checkpointing: None }
    }
}

impl From<&Compute> for Compute {
    fn from(compute: &Compute) -> Self {
        compute.clone()
    }
}

impl Compute {
    /// Returns the type that weights are kept in.
    pub fn kept(&self) -> FloatDType {
        match self.precision {
            Precision::F32 | Precision::Tf32 => FloatDType::F32,
            Precision::Bf16 => FloatDType::BF16,
            Precision::F16 => FloatDType::F16,
        }
    }
}
