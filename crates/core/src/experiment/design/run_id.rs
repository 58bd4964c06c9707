//! Names of runs, which are names of folders too.
//!
//! A name depends on its weighting alone, never on what else stands in the list: a run is found again when weightings are added, taken
//! away or moved.

use super::TOLERANCE;
use crate::{NoiseKey, RunId, Weighting};

const CENTRE: &str = "centre";
const SOUP_PREFIX: &str = "soup-";
const BLEND_PREFIX: &str = "blend-";
const ROUND_PREFIX: &str = "round";
/// Longer names of mixtures give way to shares alone.
const LONGEST: usize = 80;

/// Whether a name is taken by something other than a reward.
pub(in crate::experiment) fn is_reserved(name: &str) -> bool {
    let later = name.strip_prefix(ROUND_PREFIX).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    name == RunId::BASE || name == CENTRE || name.starts_with(SOUP_PREFIX) || name.starts_with(BLEND_PREFIX) || later
}

/// Returns the name of a run in a round: its own in the first.
pub(super) fn of_round(round: u32, run: RunId) -> RunId {
    if round == 1 { run } else { RunId(format!("{ROUND_PREFIX}{round}-{run}")) }
}

/// Returns the name of a round's mean.
pub(super) fn mean_of_round(round: u32) -> RunId {
    RunId(format!("{SOUP_PREFIX}{ROUND_PREFIX}{round}"))
}

/// Returns the name of a weighting over the named rewards.
pub(super) fn name(rewards: &[String], weighting: &Weighting) -> RunId {
    RunId(match weighting.corner_index() {
        Some(index) => rewards[index].clone(),
        None if is_centre(weighting) => CENTRE.into(),
        // A reward may be called as a mixture is.
        None => plain_name(rewards, weighting.shares())
            .filter(|name| !rewards.contains(name))
            .unwrap_or_else(|| hashed_name(rewards, weighting.shares())),
    })
}

/// How adapters are mixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mixed {
    /// By their weights.
    Soup,
    /// By their predictions.
    Blend,
}

/// Returns the name of a mixture of the named runs; `corners` are the places of the corners among them.
///
/// - `shares`: by run; they sum to 1
pub(super) fn name_mixture(mixed: Mixed, runs: &[String], corners: &[usize], shares: &[f64]) -> RunId {
    let prefix = match mixed {
        Mixed::Soup => SOUP_PREFIX,
        Mixed::Blend => BLEND_PREFIX,
    };
    let name = if is_centre_of(corners, shares) {
        CENTRE.into()
    } else {
        plain_name(runs, shares).unwrap_or_else(|| hashed_name(runs, shares))
    };
    RunId(format!("{prefix}{name}"))
}

/// Returns the name of a soup that no experiment plans: its shares in percent with as many decimals as they have. Whole percentages that
/// the name of a planned soup of other shares has are written with a decimal.
///
/// - `suffix`: what the name ends in, where it is merged in another way than planned mixtures are
/// - `planned`: the names of soups that are planned
pub(super) fn name_added(
    runs: &[String],
    corners: &[usize],
    shares: &[f64],
    suffix: &str,
    planned: impl Fn(&RunId) -> bool,
) -> RunId {
    let named = |name: String| RunId(format!("{SOUP_PREFIX}{name}{suffix}"));
    if is_centre_of(corners, shares) {
        return named(CENTRE.into());
    }
    let said = (0..=DECIMALS).filter(|decimals| is_said_by(shares, *decimals));
    let mut names = said.map(|decimals| named(percentages(runs, shares, decimals)));
    names.find(|name| !planned(name)).unwrap_or_else(|| named(hashed_name(runs, shares)))
}

fn is_centre_of(corners: &[usize], shares: &[f64]) -> bool {
    let share = 1.0 / corners.len().max(1) as f64;
    let of_corners = |place: usize| if corners.contains(&place) { share } else { 0.0 };
    shares.iter().enumerate().all(|(place, other)| (other - of_corners(place)).abs() < TOLERANCE)
}

/// Returns whether percentages with so many decimals are the shares.
fn is_said_by(shares: &[f64], decimals: usize) -> bool {
    let parts = 100.0 * 10f64.powi(decimals as i32);
    shares.iter().all(|share| ((share * parts).round() / parts - share).abs() < TOLERANCE)
}

