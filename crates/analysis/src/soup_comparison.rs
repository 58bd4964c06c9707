//! Merging against training, as in Rewarded Soups (Ramé et al., 2306.04488), and blending against both: are adapters that were
//! mixed as good as adapters that were trained for the same trade-off?

use std::fmt::Write as _;

use moa_core::experiment::SoupRecipe;
use moa_core::{EvaluationRecord, ExperimentSpec, PointKind, Weighting};
use moa_pareto::Interval;

use crate::edge::{self, Edge};
use crate::hypervolumes::{Rows, rows};
use crate::resampling::bootstrap;
use crate::{AnalysisError, Hypervolumes, Scales};

/// What soups and blends have against trained adapters, and against each other.
#[derive(Clone, Debug, PartialEq)]
pub struct SoupComparison {
    /// Soups against trained adapters; nothing where no weighting has both.
    pub soups: Option<EqualHypervolumes>,
    /// Blends against trained adapters; nothing where no weighting has both.
    pub blends: Option<EqualHypervolumes>,
    /// Soups against blends; nothing where no weighting has both.
    pub soups_and_blends: Option<EqualHypervolumes>,
    /// The edges between two adapters on which soups or blends lie.
    pub edges: Vec<Edge>,
}

/// Hypervolumes of the corners with mixtures of one kind, and of the corners with the other kind at the same weightings.
///
/// What it hides: see [`crate::Hypervolumes`]; and one training with one seed, so that luck in training is not in the
/// intervals.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EqualHypervolumes {
    /// Points on either side, the corners included.
    pub points: usize,
    /// Of the first kind.
    pub left: Interval,
    /// Of the second kind.
    pub right: Interval,
    /// First − second.
    pub difference: Interval,
}

impl SoupComparison {
    /// Returns the comparison; nothing without soups and blends.
    pub(crate) fn of(
        evaluations: &[&EvaluationRecord],
        spec: &ExperimentSpec,
        scales: &Scales,
    ) -> Result<Option<Self>, AnalysisError> {
        let kinds = Kinds::of(evaluations, spec);
        let comparison = Self {
            soups: kinds.compare(&kinds.soups, &kinds.trained, spec, scales)?,
            blends: kinds.compare(&kinds.blends, &kinds.trained, spec, scales)?,
            soups_and_blends: kinds.compare(&kinds.soups, &kinds.blends, spec, scales)?,
            edges: edge::edges(evaluations, spec)?,
        };
        let volumes = [comparison.soups, comparison.blends, comparison.soups_and_blends];
        let empty = volumes.iter().all(Option::is_none) && comparison.edges.is_empty();
        Ok((!empty).then_some(comparison))
    }

    /// Returns what it comes to, in a sentence for each comparison and each barrier.
    pub fn verdict(&self, rewards: &[String]) -> String {
        let mut text = String::new();
        for (volumes, [left, right], [above, below, alike]) in [
            (
                self.soups,
                ["soups", "training"],
                [
                    "merging does better than training",
                    "merging falls short of training",
                    "no difference between merging and training is shown",
                ],
            ),
            (
                self.blends,
                ["blends", "training"],
                [
                    "blending does better than training",
                    "blending falls short of training",
                    "no difference between blending and training is shown",
                ],
            ),
            (
                self.soups_and_blends,
                ["soups", "blends"],
                [
                    "merging does better than blending, which costs more",
                    "merging falls short of blending, which costs more",
                    "no difference between merging and blending is shown, and merging costs less",
                ],
            ),
        ] {
            let Some(EqualHypervolumes { points, left: one, right: other, difference }) = volumes else { continue };
            let what = if difference.lo > 0.0 {
                above
            } else if difference.hi < 0.0 {
                below
            } else {
                alike
            };
            let bounds = if difference.is_bounded() {
                format!("95 % {:+.4} to {:+.4}", difference.lo, difference.hi)
            } else {
                "too few prompts for bounds".into()
            };
            let _ = writeln!(
                text,
                "{left} against {right} at {points} points each: hypervolume {:.3} against {:.3}, difference {:+.4} ({bounds}): {what}",
                one.mean, other.mean, difference.mean
            );
        }
        for edge in &self.edges {
            for (kind, loses) in [(PointKind::Soup, "merging loses"), (PointKind::Blend, "blending loses")] {
                let Some(path) = edge.path(kind) else { continue };
                let barriers = rewards.iter().zip(&path.gaps).filter(|(_, gap)| gap.hi < 0.0);
                let barriers: Vec<String> = barriers
                    .map(|(reward, gap)| format!("{reward} {:+.4} ({:+.4} to {:+.4})", gap.mean, gap.lo, gap.hi))
                    .collect();
                if !barriers.is_empty() {
                    let _ = writeln!(text, "between {} and {} {loses}: {}", edge.from, edge.to, barriers.join(", "));
                }
            }
        }
        text
    }

