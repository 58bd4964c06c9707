//! From reward vectors to one advantage per image.

use moa_core::experiment::Combine;

/// The advantages of one adapter's images.
#[derive(Clone, Debug, PartialEq)]
pub struct Advantages {
    /// One per image, in the order of the scores.
    pub values: Vec<f32>,
    /// Share of groups in which the weighted rewards do not vary, so that they teach nothing.
    pub silent_groups: f64,
}

/// What scores are taken against, beside their own group.
#[derive(Clone, Copy, Debug, Default)]
pub struct Against<'a> {
    /// Standard deviations to divide by, one per reward ([`moa_core::experiment::Spread::Running`]): groups in which a reward hardly
    /// varies then pull less. Nothing for a group's own.
    pub spreads: Option<&'a [f64]>,
    /// What is expected of each group, `[reward][group]`, in place of its mean ([`moa_core::experiment::Baseline`]); of normalised rewards.
    pub expected: Option<&'a [Vec<f64>]>,
}

/// Below this spread (relative to the largest score's magnitude) a group's scores count as equal.
const RELATIVE_SPREAD: f64 = 1e-6;

/// Returns the advantages of images, group by group.
///
/// [`Combine::Normalised`] z-scores every reward in its group, adds them up by weighting and whitens over the batch, so
/// that no reward wins by its scale (GDPO). [`Combine::RawSum`] adds up raw scores and z-scores the sum in its group:
/// there the widest reward wins. A group without spread gives zeros; nothing is divided by a small number.
///
/// - `scores`: one column per reward, each of `groups · group` scores
/// - `shares`: one per reward
pub fn advantages(
    scores: &[Vec<f32>],
    shares: &[f64],
    against: Against<'_>,
    group: usize,
    combine: Combine,
    limit: f64,
) -> Advantages {
    let count = scores.first().map_or(0, Vec::len);
    let mut values = vec![0.0f64; count];
    for (index, (column, share)) in scores.iter().zip(shares).enumerate().filter(|(_, (_, share))| **share > 0.0) {
        let column: Vec<f64> = column.iter().map(|score| f64::from(*score)).collect();
        for (place, (sum, score)) in values.chunks_mut(group).zip(column.chunks(group)).enumerate() {
            let score = match combine {
                Combine::Normalised => {
                    let expected = against.expected.map(|expected| expected[index][place]);
                    scaled(score, against.spreads.map(|spreads| spreads[index]), expected)
                }
                Combine::RawSum => score.to_vec(),
            };
            for (sum, score) in sum.iter_mut().zip(score) {
                *sum += share * score;
            }
        }
    }
    if combine == Combine::RawSum {
        values = values.chunks(group).flat_map(z_scores).collect();
    }
    let silent = values.chunks(group).filter(|group| group.iter().all(|value| *value == 0.0)).count();
    if combine == Combine::Normalised {
        let square = values.iter().map(|value| value * value).sum::<f64>() / count.max(1) as f64;
        if square > 0.0 {
            // Groups' means are zero already, or what their prompts are better or worse by than expected.
            for value in &mut values {
                *value /= square.sqrt();
            }
        }
    }
    Advantages {
        values: values.into_iter().map(|value| value.clamp(-limit, limit) as f32).collect(),
        silent_groups: silent as f64 / (count / group.max(1)).max(1) as f64,
    }
}

/// Returns the scores less their mean, divided by their standard deviation; zeros when they are all the same.
fn z_scores(scores: &[f64]) -> Vec<f64> {
    scaled(scores, None, None)
}

