//! Merging against training, as in Rewarded Soups (Ramé et al., 2306.04488): are adapters that were merged as good as adapters
//! that were trained for the same trade-off?

use std::fmt::Write as _;

use moa_core::spec::SoupRecipe;
use moa_core::{EvaluationRecord, ExperimentSpec, PointKind, RunId};
use moa_pareto::{Bootstrap, Interval, ParetoError};

use super::hypervolumes::rows;
use crate::hacking::bootstrap;

/// What soups have against trained adapters.
#[derive(Clone, Debug, PartialEq)]
pub struct SoupComparison {
    /// Hypervolumes at equal numbers of points; nothing where no weighting has both a trained adapter and a soup.
    pub hypervolumes: Option<EqualHypervolumes>,
    /// The edges between two adapters on which soups lie.
    pub edges: Vec<Edge>,
}

/// Hypervolumes of the corners with mixtures that were trained, and with soups of the corners at the same weightings.
///
/// What it hides: see [`super::Hypervolumes`]; and one training with one seed, so that luck in training is not in the
/// intervals.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EqualHypervolumes {
    /// Points on either side, the corners included.
    pub points: usize,
    /// Of the trained adapters.
    pub trained: Interval,
    /// Of the corners and the soups.
    pub soups: Interval,
    /// Soups − trained.
    pub difference: Interval,
}

/// The soups of two adapters, from one to the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Edge {
    /// The adapter at share 0.
    pub from: RunId,
    /// The adapter at share 1.
    pub to: RunId,
    /// The shares of `to` at which something was evaluated, rising, 0 and 1 included.
    pub shares: Vec<f64>,
    /// By reward, its means at the shares.
    pub rewards: Vec<Vec<Interval>>,
    /// By reward, the linear-mode gap: the mean over the soups of reward − the chord between the two ends. Above 0 merging gains,
    /// below 0 there is a barrier between the adapters.
    pub gaps: Vec<Interval>,
}

impl SoupComparison {
    /// Returns the comparison; nothing without soups.
    pub(super) fn of(evaluations: &[&EvaluationRecord], spec: &ExperimentSpec) -> Result<Option<Self>, ParetoError> {
        let recipes = spec.soups();
        let comparison =
            Self { hypervolumes: equal(evaluations, spec, &recipes)?, edges: edges(evaluations, spec, &recipes)? };
        let empty = comparison.hypervolumes.is_none() && comparison.edges.is_empty();
        Ok((!empty).then_some(comparison))
    }

    /// Returns what it comes to, in a sentence or two.
    pub fn verdict(&self, rewards: &[String]) -> String {
        let mut text = String::new();
        if let Some(EqualHypervolumes { points, trained, soups, difference }) = self.hypervolumes {
            let what = if difference.lo > 0.0 {
                "merging does better than training"
            } else if difference.hi < 0.0 {
                "merging falls short of training"
            } else {
                "no difference between merging and training is shown"
            };
            let _ = writeln!(
                text,
                "soups against training at {points} points each: hypervolume {:.3} against {:.3}, difference {:+.4} (95 % \
                 {:+.4} to {:+.4}): {what}",
                soups.mean, trained.mean, difference.mean, difference.lo, difference.hi
            );
        }
        for edge in &self.edges {
            let barriers = rewards.iter().zip(&edge.gaps).filter(|(_, gap)| gap.hi < 0.0);
            let barriers: Vec<String> = barriers
                .map(|(reward, gap)| format!("{reward} {:+.4} ({:+.4} to {:+.4})", gap.mean, gap.lo, gap.hi))
                .collect();
            if !barriers.is_empty() {
                let Edge { from, to, .. } = edge;
                let _ = writeln!(text, "between {from} and {to} merging loses: {}", barriers.join(", "));
            }
        }
        text
    }

    /// Returns the edges as CSV: a line for each edge, reward and share, with the mean and its interval.
    pub fn edges_csv(&self, rewards: &[String]) -> String {
        let mut text = "from,to,share,reward,mean,lo,hi,gap,gap_lo,gap_hi\n".to_owned();
        for Edge { from, to, shares, rewards: means, gaps } in &self.edges {
            for ((reward, means), gap) in rewards.iter().zip(means).zip(gaps) {
                for (share, mean) in shares.iter().zip(means) {
                    let _ = writeln!(
                        text,
                        "{from},{to},{share:.6},{reward},{:.6},{:.6},{:.6},{:.6},{:.6},{:.6}",
                        mean.mean, mean.lo, mean.hi, gap.mean, gap.lo, gap.hi
                    );
                }
            }
        }
        text
    }
}

