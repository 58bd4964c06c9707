//! One block of the transformer: joint attention and a feed-forward layer for each stream.

use burn::tensor::Tensor;
use moa_adapter::{AdapterBank, LayerShape, Linear, Parameters, ParametersError};
use moa_device::gelu_tanh;

use super::attention::{HeadShape, JointAttention, SelfAttention};
use super::norm::{BranchNorm, FinalNorm, plain_norm};
use super::rotary::Rotary;

/// diffusers' `FeedForward` with `gelu-approximate`.
#[derive(Clone, Debug)]
struct FeedForward {
    proj: Linear,
    out: Linear,
}

impl FeedForward {
    fn load(p: &Parameters, width: usize) -> Result<Self, ParametersError> {
        Ok(Self {
            proj: Linear::load(&p.at("net.0.proj"), width, 4 * width, true)?,
            out: Linear::load(&p.at("net.2"), 4 * width, width, true)?,
        })
    }

    fn forward(&self, x: Tensor<3>, bank: Option<&AdapterBank>) -> Tensor<3> {
        self.out.forward(gelu_tanh(self.proj.forward(x, bank)), bank)
    }
}

/// The norm before the attention of the image.
#[derive(Clone, Debug)]
enum PictureNorm {
    /// Attention and feed-forward.
    Two(BranchNorm<2>),
    /// Attention, feed-forward, and attention to the image alone.
    Three(BranchNorm<3>, Box<SelfAttention>),
}

/// What the text goes through.
#[derive(Clone, Debug)]
enum TextPath {
    /// Attention and feed-forward, like the image.
    On { norm: BranchNorm<2>, feed_forward: Box<FeedForward> },
    /// It is attended to once more, and ends here.
    Last(FinalNorm),
}

/// What a block has.
#[derive(Clone, Copy, Debug)]
pub(super) struct BlockShape {
    /// Its heads.
    pub(super) heads: HeadShape,
    /// Whether the image attends to itself once more.
    pub(super) twice: bool,
    /// Whether it is the last, where the text has done its part.
    pub(super) last: bool,
}

/// diffusers' `JointTransformerBlock`, and `FluxTransformerBlock`.
#[derive(Clone, Debug)]
pub(super) struct JointBlock {
    norm: PictureNorm,
    attention: JointAttention,
    feed_forward: FeedForward,
    text: TextPath,
}

impl JointBlock {
    /// Takes the parameters.
    pub(super) fn load(p: &Parameters, shape: BlockShape) -> Result<Self, ParametersError> {
        let BlockShape { heads, twice, last } = shape;
        let width = heads.stream();
        Ok(Self {
            norm: if twice {
                let own = Box::new(SelfAttention::load(&p.at("attn2"), heads)?);
                PictureNorm::Three(BranchNorm::load(&p.at("norm1"), width)?, own)
            } else {
                PictureNorm::Two(BranchNorm::load(&p.at("norm1"), width)?)
            },
            attention: JointAttention::load(&p.at("attn"), heads, last)?,
            feed_forward: FeedForward::load(&p.at("ff"), width)?,
            text: if last {
                TextPath::Last(FinalNorm::load(&p.at("norm1_context"), width)?)
            } else {
                TextPath::On {
                    norm: BranchNorm::load(&p.at("norm1_context"), width)?,
                    feed_forward: Box::new(FeedForward::load(&p.at("ff_context"), width)?),
                }
            },
        })
    }

    /// Applies the block.
    ///
    /// # Shapes
    /// - `picture`: `[rows, patches, width]`, `text`: `[rows, tokens, width]`
    /// - `conditions`: time and pooled text after SiLU, `[rows, width]`
    /// - `rotary`: the positions of both, image first
    /// - returns the shapes of image and text; after the last block the text is what came in
    pub(super) fn forward(
        &self,
        [picture, text]: [Tensor<3>; 2],
        conditions: &Tensor<2>,
        rotary: Option<&Rotary>,
        bank: Option<&AdapterBank>,
    ) -> [Tensor<3>; 2] {
        let normal = plain_norm(picture.clone());
        let ([attend, feed], own) = match &self.norm {
            PictureNorm::Two(norm) => (norm.modulations(conditions, bank), None),
            PictureNorm::Three(norm, own) => {
                let [attend, feed, alone] = norm.modulations(conditions, bank);
                let output = own.forward(&alone.enter(normal.clone()), bank);
                ([attend, feed], Some((alone, output)))
            }
        };
        let (text_branches, text_in) = match &self.text {
            TextPath::Last(norm) => (None, norm.forward(text.clone(), conditions, bank)),
            TextPath::On { norm, feed_forward } => {
                let [attend, feed] = norm.modulations(conditions, bank);
                let text_in = attend.enter(plain_norm(text.clone()));
                (Some((attend, feed, feed_forward)), text_in)
            }
        };
        let (picture_out, text_out) = self.attention.forward(&attend.enter(normal), &text_in, rotary, bank);

        let mut picture = attend.leave(picture, picture_out);
        if let Some((alone, output)) = own {
            picture = alone.leave(picture, output);
        }
        let output = self.feed_forward.forward(feed.enter(plain_norm(picture.clone())), bank);
        let picture = feed.leave(picture, output);

        let text = match (text_branches, text_out) {
            (Some((attend, feed, feed_forward)), Some(output)) => {
                let text = attend.leave(text, output);
                let output = feed_forward.forward(feed.enter(plain_norm(text.clone())), bank);
                feed.leave(text, output)
            }
            _ => text,
        };
        [picture, text]
    }

    /// Applies the block to both streams in one tensor, image first: `[rows, patches + tokens, width]`.
    pub(super) fn forward_joined(
        &self,
        both: Tensor<3>,
        [patches, tokens]: [usize; 2],
        conditions: &Tensor<2>,
        rotary: Option<&Rotary>,
        bank: Option<&AdapterBank>,
    ) -> Tensor<3> {
        let streams = [both.clone().narrow(1, 0, patches), both.narrow(1, patches, tokens)];
        Tensor::cat(self.forward(streams, conditions, rotary, bank).into(), 1)
    }

    pub(super) fn linears(&self, out: &mut Vec<LayerShape>) {
        match &self.norm {
            PictureNorm::Two(norm) => out.push(norm.shape()),
            PictureNorm::Three(norm, own) => {
                out.push(norm.shape());
                own.linears(out);
            }
        }
        self.attention.linears(out);
        out.extend([&self.feed_forward.proj, &self.feed_forward.out].map(Linear::shape));
        match &self.text {
            TextPath::Last(norm) => out.push(norm.shape()),
            TextPath::On { norm, feed_forward } => {
                out.push(norm.shape());
                out.extend([&feed_forward.proj, &feed_forward.out].map(Linear::shape));
            }
        }
    }
}
