//! From families of soups to recipes.

use super::run_id::{self, Mixed};
use super::{TOLERANCE, in_order, lattice, lattice_size, same};
use crate::experiment::{ExperimentSpec, Ingredients, SoupsSpec};
use crate::mixture::MergeSettings;
use crate::{RunId, Weighting};

/// A soup or a blend: its name, what it is made of, and what that amounts to.
#[derive(Clone, Debug, PartialEq)]
pub struct SoupRecipe {
    /// Its name, and its folder's.
    pub id: RunId,
    /// The adapters with a share; shares sum to 1.
    pub shares: Vec<(RunId, f64)>,
    /// The mean of the adapters' weightings by shares, of a soup of corners the shares themselves; nothing where an adapter that was given has a
    /// share.
    pub weighting: Option<Weighting>,
}

/// What mixtures are made of: runs with their weightings, then adapters that are given.
type Ingredient = (RunId, Option<Weighting>);

impl ExperimentSpec {
    /// Returns what mixtures are made of.
    fn ingredients(&self) -> Vec<Ingredient> {
        let runs = self.weightings().into_iter().map(|(id, weighting)| (id, Some(weighting)));
        runs.chain(self.given().into_iter().map(|(id, _)| (id, None))).collect()
    }

    /// Returns the soups to evaluate, every mixture once, in the order of the file. Soups of one adapter are that adapter,
    /// and left out.
    ///
    /// The name says the shares in percent behind `soup-` (`soup-aesthetics50-safety50`), or `soup-centre` for all corners
    /// alike.
    pub fn soups(&self) -> Vec<SoupRecipe> {
        self.mixtures(&self.soups, Mixed::Soup)
    }

    /// Returns the blends to evaluate, as [`ExperimentSpec::soups`] does; their names begin with `blend-`.
    pub fn blends(&self) -> Vec<SoupRecipe> {
        self.mixtures(&self.blends, Mixed::Blend)
    }

    /// Returns the name of any soup of the experiment's runs: the one that [`ExperimentSpec::soups`] gives it where that has it. Other shares,
    /// other adapters and other ways of merging have other names.
    ///
    /// - `shares`: by run, those that have none left out; they sum to 1, and may lie outside of 0 to 1
    pub fn soup_name(&self, shares: &[(RunId, f64)], merge: &MergeSettings) -> RunId {
        let runs = self.ingredients();
        let names: Vec<String> = runs.iter().map(|(id, _)| id.to_string()).collect();
        let of = |run: &RunId| shares.iter().find(|(id, _)| id == run).map_or(0.0, |(_, share)| *share);
        let all: Vec<f64> = runs.iter().map(|(run, _)| of(run)).collect();
        let corners = corners(&runs, self.rewards.len());
        let planned = self.soups();
        let is_own = |recipe: &&SoupRecipe| {
            runs.iter().zip(&all).all(|((run, _), share)| {
                let own = recipe.shares.iter().find(|(id, _)| id == run).map_or(0.0, |(_, share)| *share);
                (own - share).abs() < TOLERANCE
            })
        };
        if let Some(recipe) = planned.iter().filter(|_| merge.is_mean()).find(is_own) {
            return recipe.id.clone();
        }
        let is_planned = |name: &RunId| planned.iter().any(|recipe| recipe.id == *name);
        run_id::name_added(&names, corners.as_deref().unwrap_or_default(), &all, &merge.suffix(), is_planned)
    }

    /// Returns what a soup of the experiment's runs amounts to: the mean of their weightings by shares. Nothing where that is no weighting, as
    /// beyond the corners, or where a run is none of the experiment's.
    pub fn soup_weighting(&self, shares: &[(RunId, f64)]) -> Option<Weighting> {
        let runs = self.weightings();
        let mut weighting = vec![0.0; self.rewards.len()];
        for (id, share) in shares {
            let (_, own) = runs.iter().find(|(run, _)| run == id)?;
            weighting.iter_mut().zip(own.shares()).for_each(|(sum, part)| *sum += share * part);
        }
        Weighting::new(weighting).ok()
    }

    /// Returns the mean of a round's adapters, from which the next round continues.
    pub fn mean_of_round(&self, round: u32) -> Option<SoupRecipe> {
        let (runs, own) = (self.ingredients(), self.round(round));
        let share = 1.0 / own.len().max(1) as f64;
        let of_round = |id: &RunId| own.iter().any(|(run, _)| run == id);
        let shares: Vec<f64> = runs.iter().map(|(id, _)| if of_round(id) { share } else { 0.0 }).collect();
        Some(recipe(run_id::mean_of_round(round), &shares, &runs)).filter(|recipe| !recipe.shares.is_empty())
    }

