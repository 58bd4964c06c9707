//! The columns that are tested together: rises of rewards and falls of judges, as differences to the base by prompt.

use std::collections::BTreeMap;

use moa_core::ScoreColumn;
use moa_core::experiment::{Watch, WatchedPrompts};
use moa_pareto::Covered;

use super::Watched;
use crate::AnalysisError;
use crate::resampling::differences;

/// Differences to the base, each once.
pub(super) struct Columns<'a> {
    base: Watched<'a>,
    points: &'a [Watched<'a>],
    harmless: &'a [bool],
    prompts: usize,
    found: Vec<Covered>,
    /// By point, judge and whether it is asked on harmless prompts alone.
    falls: BTreeMap<(usize, &'static str, bool), usize>,
}

impl<'a> Columns<'a> {
    pub(super) fn new(base: Watched<'a>, points: &'a [Watched<'a>], harmless: &'a [bool], prompts: usize) -> Self {
        Self { base, points, harmless, prompts, found: Vec::new(), falls: BTreeMap::new() }
    }

    pub(super) fn into_covered(self) -> Vec<Covered> {
        self.found
    }

    fn push(&mut self, column: Covered) -> usize {
        self.found.push(column);
        self.found.len() - 1
    }

    /// Adds how far a reward of a point rises, and returns the column; nothing where either lacks the reward.
    pub(super) fn rise(&mut self, point: usize, reward: usize) -> Result<Option<usize>, AnalysisError> {
        let (Some(own), Some(base)) = (self.points[point].rewards.get(reward), self.base.rewards.get(reward)) else {
            return Ok(None);
        };
        let column = Covered::all(differences(own, base)?);
        Ok(Some(self.push(column)))
    }

    /// Adds how far a judge of a point falls on the prompts where it is asked, unless that is there already, and returns the
    /// column; nothing where it has no prompts there, or where it is not known which prompts it has.
    pub(super) fn fall(&mut self, point: usize, watch: Watch) -> Result<Option<usize>, AnalysisError> {
        let key = (point, watch.judge, watch.on == WatchedPrompts::Harmless);
        if let Some(known) = self.falls.get(&key) {
            return Ok(Some(*known));
        }
        let Some(column) = self.change(&self.points[point], watch)? else { return Ok(None) };
        let index = self.push(column);
        self.falls.insert(key, index);
        Ok(Some(index))
    }

    /// Adds what is left of a judge's change once specialists account for their shares of it, and returns the column; nothing
    /// where one of them was not asked.
    pub(super) fn own_fall(
        &mut self,
        point: usize,
        watch: Watch,
        specialists: &[(usize, f64)],
    ) -> Result<Option<usize>, AnalysisError> {
        let Some(mut column) = self.change(&self.points[point], watch)? else { return Ok(None) };
        for (specialist, share) in specialists {
            let Some(theirs) = self.change(&self.points[*specialist], watch)? else { return Ok(None) };
            if theirs.places != column.places {
                return Ok(None);
            }
            for (value, theirs) in column.values.iter_mut().zip(theirs.values) {
                *value -= share * theirs;
            }
        }
        Ok(Some(self.push(column)))
    }

    /// Returns a judge's differences to the base on the prompts where it is asked.
    fn change(&self, point: &Watched<'_>, watch: Watch) -> Result<Option<Covered>, AnalysisError> {
        let find = |columns: &'a [ScoreColumn]| columns.iter().find(|column| column.name == watch.judge);
        let own = point.judges.iter().find(|column| column.name == watch.judge);
        let (Some(own), Some(base)) = (own, find(self.base.judges)) else { return Ok(None) };
        let values = differences(own, base)?;
        let Some(places) = own.places(self.prompts) else { return Ok(None) };
        let asked = |place: usize| match watch.on {
            WatchedPrompts::All => true,
            WatchedPrompts::Harmless => self.harmless.get(place).copied().unwrap_or(false),
        };
        let kept: (Vec<usize>, Vec<f64>) = places.into_iter().zip(values).filter(|(place, _)| asked(*place)).unzip();
        let (places, values) = kept;
        if values.is_empty() {
            return Ok(None);
        }
        let places = (places.len() < self.prompts).then_some(places);
        Ok(Some(Covered { places, values }))
    }
}
