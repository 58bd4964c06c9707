//! `UNet2DConditionModel`: the denoiser of Stable Diffusion and of `emoji-32` (Ronneberger et al., 1505.04597;
//! Rombach et al., 2112.10752), with diffusers' config and key names.

mod config;
mod memory;
mod native;
mod pass;
mod refusals;
mod resnet;
mod time;
mod transformer;

use std::sync::{Arc, OnceLock};

use burn::tensor::{FloatDType, Tensor};
use moa_adapter::{AdapterBank, LayerShape, Parameters, ParametersError};
use moa_device::{as_type, silu};

pub use config::{ADDED_NUMBERS, AddedWidths, BlockType, PerBlock, UnetConfig};
use pass::UnetPass;
use resnet::{ResnetBlock, upsample};
use time::{GuidanceEmbedding, TimeEmbedding, waves};
use transformer::SpatialTransformer;

use crate::gradient::{Activations, Pass, bytes_of, is_large, recorded};
use crate::nn::{Conv2d, GroupNorm};
use crate::{Compute, TextContext};

/// The residual blocks of one resolution, with their transformers and the change of resolution that follows.
#[derive(Clone, Debug)]
struct Stage {
    resnets: Vec<ResnetBlock>,
    attentions: Vec<SpatialTransformer>,
    resample: Option<Conv2d>,
}

/// The denoiser.
#[derive(Clone, Debug)]
pub struct Unet {
    config: UnetConfig,
    conv_in: Conv2d,
    time: TimeEmbedding,
    added: Option<TimeEmbedding>,
    guidance: Option<GuidanceEmbedding>,
    down: Vec<Stage>,
    mid: Stage,
    up: Vec<Stage>,
    conv_norm_out: GroupNorm,
    conv_out: Conv2d,
    activations: Activations,
    /// The engine for the CPU, built when it is first used; `None` inside where the weights cannot be its.
    native: Arc<OnceLock<Option<Arc<native::Unet>>>>,
}

impl Unet {
    /// Takes the parameters that the config implies.
    ///
    /// # Errors
    /// Says which tensor is missing or has another shape.
    pub fn load(config: &UnetConfig, p: &Parameters) -> Result<Self, ParametersError> {
        let channels = &config.block_out_channels;
        let (first, last) = (channels[0], channels[channels.len() - 1]);
        let blocks = channels.len();
        let attentions = |p: &Parameters, block: usize, attends: bool, count: usize| {
            (0..if attends { count } else { 0 })
                .map(|i| SpatialTransformer::load(&p.at(format_args!("attentions.{i}")), config, block))
                .collect::<Result<Vec<_>, _>>()
        };
        let mut skips = vec![first];
        let mut down = Vec::with_capacity(blocks);
        for (block, kind) in config.down_block_types.iter().enumerate() {
            let p = p.at(format_args!("down_blocks.{block}"));
            let (d_in, d_out) = (channels[block.saturating_sub(1)], channels[block]);
            let resnets = (0..config.layers_per_block).map(|i| {
                let d_in = if i == 0 { d_in } else { d_out };
                ResnetBlock::load(&p.at(format_args!("resnets.{i}")), config, [d_in, d_out])
            });
            let resnets = resnets.collect::<Result<Vec<_>, _>>()?;
            skips.extend(vec![d_out; config.layers_per_block]);
            let resample = (block + 1 < blocks)
                .then(|| Conv2d::load(&p.at("downsamplers.0.conv"), [d_out, d_out], 3, 2))
                .transpose()?;
            skips.extend(resample.as_ref().map(|_| d_out));
            let attentions = attentions(&p, block, kind.attends(), config.layers_per_block)?;
            down.push(Stage { resnets, attentions, resample });
        }
        let mid = {
            let p = p.at("mid_block");
            let resnet = |i: usize| ResnetBlock::load(&p.at(format_args!("resnets.{i}")), config, [last, last]);
            Stage {
                resnets: vec![resnet(0)?, resnet(1)?],
                attentions: attentions(&p, blocks - 1, true, 1)?,
                resample: None,
            }
        };
        let mut up = Vec::with_capacity(blocks);
        let mut width = last;
        for (position, kind) in config.up_block_types.iter().enumerate() {
            let p = p.at(format_args!("up_blocks.{position}"));
            let block = blocks - 1 - position;
            let d_out = channels[block];
            let mut resnets = Vec::with_capacity(config.layers_per_block + 1);
            for i in 0..=config.layers_per_block {
                let skip = skips.pop().unwrap_or_else(|| unreachable!("the way up mirrors the way down"));
                resnets.push(ResnetBlock::load(&p.at(format_args!("resnets.{i}")), config, [width + skip, d_out])?);
                width = d_out;
            }
            let resample =
                (block > 0).then(|| Conv2d::load(&p.at("upsamplers.0.conv"), [d_out, d_out], 3, 1)).transpose()?;
            let attentions = attentions(&p, block, kind.attends(), config.layers_per_block + 1)?;
            up.push(Stage { resnets, attentions, resample });
        }
        let mut unet = Self {
            conv_in: Conv2d::load(&p.at("conv_in"), [config.in_channels, first], 3, 1)?,
            time: TimeEmbedding::load(&p.at("time_embedding"), first, config.time_width())?,
            added: match (config.added_widths(), config.projection_class_embeddings_input_dim) {
                (Some(_), Some(d_in)) => Some(TimeEmbedding::load(&p.at("add_embedding"), d_in, config.time_width())?),
                _ => None,
            },
            guidance: (config.time_cond_proj_dim)
                .map(|width| GuidanceEmbedding::load(&p.at("time_embedding"), width, first))
                .transpose()?,
            down,
            mid,
            up,
            conv_norm_out: GroupNorm::load(&p.at("conv_norm_out"), first, config.norm_num_groups, config.norm_eps)?,
            conv_out: Conv2d::load(&p.at("conv_out"), [first, config.out_channels], 3, 1)?,
            config: config.clone(),
            activations: Activations::Kept,
            native: Arc::default(),
        };
        // Weights that are trained are no part of what blocks are computed again from.
        if unet.is_frozen() {
            unet.activations = Activations::of(&unet.linears());
        }
        Ok(unet)
    }

