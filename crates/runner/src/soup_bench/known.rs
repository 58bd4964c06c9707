//! What is known of an experiment's soups, and what that lets one claim.

use moa_adapter::MergeMethod;
use moa_analysis::{AnalysisError, Promise, Score, added, bootstrap, promises, scores};
use moa_core::provenance::Mixture;
use moa_core::{EvaluationRecord, PointKind, RunId};

use super::SoupBench;
use crate::RunnerError;
use crate::adapters::Part;

impl SoupBench<'_> {
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

    /// Returns what was evaluated when the results were opened.
    pub fn evaluations(&self) -> &[EvaluationRecord] {
        &self.snapshot.evaluations
    }

    /// Returns the evaluations of what is measured already, with its shares: the ingredients alone, the soups of these that the experiment
    /// plans, where they are merged as here, and those that were added to it. Added soups of adapters that were trained again since do
    /// not count.
    pub fn known_records(&self) -> Vec<(Vec<f64>, &EvaluationRecord)> {
        let count = self.ingredients.len();
        let recipes = self.spec.soups();
        let added: Vec<&RunId> = added(&self.snapshot.evaluations, &self.spec).map(|record| &record.id).collect();
        let mut found = Vec::new();
        for record in &self.snapshot.evaluations {
            let alone = self.ingredients.iter().position(|part| part.run == record.id);
            let shares = match (record.kind, alone) {
                (PointKind::Trained | PointKind::Given, Some(index)) => {
                    Some((0..count).map(|other| if other == index { 1.0 } else { 0.0 }).collect())
                }
                (PointKind::Soup, _) if added.contains(&&record.id) => record
                    .added
                    .as_ref()
                    .filter(|mixture| self.is_of_these(mixture))
                    .and_then(|mixture| self.shares_of(&mixture.shares())),
                (PointKind::Soup, _) if self.merge.method == MergeMethod::Mean => {
                    let recipe = recipes.iter().find(|recipe| recipe.id == record.id);
                    recipe.and_then(|recipe| self.shares_of(&recipe.shares))
                }
                _ => None,
            };
            found.extend(shares.map(|shares| (shares, record)));
        }
        found
    }

    /// Returns whether a mixture is merged as here, of the ingredients as they are.
    fn is_of_these(&self, mixture: &Mixture) -> bool {
        let is_own = |name: &str, sha256: &str| {
            self.ingredients.iter().any(|part: &Part| part.run.as_str() == name && part.sha256 == sha256)
        };
        mixture.merge == self.merge.settings()
            && mixture.ingredients.iter().all(|part| is_own(&part.name, &part.sha256))
    }

    /// Returns shares by run as shares by ingredient; nothing when one of the runs does not take part.
    fn shares_of(&self, parts: &[(RunId, f64)]) -> Option<Vec<f64>> {
        let mut shares = vec![0.0; self.ingredients.len()];
        for (run, share) in parts {
            let index = self.ingredients.iter().position(|part| part.run == *run)?;
            shares[index] = *share;
        }
        Some(shares)
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
        Ok(promises(&bootstrap(&self.spec), &self.spec.rewards, base, records, fresh, &[])?)
    }
}
