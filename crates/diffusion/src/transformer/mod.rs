//! `SD3Transformer2DModel`: the denoiser of Stable Diffusion 3 and 3.5 (Esser et al., 2403.03206), with diffusers' config and
//! key names. [`FluxTransformer`] is FLUX.1's, of the same blocks and others.

mod attention;
mod block;
mod config;
mod embedding;
mod flux;
mod norm;
mod rotary;
mod single;

use attention::HeadShape;
use block::{BlockShape, JointBlock};
use burn::tensor::{FloatDType, Tensor};
pub use config::Sd3Config;
use embedding::{PatchEmbed, TimeTextEmbed};
pub use flux::{FluxConfig, FluxTransformer};
use moa_adapter::{AdapterBank, LayerShape, Linear, Parameters, ParametersError};
use moa_device::{as_type, silu};
use norm::FinalNorm;

use crate::gradient::{Activations, Pass, bytes_of, is_large, layers_of, recorded};
use crate::{Compute, TextContext};

/// Tokens of T5, Stable Diffusion 3's third text encoder: diffusers' `max_sequence_length`.
pub(crate) const T5_TOKENS: usize = 256;
/// Tokens of the two CLIP encoders, side by side.
const CLIP_TOKENS: usize = 77;
/// Copies of both streams that the gradient of one block holds at a time, half of them those of its feed-forward layers.
const BLOCK_COPIES: u64 = 72;

/// Copies of both streams that a block keeps where all activations are kept.
const KEPT_COPIES: u64 = 36;

/// The denoiser: a transformer over patches of the image and states of the text, both at once.
#[derive(Clone, Debug)]
pub struct Sd3Transformer {
    config: Sd3Config,
    pos_embed: PatchEmbed,
    time_text_embed: TimeTextEmbed,
    context_embedder: Linear,
    blocks: Vec<JointBlock>,
    norm_out: FinalNorm,
    proj_out: Linear,
    activations: Activations,
    /// Whether contexts have T5's states.
    reads_t5: bool,
}