    /// Returns the network as it is asked to compute.
    pub fn computing(mut self, compute: &Compute) -> Self {
        if let Some(again) = compute.gradient_checkpointing {
            self.activations = if again { Activations::Recomputed } else { Activations::Kept };
        }
        if compute.engine { self } else { self.without_engine() }
    }

    /// Returns the network without the CPU's engine.
    pub(crate) fn without_engine(mut self) -> Self {
        self.native = Arc::new(OnceLock::from(None));
        self
    }

    /// Returns the network with another choice of what a forward pass keeps.
    #[cfg(test)]
    pub(crate) fn keeping(mut self, activations: Activations) -> Self {
        self.activations = activations;
        self
    }

    /// Returns the config.
    pub fn config(&self) -> &UnetConfig {
        &self.config
    }

    /// Returns every linear layer: the layers that can be adapted.
    pub fn linears(&self) -> Vec<LayerShape> {
        let mut out = Vec::new();
        [Some(&self.time), self.added.as_ref()].into_iter().flatten().for_each(|time| time.linears(&mut out));
        out.extend(self.guidance.as_ref().map(|guidance| guidance.projection.shape()));
        for stage in self.down.iter().chain([&self.mid]).chain(&self.up) {
            stage.resnets.iter().for_each(|resnet| resnet.linears(&mut out));
            stage.attentions.iter().for_each(|attention| attention.linears(&mut out));
        }
        out
    }

    /// Returns about how many bytes a training pass takes for each row; `None` where the network is small enough to keep all
    /// activations, which is best tried out.
    pub fn training_bytes(&self) -> Option<u64> {
        let bytes = || memory::training_bytes(&self.config, self.activations, bytes_of(self.kept()));
        is_large(&self.linears()).then(bytes)
    }

