//! Names of runs, which are names of folders too.

use std::collections::HashSet;

use super::TOLERANCE;
use crate::{RunId, Weighting};

const CENTRE: &str = "centre";
const SOUP_PREFIX: &str = "soup-";
const BLEND_PREFIX: &str = "blend-";
/// Longer names of mixtures give way to shares alone.
const LONGEST: usize = 80;

/// Whether a name is taken by something other than a reward.
pub(in crate::experiment) fn is_reserved(name: &str) -> bool {
    name == RunId::BASE || name == CENTRE || name.starts_with(SOUP_PREFIX) || name.starts_with(BLEND_PREFIX)
}

/// Names distinct weightings over the named rewards.
pub(super) fn name_all(rewards: &[String], weightings: Vec<Weighting>) -> Vec<(RunId, Weighting)> {
    let mut taken: HashSet<String> = rewards.iter().cloned().collect();
    let mut named = Vec::with_capacity(weightings.len());
    for weighting in weightings {
        let name = match weighting.corner_index() {
            Some(index) => rewards[index].clone(),
            None if is_centre(&weighting) => CENTRE.into(),
            None => mixture_name(rewards, &weighting, &taken),
        };
        taken.insert(name.clone());
        named.push((RunId(name), weighting));
    }
    named
}

/// How adapters are mixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mixed {
    /// By their weights.
    Soup,
    /// By their predictions.
    Blend,
}

/// Names distinct mixtures of the named runs; `corners` are the places of the corners among them.
pub(super) fn name_mixtures(
    mixed: Mixed,
    runs: &[String],
    corners: &[usize],
    mixtures: Vec<Weighting>,
) -> Vec<(RunId, Weighting)> {
    let prefix = match mixed {
        Mixed::Soup => SOUP_PREFIX,
        Mixed::Blend => BLEND_PREFIX,
    };
    let mut taken = HashSet::new();
    let mut named = Vec::with_capacity(mixtures.len());
    for mixture in mixtures {
        let share = 1.0 / corners.len().max(1) as f64;
        let is_centre = mixture
            .shares()
            .iter()
            .enumerate()
            .all(|(place, other)| (other - if corners.contains(&place) { share } else { 0.0 }).abs() < TOLERANCE);
        let name = if is_centre { CENTRE.into() } else { mixture_name(runs, &mixture, &taken) };
        taken.insert(name.clone());
        named.push((RunId(format!("{prefix}{name}")), mixture));
    }
    named
}

fn is_centre(weighting: &Weighting) -> bool {
    let share = 1.0 / weighting.shares().len() as f64;
    weighting.shares().iter().all(|other| (other - share).abs() < TOLERANCE)
}

/// More decimals than distinct shares (see [`TOLERANCE`]) can need.
const DECIMALS: usize = 9;

/// Returns the shares in percent, with as many decimals as it takes to differ from the names taken.
fn mixture_name(rewards: &[String], weighting: &Weighting, taken: &HashSet<String>) -> String {
    let by_share = (0..=DECIMALS).map(|decimals| {
        let long = long_name(rewards, weighting, decimals);
        if long.len() <= LONGEST { long } else { short_name(weighting, decimals) }
    });
    // Names of rewards that end in digits can make different mixtures read the same.
    let by_number = (2..=taken.len() + 2).map(|number| format!("mix-{number}"));
    by_share.chain(by_number).find(|name| !taken.contains(name)).expect("more candidates than names taken")
}

/// Returns e.g. `aesthetics50-safety50`; shares that round to nothing are left out.
fn long_name(rewards: &[String], weighting: &Weighting, decimals: usize) -> String {
    let parts = rewards.iter().zip(weighting.shares()).filter_map(|(reward, share)| {
        let percent = percent(*share, decimals);
        percent.contains(|digit| ('1'..='9').contains(&digit)).then(|| format!("{reward}{percent}"))
    });
    parts.collect::<Vec<_>>().join("-")
}

/// Returns e.g. `mix-50-0-50`: the shares in the order of the rewards.
fn short_name(weighting: &Weighting, decimals: usize) -> String {
    let parts: Vec<String> = weighting.shares().iter().map(|share| percent(*share, decimals)).collect();
    format!("mix-{}", parts.join("-"))
}

fn percent(share: f64, decimals: usize) -> String {
    format!("{:.decimals$}", 100.0 * share)
}
