//! Soups on demand: trained adapters of an experiment, merged at any shares and measured on its held-out prompts.

use moa_adapter::{Adapter, Merge};
use moa_core::spec::{Prompts, SoupRecipe};
use moa_core::{EvaluationRecord, ExperimentSpec, PointKind, RunId};
use moa_pareto::{Interval, Measured};
use moa_reward::Pictures;
use moa_store::{Layout, Snapshot};

use crate::evaluation::{Evaluator, Point};
use crate::folder::as_run;
use crate::hacking::bootstrap;
use crate::report::{Score, scores};
use crate::sweep::Context;
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
    /// What the pictures scored.
    pub record: EvaluationRecord,
    /// The pictures themselves.
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
        let read = |id: &RunId| {
            let (file, config) = (layout.adapter_file(id), layout.adapter_config_file(id));
            let failed = |path: &std::path::Path, reason: String| RunnerError::Read { path: path.into(), reason };
            let bytes = std::fs::read(&file).map_err(|error| failed(&file, error.to_string()))?;
            let text = std::fs::read_to_string(&config).map_err(|error| failed(&config, error.to_string()))?;
            let adapter = Adapter::read(&bytes, &text).map_err(|error| failed(&file, error.to_string()))?;
            Ok((id.clone(), adapter))
        };
        let ingredients = ingredients.iter().map(read).collect::<Result<_, RunnerError>>()?;
        let spec = as_run(&request.spec, &request.prompts, &request.out);
        let snapshot = Snapshot::read(&request.out)?;
        Ok(Self { request, spec, models, ingredients, merge, snapshot })
    }

    /// Returns the adapters that take part, in the order of the shares.
    pub fn ingredients(&self) -> impl ExactSizeIterator<Item = &RunId> {
        self.ingredients.iter().map(|(id, _)| id)
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
        let mut spec = self.spec.clone();
        spec.evaluation.seed = seed;
        let prompts = Prompts { held_out: prompts, ..self.request.prompts.clone() };
        let request = SweepRequest { prompts, ..self.request.clone() };
        self.taste_with(adapter, "fresh", &request, &spec, progress)
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
        let point = Point { id, kind: PointKind::Soup, weighting: None, adapter: Some(adapter.clone()), folder };
        let (pictures, record) = evaluator.measure(&point, progress)?;
        Ok(Tasting { adapter, record, pictures })
    }

    /// Returns the rewards of an evaluation with their 95 % intervals, in the experiment's order.
    ///
    /// # Errors
    /// Fails when scores cannot be resampled.
    pub fn scores(&self, record: &EvaluationRecord) -> Result<Vec<Score>, RunnerError> {
        let base = self.snapshot.evaluations.iter().find(|known| known.kind == PointKind::Base);
        let columns = base.map(|base| &base.rewards[..]);
        let comparable = columns.filter(|columns| {
            columns.iter().zip(&record.rewards).all(|(one, other)| one.prompt_means.len() == other.prompt_means.len())
        });
        Ok(scores(&bootstrap(&self.spec), &record.rewards, comparable)?)
    }

    /// Returns what the sweep has measured already: the ingredients alone, and soups of these.
    ///
    /// # Errors
    /// Fails when scores cannot be resampled.
    pub fn known(&self) -> Result<Vec<Measured>, RunnerError> {
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
            if let Some(shares) = shares {
                let scores: Vec<Interval> = self.scores(record)?.into_iter().map(|score| score.mean).collect();
                found.push(Measured { shares, scores });
            }
        }
        Ok(found)
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
