//! The denoiser with adapters: merged as weights, or with their predictions mixed.

use burn::tensor::Tensor;
use moa_adapter::AdapterBank;

use crate::{Pipeline, TextContext};

/// Several adapters that act as one model: at every step each predicts, and the predictions are mixed by shares.
///
/// What a merge of weights is compared with (as in Diffusion Blend, 2505.18547): it needs no common A and no linearity of the
/// denoiser, and costs a pass for each adapter. Steps are linear in the prediction, so the means of the steps are mixed alike.
#[derive(Clone, Debug)]
pub struct Blend {
    bank: AdapterBank,
    shares: Vec<f32>,
}

impl Blend {
    /// Returns the blend of a bank's adapters; nothing when there are more or fewer shares than adapters.
    pub fn new(bank: AdapterBank, shares: Vec<f32>) -> Option<Self> {
        (bank.members() == shares.len()).then_some(Self { bank, shares })
    }

    /// Returns how many adapters predict at every step.
    pub fn members(&self) -> usize {
        self.shares.len()
    }
}

/// The denoiser as it is bent.
#[derive(Clone, Copy)]
pub enum Denoiser<'a> {
    /// Without adapters.
    Base,
    /// By a bank of K adapters; rows belong to adapters in order.
    Bank(&'a AdapterBank),
    /// By a blend, for all rows alike.
    Blend(&'a Blend),
}

impl<'a> From<Option<&'a AdapterBank>> for Denoiser<'a> {
    fn from(bank: Option<&'a AdapterBank>) -> Self {
        bank.map_or(Self::Base, Self::Bank)
    }
}

impl Denoiser<'_> {
    /// Predicts noise or velocity; see [`Pipeline::denoise`].
    ///
    /// # Shapes
    /// - `x`: `[rows, c, h, w]`, `timesteps`: one for each row, `context`: that of every row
    /// - returns `[rows, c, h, w]`
    pub fn predict(self, pipeline: &Pipeline, x: Tensor<4>, timesteps: &[f32], context: &TextContext) -> Tensor<4> {
        match self {
            Self::Base => pipeline.denoise(x, timesteps, context, None),
            Self::Bank(bank) => pipeline.denoise(x, timesteps, context, Some(bank)),
            Self::Blend(Blend { bank, shares }) => {
                let (rows, count) = (x.dims()[0], shares.len());
                let context = context.repeat(count);
                let all =
                    pipeline.denoise(Tensor::cat(vec![x; count], 0), &timesteps.repeat(count), &context, Some(bank));
                let part = |(member, share): (usize, &f32)| all.clone().narrow(0, member * rows, rows) * *share;
                let parts = shares.iter().enumerate().map(part);
                parts.reduce(Tensor::add).unwrap_or_else(|| unreachable!("a bank has at least one adapter"))
            }
        }
    }
}
