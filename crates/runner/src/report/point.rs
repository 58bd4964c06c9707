//! One point of a report: base, adapter or soup.

use moa_core::{PointKind, RunId, ScoreColumn, Weighting};
use moa_pareto::{Bootstrap, Interval, ParetoError};

use crate::SuspectedHacking;
use crate::hacking::difference;

/// One point of the front, or behind it.
#[derive(Clone, Debug, PartialEq)]
pub struct FrontPoint {
    /// Its name.
    pub id: RunId,
    /// What it is.
    pub kind: PointKind,
    /// Its weighting; none for the base.
    pub weighting: Option<Weighting>,
    /// One score per reward, in the experiment's order.
    pub rewards: Vec<Score>,
    /// One score per judge.
    pub judges: Vec<Score>,
    /// Whether no other point is at least as good in every reward and better in one. Means alone decide, whatever their
    /// intervals.
    pub on_front: bool,
    /// Rewards that rose while their judges fell.
    pub suspected_hacking: Vec<SuspectedHacking>,
}

/// What a point scores by a reward or judge.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// The reward or judge.
    pub name: String,
    /// The mean over prompts.
    pub mean: Interval,
    /// The paired difference to the base on the same prompts and noise; none before the base is evaluated.
    pub difference: Option<Interval>,
}

impl Score {
    /// Returns the mean with the interval of the paired difference to the base around it: what is left of the uncertainty once
    /// prompts and noise, the same for all points, are taken out. The base has no such interval, and before it is
    /// evaluated nobody has: then it is the mean's own.
    pub(crate) fn against_base(&self) -> Interval {
        self.difference.map_or(self.mean, |difference| difference.around(self.mean.mean))
    }
}

/// Returns the scores of columns, compared with those of the base of the same names.
pub(crate) fn scores(
    bootstrap: &Bootstrap,
    columns: &[ScoreColumn],
    base: Option<&[ScoreColumn]>,
) -> Result<Vec<Score>, ParetoError> {
    let score = |column: &ScoreColumn| {
        let prompts: Vec<[f64; 1]> = column.prompt_means.iter().map(|mean| [*mean]).collect();
        let base = base.and_then(|columns| columns.iter().find(|other| other.name == column.name));
        Ok(Score {
            name: column.name.clone(),
            mean: bootstrap.mean(&prompts)?,
            difference: base.map(|base| difference(bootstrap, column, base)).transpose()?,
        })
    };
    columns.iter().map(score).collect()
}