    /// Returns the edges as CSV: a line for each edge, kind, reward and share, with the mean, the paired difference to the base
    /// and the gap of the path, each with its interval.
    pub fn edges_csv(&self, rewards: &[String]) -> String {
        edge::table(&self.edges, rewards)
    }
}

/// Points by how they were made, with their weightings; mixtures of corners only.
struct Kinds<'a> {
    base: Option<&'a EvaluationRecord>,
    corners: Vec<&'a EvaluationRecord>,
    trained: Vec<&'a EvaluationRecord>,
    soups: Vec<&'a EvaluationRecord>,
    blends: Vec<&'a EvaluationRecord>,
}

impl<'a> Kinds<'a> {
    fn of(evaluations: &[&'a EvaluationRecord], spec: &ExperimentSpec) -> Self {
        let is_corner = |point: &EvaluationRecord| point.weighting.as_ref().is_some_and(|w| w.corner_index().is_some());
        let trained = evaluations.iter().copied().filter(|point| point.kind == PointKind::Trained);
        let (corners, trained): (Vec<_>, Vec<_>) = trained.partition(|point| is_corner(point));
        let of_corners =
            |recipe: &SoupRecipe| recipe.shares.iter().all(|(run, _)| corners.iter().any(|point| point.id == *run));
        let evaluated = |recipes: Vec<SoupRecipe>| -> Vec<&'a EvaluationRecord> {
            let find = |recipe: SoupRecipe| evaluations.iter().copied().find(|point| point.id == recipe.id);
            recipes.into_iter().filter(|recipe| of_corners(recipe)).filter_map(find).collect()
        };
        let (soups, blends) = (evaluated(spec.soups()), evaluated(spec.blends()));
        let base = evaluations.iter().copied().find(|point| point.kind == PointKind::Base);
        Self { base, corners, trained, soups, blends }
    }

    /// Compares two kinds at the weightings that both have.
    fn compare(
        &self,
        left: &[&EvaluationRecord],
        right: &[&EvaluationRecord],
        spec: &ExperimentSpec,
        scales: &Scales,
    ) -> Result<Option<EqualHypervolumes>, AnalysisError> {
        if spec.rewards.len() > Hypervolumes::MOST_REWARDS || self.corners.is_empty() {
            return Ok(None);
        }
        let same = |a: &Weighting, b: &Weighting| a.shares().iter().zip(b.shares()).all(|(a, b)| (a - b).abs() < 1e-9);
        let twin = |one: &EvaluationRecord| {
            let weighting = one.weighting.as_ref()?;
            right.iter().find(|other| other.weighting.as_ref().is_some_and(|own| same(own, weighting)))
        };
        let pairs =
            left.iter().filter_map(|one| Some((rows(one, self.base, scales), rows(twin(one)?, self.base, scales))));
        let (mut left, mut right): (Vec<Rows>, Vec<Rows>) = pairs.unzip();
        if left.is_empty() {
            return Ok(None);
        }
        for corner in &self.corners {
            left.push(rows(corner, self.base, scales));
            right.push(rows(corner, self.base, scales));
        }
        let (bootstrap, reference) = (bootstrap(spec), vec![0.0; spec.rewards.len()]);
        Ok(Some(EqualHypervolumes {
            points: left.len(),
            left: bootstrap.hypervolume(&left, &reference)?,
            right: bootstrap.hypervolume(&right, &reference)?,
            difference: bootstrap.hypervolume_difference(&left, &right, &reference)?,
        }))
    }
}

#[cfg(test)]
mod tests {
    use moa_core::experiment::{RewardKind, SoupsSpec};
    use moa_core::{NoiseKey, RunId, ScoreColumn};

    use super::*;

