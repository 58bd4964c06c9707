//! Which mixtures of trained adapters are evaluated beside them, merged or blended.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A family of mixtures; an experiment lists several, which are joined without duplicates.
///
/// In `soups` the adapters' weights are mixed (Ramé et al., NeurIPS 2023), in `blends` their predictions. A soup costs no training: it is merged once all adapters are trained, and evaluated as they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum SoupsSpec {
    /// The soup of the corners at the weighting of every other run, to compare merging with training. Nothing where a
    /// corner is not among the weightings.
    AtWeightings,
    /// All shares of adapters that are multiples of 1/`divisions`.
    Lattice {
        /// Which adapters are mixed. Default: `Corners`.
        #[serde(default)]
        of: Ingredients,
        /// How many steps a share is divided into, 1 or more.
        divisions: u32,
    },
    /// Shares by the name of a run or a given adapter, e.g. `{"safety": 3, "centre": 1}`: they are divided by their sum.
    List(Vec<BTreeMap<String, f64>>),
}

/// The adapters that soups are made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ingredients {
    /// The adapters trained on one reward each.
    #[default]
    Corners,
    /// All adapters of the experiment: trained ones, and those that are given.
    All,
    /// Those that are given.
    Given,
}
