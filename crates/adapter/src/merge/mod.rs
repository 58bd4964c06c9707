//! Merging adapters into one: one file for each method.
//!
//! Everything is measured against the mean of what the adapters add to the model, ΔW = Σ λ_k·(α_k/r_k)·B_k·A_k.
//!
//! | method | what it gives | exact |
//! |---|---|---|
//! | [`Mean`](MergeMethod::Mean) | ΔW, at the adapters' own rank where they share A, else by concatenation | yes |
//! | [`Concatenate`](MergeMethod::Concatenate) | ΔW, at the sum of the ranks | yes |
//! | [`Svd`](MergeMethod::Svd) | the matrix of the wanted rank that is nearest to ΔW | at full rank |
//! | [`Linear`](MergeMethod::Linear) | Σ √(λ_k·α_k/r_k)·A_k and the same of B | no: cross terms |
//! | [`Ties`](MergeMethod::Ties) and its kin | factors (or, with `Svd`, the ΔW_k) made sparse first | no, on purpose |
//!
//! The names are those of peft's `add_weighted_adapter`. Where peft is known to err, the tests say by how much.

mod concatenate;
mod dare;
mod error;
mod linear;
mod magnitude_prune;
mod mean;
mod parts;
mod settings;
pub(crate) mod svd;
mod ties;

use moa_core::NoiseKey;
use serde::{Deserialize, Serialize};

pub(crate) use concatenate::layer as concatenated;
pub use error::MergeError;
pub use ties::MajoritySign;

use parts::{Parts, Shape};

use crate::Adapter;

/// How adapters become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MergeMethod {
    /// The exact mean of ΔW at the smallest rank that holds it for certain.
    #[default]
    Mean,
    /// The exact mean of ΔW, at the sum of the ranks.
    Concatenate,
    /// The mean of ΔW brought back to a rank by its singular values.
    Svd,
    /// A and B averaged each for itself: inexact, kept for comparison.
    Linear,
    /// TIES (2306.01708) on A and B each.
    Ties,
    /// TIES on the ΔW_k, brought back to a rank.
    TiesSvd,
    /// DARE (2311.03099) on A and B each, then summed.
    DareLinear,
    /// DARE on the ΔW_k, summed, brought back to a rank.
    DareLinearSvd,
    /// DARE on A and B each, then TIES' election of signs.
    DareTies,
    /// DARE on the ΔW_k, then TIES' election of signs, brought back to a rank.
    DareTiesSvd,
    /// The largest entries of A and B each, then summed.
    MagnitudePrune,
    /// The largest entries of the ΔW_k, summed, brought back to a rank.
    MagnitudePruneSvd,
}

impl MergeMethod {
    /// Returns whether the method ends in an SVD, which brings its result to any rank.
    pub fn ends_in_svd(self) -> bool {
        use MergeMethod::{DareLinearSvd, DareTiesSvd, MagnitudePruneSvd, Svd, TiesSvd};
        matches!(self, Svd | TiesSvd | DareLinearSvd | DareTiesSvd | MagnitudePruneSvd)
    }
}

/// A method with its settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Merge {
    /// The method.
    pub method: MergeMethod,
    /// The rank of the result, for the methods that end in an SVD; `None` is the largest rank among the adapters.
    pub rank: Option<usize>,
    /// For the methods that end in an SVD: entries of the factors beyond this quantile are clamped to it; in (½, 1].
    pub clamp: Option<f64>,
    /// The share of entries that sparse methods keep, in (0, 1].
    pub density: f64,
    /// How TIES elects the sign of an entry.
    pub majority: MajoritySign,
    /// Seed of DARE's choice of entries.
    pub seed: u64,
}

impl Default for Merge {
    fn default() -> Self {
        Self {
            method: MergeMethod::Mean,
            rank: None,
            clamp: None,
            density: 0.5,
            majority: MajoritySign::Total,
            seed: 0,
        }
    }
}

impl Merge {
    /// Merges adapters with their shares λ, which are divided by their sum first.
    ///
    /// λ may be negative for the exact methods (extrapolation), as long as their sum is positive. Adapters with λ = 0
    /// leave no trace.
    ///
    /// # Errors
    /// Refuses λ that do not have a positive sum; and as [`Merge::sum`].
    pub fn apply(&self, adapters: &[(&Adapter, f64)]) -> Result<Adapter, MergeError> {
        check_shares(adapters)?;
        let sum: f64 = adapters.iter().map(|(_, share)| share).sum();
        if sum <= 0.0 {
            return Err(MergeError::Sum { sum });
        }
        let shares: Vec<(&Adapter, f64)> = adapters.iter().map(|(adapter, share)| (*adapter, share / sum)).collect();
        self.sum(&shares)
    }

