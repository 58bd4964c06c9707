//! From burn's tensors to the engine's layers.

use burn::tensor::{DType, Tensor};
use moa_device::is_host;
use moa_kernels::{Convolution, GroupNorm, LayerNorm};

use super::bank::LastBanks;
use super::gradient::values;
use super::linear::Linear;
use super::resnet::ResnetBlock;
use super::transformer::{Attention, SpatialTransformer, TransformerBlock};
use super::{Stage, Unet};
use crate::nn;
use crate::unet::{resnet, transformer};

/// Most weights in linear layers, 64 MiB. The engine keeps three copies of them (one as it reads it, and one packed for each
/// direction), and of every adapter in a bank two more, merged: a bank of eight takes a gigabyte at this size. Stable Diffusion 1
/// has thirty times as many.
const MOST_WEIGHTS: usize = 1 << 24;

impl Unet {
    /// Returns the engine for a denoiser on a CPU; `None` on other devices and in half precision, while its weights are trained, where
    /// conditions are added to the time or the strength of guidance is, and where the weights are too many to be kept merged.
    pub(crate) fn new(unet: &crate::Unet) -> Option<Self> {
        let weight = &unet.conv_in.weight;
        let computes = is_host(&weight.device()) && weight.dtype() == DType::F32;
        if weight.is_autodiff() || !computes || unet.added.is_some() || unet.guidance.is_some() {
            return None;
        }
        if unet.linears().iter().map(|layer| layer.d_in * layer.d_out).sum::<usize>() > MOST_WEIGHTS {
            return None;
        }
        let mut names: Vec<String> = unet.linears().into_iter().map(|layer| layer.name).collect();
        names.sort_unstable();
        let builder = Builder { names: &names };
        Some(Self {
            size: unet.config.sample_size,
            channels: [unet.config.in_channels, unet.config.out_channels],
            conv_in: convolution(&unet.conv_in),
            time_1: builder.linear(&unet.time.linear_1),
            time_2: builder.linear(&unet.time.linear_2),
            down: unet.down.iter().map(|stage| builder.stage(stage)).collect(),
            mid: builder.stage(&unet.mid),
            up: unet.up.iter().map(|stage| builder.stage(stage)).collect(),
            norm_out: group_norm(&unet.conv_norm_out, true),
            conv_out: convolution(&unet.conv_out),
            last: LastBanks::default(),
            names: names.clone(),
        })
    }

    /// Returns the layers that can be adapted, by number.
    pub(super) fn linears(&self) -> Vec<&Linear> {
        let mut all = vec![&self.time_1, &self.time_2];
        for stage in self.down.iter().chain([&self.mid]).chain(&self.up) {
            all.extend(stage.resnets.iter().map(|resnet| &resnet.time_emb_proj));
            for attention in &stage.attentions {
                all.extend([&attention.proj_in, &attention.proj_out]);
                for block in &attention.blocks {
                    for attention in [&block.attn1, &block.attn2] {
                        all.extend([&attention.to_q, &attention.to_k, &attention.to_v, &attention.to_out]);
                    }
                    all.extend([&block.ff_in, &block.ff_out]);
                }
            }
        }
        all.retain(|linear| linear.id().is_some());
        all.sort_unstable_by_key(|linear| linear.id());
        all
    }
}

fn host<const D: usize>(tensor: &Tensor<D>) -> Vec<f32> {
    values(tensor.clone().into_data())
}

fn convolution(conv: &nn::Conv2d) -> Convolution {
    let [d_out, d_in, kernel, _] = conv.weight.dims();
    Convolution::new([d_in, d_out], kernel, conv.stride, host(&conv.weight), host(&conv.bias))
}

fn group_norm(norm: &nn::GroupNorm, activates: bool) -> GroupNorm {
    GroupNorm::new(norm.groups, norm.epsilon as f32, host(&norm.weight), host(&norm.bias), activates)
}

fn layer_norm(norm: &nn::LayerNorm) -> LayerNorm {
    LayerNorm::new(norm.epsilon as f32, host(&norm.weight), host(&norm.bias))
}

struct Builder<'a> {
    names: &'a [String],
}

impl Builder<'_> {
    fn linear(&self, linear: &moa_adapter::Linear) -> Linear {
        let shape = linear.shape();
        let id = self.names.binary_search(&shape.name).ok();
        Linear::new(id, [shape.d_in, shape.d_out], host(&linear.weight()), linear.bias().as_ref().map(host))
    }

    fn stage(&self, stage: &crate::unet::Stage) -> Stage {
        Stage {
            resnets: stage.resnets.iter().map(|resnet| self.resnet(resnet)).collect(),
            attentions: stage.attentions.iter().map(|attention| self.spatial(attention)).collect(),
            resample: stage.resample.as_ref().map(convolution),
        }
    }

    fn resnet(&self, block: &resnet::ResnetBlock) -> ResnetBlock {
        ResnetBlock {
            norm1: group_norm(&block.norm1, true),
            conv1: convolution(&block.conv1),
            time_emb_proj: self.linear(&block.time_emb_proj),
            norm2: group_norm(&block.norm2, true),
            conv2: convolution(&block.conv2),
            conv_shortcut: block.conv_shortcut.as_ref().map(convolution),
        }
    }

    fn spatial(&self, transformer: &transformer::SpatialTransformer) -> SpatialTransformer {
        SpatialTransformer {
            norm: group_norm(&transformer.norm, false),
            proj_in: self.projection(&transformer.proj_in),
            blocks: transformer.blocks.iter().map(|block| self.block(block)).collect(),
            proj_out: self.projection(&transformer.proj_out),
        }
    }

    fn projection(&self, projection: &transformer::Projection) -> Linear {
        match projection {
            transformer::Projection::Linear(linear) => self.linear(linear),
            // A 1×1 convolution is the same product; it is not adapted.
            transformer::Projection::Conv(conv) => {
                let [d_out, d_in, ..] = conv.weight.dims();
                let weight = conv.weight.clone().reshape([d_out, d_in]).transpose();
                Linear::new(None, [d_in, d_out], host(&weight), Some(host(&conv.bias)))
            }
        }
    }

    fn block(&self, block: &transformer::TransformerBlock) -> TransformerBlock {
        TransformerBlock {
            norm1: layer_norm(&block.norm1),
            attn1: self.attention(&block.attn1, false),
            norm2: layer_norm(&block.norm2),
            attn2: self.attention(&block.attn2, true),
            norm3: layer_norm(&block.norm3),
            ff_in: self.linear(&block.ff_in),
            ff_out: self.linear(&block.ff_out),
        }
    }

    fn attention(&self, attention: &transformer::Attention, crosses: bool) -> Attention {
        Attention {
            heads: attention.heads,
            crosses,
            to_q: self.linear(&attention.to_q),
            to_k: self.linear(&attention.to_k),
            to_v: self.linear(&attention.to_v),
            to_out: self.linear(&attention.to_out),
        }
    }
}
