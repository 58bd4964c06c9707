//! Which points are on the front beyond noise, and how sure that is.

use moa_core::EvaluationRecord;
use moa_pareto::Bootstrap;

use crate::resampling::LEVEL;
use crate::{AnalysisError, Relations};

/// What is known of a point's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// No other point is as good in every reward.
    On,
    /// Noise leaves it open.
    Unclear,
    /// Another point is better.
    Off,
}

/// A point's place, and how sure it is.
///
/// - *on* the front: against every other point there is a reward in which this one is better. Then none dominates it.
/// - *off* it: one other point is better in every reward in which the two differ.
///
/// "Better" is a claim about the mean over all prompts of this kind. All differences between two points in one reward are tested
/// together ([`Relations`]), so that all that is said of all points at once is true with the level, 95 %.
///
/// What it hides: means alone leave nearly every point undominated when there are several rewards, as noise finds a reward in
/// which a point is best; two adapters that are equally good are never *on* the front by this, as neither beats the other: both
/// are unclear. It does not cover the variation of training: another seed gives other adapters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placing {
    /// Whether no other point is at least as good in every mean and better in one, whatever the noise.
    pub undominated: bool,
    /// The confidence with which the point can be said to be on the front, from 0 to 1.
    pub on: f64,
    /// The confidence with which it can be said to be off the front, from 0 to 1.
    pub off: f64,
}

impl Placing {
    /// Returns a place of which nothing but the means is known.
    pub fn by_means(undominated: bool) -> Self {
        Self { undominated, on: 0.0, off: 0.0 }
    }

    /// Returns what can be said at the level of all claims, 95 %.
    pub fn standing(&self) -> Standing {
        if self.on >= LEVEL {
            Standing::On
        } else if self.off >= LEVEL {
            Standing::Off
        } else {
            Standing::Unclear
        }
    }

    /// Returns whether the point is on the front beyond noise.
    pub fn is_on(&self) -> bool {
        self.standing() == Standing::On
    }

    /// Returns how sure the standing is; of an unclear one, how sure it is that the point is on the front.
    pub fn sure(&self) -> f64 {
        if self.standing() == Standing::Off { self.off } else { self.on }
    }
}

/// Returns the place of every point among all of them; of more than [`Relations::MOST_POINTS`] points, what the means alone say.
///
/// # Errors
/// Refuses points that were evaluated on different prompts.
pub fn placings(bootstrap: &Bootstrap, points: &[&EvaluationRecord]) -> Result<Vec<Placing>, AnalysisError> {
    Ok(Relations::of(bootstrap, points)?.placings())
}

#[cfg(test)]
mod tests {
    use moa_core::{NoiseKey, PointKind, RunId, ScoreColumn};

    use super::*;

    /// A point over 48 prompts: prompts differ by 0.2, images of a point by 0.02.
    fn point(seed: u64, id: u64, rewards: &[f64]) -> EvaluationRecord {
        let key = NoiseKey::new(seed);
        let column = |(reward, level): (usize, &f64)| {
            let (prompts, own) =
                (key.with(reward as u64).normal(48), key.with(100 + id).with(reward as u64).normal(48));
            let value = |(prompt, own): (f32, f32)| level + f64::from(0.2 * prompt + 0.02 * own);
            ScoreColumn::of_all(format!("reward{reward}"), prompts.into_iter().zip(own).map(value).collect())
        };
        EvaluationRecord {
            id: RunId(format!("point-{id}")),
            kind: PointKind::Trained,
            weighting: None,
            images_per_prompt: 2,
            rewards: rewards.iter().enumerate().map(column).collect(),
            judges: Vec::new(),
            distance_to_base: None,
            added: None,
        }
    }

    fn place(points: &[EvaluationRecord]) -> Vec<Placing> {
        placings(&Bootstrap { resamples: 500, ..Bootstrap::default() }, &points.iter().collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn points_that_noise_alone_keeps_undominated_are_unclear() {
        // Thirteen points that are all alike, in four rewards: nearly all are undominated by their means.
        let points: Vec<EvaluationRecord> = (0..13).map(|id| point(1, id, &[0.5; 4])).collect();
        let placed = place(&points);
        assert!(placed.iter().filter(|place| place.undominated).count() > 6);
        assert!(placed.iter().all(|place| place.standing() == Standing::Unclear), "{placed:?}");
    }

    #[test]
    fn what_is_better_beyond_noise_is_on_the_front_and_what_is_worse_is_off() {
        let points = [[0.5, 0.5], [0.6, 0.45], [0.45, 0.6], [0.4, 0.4]]
            .iter()
            .zip(0..)
            .map(|(rewards, id)| point(2, id, rewards));
        let placed = place(&points.collect::<Vec<_>>());
        let standings: Vec<Standing> = placed.iter().map(Placing::standing).collect();
        assert_eq!(standings, [Standing::On, Standing::On, Standing::On, Standing::Off]);
        assert!(placed[0].sure() >= LEVEL && placed[3].off >= LEVEL && placed[3].on < 0.5 && !placed[3].undominated);
    }

    #[test]
    fn false_claims_are_no_more_frequent_than_stated() {
        // The last point is worse than the first in one reward and exactly as good in the other: neither claim is true of it
        // but "off", and "on" would be false.
        let trials = 200;
        let wrong = (0..trials).filter(|seed| {
            let points = [point(*seed, 0, &[0.5, 0.5]), point(*seed, 1, &[0.5, 0.5]), point(*seed, 2, &[0.3, 0.5])];
            let placed = place(&points);
            placed[..2].iter().any(|place| place.standing() != Standing::Unclear) || placed[2].is_on()
        });
        assert!(wrong.count() <= 19, "5 % and three standard errors of 200");
    }

    #[test]
    fn a_point_alone_is_on_the_front_and_few_prompts_leave_all_open() {
        let mut points = [point(1, 0, &[0.5]), point(1, 1, &[0.9])];
        assert!(place(&points[..1])[0].is_on());
        assert!(place(&points)[1].is_on());
        for column in points.iter_mut().flat_map(|point| &mut point.rewards) {
            column.prompt_means.truncate(8);
        }
        let placed = place(&points);
        assert!(placed[1].undominated && placed.iter().all(|place| place.standing() == Standing::Unclear));
    }
}
