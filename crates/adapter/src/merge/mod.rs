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
mod settings;
mod svd;
mod ties;

use moa_core::NoiseKey;
use serde::{Deserialize, Serialize};

pub use error::MergeError;
pub use ties::MajoritySign;

use crate::{Adapter, Precision};

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
    /// Refuses λ that are not finite, do not have a positive sum, or are negative where a root is taken of them; adapters
    /// of different base models; ranks that differ where they may not; settings out of their range.
    pub fn apply(&self, adapters: &[(&Adapter, f64)]) -> Result<Adapter, MergeError> {
        let parts = Parts::new(adapters)?;
        self.validate()?;
        let Self { density, majority, .. } = *self;
        let dropping = |key: NoiseKey| dare::Dropping { density, key };
        let key = NoiseKey::new(self.seed).named("dare");
        match self.method {
            MergeMethod::Mean => Ok(mean::mean(&parts)),
            MergeMethod::Concatenate => Ok(concatenate::concatenate(&parts)),
            MergeMethod::Svd => Ok(svd::of_mean(&parts, self)),
            MergeMethod::Linear => linear::factorwise(&parts, |tensors, weights, _| linear::sum(tensors, weights)),
            MergeMethod::Ties => {
                linear::factorwise(&parts, |tensors, weights, _| ties::merge(tensors, weights, density, majority))
            }
            MergeMethod::DareLinear => linear::factorwise(&parts, |tensors, weights, place| {
                dare::linear(tensors, weights, dropping(key.with(place)))
            }),
            MergeMethod::DareTies => linear::factorwise(&parts, |tensors, weights, place| {
                dare::ties(tensors, weights, dropping(key.with(place)), majority)
            }),
            MergeMethod::MagnitudePrune => {
                linear::factorwise(&parts, |tensors, weights, _| magnitude_prune::merge(tensors, weights, density))
            }
            MergeMethod::TiesSvd => {
                svd::of_deltas(&parts, self, |tensors, weights, _| ties::merge(tensors, weights, density, majority))
            }
            MergeMethod::DareLinearSvd => svd::of_deltas(&parts, self, |tensors, weights, place| {
                dare::linear(tensors, weights, dropping(key.with(place)))
            }),
            MergeMethod::DareTiesSvd => svd::of_deltas(&parts, self, |tensors, weights, place| {
                dare::ties(tensors, weights, dropping(key.with(place)), majority)
            }),
            MergeMethod::MagnitudePruneSvd => {
                svd::of_deltas(&parts, self, |tensors, weights, _| magnitude_prune::merge(tensors, weights, density))
            }
        }
    }

    fn validate(&self) -> Result<(), MergeError> {
        let refuse = |setting, value: f64, wanted| Err(MergeError::Setting { setting, value, wanted });
        if !(self.density > 0.0 && self.density <= 1.0) {
            return refuse("density", self.density, "a share above 0, up to 1");
        }
        if self.rank == Some(0) {
            return refuse("rank", 0.0, "1 or more");
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

impl Adapter {
    /// Returns the adapter whose ΔW is Σ λ_k·ΔW_k: [`Merge`] by [`MergeMethod::Mean`].
    ///
    /// # Errors
    /// See [`Merge::apply`].
    pub fn mean(adapters: &[(&Self, f64)]) -> Result<Self, MergeError> {
        Merge::default().apply(adapters)
    }
}

/// The adapters that take part, with shares that sum to 1.
struct Parts<'a> {
    parts: Vec<Part<'a>>,
    /// Input and output width of every layer that one of them adapts.
    widths: std::collections::BTreeMap<&'a str, [usize; 2]>,
}

struct Part<'a> {
    adapter: &'a Adapter,
    share: f64,
}

impl Part<'_> {
    /// Returns α/r.
    fn scale(&self) -> f64 {
        f64::from(self.adapter.alpha) / self.adapter.rank as f64
    }
}

impl<'a> Parts<'a> {
    fn new(adapters: &[(&'a Adapter, f64)]) -> Result<Self, MergeError> {
        if adapters.is_empty() {
            return Err(MergeError::Empty);
        }
        if let Some(index) = adapters.iter().position(|(_, share)| !share.is_finite()) {
            return Err(MergeError::Share { index, value: adapters[index].1, wanted: "finite" });
        }
        let sum: f64 = adapters.iter().map(|(_, share)| share).sum();
        if sum <= 0.0 {
            return Err(MergeError::Sum { sum });
        }
        let mut widths = std::collections::BTreeMap::new();
        for (index, (adapter, _)) in adapters.iter().enumerate() {
            for (name, layer) in &adapter.layers {
                let found = [layer.d_in, layer.d_out];
                let wanted = *widths.entry(name.as_str()).or_insert(found);
                if wanted != found {
                    return Err(MergeError::Shape { layer: name.clone(), index, found, wanted });
                }
            }
        }
        let parts: Vec<Part<'_>> = adapters
            .iter()
            .filter(|(_, share)| *share != 0.0)
            .map(|(adapter, share)| Part { adapter, share: share / sum })
            .collect();
        widths.retain(|name, _| parts.iter().any(|part| part.adapter.layers.contains_key(*name)));
        Ok(Self { parts, widths })
    }

    /// Returns the precision of the result: the adapters' own where they agree.
    fn precision(&self) -> Precision {
        self.parts.iter().map(|part| part.adapter.precision).reduce(Precision::joined).unwrap_or_default()
    }

    /// Refuses negative shares, for methods that take a root of them.
    fn not_negative(&self) -> Result<(), MergeError> {
        match self.parts.iter().position(|part| part.share < 0.0) {
            Some(index) => {
                let wanted = "not negative: only mean, concatenate and svd can extrapolate";
                Err(MergeError::Share { index, value: self.parts[index].share, wanted })
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
