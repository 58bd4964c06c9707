//! How raters err: ties, lapses, the scale of scores; and their estimates by expectation maximisation.

use moa_preferences::Winner;
use serde::{Deserialize, Serialize};

use crate::judgements::Judgements;
use crate::likelihood::{BradleyTerry, PlackettLuce};
use crate::quadrature::nodes;

/// How raters answer, beside the scores of images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Noise {
    /// Davidson's ν: at equal scores a tie is ν/2 times as probable as a win; 0 without ties.
    pub ties: f64,
    /// Each rater's probability ε of a lapse: an answer at random.
    pub lapses: Vec<f64>,
    /// Standard deviations of a rater's scores per logit.
    pub slope: f64,
    /// The standard deviation of scores about that, in standard deviations of the rater's scores.
    pub deviation: f64,
}

/// The greatest lapse that is estimated; at 1 answers say nothing.
const MOST: f64 = 0.9;
/// Beta(1.5, 10) of lapses: mode 5 %, mean 13 %.
const PRIOR: (f64, f64) = (1.5, 10.0);

impl Noise {
    /// Returns where the estimate begins.
    pub(crate) fn begin(judgements: &Judgements, lapse: f64) -> Self {
        let ties = judgements.comparisons.iter().filter(|entry| entry.winner == Winner::Tie);
        let (tied, all): (f64, f64) =
            (ties.map(|entry| entry.weight).sum(), judgements.comparisons.iter().map(|entry| entry.weight).sum());
        let share = if all > 0.0 { (tied / all).min(0.95) } else { 0.0 };
        Self {
            ties: 2.0 * share / (1.0 - share),
            lapses: vec![lapse; judgements.raters.len()],
            slope: 1.0,
            deviation: 0.7,
        }
    }

    /// Returns the mean lapse of these raters; 0 without raters.
    pub fn mean_lapse(&self) -> f64 {
        if self.lapses.is_empty() { 0.0 } else { self.lapses.iter().sum::<f64>() / self.lapses.len() as f64 }
    }
}

/// The distribution of a score difference under the current posterior.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Believed {
    pub(crate) mean: f64,
    pub(crate) deviation: f64,
}

/// What an update reads: the beliefs about each comparison's and marking's difference, about each scoring's, and the mean scores of
/// each ranking's images.
pub(crate) struct Beliefs {
    pub(crate) comparisons: Vec<Believed>,
    pub(crate) markings: Vec<Believed>,
    pub(crate) scorings: Vec<Believed>,
    pub(crate) rankings: Vec<Vec<f64>>,
}

impl Noise {
    /// Maximises the expected logarithm of the decisions' probability, with the prior of lapses, one parameter after the other.
    pub(crate) fn update(
        &mut self,
        judgements: &Judgements,
        beliefs: &Beliefs,
        scores: &[Option<f64>],
        fix_lapses: bool,
    ) {
        if judgements.comparisons.iter().any(|entry| entry.winner == Winner::Tie) {
            let value = |log: f64| {
                let ties = log.exp();
                let each = judgements.comparisons.iter().zip(&beliefs.comparisons).map(|(entry, belief)| {
                    let model = BradleyTerry { winner: entry.winner, ties, lapse: self.lapses[entry.rater] };
                    entry.weight
                        * nodes()
                            .iter()
                            .map(|(node, weight)| weight * model.at(belief.mean + belief.deviation * node).0)
                            .sum::<f64>()
                });
                each.sum::<f64>()
            };
            self.ties = golden(value, (self.ties.ln() - 1.0).max(-8.0), (self.ties.ln() + 1.0).min(5.0), 12).exp();
        }
        if !fix_lapses {
            for rater in 0..self.lapses.len() {
                self.lapses[rater] = self.lapse_of(rater, judgements, beliefs);
            }
        }
        self.update_scale(judgements, beliefs, scores);
    }

