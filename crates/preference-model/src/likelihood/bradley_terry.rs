//! Two images, one of which is better: Bradley and Terry's model with Davidson's ties and lapses.

use moa_preferences::Winner;

use super::Likelihood;

/// A decision between two images.
///
/// Bradley and Terry (Biometrika 39, 1952) with ties by Davidson (JASA 65, 1970): with `Δ = f₁ − f₂`,
///
/// ```text
/// p(first) ∝ exp(Δ/2),  p(second) ∝ exp(−Δ/2),  p(tie) ∝ ν
/// ```
///
/// With probability ε the rater lapses, and names one of the two at random: `p = (1 − ε)·p_Davidson + ε/2`, and no tie. Without
/// ties, `p(first) = ε/2 + (1 − ε)·σ(Δ)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BradleyTerry {
    /// The better image.
    pub winner: Winner,
    /// Davidson's ν, at least 0: at equal scores a tie is ν/2 times as probable as a win. With 0 there are no ties, and a tie
    /// counts as half a decision for each.
    pub ties: f64,
    /// The probability ε of a lapse, 0 to below 1.
    pub lapse: f64,
}

/// The probability of an answer with its derivatives by Δ.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Answer {
    pub(crate) p: f64,
    pub(crate) first: f64,
    pub(crate) second: f64,
}

/// Returns the probabilities of "first", "second" and "tie", with derivatives.
pub(crate) fn answers(delta: f64, ties: f64, lapse: f64) -> [Answer; 3] {
    let (half, far) = (0.5 * delta, 0.5 * delta.abs());
    let (up, down, tie) = ((half - far).exp(), (-half - far).exp(), ties * (-far).exp());
    let sum = up + down + tie;
    let p = [up / sum, down / sum, tie / sum];
    // The derivative of the normaliser's logarithm, and its own.
    let g = 0.5 * (p[0] - p[1]);
    let h = 0.25 * (p[0] + p[1]) - g * g;
    let keep = 1.0 - lapse;
    let answer = |p: f64, c: f64, lapsed: f64| Answer {
        p: keep * p + lapsed,
        first: keep * p * (c - g),
        second: keep * p * ((c - g).powi(2) - h),
    };
    [answer(p[0], 0.5, 0.5 * lapse), answer(p[1], -0.5, 0.5 * lapse), answer(p[2], 0.0, 0.0)]
}

/// Returns the Fisher information of an answer on Δ: Σ p'² / p.
pub(crate) fn information_at(delta: f64, ties: f64, lapse: f64) -> f64 {
    answers(delta, ties, lapse)
        .iter()
        .filter(|answer| answer.p > 0.0)
        .map(|answer| answer.first.powi(2) / answer.p)
        .sum()
}

impl BradleyTerry {
    /// Returns log p and its first two derivatives by Δ.
    pub(crate) fn at(&self, delta: f64) -> (f64, f64, f64) {
        let answers = answers(delta, self.ties, self.lapse);
        let log = |answer: Answer| {
            let p = answer.p.max(f64::MIN_POSITIVE);
            let slope = answer.first / p;
            (p.ln(), slope, answer.second / p - slope * slope)
        };
        match self.winner {
            Winner::A => log(answers[0]),
            Winner::B => log(answers[1]),
            Winner::Tie if self.ties > 0.0 => {
                // Far apart, a tie's probability is below the smallest number; its logarithm is not.
                let keep = (1.0 - self.lapse).ln();
                let far = 0.5 * delta.abs();
                let log_p = keep + self.ties.ln() - far - (1.0 + (-2.0 * far).exp() + self.ties * (-far).exp()).ln();
                let plain = [0, 1].map(|side| {
                    let p = (answers[side].p - 0.5 * self.lapse) / (1.0 - self.lapse);
                    p.max(0.0)
                });
                let g = 0.5 * (plain[0] - plain[1]);
                (log_p, -g, -(0.25 * (plain[0] + plain[1]) - g * g))
            }
            Winner::Tie => {
                let (a, b) = (log(answers[0]), log(answers[1]));
                (a.0.midpoint(b.0), a.1.midpoint(b.1), a.2.midpoint(b.2))
            }
        }
    }

    fn spread(value: f64, out: &mut [f64]) {
        out.copy_from_slice(&[value, -value, -value, value]);
    }
}

impl Likelihood for BradleyTerry {
    fn size(&self) -> usize {
        2
    }

    fn log(&self, f: &[f64]) -> f64 {
        self.at(f[0] - f[1]).0
    }

    fn gradient(&self, f: &[f64], out: &mut [f64]) {
        let slope = self.at(f[0] - f[1]).1;
        out.copy_from_slice(&[slope, -slope]);
    }

    fn curvature(&self, f: &[f64], out: &mut [f64]) {
        Self::spread(-self.at(f[0] - f[1]).2, out);
    }

    fn information(&self, f: &[f64], out: &mut [f64]) {
        Self::spread(information_at(f[0] - f[1], self.ties, self.lapse), out);
    }
}
