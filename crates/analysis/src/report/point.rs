//! One point of a report: base, adapter or soup.

use moa_core::{PointKind, RunId, Weighting};

use crate::{Placing, Score, SuspectedHacking};

/// One point of the front, or behind it.
#[derive(Clone, Debug, PartialEq)]
pub struct FrontPoint {
    /// Its name.
    pub id: RunId,
    /// What it is.
    pub kind: PointKind,
    /// Whether it is a soup that the experiment does not plan, and that was added to it when it was measured.
    pub added: bool,
    /// Its weighting; none for the base.
    pub weighting: Option<Weighting>,
    /// The shares of the corners' adapters in it, in their order; none for what is no mixture of them.
    pub shares: Option<Vec<f64>>,
    /// One score per reward, in the experiment's order.
    pub rewards: Vec<Score>,
    /// One score per judge.
    pub judges: Vec<Score>,
    /// Whether it is on the front, and how sure that is.
    pub placing: Placing,
    /// Rewards that rose while their judges fell.
    pub suspected_hacking: Vec<SuspectedHacking>,
}