/// Compares the mixtures that were both trained and merged of corners.
fn equal(
    evaluations: &[&EvaluationRecord],
    spec: &ExperimentSpec,
    recipes: &[SoupRecipe],
) -> Result<Option<EqualHypervolumes>, ParetoError> {
    if spec.rewards.len() > super::Hypervolumes::MOST_REWARDS {
        return Ok(None);
    }
    let is_corner = |point: &EvaluationRecord| point.weighting.as_ref().is_some_and(|w| w.corner_index().is_some());
    let trained = || evaluations.iter().filter(|point| point.kind == PointKind::Trained);
    let corners: Vec<_> = trained().filter(|point| is_corner(point)).map(|point| rows(point, spec)).collect();
    let of_corners = |recipe: &SoupRecipe| {
        recipe.shares.iter().all(|(run, _)| trained().any(|point| point.id == *run && is_corner(point)))
    };
    let (mut left, mut right) = (corners.clone(), corners.clone());
    for recipe in recipes.iter().filter(|recipe| of_corners(recipe)) {
        let soup = evaluations.iter().find(|point| point.id == recipe.id);
        let same = |point: &&&EvaluationRecord| {
            let Some(weighting) = &point.weighting else { return false };
            weighting.shares().iter().zip(recipe.weighting.shares()).all(|(a, b)| (a - b).abs() < 1e-9)
        };
        if let (Some(soup), Some(twin)) = (soup, trained().find(same)) {
            left.push(rows(soup, spec));
            right.push(rows(twin, spec));
        }
    }
    if corners.is_empty() || left.len() == corners.len() {
        return Ok(None);
    }
    let (bootstrap, reference) = (bootstrap(spec), vec![0.0; spec.rewards.len()]);
    Ok(Some(EqualHypervolumes {
        points: left.len(),
        trained: bootstrap.hypervolume(&right, &reference)?,
        soups: bootstrap.hypervolume(&left, &reference)?,
        difference: bootstrap.hypervolume_difference(&left, &right, &reference)?,
    }))
}

/// Evaluated soups with the share of the second adapter.
type Soups<'a> = Vec<(f64, &'a EvaluationRecord)>;

