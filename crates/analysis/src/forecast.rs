//! What a soup is expected to gain, before it is measured.

use moa_pareto::{Interval, Surrogate};

use crate::resampling::HALF;

/// Points are measured on the same prompts and noise: between them, most of the intervals' width cancels. What is left.
const OWN: f64 = 0.1;
/// The model is made of so many points at most: fitting takes their number cubed.
const MOST_POINTS: usize = 150;

/// A model of every reward's gain over the base, over the shares of a soup.
///
/// What it says is the same kind of interval that a measurement has: 95 % for the mean gain over all prompts of this kind. Its half width
/// is √(h² + (1.96 σ)²), with σ the model's own deviation, and h what the choice of prompts makes of a measurement there, a second model
/// over the half widths of what was measured: so a soup that is measured is not known less sharply than it was forecast, but for h's own error.
///
/// What it hides: see [`Surrogate`].
#[derive(Clone, Debug)]
pub struct Forecast {
    /// By reward: of the gains, and of the half widths; no half widths where some point has none.
    rewards: Vec<(Surrogate, Option<Surrogate>)>,
    /// How many points it is made of.
    points: usize,
}

impl Forecast {
    /// Returns the model of points: their shares, and the gain of every reward as it was measured. Nothing where there are fewer than two,
    /// or they cannot be fitted.
    pub fn fit<'a>(points: impl IntoIterator<Item = (&'a [f64], Vec<Interval>)>) -> Option<Self> {
        let known: Vec<(&[f64], Vec<Interval>)> = points.into_iter().take(MOST_POINTS).collect();
        if known.len() < 2 {
            return None;
        }
        let shares: Vec<Vec<f64>> = known.iter().map(|(shares, _)| shares.to_vec()).collect();
        let fit = |reward: usize| {
            let gains = known.iter().map(|(_, gains)| gains.get(reward).copied()).collect::<Option<Vec<_>>>()?;
            let values: Vec<f64> = gains.iter().map(|gain| gain.mean).collect();
            let halves: Option<Vec<f64>> = gains.iter().map(Interval::half_width).collect();
            let errors: Vec<f64> = match &halves {
                Some(halves) => halves.iter().map(|half| OWN * half / HALF).collect(),
                None => vec![0.0; values.len()],
            };
            let width = match halves {
                Some(halves) => {
                    let errors: Vec<f64> = halves.iter().map(|half| OWN * half).collect();
                    Some(Surrogate::fit(&shares, &halves, &errors).ok()?)
                }
                None => None,
            };
            Some((Surrogate::fit(&shares, &values, &errors).ok()?, width))
        };
        let rewards = (0..known[0].1.len()).map(fit).collect::<Option<Vec<_>>>()?;
        Some(Self { rewards, points: known.len() })
    }

    /// Returns the gain of every reward that is expected of a soup; without ends where measurements have none.
    pub fn gains(&self, shares: &[f64]) -> Vec<Interval> {
        let gain = |(mean, width): &(Surrogate, Option<Surrogate>)| {
            let predicted = mean.predict(shares);
            let Some(width) = width else { return Interval::unbounded(predicted.mean) };
            let prompts = width.predict(shares).mean.max(0.0);
            let half = prompts.hypot(HALF * predicted.deviation);
            Interval { mean: predicted.mean, lo: predicted.mean - half, hi: predicted.mean + half }
        };
        self.rewards.iter().map(gain).collect()
    }

    /// Returns how many points it is made of.
    pub fn points(&self) -> usize {
        self.points
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(shares: &[f64], half: f64) -> Vec<Interval> {
        let mean = 0.1 * shares[0] - 0.05 * shares[1] + 0.04 * shares[0] * shares[1];
        vec![Interval { mean, lo: mean - half, hi: mean + half }]
    }

    #[test]
    fn a_forecast_is_as_wide_as_a_measurement_or_wider() {
        let known = [[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]];
        let forecast = Forecast::fit(known.iter().map(|shares| (&shares[..], measured(shares, 0.02)))).unwrap();
        for share in [0.0, 0.25, 0.4, 0.5, 0.9, 1.0] {
            let shares = [share, 1.0 - share];
            let (expected, truth) = (forecast.gains(&shares)[0], measured(&shares, 0.02)[0]);
            assert!(expected.half_width().unwrap() > 0.0195, "{share}: {expected:?}");
            assert!(expected.half_width().unwrap() < 0.04, "{share}: {expected:?}");
            assert!((expected.mean - truth.mean).abs() < 0.005, "{share}: {expected:?} for {truth:?}");
        }
    }

    #[test]
    fn without_intervals_there_are_none_and_of_one_point_nothing() {
        let unbounded = |shares: &[f64]| vec![Interval::unbounded(measured(shares, 0.0)[0].mean)];
        let known = [[1.0, 0.0], [0.0, 1.0]];
        let forecast = Forecast::fit(known.iter().map(|shares| (&shares[..], unbounded(shares)))).unwrap();
        assert!(!forecast.gains(&[0.5, 0.5])[0].is_bounded());
        assert!(Forecast::fit(known[..1].iter().map(|shares| (&shares[..], measured(shares, 0.1)))).is_none());
    }
}