    /// Finds the root of the derivative, which falls: the logarithm of a mixture is concave in its share.
    fn lapse_of(&self, rater: usize, judgements: &Judgements, beliefs: &Beliefs) -> f64 {
        // Weight, p without a lapse, p of a lapse.
        let mut parts: Vec<(f64, f64, f64)> = Vec::new();
        let mut add = |model: BradleyTerry, belief: Believed, weight: f64| {
            for (node, share) in nodes() {
                let p = model.at(belief.mean + belief.deviation * node).0.exp();
                let lapsed = if model.winner == Winner::Tie && model.ties > 0.0 { 0.0 } else { 0.5 };
                parts.push((weight * share, p, lapsed));
            }
        };
        for (entry, belief) in judgements.comparisons.iter().zip(&beliefs.comparisons) {
            if entry.rater == rater {
                add(BradleyTerry { winner: entry.winner, ties: self.ties, lapse: 0.0 }, *belief, entry.weight);
            }
        }
        for (entry, belief) in judgements.markings.iter().zip(&beliefs.markings) {
            if entry.rater == rater {
                let winner = if entry.good { Winner::A } else { Winner::B };
                add(BradleyTerry { winner, ties: 0.0, lapse: 0.0 }, *belief, entry.weight);
            }
        }
        for (entry, f) in judgements.rankings.iter().zip(&beliefs.rankings) {
            if entry.rater == rater {
                // Relative to a random order, so that small probabilities of long rankings keep their size.
                let orders: f64 = (1..=f.len()).map(|n| (n as f64).ln()).sum();
                let relative = (meant_log(&entry.ranks, f) + orders).min(600.0).exp();
                parts.push((entry.weight, relative, 1.0));
            }
        }
        let slope = |lapse: f64| {
            let data: f64 = parts
                .iter()
                .map(|(weight, p, lapsed)| weight * (lapsed - p) / (lapse * lapsed + (1.0 - lapse) * p).max(1e-300))
                .sum();
            data + (PRIOR.0 - 1.0) / lapse - (PRIOR.1 - 1.0) / (1.0 - lapse)
        };
        let (mut low, mut high) = (1e-6, MOST);
        for _ in 0..40 {
            let middle = 0.5 * (low + high);
            if slope(middle) > 0.0 { low = middle } else { high = middle }
        }
        0.5 * (low + high)
    }

    fn update_scale(&mut self, judgements: &Judgements, beliefs: &Beliefs, scores: &[Option<f64>]) {
        let known = || {
            let entries = judgements.scorings.iter().zip(&beliefs.scorings).zip(scores);
            entries.filter_map(|((entry, belief), score)| score.map(|score| (entry.weight, *belief, score)))
        };
        let weight: f64 = known().map(|(weight, ..)| weight).sum();
        if weight == 0.0 {
            return;
        }
        // Without decisions on the logistic scale a logit is a standard deviation of the scores.
        if judgements.comparisons.len() + judgements.rankings.len() + judgements.markings.len() > 0 {
            let products: f64 = known().map(|(weight, belief, score)| weight * score * belief.mean).sum();
            let squares: f64 =
                known().map(|(weight, belief, _)| weight * (belief.mean.powi(2) + belief.deviation.powi(2))).sum();
            // A weak prior at 1, and never negative: higher scores are better.
            self.slope = ((products + 1.0) / (squares + 1.0)).max(1e-3);
        }
        let errors: f64 = known()
            .map(|(weight, belief, score)| {
                weight * ((score - self.slope * belief.mean).powi(2) + (self.slope * belief.deviation).powi(2))
            })
            .sum();
        // Two scores' worth of a prior at half the scores' variance.
        self.deviation = ((errors + 1.0) / (weight + 2.0)).sqrt();
    }
}

fn meant_log(ranks: &[u32], f: &[f64]) -> f64 {
    use crate::likelihood::Likelihood as _;
    PlackettLuce::new(ranks, 0.0).log(f)
}

/// Returns where a function of one maximum is greatest, by golden section.
pub(crate) fn golden(value: impl Fn(f64) -> f64, mut low: f64, mut high: f64, rounds: usize) -> f64 {
    let ratio = 0.5 * (5.0_f64.sqrt() - 1.0);
    let (mut a, mut b) = (high - ratio * (high - low), low + ratio * (high - low));
    let (mut at_a, mut at_b) = (value(a), value(b));
    for _ in 0..rounds {
        if at_a < at_b {
            (low, a, at_a) = (a, b, at_b);
            b = low + ratio * (high - low);
            at_b = value(b);
        } else {
            (high, b, at_b) = (b, a, at_a);
            a = high - ratio * (high - low);
            at_a = value(a);
        }
    }
    0.5 * (low + high)
}
