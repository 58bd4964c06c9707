//! Which points of the simplex get an adapter.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Weighting;

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
    /// Weightings that moa chooses one after the other, once corners and whatever else is listed are trained: each is the one that is worth
    /// most beside what is there, soups included. It ends early where the best one is not worth its training beyond noise.
    Next(NextSpec),
    /// Weightings by reward name, e.g. `{"safety": 3, "alignment": 1}`: shares are divided by their sum, and a reward that
    /// is not named gets none.
    List(Vec<BTreeMap<String, f64>>),
}

/// How the next weightings are chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NextSpec {
    /// At most so many.
    pub count: u32,
    /// What they are worth. Default: `HypervolumeGain`.
    #[serde(default)]
    pub by: NextBy,
    /// At most so many passes through the denoiser for all of them together, a pass forward and backward counted as three. Default: no limit.
    #[serde(default)]
    pub budget: Option<f64>,
    /// What was chosen so far, and why: written into results by moa, and left out of experiment files.
    #[serde(default)]
    pub chosen: Vec<ChosenWeighting>,
    /// Why nothing more was chosen: written by moa, too.
    #[serde(default)]
    pub ended: Option<Expectation>,
}

/// What the next weighting is chosen by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum NextBy {
    /// By how much it is expected to raise the hypervolume of trained points and soups.
    #[default]
    HypervolumeGain,
    /// By how much it could at most raise the best weighted sum of rewards (optimistic linear support, Roijers et al., 2015).
    OptimisticSupport,
}

/// A weighting that was chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChosenWeighting {
    /// Its shares by reward.
    pub shares: BTreeMap<String, f64>,
    /// What was expected of it.
    pub expected: Expectation,
}

impl ChosenWeighting {
    /// Returns the weighting over the named rewards, in their order.
    pub fn weighting(&self, rewards: &[String]) -> Option<Weighting> {
        Weighting::new(rewards.iter().map(|reward| self.shares.get(reward).copied().unwrap_or(0.0)).collect()).ok()
    }
}

/// What training a weighting was expected to add.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// The hypervolume of what was there: trained points and soups, on the experiment's scale.
    pub hypervolume: f64,
    /// The gain that was expected.
    pub gain: f64,
    /// The standard deviation of that hypervolume, from the prompts: less than that is not worth a training.
    pub noise: f64,
}

fn uniform_concentration() -> f64 {
    1.0
}
