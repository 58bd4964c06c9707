//! Soups on demand: trained adapters of an experiment, merged at any shares and measured on its held-out prompts.

use moa_adapter::{Adapter, Merge};
use moa_analysis::{AnalysisError, Promise, Score, bootstrap, promises, scores};
use moa_core::experiment::{Prompts, SoupRecipe};
use moa_core::{EvaluationRecord, ExperimentSpec, PointKind, RunId, Weighting};
use moa_pareto::Measured;
use moa_reward::Pictures;
use moa_store::{ImageScores, Layout, Snapshot};

use crate::adapters::read_adapter;
use crate::context::Context;
use crate::evaluation::{Evaluator, Measurement, Model, Point};
use crate::folder::as_run;
use crate::{Models, RunnerError, SweepRequest};

/// Merges and measures; nothing in the results folder is changed.
pub struct SoupBench<'a> {
    request: SweepRequest,
    spec: ExperimentSpec,
    models: &'a Models,
    ingredients: Vec<(RunId, Adapter)>,
    merge: Merge,
    snapshot: Snapshot,
}

/// A soup, and what it was measured to be.
pub struct Tasting {
    /// The merged adapter.
    pub adapter: Adapter,
    /// What the images scored.
    pub record: EvaluationRecord,
    /// What each of them scored.
    pub scores: ImageScores,
    /// The images themselves.
    pub pictures: Pictures,
}

impl<'a> SoupBench<'a> {
    /// Reads the adapters that take part from the results of a request's experiment.
    ///
    /// # Errors
    /// Says which adapter is missing or damaged.
    pub fn open(
        request: SweepRequest,
        models: &'a Models,
        ingredients: &[RunId],
        merge: Merge,
    ) -> Result<Self, RunnerError> {
        let layout = Layout::new(&request.out);
        let read = |id: &RunId| Ok((id.clone(), read_adapter(&layout.run_dir(id))?));
        let ingredients = ingredients.iter().map(read).collect::<Result<_, RunnerError>>()?;
        let spec = as_run(&request.spec, &request.prompts, &request.out);
        let snapshot = Snapshot::read(&request.out)?;
        Ok(Self { request, spec, models, ingredients, merge, snapshot })
    }

    /// Returns the adapters that take part, in the order of the shares.
    pub fn ingredients(&self) -> impl ExactSizeIterator<Item = &RunId> {
        self.ingredients.iter().map(|(id, _)| id)
    }

    /// Returns the names of the rewards, in the experiment's order.
    pub fn rewards(&self) -> Vec<String> {
        self.spec.reward_names()
    }

    /// Returns the merge at shares, which sum to 1.
    ///
    /// # Errors
    /// See [`moa_adapter::MergeError`].
    pub fn merge(&self, shares: &[f64]) -> Result<Adapter, RunnerError> {
        let parts: Vec<(&Adapter, f64)> =
            self.ingredients.iter().map(|(_, adapter)| adapter).zip(shares.iter().copied()).collect();
        self.merge.apply(&parts).map_err(|source| RunnerError::Soup { soup: self.name(shares), source })
    }

    /// Returns the name of a soup: its shares in percent.
    pub fn name(&self, shares: &[f64]) -> String {
        let part = |((id, _), share): (&(RunId, Adapter), &f64)| format!("{id}{:.0}", 100.0 * share);
        let parts = self.ingredients.iter().zip(shares).filter(|(_, share)| share.abs() >= 0.005).map(part);
        format!("soup-{}", parts.collect::<Vec<_>>().join("-"))
    }

    /// Returns the weighting of a soup: the mean of its adapters' by shares; nothing where that is none, e.g. beyond the simplex.
    pub fn weighting(&self, shares: &[f64]) -> Option<Weighting> {
        let runs = self.spec.weightings();
        let mut sum = vec![0.0; self.spec.rewards.len()];
        for ((id, _), share) in self.ingredients.iter().zip(shares) {
            let (_, weighting) = runs.iter().find(|(run, _)| run == id)?;
            sum.iter_mut().zip(weighting.shares()).for_each(|(sum, part)| *sum += share * part);
        }
        Weighting::new(sum).ok()
    }

    /// Merges, draws and scores, with the prompts and the noise of the experiment's evaluation.
    ///
    /// # Errors
    /// See [`RunnerError`].
    pub fn taste(&self, shares: &[f64], progress: &(dyn Fn(f64) + Sync)) -> Result<Tasting, RunnerError> {
        self.taste_with(self.merge(shares)?, &self.name(shares), &self.request, &self.spec, progress)
    }

    /// Measures an adapter on other held-out prompts with other noise than the experiment's evaluation.
    ///
    /// # Errors
    /// See [`RunnerError`].
    pub fn taste_afresh(
        &self,
        adapter: Adapter,
        prompts: Vec<String>,
        seed: u64,
        progress: &(dyn Fn(f64) + Sync),
    ) -> Result<Tasting, RunnerError> {
        let (request, spec) = self.afresh(prompts, seed);
        self.taste_with(adapter, "fresh", &request, &spec, progress)
    }

