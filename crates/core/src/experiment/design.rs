//! From families of weightings to the runs of an experiment.

mod dirichlet;
mod run_id;
mod soup;

use std::collections::BTreeMap;

use super::{ExperimentSpec, NextSpec, WeightingsSpec};
use crate::{NoiseKey, RunId, Weighting};

/// Shares closer than this are the same share.
const TOLERANCE: f64 = 1e-9;
/// First shares are sorted into cells of this width to find equal weightings; far more than the tolerance.
const CELL: f64 = 1e-6;

impl ExperimentSpec {
    /// Returns the runs: every weighting once for each round, in the order of the file, with the name of its folder.
    ///
    /// A corner is named after its reward, equal shares are `centre`, and others say their shares in percent
    /// (`aesthetics50-safety50`). Names and random draws depend on the weighting's own definition and the seed alone, so that weightings
    /// can be added to an experiment that has run, anywhere in the list, and taken from it. Weightings that
    /// [`ExperimentSpec::from_ron`] would refuse are left out.
    pub fn weightings(&self) -> Vec<(RunId, Weighting)> {
        let names = self.reward_names();
        let key = NoiseKey::new(self.seed).named("weightings");
        let distinct = distinct(self.weightings.iter().flat_map(|family| expand(family, &names, key)));
        let named = |round: u32| {
            let name =
                |weighting: &Weighting| (run_id::of_round(round, run_id::name(&names, weighting)), weighting.clone());
            distinct.iter().map(name).collect::<Vec<_>>()
        };
        (1..=self.rounds).flat_map(named).collect()
    }

    /// Returns the runs of a round, counted from 1.
    pub fn round(&self, round: u32) -> Vec<(RunId, Weighting)> {
        let runs = self.weightings();
        let each = runs.len() / self.rounds.max(1) as usize;
        runs.into_iter().skip(each * round.saturating_sub(1) as usize).take(each).collect()
    }
}

impl ExperimentSpec {
    /// Returns how the next weightings are chosen, where any are.
    pub fn next(&self) -> Option<&NextSpec> {
        self.weightings
            .iter()
            .find_map(|family| if let WeightingsSpec::Next(next) = family { Some(next) } else { None })
    }

    /// Returns the same, to add to what was chosen.
    pub fn next_mut(&mut self) -> Option<&mut NextSpec> {
        self.weightings
            .iter_mut()
            .find_map(|family| if let WeightingsSpec::Next(next) = family { Some(next) } else { None })
    }

    /// Returns how many weightings are still to be chosen, at most.
    pub fn to_choose(&self) -> u64 {
        self.next().map_or(0, |next| u64::from(next.count).saturating_sub(next.chosen.len() as u64))
    }
}

pub(super) use run_id::is_reserved;
pub use soup::SoupRecipe;
pub(super) use soup::size as soup_size;

/// Returns the first of each set of equal weightings, in their order. Each is compared only with those whose first share is near its own: there may
/// be thousands.
fn distinct(weightings: impl Iterator<Item = Weighting>) -> Vec<Weighting> {
    let mut distinct: Vec<Weighting> = Vec::new();
    let mut cells: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
    for weighting in weightings {
        let cell = weighting.shares().first().map_or(0, |share| (share / CELL).floor() as i64);
        // Equal shares are less than a cell apart.
        let mut near = cells.range(cell - 1..=cell + 1).flat_map(|(_, places)| places);
        if !near.any(|place| same(&distinct[*place], &weighting)) {
            cells.entry(cell).or_default().push(distinct.len());
            distinct.push(weighting);
        }
    }
    distinct
}

fn same(a: &Weighting, b: &Weighting) -> bool {
    a.shares().iter().zip(b.shares()).all(|(x, y)| (x - y).abs() < TOLERANCE)
}

/// Expands one family over the named rewards.
fn expand(family: &WeightingsSpec, names: &[String], key: NoiseKey) -> Vec<Weighting> {
    let count = names.len();
    let shares: Vec<Vec<f64>> = match family {
        WeightingsSpec::Corners => return (0..count).map(|index| Weighting::corner(index, count)).collect(),
        WeightingsSpec::Centre => vec![vec![1.0; count]],
        WeightingsSpec::Lattice { divisions } => lattice(*divisions, count),
        WeightingsSpec::Dirichlet { count: draws, concentration } => {
            let key = key.named("dirichlet").with(concentration.to_bits());
            (0..u64::from(*draws)).map(|draw| dirichlet::draw(*concentration, count, key.with(draw))).collect()
        }
        WeightingsSpec::Next(next) => next.chosen.iter().map(|chosen| in_order(&chosen.shares, names)).collect(),
        WeightingsSpec::List(list) => list.iter().map(|shares| in_order(shares, names)).collect(),
    };
    shares.into_iter().filter_map(|shares| Weighting::new(shares).ok()).collect()
}

/// Returns the shares in the order of `names`, 0 where a reward is not named.
fn in_order(shares: &BTreeMap<String, f64>, names: &[String]) -> Vec<f64> {
    names.iter().map(|name| shares.get(name).copied().unwrap_or(0.0)).collect()
}

/// Returns all vectors of `count` whole numbers that sum to `divisions`, the first numbers falling.
fn lattice(divisions: u32, count: usize) -> Vec<Vec<f64>> {
    match count {
        0 => Vec::new(),
        1 => vec![vec![f64::from(divisions)]],
        _ => (0..=divisions)
            .rev()
            .flat_map(|first| {
                lattice(divisions - first, count - 1).into_iter().map(move |mut rest| {
                    rest.insert(0, f64::from(first));
                    rest
                })
            })
            .collect(),
    }
}

/// Returns how many weightings a family stands for, before duplicates are dropped.
pub(super) fn size(family: &WeightingsSpec, rewards: usize) -> u64 {
    match family {
        WeightingsSpec::Corners => rewards as u64,
        WeightingsSpec::Centre => 1,
        WeightingsSpec::Lattice { divisions } => lattice_size(*divisions, rewards),
        WeightingsSpec::Dirichlet { count, .. } => u64::from(*count),
        WeightingsSpec::Next(next) => u64::from(next.count),
        WeightingsSpec::List(list) => list.len() as u64,
    }
}

/// Returns C(divisions + count − 1, count − 1), how many shares a lattice has.
fn lattice_size(divisions: u32, count: usize) -> u64 {
    // Each product is exactly divisible.
    let binomial = (1..count as u128).fold(1u128, |product, k| product.saturating_mul(u128::from(divisions) + k) / k);
    u64::try_from(binomial).unwrap_or(u64::MAX)
}
