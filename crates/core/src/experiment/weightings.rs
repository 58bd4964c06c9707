//! Which points of the simplex get an adapter.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A family of weightings; an experiment lists several, which are joined without duplicates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum WeightingsSpec {
    /// Each reward on its own.
    Corners,
    /// All rewards with equal shares.
    Centre,
    /// All shares that are multiples of 1/`divisions` (Das & Dennis, SIAM J. Optim. 1998): C(divisions + R − 1, R − 1)
    /// weightings for R rewards, the corners included.
    Lattice {
        /// How many steps an edge of the simplex is divided into, 1 or more.
        divisions: u32,
    },
    /// Random draws from a symmetric Dirichlet distribution, fixed by the experiment's seed: more of them keep the earlier ones, and two
    /// families of one concentration draw the same.
    Dirichlet {
        /// How many weightings are drawn, 1 or more.
        count: u32,
        /// Above 1 draws gather at the centre, below 1 at the corners. Default: 1, uniform over the simplex.
        #[serde(default = "uniform_concentration")]
        concentration: f64,
    },
    /// Weightings by reward name, e.g. `{"safety": 3, "alignment": 1}`: shares are divided by their sum, and a reward that
    /// is not named gets none.
    List(Vec<BTreeMap<String, f64>>),
}

fn uniform_concentration() -> f64 {
    1.0
}
