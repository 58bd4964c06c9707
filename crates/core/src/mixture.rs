//! What a merge is made of, and how.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::RunId;

/// Adapters that are merged: the same mixture of the same adapters is the same adapter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mixture {
    /// How they are merged.
    pub merge: MergeSettings,
    /// The adapters that have a share, in the order in which they are merged.
    pub ingredients: Vec<Ingredient>,
}

/// One adapter of a mixture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ingredient {
    /// The run's name in the experiment; outside of experiments the name of its file or folder.
    pub name: String,
    /// Its share. In experiments shares sum to 1, and are negative or above 1 where the merge extrapolates; outside of them it is the weight,
    /// 1 at full strength.
    pub share: f64,
    /// The SHA-256 of its factors, in hexadecimal: see `moa_adapter::Adapter::sha256`.
    pub sha256: String,
    /// The digest of its own provenance (`Provenance::digest`); nothing where its file says nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<String>,
    /// Factors on layers whose names match patterns, the last that matches; outside of experiments alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocks: Vec<(String, f64)>,
}

/// How adapters are merged; a setting that the method does not use is nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MergeSettings {
    /// The method, by peft's name.
    pub method: String,
    /// The share of entries that is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub density: Option<f64>,
    /// How signs are elected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub majority: Option<String>,
    /// The seed of what is dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// The rank of the result; nothing where it follows from the adapters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rank: Option<usize>,
    /// The quantile that entries of the factors are clamped to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clamp: Option<f64>,
}

impl MergeSettings {
    /// The method of soups, unless another is asked for.
    pub const MEAN: &'static str = "mean";

    /// Returns the exact mean.
    pub fn mean() -> Self {
        Self { method: Self::MEAN.into(), density: None, majority: None, seed: None, rank: None, clamp: None }
    }

    /// Returns whether this is the exact mean, which planned soups are.
    pub fn is_mean(&self) -> bool {
        *self == Self::mean()
    }

    /// Returns what the names of soups of this method end in: nothing of the mean, `-ties-d0.3` of ties that keeps three entries in ten.
    pub(crate) fn suffix(&self) -> String {
        if self.is_mean() {
            return String::new();
        }
        let Self { method, density, majority, seed, rank, clamp } = self;
        let parts = [
            density.map(|density| format!("-d{density}")),
            // The usual ones are not named.
            majority.as_ref().filter(|majority| *majority != "total").map(|majority| format!("-{majority}")),
            seed.filter(|seed| *seed != 0).map(|seed| format!("-s{seed}")),
            rank.map(|rank| format!("-r{rank}")),
            clamp.map(|clamp| format!("-c{clamp}")),
        ];
        parts.into_iter().flatten().fold(format!("-{method}"), |name, part| name + &part)
    }
}

impl fmt::Display for MergeSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, density, majority, seed, rank, clamp } = self;
        f.write_str(method)?;
        let parts = [
            density.map(|density| format!("density {density}")),
            majority.as_ref().map(|majority| format!("majority {majority}")),
            seed.map(|seed| format!("seed {seed}")),
            rank.map(|rank| format!("rank {rank}")),
            clamp.map(|clamp| format!("clamp {clamp}")),
        ];
        parts.into_iter().flatten().try_for_each(|part| write!(f, ", {part}"))
    }
}

impl Mixture {
    /// Returns the shares by name.
    pub fn shares(&self) -> Vec<(RunId, f64)> {
        self.ingredients.iter().map(|part| (RunId(part.name.clone()), part.share)).collect()
    }

    /// Returns whether another mixture has the same shares of adapters of the same names, merged alike; the adapters may have been trained
    /// again since.
    pub fn is_recipe_of(&self, other: &Self) -> bool {
        let same =
            |(one, other): (&Ingredient, &Ingredient)| one.name == other.name && (one.share - other.share).abs() < 1e-9;
        self.merge == other.merge
            && self.ingredients.len() == other.ingredients.len()
            && self.ingredients.iter().zip(&other.ingredients).all(same)
    }
}
