//! diffusers' `AutoencoderTiny`: the Tiny AutoEncoder for Stable Diffusion (TAESD, Ollin Boer Bohan 2023).

use burn::tensor::activation::relu;
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Tensor, activation};
use moa_adapter::{Init, Parameters, ParametersError};

use super::TinyConfig;
use super::block::double;
use super::recompute::part;
use crate::gradient::Activations;
use crate::nn::Conv2d;

/// Three convolutions around which the input goes too.
#[derive(Clone, Debug)]
struct Block(Box<[Conv2d; 3]>);

impl Block {
    fn load(p: &Parameters, channels: usize) -> Result<Self, ParametersError> {
        let conv = |index: usize| Conv2d::load(&p.at(format!("conv.{index}")), [channels, channels], 3, 1);
        Ok(Self(Box::new([conv(0)?, conv(2)?, conv(4)?])))
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [first, second, third] = &*self.0;
        let hidden = third.forward(relu(second.forward(relu(first.forward(x.clone())))));
        relu(hidden + x)
    }
}

/// A 3×3 convolution without bias.
#[derive(Clone, Debug)]
struct Unbiased {
    weight: Tensor<4>,
    stride: usize,
}

impl Unbiased {
    fn load(p: &Parameters, channels: usize, stride: usize) -> Result<Self, ParametersError> {
        let bound = Init::Uniform(1.0 / (9.0 * channels as f32).sqrt());
        Ok(Self { weight: p.get("weight", [channels, channels, 3, 3], bound)?, stride })
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        conv2d(x, self.weight.clone(), None, ConvOptions::new([self.stride; 2], [1; 2], [1; 2], 1))
    }
}

/// A layer of diffusers' `nn.Sequential`.
#[derive(Clone, Debug)]
enum Layer {
    Conv(Box<Conv2d>),
    Unbiased(Box<Unbiased>),
    Block(Block),
    Relu,
    Double,
}

impl Layer {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Conv(conv) => conv.forward(x),
            Self::Unbiased(conv) => conv.forward(x),
            Self::Block(block) => block.forward(x),
            Self::Relu => relu(x),
            Self::Double => double(x),
        }
    }
}

/// The layers of one side, loaded in order under their index.
struct Layers<'a> {
    parameters: &'a Parameters,
    list: Vec<Layer>,
}

impl Layers<'_> {
    /// Returns the parameters of the next layer.
    fn next(&self) -> Parameters {
        self.parameters.at(format!("layers.{}", self.list.len()))
    }

    fn conv(&mut self, channels: [usize; 2]) -> Result<(), ParametersError> {
        self.list.push(Layer::Conv(Box::new(Conv2d::load(&self.next(), channels, 3, 1)?)));
        Ok(())
    }

    fn unbiased(&mut self, channels: usize, stride: usize) -> Result<(), ParametersError> {
        self.list.push(Layer::Unbiased(Box::new(Unbiased::load(&self.next(), channels, stride)?)));
        Ok(())
    }

    fn blocks(&mut self, count: usize, channels: usize) -> Result<(), ParametersError> {
        for _ in 0..count {
            self.list.push(Layer::Block(Block::load(&self.next(), channels)?));
        }
        Ok(())
    }
}

/// The half that encodes of a small autoencoder without randomness; its latents are close to those of the large one.
#[derive(Clone, Debug)]
pub(super) struct TinyEncoder(Vec<Layer>);

impl TinyEncoder {
    pub(super) fn load(config: &TinyConfig, p: &Parameters) -> Result<Self, ParametersError> {
        let encoder = p.at("encoder");
        let mut down = Layers { parameters: &encoder, list: Vec::new() };
        let width = config.encoder_block_out_channels[0];
        for (stage, blocks) in config.num_encoder_blocks.iter().enumerate() {
            if stage == 0 {
                down.conv([config.in_channels, width])?;
            } else {
                down.unbiased(width, 2)?;
            }
            down.blocks(*blocks, width)?;
        }
        down.conv([width, config.latent_channels])?;
        Ok(Self(down.list))
    }

    /// Returns the latents of images in [0, 1].
    pub(super) fn encode(&self, images: Tensor<4>) -> Tensor<4> {
        self.0.iter().fold(images, |x, layer| layer.forward(x))
    }
}

/// The half that decodes; its images are close to those of the large one.
#[derive(Clone, Debug)]
pub(super) struct TinyDecoder(Vec<Layer>);

impl TinyDecoder {
    pub(super) fn load(config: &TinyConfig, p: &Parameters) -> Result<Self, ParametersError> {
        let decoder = p.at("decoder");
        let mut up = Layers { parameters: &decoder, list: Vec::new() };
        let width = config.decoder_block_out_channels[0];
        up.conv([config.latent_channels, width])?;
        up.list.push(Layer::Relu);
        let last = config.num_decoder_blocks.len() - 1;
        for (stage, blocks) in config.num_decoder_blocks.iter().enumerate() {
            up.blocks(*blocks, width)?;
            if stage < last {
                up.list.push(Layer::Double);
                up.unbiased(width, 1)?;
            }
        }
        up.conv([width, config.out_channels])?;
        Ok(Self(up.list))
    }

    /// Returns images, about in [0, 1], of latents, which are squashed into ±3 first.
    pub(super) fn decode(&self, latents: Tensor<4>, activations: Activations) -> Tensor<4> {
        let squashed = activation::tanh(latents / 3.0) * 3.0;
        self.0.iter().cloned().fold(squashed, |x, layer| part(x, activations, move |x| layer.forward(x)))
    }
}