    /// Predicts noise or velocity. Gradients flow to `x`, to the context and to the adapters, whichever of them autodiff follows.
    ///
    /// # Shapes
    /// - `x`: `[rows, in_channels, height, width]`; with a bank of K adapters, rows belong to adapters in order
    /// - `timesteps`: one for each row, in the schedule's unit (0 to 1000)
    /// - `context`: that of every row, states `[rows, tokens, cross_attention_dim]`, with the added conditions that the
    ///   config asks for (without them, none are added), and the strength of guidance where the network embeds one (without it,
    ///   [`UnetConfig::GUIDANCE`])
    /// - returns `[rows, out_channels, height, width]`, in f32 whatever the network computes in
    pub fn forward(
        &self,
        x: Tensor<4>,
        timesteps: &[f32],
        context: &TextContext,
        bank: Option<&AdapterBank>,
    ) -> Tensor<4> {
        // With autodiff on the weights, or on another device, burn's operations take over.
        if x.dims()[0] == timesteps.len()
            && let Some(native) = self.native.get_or_init(|| native::Unet::new(self).map(Arc::new))
        {
            let waves = waves(&self.config, self.config.block_out_channels[0]).of(timesteps);
            let inputs = native::Inputs { waves: &waves, context: &context.states, bank };
            if let Some(output) = native.forward(x.clone(), &inputs) {
                return output;
            }
        }
        let kept = self.kept();
        let context = context.as_type(kept);
        let network = |x: Tensor<4>, bank: Option<&AdapterBank>| {
            let bank = bank.map(|bank| bank.as_type(kept));
            let output = self.forward_on_device(as_type(x, kept), timesteps, &context, bank.as_ref());
            as_type(output, FloatDType::F32)
        };
        let in_one_piece = self.activations == Activations::Kept && self.is_frozen() && !context.is_autodiff();
        let recorded = if in_one_piece { recorded(&x, bank, network) } else { None };
        recorded.unwrap_or_else(|| network(x, bank))
    }

    /// Returns the type of number that the network computes in.
    pub fn kept(&self) -> FloatDType {
        self.conv_in.weight.dtype().into()
    }

    /// Returns whether no gradient of the weights is wanted.
    fn is_frozen(&self) -> bool {
        !self.conv_in.weight.is_autodiff()
    }

    /// Predicts by burn's operations, in the network's own type of number.
    fn forward_on_device(
        &self,
        x: Tensor<4>,
        timesteps: &[f32],
        context: &TextContext,
        bank: Option<&AdapterBank>,
    ) -> Tensor<4> {
        let device = x.device().without_autodiff();
        let mut waves = waves(&self.config, self.config.block_out_channels[0]).on(timesteps, &device, self.kept());
        let unconditional = Tensor::zeros([1, 1], (&device, self.kept().into()));
        let before = Pass { conditions: &unconditional, bank, activations: self.activations };
        if let Some(guidance) = &self.guidance {
            let strength = context.guidance.unwrap_or(UnetConfig::GUIDANCE);
            waves = waves + guidance.embed(&before, strength, timesteps.len());
        }
        let mut time = self.time.embed(&before, waves);
        if let (Some(embedding), Some(added)) = (&self.added, &context.added) {
            time = time + embedding.embed(&before, embedding.of_added(&self.config, added, &device));
        }
        let time = before.block(time, Vec::new, |time, _, _| silu(time));
        let pass = Pass { conditions: &time, bank, activations: self.activations };
        let pass = UnetPass { pass, context: &context.states };

        let mut hidden = pass.convolution(&self.conv_in, x);
        let mut skips = vec![hidden.clone()];
        for stage in &self.down {
            for (i, resnet) in stage.resnets.iter().enumerate() {
                hidden = pass.resnet(resnet, hidden);
                if let Some(attention) = stage.attentions.get(i) {
                    hidden = pass.attention(attention, hidden);
                }
                skips.push(hidden.clone());
            }
            if let Some(downsample) = &stage.resample {
                hidden = pass.convolution(downsample, hidden);
                skips.push(hidden.clone());
            }
        }
        hidden = pass.resnet(&self.mid.resnets[0], hidden);
        hidden = pass.attention(&self.mid.attentions[0], hidden);
        hidden = pass.resnet(&self.mid.resnets[1], hidden);
        for stage in &self.up {
            for (i, resnet) in stage.resnets.iter().enumerate() {
                let skip = skips.pop().unwrap_or_else(|| unreachable!("the way up mirrors the way down"));
                hidden = pass.resnet(resnet, Tensor::cat(vec![hidden, skip], 1));
                if let Some(attention) = stage.attentions.get(i) {
                    hidden = pass.attention(attention, hidden);
                }
            }
            if let Some(conv) = &stage.resample {
                hidden = pass.convolution(conv, upsample(hidden));
            }
        }
        pass.leave(&self.conv_norm_out, &self.conv_out, hidden)
    }
}
