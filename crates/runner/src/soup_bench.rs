//! Soups on demand: trained adapters of an experiment, merged at any shares and measured on its held-out prompts.

mod draw;
mod join;
mod known;

use moa_adapter::{Adapter, Merge};
use moa_core::experiment::Prompts;
use moa_core::provenance::{Made, Mixture};
use moa_core::{EvaluationRecord, ExperimentSpec, PointKind, Provenance, RunId};
use moa_plot::RgbPicture;
use moa_store::{Layout, Snapshot};

use crate::adapters::{Part, made, merge};
use crate::context::Context;
use crate::evaluation::{Evaluator, Model, Point};
use crate::feedback::Times;
use crate::folder::{as_run, settings};
use crate::receipt::Receipt;
use crate::{Models, RunnerError, SweepRequest};

pub use join::Joined;

/// Merges and measures. What it measures with the experiment's own prompts and noise joins the experiment: a soup of its own beside the
/// planned ones, which is not measured again.
pub struct SoupBench<'a> {
    request: SweepRequest,
    spec: ExperimentSpec,
    models: &'a Models,
    ingredients: Vec<Part>,
    merge: Merge,
    snapshot: Snapshot,
    layout: Layout,
    /// The digest of what evaluations depend on.
    settings: String,
}

/// A soup, and what it was measured to be.
pub struct Tasting {
    /// The merged adapter.
    pub adapter: Adapter,
    /// Where it comes from.
    pub provenance: Provenance,
    /// What the images scored; its name is the soup's in the experiment.
    pub record: EvaluationRecord,
    /// The first images of the first prompts, by prompt; none where the experiment keeps none.
    pub images: Vec<Vec<RgbPicture>>,
    /// What became of the measurement.
    pub joined: Joined,
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
        let ingredients = ingredients
            .iter()
            .map(|id| Part::read(id, &layout, &models.pipeline))
            .collect::<Result<_, RunnerError>>()?;
        let spec = as_run(&request.spec, &request.prompts, &request.out);
        let snapshot = Snapshot::read(&request.out)?;
        // As the sweep has them: preferences are read by those who train on them.
        let mut inputs = models.sha256.clone();
        let preferences =
            Receipt::read(&layout.receipt_file())?.and_then(|receipt| receipt.sha256.get("preferences").cloned());
        inputs.extend(preferences.map(|hash| ("preferences".to_owned(), hash)));
        let settings = settings(&spec, &request.prompts, &inputs, Times::read(&layout)?.last_hash());
        models.take_last_fit(&spec, layout.root())?;
        Ok(Self { request, spec, models, ingredients, merge, snapshot, layout, settings })
    }

    /// Returns the adapters that take part, in the order of the shares.
    pub fn ingredients(&self) -> impl ExactSizeIterator<Item = &RunId> {
        self.ingredients.iter().map(|part| &part.run)
    }

    /// Returns the names of the rewards, in the experiment's order.
    pub fn rewards(&self) -> Vec<String> {
        self.spec.reward_names()
    }

    /// Returns the rewards' names with their units.
    pub fn labels(&self) -> Vec<String> {
        self.spec.reward_labels()
    }

    /// Returns the merge at shares, which sum to 1, and where it comes from.
    ///
    /// # Errors
    /// See [`moa_adapter::MergeError`].
    pub fn merge(&self, shares: &[f64]) -> Result<(Adapter, Provenance), RunnerError> {
        let (adapter, mixture) = self.mixed(shares)?;
        Ok((adapter, self.provenance(mixture)))
    }

    /// Returns the name of a soup: its shares in percent, and how it is merged where that is not the mean.
    pub fn name(&self, shares: &[f64]) -> String {
        let parts = self.parts(shares);
        let parts: Vec<(RunId, f64)> = parts.into_iter().map(|(part, share)| (part.run.clone(), share)).collect();
        self.spec.soup_name(&parts, &self.merge.settings()).0
    }

    /// Returns the adapters that have a share, in the experiment's order whatever order they were named in, with shares that sum to 1.
    fn parts(&self, shares: &[f64]) -> Vec<(&Part, f64)> {
        let sum: f64 = shares.iter().sum();
        let whole = if (sum - 1.0).abs() < 1e-12 { 1.0 } else { sum };
        let runs = self.spec.weightings().into_iter().map(|(id, _)| id);
        let order: Vec<RunId> = runs.chain(self.spec.given().into_iter().map(|(id, _)| id)).collect();
        let taking = self.ingredients.iter().zip(shares).filter(|(_, share)| **share != 0.0);
        let mut parts: Vec<(&Part, f64)> = taking.map(|(part, share)| (part, share / whole)).collect();
        parts.sort_by_key(|(part, _)| order.iter().position(|id| *id == part.run));
        parts
    }

    fn mixed(&self, shares: &[f64]) -> Result<(Adapter, Mixture), RunnerError> {
        merge(&RunId(self.name(shares)), &self.parts(shares), &self.merge)
    }

    /// Returns where a soup comes from: of one adapter alone, by the mean, which is that adapter, where that comes from.
    fn provenance(&self, mixture: Mixture) -> Provenance {
        if let (true, [only]) = (mixture.merge.is_mean(), &mixture.ingredients[..])
            && let Some(own) = self.ingredients.iter().find(|part| part.run.as_str() == only.name)
            && let Some(provenance) = &own.provenance
        {
            return provenance.clone();
        }
        made(&self.spec, Made::Merged(mixture))
    }

    /// Measures an adapter on other held-out prompts with other noise than the experiment's evaluation; that does not join the experiment.
    ///
    /// # Errors
    /// See [`RunnerError`].
    pub fn taste_afresh(
        &self,
        adapter: Adapter,
        prompts: Vec<String>,
        seed: u64,
        progress: &(dyn Fn(f64) + Sync),
    ) -> Result<EvaluationRecord, RunnerError> {
        let id = RunId("fresh".into());
        self.afresh(id, PointKind::Soup, Model::Adapter(adapter), prompts, seed, progress)
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
        self.afresh(RunId(RunId::BASE.into()), PointKind::Base, Model::Base, prompts, seed, progress)
    }

    fn afresh(
        &self,
        id: RunId,
        kind: PointKind,
        model: Model,
        prompts: Vec<String>,
        seed: u64,
        progress: &(dyn Fn(f64) + Sync),
    ) -> Result<EvaluationRecord, RunnerError> {
        let mut spec = self.spec.clone();
        spec.evaluation.seed = seed;
        let prompts = Prompts { held_out: prompts, ..self.request.prompts.clone() };
        let request = SweepRequest { prompts, ..self.request.clone() };
        let folder = self.layout.point_dir(kind, &id);
        let point = Point { id, kind, weighting: None, model, folder, added: None };
        let evaluator = Evaluator::new(Context { request: &request, models: self.models, spec: &spec });
        Ok(evaluator.measure(&point, progress)?.record)
    }

    fn evaluator(&self) -> Evaluator<'_> {
        Evaluator::new(Context { request: &self.request, models: self.models, spec: &self.spec }).stopping_at_once()
    }

    /// Returns the experiment as it was run.
    pub fn spec(&self) -> &ExperimentSpec {
        &self.spec
    }
}