impl Sd3Transformer {
    /// Takes the parameters that the config implies. The config must be one that [`Sd3Config::check`] accepts.
    ///
    /// # Errors
    /// Says which tensor is missing or has another shape.
    pub fn load(config: &Sd3Config, p: &Parameters) -> Result<Self, ParametersError> {
        let (width, patch) = (config.width(), config.patch_size);
        let block = |index| {
            let shape = BlockShape {
                heads: HeadShape {
                    count: config.num_attention_heads,
                    width: config.attention_head_dim,
                    normalised: config.qk_norm.is_some(),
                },
                twice: config.dual_attention_layers.contains(&index),
                last: index + 1 == config.num_layers,
            };
            JointBlock::load(&p.at(format_args!("transformer_blocks.{index}")), shape)
        };
        let mut transformer = Self {
            pos_embed: PatchEmbed::load(&p.at("pos_embed"), config)?,
            time_text_embed: TimeTextEmbed::load(&p.at("time_text_embed"), width, config.pooled_projection_dim, false)?,
            context_embedder: Linear::load(&p.at("context_embedder"), config.joint_attention_dim, width, true)?,
            blocks: (0..config.num_layers).map(block).collect::<Result<_, _>>()?,
            norm_out: FinalNorm::load(&p.at("norm_out"), width)?,
            proj_out: Linear::load(&p.at("proj_out"), width, patch * patch * config.out_channels(), true)?,
            config: config.clone(),
            activations: Activations::Kept,
            reads_t5: false,
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

    /// Returns the network for contexts with T5's states, or without; see [`Sd3Transformer::forward_context`].
    pub fn reading_t5(mut self, reads_t5: bool) -> Self {
        self.reads_t5 = reads_t5;
        self
    }

    /// Returns the network with another choice of what a forward pass keeps.
    #[cfg(test)]
    pub(crate) fn keeping(mut self, activations: Activations) -> Self {
        self.activations = activations;
        self
    }

    /// Returns the config.
    pub fn config(&self) -> &Sd3Config {
        &self.config
    }

    /// Returns every linear layer: the layers that can be adapted.
    pub fn linears(&self) -> Vec<LayerShape> {
        let mut out = Vec::new();
        self.time_text_embed.linears(&mut out);
        out.push(self.context_embedder.shape());
        self.blocks.iter().for_each(|block| block.linears(&mut out));
        out.extend([self.norm_out.shape(), self.proj_out.shape()]);
        out
    }

    /// Returns about how many bytes a training pass takes for each row; `None` where the network is small enough to keep all
    /// activations, which is best tried out.
    pub fn training_bytes(&self) -> Option<u64> {
        let Sd3Config { sample_size, patch_size, num_layers, .. } = &self.config;
        let tokens = (sample_size / patch_size).pow(2) + CLIP_TOKENS + T5_TOKENS;
        let streams = (tokens * self.config.width() * bytes_of(self.kept())) as u64;
        let copies = match self.activations {
            Activations::Recomputed => *num_layers as u64 + BLOCK_COPIES,
            Activations::Kept => *num_layers as u64 * KEPT_COPIES,
        };
        is_large(&self.linears()).then_some(streams * copies)
    }

    /// Predicts the velocity.
    ///
    /// # Shapes
    /// - `x`: `[rows, in_channels, height, width]`, sides multiples of `patch_size` and at most `patch_size ·
    ///   pos_embed_max_size`; with a bank of K adapters, rows belong to adapters in order
    /// - `timesteps`: one for each row, in the schedule's unit (0 to 1000)
    /// - `states`: `[rows, tokens, joint_attention_dim]`
    /// - `pooled`: `[rows, pooled_projection_dim]`
    /// - returns the shape of `x`
    pub fn forward(
        &self,
        x: Tensor<4>,
        timesteps: &[f32],
        states: &Tensor<3>,
        pooled: &Tensor<2>,
        bank: Option<&AdapterBank>,
    ) -> Tensor<4> {
        let kept = self.kept();
        let (states, pooled) = (as_type(states.clone(), kept), as_type(pooled.clone(), kept));
        let network = |x: Tensor<4>, bank: Option<&AdapterBank>| {
            let bank = bank.map(|bank| bank.as_type(kept));
            let output = self.forward_on_device(as_type(x, kept), timesteps, &states, &pooled, bank.as_ref());
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
        states: &Tensor<3>,
        pooled: &Tensor<2>,
        bank: Option<&AdapterBank>,
    ) -> Tensor<4> {
        let [_, _, height, width] = x.dims();
        let nothing = Tensor::zeros([1, 1], (&x.device().without_autodiff(), self.kept().into()));
        let before = Pass { conditions: &nothing, bank, activations: self.activations };
        let conditions = {
            let (embed, pooled, timesteps) = (self.time_text_embed.clone(), pooled.clone(), timesteps.to_vec());
            let layers = || layers_of(|out| self.time_text_embed.linears(out));
            before.block(pooled, layers, move |pooled, _, bank| silu(embed.forward(&timesteps, None, &pooled, bank)))
        };
        let picture = self.pos_embed.forward(x);
        let text = {
            let embedder = self.context_embedder.clone();
            let layers = || vec![self.context_embedder.shape()];
            before.block(states.clone(), layers, move |states, _, bank| embedder.forward(states, bank))
        };
        let lengths @ [patches, _] = [picture.dims()[1], text.dims()[1]];
        let pass = Pass { conditions: &conditions, bank, activations: self.activations };
        // A block computed again has one input: both streams, one after the other.
        let both = self.blocks.iter().fold(Tensor::cat(vec![picture, text], 1), |both, block| {
            let layers = || layers_of(|out| block.linears(out));
            let block = block.clone();
            pass.block(both, layers, move |both, conditions, bank| {
                block.forward_joined(both, lengths, conditions, None, bank)
            })
        });
        let picture = both.narrow(1, 0, patches);
        let tokens = {
            let (norm, proj) = (self.norm_out.clone(), self.proj_out.clone());
            let layers = || vec![self.norm_out.shape(), self.proj_out.shape()];
            pass.block(picture, layers, move |picture, conditions, bank| {
                proj.forward(norm.forward(picture, conditions, bank), bank)
            })
        };
        self.pos_embed.picture(tokens, [height, width])
    }

    /// Predicts the velocity for texts as a pipeline encodes them.
    ///
    /// With T5, their states have all tokens ([`Sd3Transformer::reading_t5`]). Without it they are the two CLIP encoders' alone, and as
    /// wide as those are: zeros stand for all that T5 would add, as with diffusers' `text_encoder_3=None`. They are put in here, not
    /// where texts are encoded: contexts of many prompts take a tenth of the memory.
    ///
    /// # Shapes
    /// - `x`, `timesteps` and what is returned: as [`Sd3Transformer::forward`] has them
    /// - `context`: that of every row, states `[rows, tokens, joint_attention_dim]` with T5, without it at most as wide, with pooled
    ///   vectors (without them, zeros)
    pub fn forward_context(
        &self,
        x: Tensor<4>,
        timesteps: &[f32],
        context: &TextContext,
        bank: Option<&AdapterBank>,
    ) -> Tensor<4> {
        let [rows, _, width] = context.states.dims();
        let options = (&context.states.device().without_autodiff(), context.states.dtype());
        let pooled = match &context.added {
            Some(added) => added.pooled.clone(),
            None => Tensor::zeros([rows, self.config.pooled_projection_dim], options),
        };
        if self.reads_t5 {
            return self.forward(x, timesteps, &context.states, &pooled, bank);
        }
        let states = widened(context.states.clone(), self.config.joint_attention_dim.max(width));
        let t5 = Tensor::zeros([rows, T5_TOKENS, self.config.joint_attention_dim], options);
        self.forward(x, timesteps, &Tensor::cat(vec![states, t5], 1), &pooled, bank)
    }
}

/// Returns states `[rows, tokens, …]` with zeros up to a width.
pub(crate) fn widened(states: Tensor<3>, width: usize) -> Tensor<3> {
    let [rows, tokens, own] = states.dims();
    if own >= width {
        return states;
    }
    let options = (&states.device().without_autodiff(), states.dtype());
    let zeros = Tensor::zeros([rows, tokens, width - own], options);
    Tensor::cat(vec![states, zeros], 2)
}
