//! What the evaluations of an experiment add up to.

mod csv;
mod edge;
mod hypervolumes;
mod json;
mod point;
mod soup_comparison;

use moa_core::{EvaluationRecord, ExperimentSpec, PointKind, RunId};
use moa_pareto::non_dominated;
use moa_store::Snapshot;

pub use edge::{Edge, EdgePath};
pub use hypervolumes::Hypervolumes;
pub(crate) use point::scores;
pub use point::{FrontPoint, Score};
pub use soup_comparison::{EqualHypervolumes, SoupComparison};

use crate::RunnerError;
use crate::hacking::{bootstrap, suspected_hacking};

/// Points with intervals, the front, its hypervolume.
#[derive(Clone, Debug, PartialEq)]
pub struct FrontReport {
    /// The experiment's name.
    pub experiment: String,
    /// The rewards, in the experiment's order.
    pub rewards: Vec<String>,
    /// The judges, in the order in which they report.
    pub judges: Vec<String>,
    /// By reward, what counts as 0 and as 1 in the hypervolume; what counts as 0 is the reference point.
    pub scales: Vec<moa_core::experiment::Scale>,
    /// The base, then trained adapters, soups and blends, each in the experiment's order.
    pub points: Vec<FrontPoint>,
    /// The hypervolumes; none before anything was evaluated, and with more than [`Hypervolumes::MOST_REWARDS`] rewards.
    pub hypervolumes: Option<Hypervolumes>,
    /// Soups and blends against trained adapters; none without them.
    pub soups: Option<SoupComparison>,
}

impl FrontReport {
    /// Returns the report of what was evaluated so far; of an experiment that has not begun, one without points.
    ///
    /// Intervals are 95 % percentile intervals over `evaluation.resamples` resamples of the prompts.
    ///
    /// # Errors
    /// Fails when evaluations do not fit each other: other prompts, other rewards.
    pub fn of(snapshot: &Snapshot, spec: &ExperimentSpec) -> Result<Self, RunnerError> {
        let evaluations = in_order(snapshot, spec);
        let bootstrap = bootstrap(spec);
        let base = evaluations.iter().copied().find(|evaluation| evaluation.kind == PointKind::Base);
        let means: Vec<Vec<f64>> = evaluations.iter().map(|evaluation| evaluation.reward_means()).collect();
        let front = non_dominated(&means)?;
        let mut points = Vec::with_capacity(evaluations.len());
        for (index, evaluation) in evaluations.iter().enumerate() {
            let suspected = match base {
                Some(base) => suspected_hacking(spec, evaluation, base)?,
                None => Vec::new(),
            };
            points.push(FrontPoint {
                id: evaluation.id.clone(),
                kind: evaluation.kind,
                weighting: evaluation.weighting.clone(),
                rewards: point::scores(&bootstrap, &evaluation.rewards, base.map(|base| &base.rewards[..]))?,
                judges: point::scores(&bootstrap, &evaluation.judges, base.map(|base| &base.judges[..]))?,
                on_front: front.contains(&index),
                suspected_hacking: suspected,
            });
        }
        let judges = evaluations.first().map(|first| first.judges.iter().map(|judge| judge.name.clone()).collect());
        Ok(Self {
            experiment: spec.name.clone().unwrap_or_default(),
            rewards: spec.reward_names(),
            judges: judges.unwrap_or_default(),
            scales: spec.scales(),
            points,
            hypervolumes: Hypervolumes::of(&evaluations, spec)?,
            soups: SoupComparison::of(&evaluations, spec)?,
        })
    }

    /// Returns the point of this name.
    pub fn point(&self, id: &str) -> Option<&FrontPoint> {
        self.points.iter().find(|point| point.id.as_str() == id)
    }
}

/// Returns the evaluations that belong to the experiment: base, trained adapters, soups, blends, each in its order.
fn in_order<'a>(snapshot: &'a Snapshot, spec: &ExperimentSpec) -> Vec<&'a EvaluationRecord> {
    let base = [RunId(RunId::BASE.into())];
    let trained = spec.weightings().into_iter().map(|(id, _)| id);
    let mixed = spec.soups().into_iter().chain(spec.blends()).map(|recipe| recipe.id);
    let find = |id: RunId| snapshot.evaluations.iter().find(|evaluation| evaluation.id == id);
    base.into_iter().chain(trained).chain(mixed).filter_map(find).collect()
}