    /// Two rewards; the soup halfway reaches `bonus` above the chord, the blend `other`, and the trained centre lies on it.
    fn comparison(bonus: f64, other: f64) -> SoupComparison {
        let rewards = vec![RewardKind::Safety.into(), RewardKind::Contrast.into()];
        let soups = vec![SoupsSpec::AtWeightings];
        let spec = ExperimentSpec { rewards, blends: soups.clone(), soups, ..ExperimentSpec::default() };
        let weighting = |id: &str| spec.weightings().into_iter().find(|(run, _)| run.as_str() == id).map(|(_, w)| w);
        let record = |id: &str, kind: PointKind, [safety, contrast]: [f64; 2]| {
            // Prompts differ, and a point's images a little too.
            let column = |name: &str, level: f64| {
                let key = NoiseKey::new(5).named(name);
                let noise = key.normal(64).into_iter().zip(key.named(id).normal(64));
                let means = noise.map(|(prompt, own)| level + f64::from(0.1 * prompt + 0.002 * own));
                ScoreColumn::of_all(name, means.collect())
            };
            EvaluationRecord {
                id: RunId(id.into()),
                kind,
                weighting: weighting(id.trim_start_matches("soup-").trim_start_matches("blend-")),
                images_per_prompt: 2,
                rewards: vec![column("safety", safety), column("contrast", contrast)],
                judges: Vec::new(),
                distance_to_base: None,
                added: None,
            }
        };
        let records = [
            record("base", PointKind::Base, [0.3, 0.3]),
            record("safety", PointKind::Trained, [0.8, 0.3]),
            record("contrast", PointKind::Trained, [0.3, 0.8]),
            record("centre", PointKind::Trained, [0.55, 0.55]),
            record("soup-centre", PointKind::Soup, [0.55 + bonus, 0.55 + bonus]),
            record("blend-centre", PointKind::Blend, [0.55 + other, 0.55 + other]),
        ];
        let scales = Scales::of(&spec, &[]);
        SoupComparison::of(&records.iter().collect::<Vec<_>>(), &spec, &scales).unwrap().unwrap()
    }

    #[test]
    fn a_soup_above_the_chord_gains_and_one_below_it_shows_a_barrier() {
        let rewards = ["safety".to_owned(), "contrast".to_owned()];
        let better = comparison(0.1, 0.0);
        let volumes = better.soups.unwrap();
        assert_eq!(volumes.points, 3);
        let soups = |comparison: &SoupComparison| comparison.edges[0].path(PointKind::Soup).unwrap().clone();
        assert!(volumes.difference.lo > 0.0 && (soups(&better).gaps[0].mean - 0.1).abs() < 2e-3);
        assert!(better.verdict(&rewards).contains("merging does better than training"));
        assert!(better.verdict(&rewards).contains("merging does better than blending"));
        assert!(!better.verdict(&rewards).contains("loses"));

        let worse = comparison(-0.1, 0.1);
        assert!(worse.soups.unwrap().difference.hi < 0.0 && worse.blends.unwrap().difference.lo > 0.0);
        assert!(worse.verdict(&rewards).contains("between safety and contrast merging loses: safety -0."));
        assert!(worse.verdict(&rewards).contains("blending does better than training"));
        assert_eq!(soups(&worse).shares, [0.0, 0.5, 1.0]);
        assert_eq!(worse.edges_csv(&rewards).lines().count(), 1 + 3 * 2 * 3, "soups, blends and what was trained");

        assert!(comparison(0.0, 0.0).verdict(&rewards).contains("no difference"));
    }

    #[test]
    fn paths_say_what_they_gain_over_the_base_and_the_trained_ones_where_they_lie() {
        let comparison = comparison(0.1, 0.2);
        let kinds: Vec<PointKind> = comparison.edges[0].paths.iter().map(|path| path.kind).collect();
        assert_eq!(kinds, [PointKind::Soup, PointKind::Blend, PointKind::Trained]);
        for (path, halfway) in comparison.edges[0].paths.iter().zip([0.35, 0.45, 0.25]) {
            assert_eq!(path.shares, [0.0, 0.5, 1.0]);
            let gains = &path.gains.as_ref().unwrap()[0];
            assert!((gains[1].mean - halfway).abs() < 3e-3 && gains[1].half_width().unwrap() < 5e-3, "{gains:?}");
        }
    }
}