    /// Merges adapters by weights as they are: 1 and 1 is what a program does that loads both at full strength, −1 takes one away.
    ///
    /// Layers may be adapted by some of them only, at any rank, and by factors or by differences. The methods that work on the factors
    /// take ΔW of layers where the factors cannot be compared. DoRA's magnitudes are no sums: see [`Adapter::resolved`].
    ///
    /// # Errors
    /// Refuses weights that are not finite, or are negative where a root is taken of them; adapters of different base models, and
    /// magnitudes; settings out of their range; and what comes out too large for a number.
    pub fn sum(&self, adapters: &[(&Adapter, f64)]) -> Result<Adapter, MergeError> {
        check_shares(adapters)?;
        self.validate()?;
        let parts = Parts::new(adapters)?;
        if let Some(untouched) = parts.untouched() {
            return Ok(untouched);
        }
        let Self { density, majority, .. } = *self;
        let key = NoiseKey::new(self.seed).named("dare");
        let dropping = |place| dare::Dropping { density, key: key.with(place) };
        let merged = match self.method {
            MergeMethod::Mean => mean::mean(&parts),
            MergeMethod::Concatenate => concatenate::concatenate(&parts),
            MergeMethod::Svd => svd::of_mean(&parts, self),
            MergeMethod::Linear => {
                linear::factorwise(&parts, self, &|tensors, weights, _| linear::sum(tensors, weights))?
            }
            MergeMethod::Ties | MergeMethod::TiesSvd => self
                .sparse(&parts, &|tensors: &[&[f32]], weights: &[f32], _| {
                    ties::merge(tensors, weights, density, majority)
                })?,
            MergeMethod::DareLinear | MergeMethod::DareLinearSvd => self
                .sparse(&parts, &|tensors: &[&[f32]], weights: &[f32], place| {
                    dare::linear(tensors, weights, dropping(place))
                })?,
            MergeMethod::DareTies | MergeMethod::DareTiesSvd => self
                .sparse(&parts, &|tensors: &[&[f32]], weights: &[f32], place| {
                    dare::ties(tensors, weights, dropping(place), majority)
                })?,
            MergeMethod::MagnitudePrune | MergeMethod::MagnitudePruneSvd => self
                .sparse(&parts, &|tensors: &[&[f32]], weights: &[f32], _| {
                    magnitude_prune::merge(tensors, weights, density)
                })?,
        };
        match merged.not_finite() {
            Some(layer) => Err(MergeError::NotFinite(layer.to_owned())),
            None => Ok(merged),
        }
    }

    /// Applies a sparse method to the factors, or to the ΔW_k.
    fn sparse(&self, parts: &Parts<'_>, combine: &Combine<'_>) -> Result<Adapter, MergeError> {
        if self.method.ends_in_svd() {
            svd::of_deltas(parts, self, combine)
        } else {
            linear::factorwise(parts, self, combine)
        }
    }

    fn validate(&self) -> Result<(), MergeError> {
        let refuse = |setting, value: f64, wanted| Err(MergeError::Setting { setting, value, wanted });
        if !(self.density > 0.0 && self.density <= 1.0) {
            return refuse("density", self.density, "a share above 0, up to 1");
        }
        if let Some(rank) = self.rank.filter(|rank| !(1..=MOST_RANK).contains(rank)) {
            return refuse("rank", rank as f64, "1 to 65536");
        }
        if let Some(rank) = self.rank.filter(|_| !self.method.ends_in_svd()) {
            let wanted = "it to a method that ends in an SVD (svd, ties-svd …): the others do not choose their rank";
            return refuse("rank", rank as f64, wanted);
        }
        match self.clamp {
            Some(clamp) if !(clamp > 0.5 && clamp <= 1.0) => refuse("clamp", clamp, "a quantile above 0.5, up to 1"),
            Some(clamp) if !self.method.ends_in_svd() => {
                refuse("clamp", clamp, "it to a method that ends in an SVD (svd, ties-svd …)")
            }
            _ => Ok(()),
        }
    }
}

/// Combines the tensors of several adapters, with their weights; the number differs for every tensor that is made.
type Combine<'f> = dyn Fn(&[&[f32]], &[f32], u64) -> Vec<f32> + Sync + 'f;

/// The largest rank, as peft's configurations have it, too.
const MOST_RANK: usize = 65536;
/// The rank of what is made of differences alone, unless another is asked for.
const USUAL_RANK: usize = 16;

fn check_shares(adapters: &[(&Adapter, f64)]) -> Result<(), MergeError> {
    if adapters.is_empty() {
        return Err(MergeError::Empty);
    }
    match adapters.iter().position(|(_, share)| !share.is_finite()) {
        Some(index) => Err(MergeError::Share { index, value: adapters[index].1, wanted: "finite" }),
        None => Ok(()),
    }
}

impl Adapter {
    /// Returns the adapter whose ΔW is Σ λ_k·ΔW_k: [`Merge`] by [`MergeMethod::Mean`].
    ///
    /// # Errors
    /// See [`Merge::apply`].
    pub fn mean(adapters: &[(&Self, f64)]) -> Result<Self, MergeError> {
        Merge::default().apply(adapters)
    }
}

#[cfg(test)]
mod tests;
