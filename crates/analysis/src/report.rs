//! Everything that is said of an experiment's evaluations.

mod at_once;
pub(crate) mod csv;
pub(crate) mod json;
mod point;

use std::collections::BTreeMap;

use moa_core::experiment::judge_range;
use moa_core::{EvaluationRecord, ExperimentSpec, PointKind, RunId};
use moa_pareto::{Constraint, FEWEST_PROMPTS};
use moa_store::Snapshot;

pub use point::FrontPoint;

use crate::advice::{Evidence, Recommendation, advice, bounds};
use crate::attack::{AttackReport, VictimReport};
use crate::{
    AnalysisError, Hypervolumes, Relations, ScaleFinding, Scales, SoupComparison, Standing, added, bootstrap,
    scale_findings, scores, shares_by_name, suspected_hacking,
};

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
    pub scales: Scales,
    /// How many prompts were drawn; 0 before anything was evaluated.
    pub prompts: usize,
    /// The base, then trained adapters, soups and blends, each in the experiment's order, then the soups that were added to it.
    pub points: Vec<FrontPoint>,
    /// The hypervolumes; none before anything was evaluated, and with more than [`Hypervolumes::MOST_REWARDS`] rewards.
    pub hypervolumes: Option<Hypervolumes>,
    /// Rewards that are constant, or beside what counts as 0 and as 1 in them.
    pub scale_findings: Vec<ScaleFinding>,
    /// Soups and blends against trained adapters; none without them.
    pub soups: Option<SoupComparison>,
    /// Points that are worth choosing, and why.
    pub advice: Vec<Recommendation>,
    /// Sets of points that are not distinguishable, by their places; see [`Relations::groups`].
    pub groups: Vec<Vec<usize>>,
    /// What attacks found out, where points were attacked; set by the caller, as it is no evaluation. It places nothing: the front is that of the rewards.
    pub attacks: Option<AttackReport>,
    /// How the points stand to each other.
    pub(crate) relations: Relations,
}

impl FrontReport {
    /// Returns the report of what was evaluated so far; of an experiment that has not begun, one without points.
    ///
    /// Intervals are 95 % intervals of `evaluation.resamples` resamples of the prompts; with fewer than [`FEWEST_PROMPTS`]
    /// prompts, they are what the rewards' ranges allow, or infinite.
    ///
    /// - `scales`: of the hypervolume, see [`Scales::read`]
    ///
    /// # Errors
    /// Fails when evaluations do not fit each other: other prompts, other rewards.
    pub fn of(snapshot: &Snapshot, spec: &ExperimentSpec, scales: Scales) -> Result<Self, AnalysisError> {
        let mut evaluations = planned(snapshot, spec);
        let planned = evaluations.len();
        evaluations.extend(added(&snapshot.evaluations, spec));
        let bootstrap = bootstrap(spec);
        let base = evaluations.iter().copied().find(|evaluation| evaluation.kind == PointKind::Base);
        let relations = Relations::with_added(&bootstrap, &evaluations, planned)?;
        let places = relations.placings();
        let (_, shares) = shares_by_name(spec, &snapshot.evaluations);
        // Points that were added do not change what is said of those that were planned.
        let mut findings = suspected_hacking(spec, &evaluations[..planned])?;
        if planned < evaluations.len() {
            findings.extend(suspected_hacking(spec, &evaluations)?.into_iter().skip(planned));
        }
        let range = |name: &str| spec.rewards.iter().find(|reward| reward.name == name)?.kind.range();
        let mut points = Vec::with_capacity(evaluations.len());
        for (place, ((evaluation, placing), suspected_hacking)) in
            evaluations.iter().zip(places).zip(findings).enumerate()
        {
            let rewards = base.map(|base| &base.rewards[..]);
            let judges = base.map(|base| &base.judges[..]);
            points.push(FrontPoint {
                id: evaluation.id.clone(),
                kind: evaluation.kind,
                added: place >= planned,
                weighting: evaluation.weighting.clone(),
                shares: shares.get(&evaluation.id).cloned(),
                rewards: scores(&bootstrap, &evaluation.rewards, rewards, &range)?,
                judges: scores(&bootstrap, &evaluation.judges, judges, &judge_range)?,
                placing,
                suspected_hacking,
            });
        }
        let rewards = spec.reward_names();
        let evidence = Evidence::of(&rewards, &points, &relations, &scales);
        let advice = advice(&evidence, &evaluations, spec, &scales, bootstrap)?;
        let judges = evaluations.first().map(|first| first.judges.iter().map(|judge| judge.name.clone()).collect());
        Ok(Self {
            experiment: spec.name.clone().unwrap_or_default(),
            rewards,
            judges: judges.unwrap_or_default(),
            hypervolumes: Hypervolumes::of(&evaluations, &scales, bootstrap)?,
            soups: SoupComparison::of(&evaluations, spec, &scales)?,
            prompts: evaluations.first().map_or(0, |first| first.prompts()),
            groups: relations.groups(),
            scale_findings: scale_findings(spec, &evaluations, &scales),
            attacks: None,
            relations,
            advice,
            scales,
            points,
        })
    }