fn is_centre(weighting: &Weighting) -> bool {
    let share = 1.0 / weighting.shares().len() as f64;
    weighting.shares().iter().all(|other| (other - share).abs() < TOLERANCE)
}

/// The most decimals of a percentage in a name; names of shares that need more end in a hash.
const DECIMALS: usize = 3;
/// The largest denominator of fractions that whole percentages may stand for.
const LARGEST: u32 = 100;

/// Returns the shares in percent. Whole percentages stand for the simplest fractions that read so, more decimals for what they say: thirds
/// are `a33-b67`, and 33 to 67 is `a33.0-b67.0`. Nothing where neither says the shares, as those of random draws.
fn plain_name(rewards: &[String], shares: &[f64]) -> Option<String> {
    let name = |shares: &[f64], decimals| percentages(rewards, shares, decimals);
    let is_own = |other: &[f64]| other.iter().zip(shares).all(|(other, share)| (other - share).abs() < TOLERANCE);
    let whole = name(shares, 0);
    // What is more than a percentage away reads otherwise, and need not be written to be compared.
    let is_near = |other: &Vec<f64>| other.iter().zip(shares).all(|(other, share)| (other - share).abs() < 0.011);
    let mut candidates = (1..=LARGEST).filter_map(|parts| nearest(shares, parts)).filter(is_near);
    let simplest = candidates.find(|other| name(other, 0) == whole);
    let said = (1..=DECIMALS).find(|decimals| is_said_by(shares, *decimals));
    if simplest.is_some_and(|simplest| is_own(&simplest)) {
        return Some(whole);
    }
    said.map(|decimals| name(shares, decimals))
}

/// Returns whole percentages with a hash of the shares behind them.
fn hashed_name(rewards: &[String], shares: &[f64]) -> String {
    let key = NoiseKey::new(0).named("weighting");
    let key = shares.iter().fold(key, |key, share| key.with((share / TOLERANCE).round() as i64 as u64));
    format!("{}-{:08x}", percentages(rewards, shares, 0), key.bits(0) >> 32)
}

fn percentages(rewards: &[String], shares: &[f64], decimals: usize) -> String {
    let long = long_name(rewards, shares, decimals);
    if long.len() <= LONGEST { long } else { short_name(shares, decimals) }
}

/// Returns the shares as multiples of 1/`parts` that are nearest to them; nothing where these do not sum to 1.
fn nearest(shares: &[f64], parts: u32) -> Option<Vec<f64>> {
    let whole: Vec<f64> = shares.iter().map(|share| (share * f64::from(parts)).round()).collect();
    let all: f64 = whole.iter().sum();
    (all as u32 == parts).then(|| whole.into_iter().map(|part| part / f64::from(parts)).collect())
}

/// Returns e.g. `aesthetics50-safety50`, or `aesthetics130-safety_minus30`; shares that round to nothing are left out.
fn long_name(rewards: &[String], shares: &[f64], decimals: usize) -> String {
    let parts = rewards.iter().zip(shares).filter_map(|(reward, share)| {
        let percent = percent(share.abs(), decimals);
        // What ends in a digit would run into the percentage.
        let apart = match reward.ends_with(|c: char| c.is_ascii_digit()) {
            _ if *share < 0.0 => "_minus",
            true => "_",
            false => "",
        };
        percent.contains(|digit| ('1'..='9').contains(&digit)).then(|| format!("{reward}{apart}{percent}"))
    });
    parts.collect::<Vec<_>>().join("-")
}

/// Returns e.g. `mix-50-0-50`: the shares in the order of the rewards.
fn short_name(shares: &[f64], decimals: usize) -> String {
    let minus = |share: f64| if share < 0.0 { "minus" } else { "" };
    let parts: Vec<String> =
        shares.iter().map(|share| format!("{}{}", minus(*share), percent(share.abs(), decimals))).collect();
    format!("mix-{}", parts.join("-"))
}

fn percent(share: f64, decimals: usize) -> String {
    format!("{:.decimals$}", 100.0 * share)
}
