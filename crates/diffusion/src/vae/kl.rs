//! diffusers' `AutoencoderKL`.

use burn::tensor::Tensor;
use moa_adapter::{Parameters, ParametersError};
use moa_device::silu;

use super::KlConfig;
use super::block::{EPSILON, Middle, Resnet, double, halve};
use super::recompute::part;
use crate::gradient::Activations;
use crate::nn::{Conv2d, GroupNorm};

/// Residual blocks of one resolution, and what leads to the next.
#[derive(Clone, Debug)]
struct Level {
    resnets: Vec<Resnet>,
    resample: Option<Conv2d>,
}

impl Level {
    fn load(
        p: &Parameters,
        channels: [usize; 2],
        count: usize,
        groups: usize,
        resample: Option<&str>,
    ) -> Result<Self, ParametersError> {
        let [d_in, d_out] = channels;
        let resnets = (0..count).map(|index| {
            let d_in = if index == 0 { d_in } else { d_out };
            Resnet::load(&p.at(format!("resnets.{index}")), [d_in, d_out], groups)
        });
        let stride = if resample == Some("downsamplers") { 2 } else { 1 };
        let conv = |name| Conv2d::load(&p.at(format!("{name}.0.conv")), [d_out, d_out], 3, stride);
        Ok(Self { resnets: resnets.collect::<Result<_, _>>()?, resample: resample.map(conv).transpose()? })
    }

    fn forward(&self, x: Tensor<4>, activations: Activations) -> Tensor<4> {
        self.resnets.iter().cloned().fold(x, |x, resnet| part(x, activations, move |x| resnet.forward(x)))
    }
}

/// From images to means and log-variances of latents.
#[derive(Clone, Debug)]
struct Encoder {
    conv_in: Conv2d,
    levels: Vec<Level>,
    middle: Middle,
    norm_out: GroupNorm,
    conv_out: Conv2d,
}

impl Encoder {
    fn load(p: &Parameters, config: &KlConfig) -> Result<Self, ParametersError> {
        let (channels, groups) = (&config.block_out_channels, config.norm_num_groups);
        let last = channels.len() - 1;
        let levels = (0..=last).map(|index| {
            let between = [channels[index.saturating_sub(1)], channels[index]];
            let resample = (index < last).then_some("downsamplers");
            Level::load(&p.at(format!("down_blocks.{index}")), between, config.layers_per_block, groups, resample)
        });
        Ok(Self {
            conv_in: Conv2d::load(&p.at("conv_in"), [config.in_channels, channels[0]], 3, 1)?,
            levels: levels.collect::<Result<_, _>>()?,
            middle: Middle::load(&p.at("mid_block"), channels[last], groups, config.mid_block_add_attention)?,
            norm_out: GroupNorm::load(&p.at("conv_norm_out"), channels[last], groups, EPSILON)?,
            conv_out: Conv2d::load(&p.at("conv_out"), [channels[last], 2 * config.latent_channels], 3, 1)?,
        })
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = self.levels.iter().fold(self.conv_in.forward(x), |x, level| {
            let x = level.forward(x, Activations::Kept);
            match &level.resample {
                Some(conv) => halve(conv, x),
                None => x,
            }
        });
        let x = self.middle.forward(x, Activations::Kept);
        self.conv_out.forward(silu(self.norm_out.forward(x)))
    }
}

/// From latents to images.
#[derive(Clone, Debug)]
struct Decoder {
    conv_in: Conv2d,
    middle: Middle,
    levels: Vec<Level>,
    norm_out: GroupNorm,
    conv_out: Conv2d,
}

impl Decoder {
    fn load(p: &Parameters, config: &KlConfig) -> Result<Self, ParametersError> {
        let groups = config.norm_num_groups;
        let channels: Vec<usize> = config.block_out_channels.iter().rev().copied().collect();
        let last = channels.len() - 1;
        let levels = (0..=last).map(|index| {
            let between = [channels[index.saturating_sub(1)], channels[index]];
            let resample = (index < last).then_some("upsamplers");
            Level::load(&p.at(format!("up_blocks.{index}")), between, config.layers_per_block + 1, groups, resample)
        });
        Ok(Self {
            conv_in: Conv2d::load(&p.at("conv_in"), [config.latent_channels, channels[0]], 3, 1)?,
            middle: Middle::load(&p.at("mid_block"), channels[0], groups, config.mid_block_add_attention)?,
            levels: levels.collect::<Result<_, _>>()?,
            norm_out: GroupNorm::load(&p.at("conv_norm_out"), channels[last], groups, EPSILON)?,
            conv_out: Conv2d::load(&p.at("conv_out"), [channels[last], config.out_channels], 3, 1)?,
        })
    }

    fn forward(&self, x: Tensor<4>, activations: Activations) -> Tensor<4> {
        let x = self.middle.forward(self.conv_in.forward(x), activations);
        let x = self.levels.iter().fold(x, |x, level| {
            let x = level.forward(x, activations);
            match level.resample.clone() {
                Some(conv) => part(x, activations, move |x| conv.forward(double(x))),
                None => x,
            }
        });
        let (norm, conv) = (self.norm_out.clone(), self.conv_out.clone());
        part(x, activations, move |x| conv.forward(silu(norm.forward(x))))
    }
}

/// The half that encodes of an autoencoder whose latents are close to normal (Kingma & Welling, 1312.6114).
#[derive(Clone, Debug)]
pub(super) struct KlEncoder {
    encoder: Encoder,
    quant_conv: Option<Conv2d>,
    latent_channels: usize,
}

impl KlEncoder {
    pub(super) fn load(config: &KlConfig, p: &Parameters) -> Result<Self, ParametersError> {
        let latent_channels = config.latent_channels;
        Ok(Self {
            encoder: Encoder::load(&p.at("encoder"), config)?,
            quant_conv: config.use_quant_conv.then(|| pointwise(p, "quant_conv", 2 * latent_channels)).transpose()?,
            latent_channels,
        })
    }

    /// Returns the mean of the latents of images in [0, 1], in the autoencoder's own scale.
    pub(super) fn encode(&self, images: Tensor<4>) -> Tensor<4> {
        let moments = self.encoder.forward(images * 2.0 - 1.0);
        let moments = match &self.quant_conv {
            Some(conv) => conv.forward(moments),
            None => moments,
        };
        // The log-variances follow.
        moments.narrow(1, 0, self.latent_channels)
    }
}

/// The half that decodes.
#[derive(Clone, Debug)]
pub(super) struct KlDecoder {
    post_quant_conv: Option<Conv2d>,
    decoder: Decoder,
}

impl KlDecoder {
    pub(super) fn load(config: &KlConfig, p: &Parameters) -> Result<Self, ParametersError> {
        let latent = config.latent_channels;
        Ok(Self {
            post_quant_conv: config.use_post_quant_conv.then(|| pointwise(p, "post_quant_conv", latent)).transpose()?,
            decoder: Decoder::load(&p.at("decoder"), config)?,
        })
    }

    /// Returns images, about in [0, 1], of latents in the autoencoder's own scale.
    pub(super) fn decode(&self, latents: Tensor<4>, activations: Activations) -> Tensor<4> {
        let latents = match &self.post_quant_conv {
            Some(conv) => conv.forward(latents),
            None => latents,
        };
        (self.decoder.forward(latents, activations) + 1.0) / 2.0
    }
}

fn pointwise(p: &Parameters, name: &str, channels: usize) -> Result<Conv2d, ParametersError> {
    Conv2d::load(&p.at(name), [channels, channels], 1, 1)
}