/// Returns the edges on which soups of two adapters were evaluated.
fn edges(
    evaluations: &[&EvaluationRecord],
    spec: &ExperimentSpec,
    recipes: &[SoupRecipe],
) -> Result<Vec<Edge>, ParetoError> {
    let bootstrap = bootstrap(spec);
    let find = |id: &RunId| evaluations.iter().copied().find(|point| point.id == *id);
    let mut edges: Vec<(RunId, RunId, Soups<'_>)> = Vec::new();
    for recipe in recipes {
        let ([(from, _), (to, share)], Some(soup)) = (&recipe.shares[..], find(&recipe.id)) else { continue };
        match edges.iter_mut().find(|(one, other, _)| one == from && other == to) {
            Some((.., soups)) => soups.push((*share, soup)),
            None => edges.push((from.clone(), to.clone(), vec![(*share, soup)])),
        }
    }
    let mut found = Vec::new();
    for (from, to, mut soups) in edges {
        let (Some(first), Some(last)) = (find(&from), find(&to)) else { continue };
        soups.sort_by(|one, other| one.0.total_cmp(&other.0));
        let stops: Vec<(f64, &EvaluationRecord)> =
            [(0.0, first)].into_iter().chain(soups.iter().copied()).chain([(1.0, last)]).collect();
        let (mut rewards, mut gaps) = (Vec::new(), Vec::new());
        for reward in 0..spec.rewards.len() {
            rewards.push(stops.iter().map(|(_, point)| mean(&bootstrap, point, reward)).collect::<Result<_, _>>()?);
            gaps.push(gap(&bootstrap, first, last, &soups, reward)?);
        }
        let shares = stops.iter().map(|(share, _)| *share).collect();
        found.push(Edge { from, to, shares, rewards, gaps });
    }
    Ok(found)
}

fn mean(bootstrap: &Bootstrap, point: &EvaluationRecord, reward: usize) -> Result<Interval, ParetoError> {
    let prompts: Vec<[f64; 1]> = point.rewards[reward].prompt_means.iter().map(|mean| [*mean]).collect();
    bootstrap.mean(&prompts)
}

/// Returns the mean over soups and prompts of reward − chord.
fn gap(
    bootstrap: &Bootstrap,
    first: &EvaluationRecord,
    last: &EvaluationRecord,
    soups: &[(f64, &EvaluationRecord)],
    reward: usize,
) -> Result<Interval, ParetoError> {
    let of = |point: &EvaluationRecord, prompt: usize| point.rewards[reward].prompt_means[prompt];
    let prompts = first.rewards[reward].prompt_means.len();
    let gap = |prompt: usize| {
        let above = |(share, soup): &(f64, &EvaluationRecord)| {
            of(soup, prompt) - ((1.0 - share) * of(first, prompt) + share * of(last, prompt))
        };
        [soups.iter().map(above).sum::<f64>() / soups.len() as f64]
    };
    bootstrap.mean(&(0..prompts).map(gap).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use moa_core::ScoreColumn;
    use moa_core::spec::{RewardKind, SoupsSpec};

    use super::*;

    /// Two rewards; the soup halfway reaches `bonus` above the chord, and the trained centre lies on it.
    fn comparison(bonus: f64) -> SoupComparison {
        let rewards = vec![RewardKind::Safety.into(), RewardKind::Contrast.into()];
        let soups = vec![SoupsSpec::AtWeightings];
        let spec = ExperimentSpec { rewards, soups, ..ExperimentSpec::default() };
        let weighting = |id: &str| spec.weightings().into_iter().find(|(run, _)| run.as_str() == id).map(|(_, w)| w);
        let record = |id: &str, kind: PointKind, [safety, contrast]: [f64; 2]| {
            let column = |name: &str, level: f64| ScoreColumn {
                name: name.into(),
                prompt_means: (0..20).map(|prompt| level + 0.001 * f64::from(prompt)).collect(),
            };
            EvaluationRecord {
                id: RunId(id.into()),
                kind,
                weighting: weighting(id.strip_prefix("soup-").unwrap_or(id)),
                pictures_per_prompt: 2,
                rewards: vec![column("safety", safety), column("contrast", contrast)],
                judges: Vec::new(),
            }
        };
        let records = [
            record("base", PointKind::Base, [0.3, 0.3]),
            record("safety", PointKind::Trained, [0.8, 0.3]),
            record("contrast", PointKind::Trained, [0.3, 0.8]),
            record("centre", PointKind::Trained, [0.55, 0.55]),
            record("soup-centre", PointKind::Soup, [0.55 + bonus, 0.55 + bonus]),
        ];
        SoupComparison::of(&records.iter().collect::<Vec<_>>(), &spec).unwrap().unwrap()
    }

    #[test]
    fn a_soup_above_the_chord_gains_and_one_below_it_shows_a_barrier() {
        let rewards = ["safety".to_owned(), "contrast".to_owned()];
        let better = comparison(0.1);
        let volumes = better.hypervolumes.unwrap();
        assert_eq!(volumes.points, 3);
        assert!(volumes.difference.lo > 0.0 && (better.edges[0].gaps[0].mean - 0.1).abs() < 1e-9);
        assert!(better.verdict(&rewards).contains("merging does better than training"));
        assert!(!better.verdict(&rewards).contains("loses"));

        let worse = comparison(-0.1);
        assert!(worse.hypervolumes.unwrap().difference.hi < 0.0);
        assert!(worse.verdict(&rewards).contains("between safety and contrast merging loses: safety -0.1000"));
        assert_eq!(worse.edges[0].shares, [0.0, 0.5, 1.0]);
        assert_eq!(worse.edges_csv(&rewards).lines().count(), 1 + 2 * 3);

        assert!(comparison(0.0).verdict(&rewards).contains("no difference"));
    }
}
