//! Orthogonal matching pursuit (Pati et al., 1993): the feature that is most correlated with what is left is added, and all coefficients
//! are fitted again.

use moa_reward::fit_linear_head;

use crate::ExplainError;

/// The most terms of an account.
const MOST_TERMS: usize = 10;
/// The parts into which prompts are divided for validation.
const FOLDS: usize = 10;
/// The strength of the ridge, without a unit: it only keeps features apart that are nearly equal.
const RIDGE: f64 = 1e-3;
/// Features that vary less than this are constant.
const CONSTANT: f64 = 1e-7;

/// A sparse linear account.
pub(super) struct Account {
    /// The features' places, with coefficients in standard deviations of the scores per one of the feature.
    pub(super) terms: Vec<(usize, f64)>,
    /// The share of the variance that is explained on prompts that were not fitted to.
    pub(super) explained: f64,
}

/// Fits an account of scores; `group` neighbours belong to one prompt.
///
/// The number of terms is the smallest whose error in validation by prompts is within a standard error of the least (Breiman's rule).
pub(super) fn fit(features: &[Vec<f32>], scores: &[f64], group: usize) -> Result<Account, ExplainError> {
    let all: Vec<usize> = (0..scores.len()).collect();
    let fold_of = |row: usize| row / group % FOLDS;
    // By row and number of terms: the squared errors where the row was left out.
    let mut errors = vec![vec![0.0; MOST_TERMS + 1]; scores.len()];
    for fold in 0..FOLDS {
        let (out, inside): (Vec<usize>, Vec<usize>) = all.iter().partition(|row| fold_of(**row) == fold);
        if out.is_empty() || inside.len() < 3 {
            continue;
        }
        let path = Path::new(features, scores, &inside)?;
        for row in out {
            for (terms, error) in errors[row].iter_mut().enumerate() {
                *error = (scores[row] - path.predict(&features[row], terms)).powi(2);
            }
        }
    }
    let count = scores.len() as f64;
    let mean_error = |terms: usize| errors.iter().map(|row| row[terms]).sum::<f64>() / count;
    let means: Vec<f64> = (0..=MOST_TERMS).map(mean_error).collect();
    let best = (0..=MOST_TERMS).min_by(|a, b| means[*a].total_cmp(&means[*b])).unwrap_or(0);
    let above: Vec<f64> = errors.iter().map(|row| row[best]).collect();
    let spread = above.iter().map(|error| (error - means[best]).powi(2)).sum::<f64>() / count;
    let most = means[best] + (spread / count).sqrt();
    let chosen = (0..=MOST_TERMS).find(|terms| means[*terms] <= most).unwrap_or(best);
    let path = Path::new(features, scores, &all)?;
    let centre = scores.iter().sum::<f64>() / count;
    let variance = scores.iter().map(|score| (score - centre).powi(2)).sum::<f64>() / count;
    let explained = if variance > 0.0 { 1.0 - means[chosen] / variance } else { 0.0 };
    Ok(Account { terms: path.terms(chosen, variance.sqrt()), explained })
}

/// The accounts of no term, one, and so on.
struct Path {
    chosen: Vec<usize>,
    /// Mean and deviation of each feature.
    scale: Vec<[f64; 2]>,
    /// Coefficients on standardised features, then the intercept; one list per number of terms.
    fits: Vec<Vec<f64>>,
}

