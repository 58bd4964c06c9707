//! The blocks of one forward pass by burn's operations.

use burn::tensor::Tensor;
use moa_adapter::AdapterBank;
use moa_device::{add, silu};

use super::resnet::ResnetBlock;
use super::transformer::SpatialTransformer;
use crate::gradient::{Pass, layers_of};
use crate::nn::{Conv2d, GroupNorm};

/// A forward pass: what its blocks share.
pub(super) struct UnetPass<'a> {
    /// The time embedding after SiLU, the adapters, and what is kept for the backward pass.
    pub(super) pass: Pass<'a>,
    /// Text states, `[rows, tokens, cross_attention_dim]`.
    pub(super) context: &'a Tensor<3>,
}

impl UnetPass<'_> {
    /// Applies a convolution.
    pub(super) fn convolution(&self, conv: &Conv2d, x: Tensor<4>) -> Tensor<4> {
        let conv = conv.clone();
        self.pass.block(x, Vec::new, move |x, _, _| conv.forward(x))
    }

    /// Applies what the network ends with.
    pub(super) fn leave(&self, norm: &GroupNorm, conv: &Conv2d, x: Tensor<4>) -> Tensor<4> {
        let (norm, conv) = (norm.clone(), conv.clone());
        self.pass.block(x, Vec::new, move |x, _, _| conv.forward(silu(norm.forward(x))))
    }

    /// Applies a residual block.
    pub(super) fn resnet(&self, resnet: &ResnetBlock, x: Tensor<4>) -> Tensor<4> {
        let layers = || layers_of(|out| resnet.linears(out));
        let resnet = resnet.clone();
        self.pass.block(x, layers, move |x, time, bank| resnet.forward(x, time.clone(), bank))
    }

    /// Applies a spatial transformer: one of a single block as a whole, one of several block by block, so that no more than
    /// one is computed again at a time.
    pub(super) fn attention(&self, transformer: &SpatialTransformer, x: Tensor<4>) -> Tensor<4> {
        if transformer.blocks.len() == 1 {
            let layers = || layers_of(|out| transformer.linears(out));
            let transformer = transformer.clone();
            let apply = move |x, texts: &Tensor<3>, bank: Option<&AdapterBank>| transformer.forward(x, texts, bank);
            return self.pass.reading(x, self.context, layers, apply);
        }
        let ends = || layers_of(|out| transformer.linears_of_ends(out));
        let mut tokens = {
            let transformer = transformer.clone();
            self.pass.block(x.clone(), ends, move |x, _, bank| transformer.enter(x, bank))
        };
        for block in &transformer.blocks {
            let layers = || layers_of(|out| block.linears(out));
            let block = block.clone();
            let apply = move |x, texts: &Tensor<3>, bank: Option<&AdapterBank>| block.forward(x, texts.clone(), bank);
            tokens = self.pass.reading(tokens, self.context, layers, apply);
        }
        let [_, _, height, width] = x.dims();
        let transformer = transformer.clone();
        let map =
            self.pass.block(tokens, ends, move |tokens, _, bank| transformer.leave(tokens, [height, width], bank));
        add(x, map)
    }
}
