//! With what a reward's order of images agrees: judges, other rewards, raters.

use std::collections::BTreeMap;

use moa_analysis::explanation::{Agreement, Figure, GapAccuracy, RaterAgreement};
use moa_pareto::{Bootstrap, FEWEST_CLAIMED, Sample};

use crate::{Column, ExplainError, Images, Lens, Planes};

/// Groups into which pairs are divided by how far the reward tells them apart.
const GROUPS: usize = 4;

/// A pair of images that raters decided, of one size.
#[derive(Clone, Debug, PartialEq)]
pub struct RatedPair {
    /// What was to be drawn.
    pub prompt: String,
    /// The first image and the second.
    pub images: [Planes; 2],
    /// The share of the votes for the first image; of a tie ½, which does not count.
    pub share: f64,
}

/// Returns Spearman's rank correlation of scores with other columns over the images that have both, with its interval over prompts.
pub(crate) fn agreement(scores: &[f64], others: &[Column], set: &Images) -> Result<Vec<Agreement>, ExplainError> {
    let mut found = Vec::new();
    for column in others {
        let both: Vec<(usize, f64, f64)> = scores
            .iter()
            .zip(&column.scores)
            .enumerate()
            .filter_map(|(place, (own, other))| Some((place / set.group(), *own, (*other)?)))
            .collect();
        let mut prompts: Vec<usize> = both.iter().map(|(prompt, ..)| *prompt).collect();
        prompts.dedup();
        let of_prompt: BTreeMap<usize, usize> = prompts.iter().enumerate().map(|(at, prompt)| (*prompt, at)).collect();
        if prompts.len() < 2 {
            continue;
        }
        let (own, other): (Vec<f64>, Vec<f64>) = both.iter().map(|(_, own, other)| (*own, *other)).unzip();
        let bootstrap = Bootstrap { resamples: 500, fewest: FEWEST_CLAIMED, ..Bootstrap::default() };
        let interval = bootstrap.statistic(prompts.len(), |counts| {
            let weights: Vec<f64> = both.iter().map(|(prompt, ..)| counts[of_prompt[prompt]]).collect();
            correlation(&ranks(&own, &weights), &ranks(&other, &weights), &weights)
        })?;
        let correlation = Figure {
            low: interval.lo.is_finite().then_some(interval.lo.max(-1.0)),
            high: interval.hi.is_finite().then_some(interval.hi.min(1.0)),
            value: interval.mean,
        };
        let with = column.name.clone();
        found.push(Agreement { with, is_judge: column.is_judge, correlation, images: both.len() });
    }
    Ok(found)
}

/// Returns the weighted mid-rank of each value; equal values have equal ranks.
fn ranks(values: &[f64], weights: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let (mut ranks, mut below) = (vec![0.0; values.len()], 0.0);
    for equal in order.chunk_by(|a, b| values[*a].total_cmp(&values[*b]).is_eq()) {
        let weight: f64 = equal.iter().map(|at| weights[*at]).sum();
        for at in equal {
            ranks[*at] = below + weight / 2.0;
        }
        below += weight;
    }
    ranks
}

/// Returns the weighted correlation, 0 where one side does not vary.
fn correlation(a: &[f64], b: &[f64], weights: &[f64]) -> f64 {
    let all: f64 = weights.iter().sum();
    let mean =
        |values: &[f64]| values.iter().zip(weights).map(|(v, w)| v * w).sum::<f64>() / all.max(f64::MIN_POSITIVE);
    let (mean_a, mean_b) = (mean(a), mean(b));
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for ((a, b), w) in a.iter().zip(b).zip(weights) {
        let (a, b) = (a - mean_a, b - mean_b);
        ab += w * a * b;
        aa += w * a * a;
        bb += w * b * b;
    }
    if aa > 0.0 && bb > 0.0 { (ab / (aa * bb).sqrt()).clamp(-1.0, 1.0) } else { 0.0 }
}

/// Returns how often a reward decides pairs as raters did; nothing without a decided pair. Of rewards that compare the images of a prompt,
/// the two images are the prompt's.
pub(crate) fn raters(
    lens: &Lens<'_>,
    pairs: &[RatedPair],
    deviation: f64,
) -> Result<Option<RaterAgreement>, ExplainError> {
    let decided: Vec<&RatedPair> =
        pairs.iter().filter(|pair| (pair.share - 0.5).abs() > 1e-9 && lens.reads(&pair.prompt)).collect();
    if decided.is_empty() {
        return Ok(None);
    }
    let images: Vec<&Planes> = decided.iter().flat_map(|pair| &pair.images).collect();
    let prompts: Vec<String> = decided.iter().flat_map(|pair| [pair.prompt.clone(), pair.prompt.clone()]).collect();
    let scores = lens.score(&images, &prompts, 2)?;
    let mut by_prompt: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    let mut gaps: Vec<(f64, f64)> = Vec::with_capacity(decided.len());
    for (pair, scores) in decided.iter().zip(scores.chunks_exact(2)) {
        let gap = scores[0] - scores[1];
        let alike = if gap == 0.0 { 0.5 } else { f64::from(u8::from((gap > 0.0) == (pair.share > 0.5))) };
        by_prompt.entry(&pair.prompt).or_default().push(alike);
        gaps.push((gap.abs() / deviation, alike));
    }
    let means: Vec<f64> = by_prompt.values().map(|all| all.iter().sum::<f64>() / all.len() as f64).collect();
    let accuracy = Bootstrap::default().mean(Sample::within(&means, Some([0.0, 1.0])))?;
    gaps.sort_by(|a, b| a.0.total_cmp(&b.0));
    let by_gap = gaps.chunks(gaps.len().div_ceil(GROUPS)).map(|part| {
        let mean = |of: fn(&(f64, f64)) -> f64| part.iter().map(of).sum::<f64>() / part.len() as f64;
        GapAccuracy { gap: mean(|pair| pair.0), accuracy: mean(|pair| pair.1), pairs: part.len() }
    });
    Ok(Some(RaterAgreement { pairs: decided.len(), accuracy: accuracy.into(), by_gap: by_gap.collect() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spearman(a: &[f64], b: &[f64]) -> f64 {
        let weights = vec![1.0; a.len()];
        correlation(&ranks(a, &weights), &ranks(b, &weights), &weights)
    }

    #[test]
    fn ranks_do_not_see_units_and_ties_share_a_rank() {
        let a: [f64; 4] = [0.1, 0.2, 0.5, 4.0];
        assert!((spearman(&a, &a.map(f64::exp)) - 1.0).abs() < 1e-12);
        assert!((spearman(&a, &a.map(|v| -v)) + 1.0).abs() < 1e-12);
        assert!(spearman(&a, &[1.0; 4]).abs() < 1e-12);
        // By hand: ranks 1, 2.5, 2.5, 4 against 1, 2, 3, 4.
        assert!((spearman(&a, &[0.0, 1.0, 1.0, 2.0]) - 0.948_683_298).abs() < 1e-6);
    }

    #[test]
    fn a_prompt_that_is_drawn_twice_counts_as_two() {
        let (a, b) = ([1.0, 2.0, 3.0], [1.0, 3.0, 2.0]);
        let weights = [1.0, 1.0, 2.0];
        let weighted = correlation(&ranks(&a, &weights), &ranks(&b, &weights), &weights);
        assert!((weighted - spearman(&[1.0, 2.0, 3.0, 3.0], &[1.0, 3.0, 2.0, 2.0])).abs() < 1e-12);
    }
}
