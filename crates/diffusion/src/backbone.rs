//! The network that denoises, of whichever family.

use std::fmt::Debug;

use burn::tensor::Tensor;
use moa_adapter::{AdapterBank, LayerShape};

use crate::{FluxTransformer, Sd3Transformer, TextContext, Unet};

/// A denoising network.
pub trait Backbone: Debug + Send + Sync {
    /// Returns every linear layer, by diffusers' key names: the layers that can be adapted.
    fn linears(&self) -> Vec<LayerShape>;

    /// Returns the shape of the samples that the network was trained on, `[channels, height, width]`.
    fn sample_shape(&self) -> [usize; 3];

    /// Returns about how many bytes a training pass takes for each row of a large network, whose blocks are computed again in the
    /// backward pass; `None` of a small one.
    fn training_bytes(&self) -> Option<u64>;

    /// Predicts noise or velocity. Gradients flow to `x`, to the context and to the adapters, whichever of them autodiff follows; those of
    /// a row's context are of that row alone.
    ///
    /// # Shapes
    /// - `x`: `[rows, channels, height, width]`; with a bank of K adapters, rows belong to adapters in order
    /// - `timesteps`: one for each row, in the schedule's unit (0 to 1000)
    /// - `context`: that of every row, as the pipeline's text encoders give it
    /// - returns the shape of `x`
    fn predict(&self, x: Tensor<4>, timesteps: &[f32], context: &TextContext, bank: Option<&AdapterBank>) -> Tensor<4>;
}

/// Stable Diffusion 1, 2 and XL, and `emoji-32`.
impl Backbone for Unet {
    fn linears(&self) -> Vec<LayerShape> {
        self.linears()
    }

    fn sample_shape(&self) -> [usize; 3] {
        [self.config().in_channels, self.config().sample_size, self.config().sample_size]
    }

    fn training_bytes(&self) -> Option<u64> {
        self.training_bytes()
    }

    fn predict(&self, x: Tensor<4>, timesteps: &[f32], context: &TextContext, bank: Option<&AdapterBank>) -> Tensor<4> {
        self.forward(x, timesteps, context, bank)
    }
}

/// Stable Diffusion 3 and 3.5.
impl Backbone for Sd3Transformer {
    fn linears(&self) -> Vec<LayerShape> {
        self.linears()
    }

    fn sample_shape(&self) -> [usize; 3] {
        [self.config().in_channels, self.config().sample_size, self.config().sample_size]
    }

    fn training_bytes(&self) -> Option<u64> {
        self.training_bytes()
    }

    fn predict(&self, x: Tensor<4>, timesteps: &[f32], context: &TextContext, bank: Option<&AdapterBank>) -> Tensor<4> {
        self.forward_context(x, timesteps, context, bank)
    }
}

/// FLUX.1.
impl Backbone for FluxTransformer {
    fn linears(&self) -> Vec<LayerShape> {
        self.linears()
    }

    fn sample_shape(&self) -> [usize; 3] {
        [self.config().channels(), self.config().sample_size, self.config().sample_size]
    }

    fn training_bytes(&self) -> Option<u64> {
        self.training_bytes()
    }

    fn predict(&self, x: Tensor<4>, timesteps: &[f32], context: &TextContext, bank: Option<&AdapterBank>) -> Tensor<4> {
        self.forward(x, timesteps, context, bank)
    }
}
