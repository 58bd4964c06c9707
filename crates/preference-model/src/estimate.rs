//! Shares with intervals.

use moa_core::NoiseKey;

/// A number with the ends of its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The estimate from all data.
    pub value: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// How intervals are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Resampling {
    /// How many times clusters are drawn with replacement. Default: 2,000.
    pub resamples: usize,
    /// The share of resamples in the interval, above 0 and below 1. Default: 0.95.
    pub level: f64,
    /// The seed. Default: 0.
    pub seed: u64,
}

impl Default for Resampling {
    fn default() -> Self {
        Self { resamples: 2000, level: 0.95, seed: 0 }
    }
}

impl Resampling {
    /// Returns a statistic of clusters with the percentile interval of the bootstrap over clusters. `statistic` reads how often each
    /// cluster was drawn; resamples where it is none are left out.
    ///
    /// With fewer than about twenty clusters such intervals are too narrow.
    pub(crate) fn over(&self, clusters: usize, statistic: impl Fn(&[u32]) -> Option<f64>) -> Option<Estimate> {
        let value = statistic(&vec![1; clusters])?;
        let key = NoiseKey::new(self.seed).named("bootstrap");
        let mut drawn: Vec<f64> = (0..self.resamples as u64)
            .filter_map(|resample| {
                let (key, mut counts) = (key.with(resample), vec![0; clusters]);
                (0..clusters as u64).for_each(|draw| counts[key.below(draw, clusters)] += 1);
                statistic(&counts)
            })
            .collect();
        drawn.sort_unstable_by(f64::total_cmp);
        Some(self.interval(value, &drawn))
    }

    /// Returns the interval of sorted draws.
    pub(crate) fn interval(&self, value: f64, sorted: &[f64]) -> Estimate {
        let tail = 0.5 * (1.0 - self.level);
        Estimate {
            value,
            low: quantile(sorted, tail).unwrap_or(value),
            high: quantile(sorted, 1.0 - tail).unwrap_or(value),
        }
    }
}

/// Returns a quantile of sorted values; none of no values.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    sorted.get(((sorted.len() as f64 - 1.0).max(0.0) * share).round() as usize).copied()
}

/// Returns a share of independent trials with Wilson's interval at 95 % (JASA 22, 1927); none of no trials.
pub(crate) fn wilson(hits: f64, trials: f64) -> Option<Estimate> {
    if trials <= 0.0 {
        return None;
    }
    let (z2, p) = (1.959_963_984_540_054_f64.powi(2), hits / trials);
    let centre = (p + z2 / (2.0 * trials)) / (1.0 + z2 / trials);
    let half = (z2 * (p * (1.0 - p) / trials + z2 / (4.0 * trials * trials))).sqrt() / (1.0 + z2 / trials);
    Some(Estimate { value: p, low: (centre - half).max(0.0), high: (centre + half).min(1.0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R's `prop.test(15, 20, correct = FALSE)`.
    #[test]
    fn wilsons_interval_is_that_of_r() {
        let found = wilson(15.0, 20.0).expect("trials");
        assert!((found.low - 0.531_299).abs() < 1e-5 && (found.high - 0.888_138).abs() < 1e-5, "{found:?}");
    }

    #[test]
    fn the_bootstrap_of_a_mean_has_its_standard_error() {
        let values: Vec<f64> = (0..400).map(|i| f64::from(i % 2)).collect();
        let mean = |counts: &[u32]| {
            let sum: f64 = counts.iter().zip(&values).map(|(count, value)| f64::from(*count) * value).sum();
            Some(sum / 400.0)
        };
        let found = Resampling::default().over(400, mean).expect("a value");
        // 1.96 · ½ / √400.
        assert!((found.high - 0.5 - 0.049).abs() < 0.006 && (0.5 - found.low - 0.049).abs() < 0.006, "{found:?}");
    }
}