    fn mixtures(&self, families: &[SoupsSpec], mixed: Mixed) -> Vec<SoupRecipe> {
        let has_means = mixed == Mixed::Soup && self.rounds > 1;
        if families.is_empty() && !has_means {
            // Naming thousands of runs takes its time.
            return Vec::new();
        }
        let runs = self.ingredients();
        let names: Vec<String> = runs.iter().map(|(id, _)| id.to_string()).collect();
        let mut distinct: Vec<Weighting> = Vec::new();
        for shares in families.iter().flat_map(|family| expand(family, &runs, &names)) {
            let Ok(shares) = Weighting::new(shares) else { continue };
            if shares.corner_index().is_none() && !distinct.iter().any(|known| same(known, &shares)) {
                distinct.push(shares);
            }
        }
        let corners = corners(&runs, self.rewards.len());
        let corners = corners.as_deref().unwrap_or_default();
        let recipes = distinct
            .iter()
            .map(Weighting::shares)
            .map(|shares| recipe(run_id::name_mixture(mixed, &names, corners, shares), shares, &runs));
        let mut recipes: Vec<SoupRecipe> = recipes.collect();
        if has_means {
            // One that is listed is there already.
            let is_new = |mean: &SoupRecipe| !recipes.iter().any(|known| known.shares == mean.shares);
            let means: Vec<SoupRecipe> = (1..=self.rounds).filter_map(|round| self.mean_of_round(round)).collect();
            let means: Vec<SoupRecipe> = means.into_iter().filter(is_new).collect();
            recipes.extend(means);
        }
        recipes
    }
}

/// Returns the places of the corners among the runs, by reward; nothing where one is missing.
fn corners(runs: &[Ingredient], rewards: usize) -> Option<Vec<usize>> {
    let is_corner = |weighting: &Option<Weighting>, reward| {
        weighting.as_ref().is_some_and(|weighting| weighting.corner_index() == Some(reward))
    };
    (0..rewards).map(|reward| runs.iter().position(|(_, weighting)| is_corner(weighting, reward))).collect()
}

/// Returns the shares of a family's soups, by ingredient.
fn expand(family: &SoupsSpec, runs: &[Ingredient], names: &[String]) -> Vec<Vec<f64>> {
    let weightings = || runs.iter().filter_map(|(_, weighting)| weighting.as_ref());
    let rewards = weightings().next().map_or(0, |weighting| weighting.shares().len());
    let spread = |shares: &[f64], places: &[usize]| {
        let mut all = vec![0.0; runs.len()];
        places.iter().zip(shares).for_each(|(place, share)| all[*place] = *share);
        all
    };
    match family {
        SoupsSpec::AtWeightings => {
            let Some(corners) = corners(runs, rewards) else { return Vec::new() };
            weightings().map(|weighting| spread(weighting.shares(), &corners)).collect()
        }
        SoupsSpec::Lattice { of, divisions } => {
            let places = match of {
                Ingredients::All => Some((0..runs.len()).collect()),
                Ingredients::Given => Some((weightings().count()..runs.len()).collect()),
                Ingredients::Corners => corners(runs, rewards),
            };
            let Some(places) = places else { return Vec::new() };
            lattice(*divisions, places.len()).iter().map(|shares| spread(shares, &places)).collect()
        }
        SoupsSpec::List(list) => list.iter().map(|shares| in_order(shares, names)).collect(),
    }
}

fn recipe(id: RunId, shares: &[f64], runs: &[Ingredient]) -> SoupRecipe {
    let taking = || runs.iter().zip(shares).filter(|(_, share)| **share > 0.0);
    let mut weighting: Option<Vec<f64>> = None;
    if taking().all(|((_, own), _)| own.is_some()) {
        for ((_, own), share) in runs.iter().zip(shares) {
            let Some(own) = own else { continue };
            let sums = weighting.get_or_insert_with(|| vec![0.0; own.shares().len()]);
            sums.iter_mut().zip(own.shares()).for_each(|(sum, part)| *sum += share * part);
        }
    }
    let shares = taking().map(|((id, _), share)| (id.clone(), *share)).collect();
    SoupRecipe { id, shares, weighting: weighting.and_then(|weighting| Weighting::new(weighting).ok()) }
}

/// Returns how many soups a family stands for, before duplicates are dropped.
///
/// - `runs`, `given`: how many adapters are trained, and given
pub(in crate::experiment) fn size(family: &SoupsSpec, rewards: usize, runs: usize, given: usize) -> u64 {
    match family {
        SoupsSpec::AtWeightings => runs as u64,
        SoupsSpec::Lattice { of: Ingredients::Corners, divisions } => lattice_size(*divisions, rewards),
        SoupsSpec::Lattice { of: Ingredients::All, divisions } => lattice_size(*divisions, runs + given),
        SoupsSpec::Lattice { of: Ingredients::Given, divisions } => lattice_size(*divisions, given),
        SoupsSpec::List(list) => list.len() as u64,
    }
}