/// Returns the scores less what is expected of them, or their mean, divided by a standard deviation, or their own; zeros when they are all
/// the same and nothing else was expected.
fn scaled(scores: &[f64], deviation: Option<f64>, expected: Option<f64>) -> Vec<f64> {
    let count = scores.len() as f64;
    let mean = scores.iter().sum::<f64>() / count;
    let own = (scores.iter().map(|score| (score - mean).powi(2)).sum::<f64>() / count).sqrt();
    let magnitude = scores.iter().fold(0.0, |most: f64, score| most.max(score.abs()));
    // What counts as all the same is the group's own matter; it teaches nothing unless something else was expected.
    let deviation = deviation.unwrap_or(own);
    let same = |deviation: f64| deviation <= RELATIVE_SPREAD * magnitude;
    if same(deviation) || (same(own) && expected.is_none()) {
        return vec![0.0; scores.len()];
    }
    let from = expected.unwrap_or(mean);
    scores.iter().map(|score| (score - from) / deviation).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use moa_core::NoiseKey;

    fn correlation(x: &[f32], y: &[f32]) -> f32 {
        let n = x.len() as f32;
        let (mx, my) = (x.iter().sum::<f32>() / n, y.iter().sum::<f32>() / n);
        let covariance: f32 = x.iter().zip(y).map(|(a, b)| (a - mx) * (b - my)).sum();
        let (vx, vy): (f32, f32) = (x.iter().map(|a| (a - mx).powi(2)).sum(), y.iter().map(|b| (b - my).powi(2)).sum());
        covariance / (vx * vy).sqrt()
    }

    const EQUAL: [f64; 2] = [0.5, 0.5];

    #[test]
    fn a_wide_reward_wins_the_raw_sum_but_not_the_normalised_one() {
        let wide: Vec<f32> = NoiseKey::new(1).normal(256).iter().map(|x| x * 10.0).collect();
        let narrow: Vec<f32> = NoiseKey::new(2).normal(256).iter().map(|x| x * 0.1).collect();
        let scores = [wide.clone(), narrow.clone()];
        let raw = advantages(&scores, &EQUAL, Against::default(), 8, Combine::RawSum, 5.0).values;
        let normalised = advantages(&scores, &EQUAL, Against::default(), 8, Combine::Normalised, 5.0).values;
        assert!(correlation(&raw, &narrow) < 0.2, "{}", correlation(&raw, &narrow));
        assert!(correlation(&normalised, &narrow) > 0.5);
        assert!(correlation(&normalised, &wide) > 0.5);
    }

    #[test]
    fn groups_without_spread_teach_nothing() {
        let mut scores = vec![0.7f32; 8];
        scores.extend([1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0]);
        for combine in [Combine::Normalised, Combine::RawSum] {
            let found = advantages(&[scores.clone()], &[1.0], Against::default(), 8, combine, 5.0);
            assert!(found.values[..8].iter().all(|v| *v == 0.0));
            assert!(found.values[8..].iter().all(|v| v.abs() > 0.5 && v.is_finite()));
            assert!((found.silent_groups - 0.5).abs() < 1e-12);
        }
    }

    #[test]
    fn prompts_of_different_difficulty_do_not_leak_into_each_other() {
        let scores = vec![0.9f32, 0.8, 0.9, 0.8, 0.2, 0.1, 0.2, 0.1];
        let found = advantages(&[scores], &[1.0], Against::default(), 4, Combine::Normalised, 5.0).values;
        assert!((found[0] - found[4]).abs() < 1e-4 && found[0] > 0.0 && found[1] < 0.0);
    }

    #[test]
    fn advantages_are_clamped() {
        let mut scores = vec![0.0f32; 64];
        scores[0] = 1.0;
        let found = advantages(&[scores], &[1.0], Against::default(), 64, Combine::Normalised, 5.0).values;
        assert!((found[0] - 5.0).abs() < 1e-6);
    }

    #[test]
    fn a_spread_of_all_groups_lets_those_that_vary_pull_more() {
        // Two prompts: one on which the reward varies by 0.1, one by 0.001.
        let scores = [vec![0.6f32, 0.4, 0.6, 0.4, 0.951, 0.949, 0.951, 0.949]];
        let own = advantages(&scores, &[1.0], Against::default(), 4, Combine::Normalised, 5.0).values;
        assert!((own[0] - own[4]).abs() < 1e-3, "each by its own spread: {own:?}");
        let shared = advantages(
            &scores,
            &[1.0],
            Against { spreads: Some(&[0.07]), expected: None },
            4,
            Combine::Normalised,
            5.0,
        )
        .values;
        assert!((shared[0] / shared[4] - 100.0).abs() < 1.0, "by one spread: {shared:?}");
        let square: f32 = shared.iter().map(|value| value * value).sum::<f32>() / 8.0;
        assert!((square - 1.0).abs() < 1e-5, "whitened over the batch: {square}");
    }

    #[test]
    fn what_is_expected_of_a_prompt_moves_all_its_advantages() {
        // The first prompt is better than expected, the second as expected, the third the same and better.
        let scores = [vec![0.6f32, 0.4, 0.6, 0.4, 0.3, 0.3]];
        let expected = [vec![0.4, 0.5, 0.2]];
        let against = Against { spreads: Some(&[0.1]), expected: Some(&expected) };
        let found = advantages(&scores, &[1.0], against, 2, Combine::Normalised, 5.0).values;
        let ratio = |i: usize| found[i] / found[0];
        assert!(found[0] > 0.0 && ratio(1).abs() < 1e-6, "{found:?}");
        assert!((ratio(2) - 0.5).abs() < 1e-5 && (ratio(3) + 0.5).abs() < 1e-5, "{found:?}");
        assert!((ratio(4) - 0.5).abs() < 1e-5 && (ratio(5) - 0.5).abs() < 1e-5, "{found:?}");
    }
}
