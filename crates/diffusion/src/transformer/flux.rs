//! `FluxTransformer2DModel`: the denoiser of FLUX.1 (Black Forest Labs), with diffusers' config and key names.

mod config;

use burn::tensor::{FloatDType, Tensor};
pub use config::FluxConfig;
use moa_adapter::{AdapterBank, LayerShape, Linear, Parameters, ParametersError};
use moa_device::{as_type, silu};

use super::attention::HeadShape;
use super::block::{BlockShape, JointBlock};
use super::embedding::TimeTextEmbed;
use super::norm::FinalNorm;
use super::rotary::Rotary;
use super::single::SingleBlock;
use crate::gradient::{Activations, Pass, bytes_of, is_large, layers_of, recorded};
use crate::{Compute, TextContext};

/// Sides of the squares of latent pixels that are a token: diffusers' pipeline packs 2 × 2 into channels.
const PATCH: usize = 2;
/// Copies of the streams that the gradient of one block holds at a time.
const BLOCK_COPIES: u64 = 72;
/// Copies of the streams that a block keeps where all activations are kept.
const KEPT_COPIES: u64 = 36;

/// The denoiser: blocks over two streams, image and text, that attend to both, and then blocks over both in a row.
#[derive(Clone, Debug)]
pub struct FluxTransformer {
    config: FluxConfig,
    time_text_embed: TimeTextEmbed,
    x_embedder: Linear,
    context_embedder: Linear,
    blocks: Vec<JointBlock>,
    singles: Vec<SingleBlock>,
    norm_out: FinalNorm,
    proj_out: Linear,
    activations: Activations,
}

impl FluxTransformer {
    /// Takes the parameters that the config implies. The config must be one that [`FluxConfig::check`] accepts.
    ///
    /// # Errors
    /// Says which tensor is missing or has another shape.
    pub fn load(config: &FluxConfig, p: &Parameters) -> Result<Self, ParametersError> {
        let width = config.width();
        let heads = HeadShape { count: config.num_attention_heads, width: config.attention_head_dim, normalised: true };
        let shape = BlockShape { heads, twice: false, last: false };
        let block = |index| JointBlock::load(&p.at(format_args!("transformer_blocks.{index}")), shape);
        let single = |index| SingleBlock::load(&p.at(format_args!("single_transformer_blocks.{index}")), heads);
        let time_text = p.at("time_text_embed");
        let mut transformer = Self {
            time_text_embed: TimeTextEmbed::load(
                &time_text,
                width,
                config.pooled_projection_dim,
                config.guidance_embeds,
            )?,
            x_embedder: Linear::load(&p.at("x_embedder"), config.in_channels, width, true)?,
            context_embedder: Linear::load(&p.at("context_embedder"), config.joint_attention_dim, width, true)?,
            blocks: (0..config.num_layers).map(block).collect::<Result<_, _>>()?,
            singles: (0..config.num_single_layers).map(single).collect::<Result<_, _>>()?,
            norm_out: FinalNorm::load(&p.at("norm_out"), width)?,
            proj_out: Linear::load(&p.at("proj_out"), width, config.in_channels, true)?,
            config: config.clone(),
            activations: Activations::Kept,
        };
        // Weights that are trained are no part of what blocks are computed again from.
        if transformer.is_frozen() {
            transformer.activations = Activations::of(&transformer.linears());
        }
        Ok(transformer)
    }

    /// Returns the network as it is asked to compute.
    pub fn computing(mut self, compute: &Compute) -> Self {
        if let Some(again) = compute.gradient_checkpointing {
            self.activations = if again { Activations::Recomputed } else { Activations::Kept };
        }
        self
    }

    /// Returns the config.
    pub fn config(&self) -> &FluxConfig {
        &self.config
    }

    /// Returns every linear layer: the layers that can be adapted.
    pub fn linears(&self) -> Vec<LayerShape> {
        let mut out = Vec::new();
        self.time_text_embed.linears(&mut out);
        out.extend([self.x_embedder.shape(), self.context_embedder.shape()]);
        self.blocks.iter().for_each(|block| block.linears(&mut out));
        self.singles.iter().for_each(|block| block.linears(&mut out));
        out.extend([self.norm_out.shape(), self.proj_out.shape()]);
        out
    }

    /// Returns about how many bytes a training pass takes for each row; `None` where the network is small enough to keep all
    /// activations, which is best tried out.
    pub fn training_bytes(&self) -> Option<u64> {
        let tokens = self.config.image_tokens() + self.config.text_tokens();
        let streams = (tokens * self.config.width() * bytes_of(self.kept())) as u64;
        let blocks = (self.blocks.len() + self.singles.len()) as u64;
        let copies = match self.activations {
            Activations::Recomputed => blocks + BLOCK_COPIES,
            Activations::Kept => blocks * KEPT_COPIES,
        };
        is_large(&self.linears()).then_some(streams * copies)
    }