    /// Returns the best of the points that keep constraints, with the most of one reward, or best in all together; nothing where none keeps them by
    /// its means, or nothing is evaluated. As in a [`Search`](crate::Search), constraints are kept by bounds that hold on other prompts for all
    /// points at once.
    ///
    /// - `snapshot`, `spec`: what the report was made of
    /// - `constraints`: on rewards, then on their gains over the base
    /// - `goal`: the place of a reward
    ///
    /// # Errors
    /// Evaluations on different prompts.
    pub fn best_within(
        &self,
        snapshot: &Snapshot,
        spec: &ExperimentSpec,
        constraints: &[Constraint],
        goal: Option<usize>,
    ) -> Result<Option<Recommendation>, AnalysisError> {
        self.best_among(snapshot, spec, constraints, goal, |_| true)
    }

    /// Returns the same as [`FrontReport::best_within`], of the points that are allowed.
    ///
    /// # Errors
    /// Evaluations on different prompts.
    pub fn best_among(
        &self,
        snapshot: &Snapshot,
        spec: &ExperimentSpec,
        constraints: &[Constraint],
        goal: Option<usize>,
        is_allowed: impl Fn(&FrontPoint) -> bool,
    ) -> Result<Option<Recommendation>, AnalysisError> {
        let bounds = bounds(&in_order(snapshot, spec), spec, &bootstrap(spec), constraints)?;
        let evidence = Evidence::of(&self.rewards, &self.points, &self.relations, &self.scales);
        Ok(evidence.within(constraints, goal, bounds.as_deref(), &is_allowed))
    }

    /// Returns how many points are on the front, unclear and off it.
    pub fn standings(&self) -> [usize; 3] {
        [Standing::On, Standing::Unclear, Standing::Off]
            .map(|standing| self.points.iter().filter(|point| point.placing.standing() == standing).count())
    }

    /// Returns why intervals are wide or missing, where the prompts are too few to be resampled.
    pub fn few_prompts(&self) -> Option<String> {
        (1..FEWEST_PROMPTS).contains(&self.prompts).then(|| {
            format!(
                "{} are too few for intervals by resampling (at least {FEWEST_PROMPTS}): intervals are what a reward's range \
                 allows, and missing where it has none",
                if self.prompts == 1 { "1 prompt".to_owned() } else { format!("{} prompts", self.prompts) }
            )
        })
    }

    /// Returns whether two points are distinguishable in some reward, all pairs of points tested together; nothing of what was not tested.
    pub fn are_told_apart(&self, one: &str, other: &str) -> Option<bool> {
        let place = |id: &str| self.points.iter().position(|point| point.id.as_str() == id);
        self.relations.are_told_apart(place(one)?, place(other)?)
    }

    /// Returns what attacks found out about a point; nothing where it was not attacked.
    pub fn attacked(&self, id: &str) -> Option<&VictimReport> {
        self.attacks.as_ref()?.victim(id).filter(|victim| !victim.attacks.is_empty())
    }

    /// Returns the point of this name.
    pub fn point(&self, id: &str) -> Option<&FrontPoint> {
        self.points.iter().find(|point| point.id.as_str() == id)
    }
}

/// Returns the evaluations that belong to the experiment: what it plans, then the soups that were added to it.
pub(crate) fn in_order<'a>(snapshot: &'a Snapshot, spec: &ExperimentSpec) -> Vec<&'a EvaluationRecord> {
    let mut all = planned(snapshot, spec);
    all.extend(added(&snapshot.evaluations, spec));
    all
}

/// Returns the evaluations that the experiment plans: base, trained and given adapters, soups, blends, each in its order.
pub(crate) fn planned<'a>(snapshot: &'a Snapshot, spec: &ExperimentSpec) -> Vec<&'a EvaluationRecord> {
    let base = [RunId(RunId::BASE.into())];
    let trained = spec.weightings().into_iter().map(|(id, _)| id);
    let given = spec.given().into_iter().map(|(id, _)| id);
    let mixed = spec.soups().into_iter().chain(spec.blends()).map(|recipe| recipe.id);
    // Some experiments have thousands of runs.
    let mut known: BTreeMap<&RunId, &EvaluationRecord> = BTreeMap::new();
    for evaluation in &snapshot.evaluations {
        known.entry(&evaluation.id).or_insert(evaluation);
    }
    let find = |id: RunId| known.get(&id).copied();
    base.into_iter().chain(trained).chain(given).chain(mixed).filter_map(find).collect()
}