impl Path {
    fn new(features: &[Vec<f32>], scores: &[f64], rows: &[usize]) -> Result<Self, ExplainError> {
        let (width, count) = (features.first().map_or(0, Vec::len), rows.len() as f64);
        let scale: Vec<[f64; 2]> = (0..width)
            .map(|at| {
                let mean = rows.iter().map(|row| f64::from(features[*row][at])).sum::<f64>() / count;
                let square = rows.iter().map(|row| (f64::from(features[*row][at]) - mean).powi(2)).sum::<f64>();
                [mean, (square / count).sqrt()]
            })
            .collect();
        let mean = rows.iter().map(|row| scores[*row]).sum::<f64>() / count;
        let mut path = Self { chosen: Vec::new(), scale, fits: vec![vec![mean]] };
        let targets: Vec<f32> = rows.iter().map(|row| scores[*row] as f32).collect();
        while path.chosen.len() < MOST_TERMS.min(rows.len().saturating_sub(2)) {
            let rests: Vec<f64> =
                rows.iter().map(|row| scores[*row] - path.predict(&features[*row], path.chosen.len())).collect();
            let strength = |at: usize| {
                let pairs = rows.iter().zip(&rests);
                pairs.map(|(row, rest)| path.standard(&features[*row], at) * rest).sum::<f64>().abs()
            };
            let free = (0..width).filter(|at| path.scale[*at][1] > CONSTANT && !path.chosen.contains(at));
            let strengths = free.map(|at| (at, strength(at)));
            let Some((next, strength)) = strengths.max_by(|a, b| a.1.total_cmp(&b.1)) else { break };
            if strength <= f64::EPSILON * count {
                break;
            }
            path.chosen.push(next);
            let inputs: Vec<Vec<f32>> = rows
                .iter()
                .map(|row| path.chosen.iter().map(|at| path.standard(&features[*row], *at) as f32).collect())
                .collect();
            let head = fit_linear_head(&inputs, &targets, RIDGE)?;
            path.fits.push(head.weights.iter().chain([&head.bias]).map(|weight| f64::from(*weight)).collect());
        }
        Ok(path)
    }

    fn standard(&self, row: &[f32], at: usize) -> f64 {
        let [mean, deviation] = self.scale[at];
        (f64::from(row[at]) - mean) / deviation
    }

    /// Predicts a score with so many terms, or as many as there are.
    fn predict(&self, row: &[f32], terms: usize) -> f64 {
        let terms = terms.min(self.fits.len() - 1);
        let fit = &self.fits[terms];
        let sum: f64 = self.chosen[..terms].iter().zip(fit).map(|(at, weight)| weight * self.standard(row, *at)).sum();
        sum + fit[terms]
    }

    fn terms(&self, terms: usize, deviation: f64) -> Vec<(usize, f64)> {
        let terms = terms.min(self.fits.len() - 1);
        self.chosen[..terms].iter().copied().zip(self.fits[terms].iter().map(|weight| weight / deviation)).collect()
    }
}

#[cfg(test)]
mod tests {
    use moa_core::NoiseKey;

    use super::*;

    #[test]
    fn what_scores_are_made_of_is_found_and_noise_is_not_explained() {
        let key = NoiseKey::new(5);
        let features: Vec<Vec<f32>> = (0..120).map(|row| key.with(row).normal(40)).collect();
        let noise = key.named("noise").normal(120);
        let scores: Vec<f64> = features
            .iter()
            .zip(&noise)
            .map(|(row, noise)| f64::from(2.0 * row[7] - row[31] + 0.5 * noise) + 3.0)
            .collect();
        let account = fit(&features, &scores, 2).unwrap();
        let mut places: Vec<usize> = account.terms.iter().map(|(place, _)| *place).collect();
        places.sort_unstable();
        assert_eq!(places, [7, 31]);
        // Of the variance 5.25, noise has 0.25.
        assert!((account.explained - 0.95).abs() < 0.03, "{}", account.explained);
        let seven = account.terms.iter().find(|(place, _)| *place == 7).unwrap().1;
        assert!((seven - 2.0 / 5.25_f64.sqrt()).abs() < 0.1, "{seven}");

        let nothing: Vec<f64> = noise.iter().map(|noise| f64::from(*noise)).collect();
        let account = fit(&features, &nothing, 2).unwrap();
        assert!(
            account.terms.is_empty() && account.explained.abs() < 0.05,
            "{} {:?}",
            account.explained,
            account.terms
        );
    }
}