    /// Predicts the velocity.
    ///
    /// # Shapes
    /// - `x`: `[rows, in_channels / 4, height, width]`, sides multiples of 2; with a bank of K adapters, rows belong to adapters in order
    /// - `timesteps`: one for each row, in the schedule's unit (0 to 1000)
    /// - `context`: that of every row: T5's states `[rows, tokens, joint_attention_dim]`, CLIP's pooled vectors (without them, zeros),
    ///   and the strength of guidance, where the model embeds one (without it, [`FluxConfig::GUIDANCE`])
    /// - returns the shape of `x`
    pub fn forward(
        &self,
        x: Tensor<4>,
        timesteps: &[f32],
        context: &TextContext,
        bank: Option<&AdapterBank>,
    ) -> Tensor<4> {
        let (kept, rows) = (self.kept(), timesteps.len());
        let added = context.added.as_ref();
        let pooled = match added {
            Some(added) => as_type(added.pooled.clone(), kept),
            None => {
                Tensor::zeros([rows, self.config.pooled_projection_dim], (&x.device().without_autodiff(), kept.into()))
            }
        };
        let states = as_type(context.states.clone(), kept);
        let guidance = context.guidance.unwrap_or(FluxConfig::GUIDANCE);
        let network = |x: Tensor<4>, bank: Option<&AdapterBank>| {
            let bank = bank.map(|bank| bank.as_type(kept));
            let output = self.forward_on_device(as_type(x, kept), timesteps, guidance, &states, &pooled, bank.as_ref());
            as_type(output, FloatDType::F32)
        };
        let followed = states.is_autodiff() || pooled.is_autodiff();
        let in_one_piece = self.activations == Activations::Kept && self.is_frozen() && !followed;
        let recorded = if in_one_piece { recorded(&x, bank, network) } else { None };
        recorded.unwrap_or_else(|| network(x, bank))
    }

    /// Returns the type of number that the network computes in.
    pub fn kept(&self) -> FloatDType {
        self.proj_out.weight().dtype().into()
    }

    /// Returns whether no gradient of the weights is wanted.
    fn is_frozen(&self) -> bool {
        !self.proj_out.weight().is_autodiff()
    }

    /// Predicts by burn's operations, in the network's own type of number.
    fn forward_on_device(
        &self,
        x: Tensor<4>,
        timesteps: &[f32],
        guidance: f32,
        states: &Tensor<3>,
        pooled: &Tensor<2>,
        bank: Option<&AdapterBank>,
    ) -> Tensor<4> {
        let [_, _, height, width] = x.dims();
        let device = x.device().without_autodiff();
        let nothing = Tensor::zeros([1, 1], (&device, self.kept().into()));
        let before = Pass { conditions: &nothing, bank, activations: self.activations };
        let conditions = {
            let (embed, timesteps) = (self.time_text_embed.clone(), timesteps.to_vec());
            let layers = || layers_of(|out| self.time_text_embed.linears(out));
            let embedded = move |pooled: Tensor<2>, _: &Tensor<2>, bank: Option<&AdapterBank>| {
                silu(embed.forward(&timesteps, Some(guidance), &pooled, bank))
            };
            before.block(pooled.clone(), layers, embedded)
        };
        let embedded = |tokens: Tensor<3>, embedder: &Linear| {
            let own = embedder.clone();
            before.block(tokens, || vec![embedder.shape()], move |tokens, _, bank| own.forward(tokens, bank))
        };
        let picture = embedded(packed(x), &self.x_embedder);
        let text = embedded(states.clone(), &self.context_embedder);
        let lengths @ [patches, tokens] = [picture.dims()[1], text.dims()[1]];
        let places = (0..patches).map(|patch| [0, patch / (width / PATCH), patch % (width / PATCH)]);
        let places: Vec<[usize; 3]> = places.chain(std::iter::repeat_n([0; 3], tokens)).collect();
        let rotary = Rotary::of(&places, self.config.axes_dims_rope, &device);

        let pass = Pass { conditions: &conditions, bank, activations: self.activations };
        // A block computed again has one input: both streams, one after the other.
        let both = self.blocks.iter().fold(Tensor::cat(vec![picture, text], 1), |both, block| {
            let layers = || layers_of(|out| block.linears(out));
            let (block, rotary) = (block.clone(), rotary.clone());
            pass.block(both, layers, move |both, conditions, bank| {
                block.forward_joined(both, lengths, conditions, Some(&rotary), bank)
            })
        });
        let both = self.singles.iter().fold(both, |both, block| {
            let layers = || layers_of(|out| block.linears(out));
            let (block, rotary) = (block.clone(), rotary.clone());
            pass.block(both, layers, move |both, conditions, bank| block.forward(both, conditions, &rotary, bank))
        });
        let tokens = {
            let (norm, proj) = (self.norm_out.clone(), self.proj_out.clone());
            let layers = || vec![self.norm_out.shape(), self.proj_out.shape()];
            pass.block(both.narrow(1, 0, patches), layers, move |picture, conditions, bank| {
                proj.forward(norm.forward(picture, conditions, bank), bank)
            })
        };
        unpacked(tokens, [height, width])
    }
}

/// Returns the tokens of `[rows, channels, height, width]`: `[rows, patches, 4 · channels]`, in rows of patches, channels outermost in
/// each.
fn packed(x: Tensor<4>) -> Tensor<3> {
    let [rows, channels, height, width] = x.dims();
    let (high, wide) = (height / PATCH, width / PATCH);
    let patches = x.reshape([rows, channels, high, PATCH, wide, PATCH]).permute([0, 2, 4, 1, 3, 5]);
    patches.reshape([rows, high * wide, channels * PATCH * PATCH])
}

/// Returns the inverse of [`packed`], an image of a height and width.
fn unpacked(tokens: Tensor<3>, [height, width]: [usize; 2]) -> Tensor<4> {
    let [rows, _, values] = tokens.dims();
    let (high, wide, channels) = (height / PATCH, width / PATCH, values / (PATCH * PATCH));
    let patches = tokens.reshape([rows, high, wide, channels, PATCH, PATCH]).permute([0, 3, 1, 4, 2, 5]);
    patches.reshape([rows, channels, height, width])
}
