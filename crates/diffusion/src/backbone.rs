//! The network that denoises, of whichever family.

use burn::tensor::Tensor;
use moa_adapter::{AdapterBank, LayerShape};

use crate::{Sd3Transformer, TextContext, Unet};

/// A denoising network.
#[derive(Clone, Debug)]
pub enum Backbone {
    /// A U-Net: Stable Diffusion 1, 2 and XL, and `emoji-32`.
    Unet(Box<Unet>),
    /// A transformer: Stable Diffusion 3 and 3.5.
    Sd3(Box<Sd3Transformer>),
}

impl Backbone {
    /// Returns every linear layer, by diffusers' key names: the layers that can be adapted.
    pub fn linears(&self) -> Vec<LayerShape> {
        match self {
            Self::Unet(unet) => unet.linears(),
            Self::Sd3(transformer) => transformer.linears(),
        }
    }

    /// Returns the shape of the samples that the network was trained on, `[channels, height, width]`.
    pub fn sample_shape(&self) -> [usize; 3] {
        let (channels, size) = match self {
            Self::Unet(unet) => (unet.config().in_channels, unet.config().sample_size),
            Self::Sd3(transformer) => (transformer.config().in_channels, transformer.config().sample_size),
        };
        [channels, size, size]
    }

    /// Returns about how many bytes a training pass takes for each row of a large network, whose blocks are computed again in the
    /// backward pass; `None` of a small one.
    pub fn training_bytes(&self) -> Option<u64> {
        match self {
            Self::Unet(unet) => unet.training_bytes(),
            Self::Sd3(transformer) => transformer.training_bytes(),
        }
    }

    /// Predicts noise or velocity. Gradients flow to `x`, to the context and to the adapters, whichever of them autodiff follows; those of
    /// a row's context are of that row alone.
    ///
    /// # Shapes
    /// - `x`: `[rows, channels, height, width]`; with a bank of K adapters, rows belong to adapters in order
    /// - `timesteps`: one for each row, in the schedule's unit (0 to 1000)
    /// - `context`: that of every row, as the pipeline's text encoders give it
    /// - returns the shape of `x`
    pub fn forward(
        &self,
        x: Tensor<4>,
        timesteps: &[f32],
        context: &TextContext,
        bank: Option<&AdapterBank>,
    ) -> Tensor<4> {
        match self {
            Self::Unet(unet) => unet.forward(x, timesteps, context, bank),
            Self::Sd3(transformer) => transformer.forward_without_t5(x, timesteps, context, bank),
        }
    }
}
