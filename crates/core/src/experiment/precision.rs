//! The numbers that a base model computes in.

use serde::{Deserialize, Serialize};

/// The type of number that a base model is kept and computed in.
///
/// Adapters, optimiser, schedule, log-probabilities, rewards and judges are always f32, and so are sums and statistics inside of norms,
/// products and attention. The autoencoder's decoder is f32 beside `F16`, too, which that of Stable Diffusion XL overflows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Precision {
    /// 32 bits: 24 of them hold the number.
    #[default]
    F32,
    /// 32 bits of which NVIDIA's GPUs multiply the first 11 that hold the number (TensorFloat-32), and add up 24: GPUs alone.
    Tf32,
    /// 16 bits: 8 hold the number, with the range of 32 bits (bfloat16). LibTorch alone.
    Bf16,
    /// 16 bits: 11 hold the number, which must stay below 65,504; gradients are scaled up on their way. LibTorch alone.
    F16,
}

impl Precision {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::F32, Self::Tf32, Self::Bf16, Self::F16];

    /// Returns the name, as experiments have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::Tf32 => "Tf32",
            Self::Bf16 => "Bf16",
            Self::F16 => "F16",
        }
    }

    /// Returns whether a number takes 16 bits.
    pub fn is_half(self) -> bool {
        matches!(self, Self::Bf16 | Self::F16)
    }

    /// Returns how far the ratio of a step's probabilities may be from 1 before anything was learned, by rounding: the same pass in a
    /// batch of another size adds up in another order.
    pub fn ratio_rounding(self) -> f64 {
        match self {
            Self::F32 => 1e-5,
            Self::Tf32 | Self::F16 => 1e-4,
            Self::Bf16 => 1e-3,
        }
    }
}