    /// Measures the base as [`SoupBench::taste_afresh`] measures an adapter: what its gains are counted from.
    ///
    /// # Errors
    /// See [`RunnerError`].
    pub fn base_afresh(
        &self,
        prompts: Vec<String>,
        seed: u64,
        progress: &(dyn Fn(f64) + Sync),
    ) -> Result<EvaluationRecord, RunnerError> {
        let (request, spec) = self.afresh(prompts, seed);
        let id = RunId(RunId::BASE.into());
        let folder = Layout::new(&request.out).run_dir(&id);
        let point = Point { id, kind: PointKind::Base, weighting: None, model: Model::Base, folder };
        let evaluator = Evaluator::new(Context { request: &request, models: self.models, spec: &spec });
        Ok(evaluator.measure(&point, progress)?.record)
    }

    fn afresh(&self, prompts: Vec<String>, seed: u64) -> (SweepRequest, ExperimentSpec) {
        let mut spec = self.spec.clone();
        spec.evaluation.seed = seed;
        let prompts = Prompts { held_out: prompts, ..self.request.prompts.clone() };
        (SweepRequest { prompts, ..self.request.clone() }, spec)
    }

    fn taste_with(
        &self,
        adapter: Adapter,
        name: &str,
        request: &SweepRequest,
        spec: &ExperimentSpec,
        progress: &(dyn Fn(f64) + Sync),
    ) -> Result<Tasting, RunnerError> {
        let id = RunId(name.to_owned());
        let folder = Layout::new(&request.out).soup_dir(&id);
        let evaluator = Evaluator::new(Context { request, models: self.models, spec });
        let point =
            Point { id, kind: PointKind::Soup, weighting: None, model: Model::Adapter(adapter.clone()), folder };
        let Measurement { pictures, record, scores } = evaluator.measure(&point, progress)?;
        Ok(Tasting { adapter, record, scores, pictures })
    }

    /// Returns the rewards of an evaluation with their 95 % intervals, in the experiment's order.
    ///
    /// # Errors
    /// Fails when scores cannot be resampled.
    pub fn scores(&self, record: &EvaluationRecord) -> Result<Vec<Score>, RunnerError> {
        let columns = self.base().map(|base| &base.rewards[..]);
        let range = |name: &str| self.spec.rewards.iter().find(|reward| reward.name == name)?.kind.range();
        Ok(scores(&bootstrap(&self.spec), &record.rewards, columns, &range)?)
    }

    /// Returns the base as the sweep has evaluated it.
    pub fn base(&self) -> Option<&EvaluationRecord> {
        self.snapshot.evaluations.iter().find(|known| known.kind == PointKind::Base)
    }

    /// Returns the experiment as it was run.
    pub fn spec(&self) -> &ExperimentSpec {
        &self.spec
    }

    /// Returns what the sweep has evaluated.
    pub fn evaluations(&self) -> &[EvaluationRecord] {
        &self.snapshot.evaluations
    }

    /// Returns what the sweep has measured already, with 95 % intervals: the ingredients alone, and soups of these.
    ///
    /// # Errors
    /// Fails when scores cannot be resampled.
    pub fn known(&self) -> Result<Vec<Measured>, RunnerError> {
        let measured = |(shares, record): (Vec<f64>, &EvaluationRecord)| {
            Ok(Measured { shares, scores: self.scores(record)?.into_iter().map(|score| score.mean).collect() })
        };
        self.known_records().into_iter().map(measured).collect()
    }

    /// Returns the evaluations of what the sweep has measured already, with its shares.
    pub fn known_records(&self) -> Vec<(Vec<f64>, &EvaluationRecord)> {
        let count = self.ingredients.len();
        let recipes = self.spec.soups();
        let mut found = Vec::new();
        for record in &self.snapshot.evaluations {
            let alone = self.ingredients.iter().position(|(id, _)| *id == record.id);
            let shares = match (record.kind, alone) {
                (PointKind::Trained, Some(index)) => {
                    Some((0..count).map(|other| if other == index { 1.0 } else { 0.0 }).collect())
                }
                (PointKind::Soup, _) => {
                    let recipe = recipes.iter().find(|recipe| recipe.id == record.id);
                    recipe.and_then(|recipe| self.shares_of(recipe))
                }
                _ => None,
            };
            found.extend(shares.map(|shares| (shares, record)));
        }
        found
    }

    /// Returns what evaluations let one claim of `fresh` other prompts: see [`promises`].
    ///
    /// # Errors
    /// Refuses results whose base is not evaluated, or on other prompts.
    pub fn promises(&self, records: &[&EvaluationRecord], fresh: usize) -> Result<Vec<Promise>, RunnerError> {
        let base = self.base().ok_or(AnalysisError::NoBase)?;
        if records.iter().any(|record| record.prompts() != base.prompts()) {
            return Err(AnalysisError::NoBase.into());
        }
        Ok(promises(&bootstrap(&self.spec), &self.spec.rewards, base, records, fresh)?)
    }

    /// Returns the shares of a soup of the sweep by ingredient; nothing when one of its adapters does not take part, or when
    /// the merge is not the sweep's.
    fn shares_of(&self, recipe: &SoupRecipe) -> Option<Vec<f64>> {
        if self.merge.method != Merge::default().method {
            return None;
        }
        let mut shares = vec![0.0; self.ingredients.len()];
        for (run, share) in &recipe.shares {
            let index = self.ingredients.iter().position(|(id, _)| id == run)?;
            shares[index] = *share;
        }
        Some(shares)
    }
}
