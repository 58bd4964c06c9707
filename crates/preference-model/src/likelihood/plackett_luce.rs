//! Several images in order: Plackett and Luce's model with Efron's ties and lapses.

use super::Likelihood;

/// A decision on the order of several images.
///
/// Plackett (Applied Statistics 24, 1975) and Luce (1959): the best is chosen with probability ∝ exp f, then the best of the rest,
/// and so on. Images that are tied take Efron's approximation (JASA 72, 1977): in the stage of the tied set `T` of size `t` among the
/// remaining set `R`,
///
/// ```text
/// log p = Σ_T f − Σ_{l<t} log( Σ_R exp f − (l/t)·Σ_T exp f )
/// ```
///
/// which lies between all orders of the tied images, and is exact where nothing is tied. With probability ε the rater lapses, and
/// gives a random order of the n images: `p = (1 − ε)·p_PL + ε/n!`.
#[derive(Clone, Debug, PartialEq)]
pub struct PlackettLuce {
    /// Positions of tied images, the best first.
    groups: Vec<Vec<usize>>,
    lapse: f64,
    size: usize,
}

impl PlackettLuce {
    /// Returns the decision that gave the images these ranks, of which the lowest is the best.
    pub fn new(ranks: &[u32], lapse: f64) -> Self {
        let mut distinct: Vec<u32> = ranks.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        let with =
            |rank: &u32| ranks.iter().enumerate().filter(|(_, other)| *other == rank).map(|(at, _)| at).collect();
        Self { groups: distinct.iter().map(with).collect(), lapse, size: ranks.len() }
    }

    /// Calls `stage` with the group, and for each position the share c of its exp f, and exp f / sum, for each factor.
    fn factors(&self, f: &[f64], mut each: impl FnMut(f64, &[f64])) {
        let top = f.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let e: Vec<f64> = f.iter().map(|f| (f - top).exp().max(f64::MIN_POSITIVE)).collect();
        let mut remains = vec![true; self.size];
        let mut shares = vec![0.0; self.size];
        for group in &self.groups {
            let tied: f64 = group.iter().map(|i| e[*i]).sum();
            let rest: f64 = (0..self.size).filter(|i| remains[*i]).map(|i| e[i]).sum();
            for l in 0..group.len() {
                let out = l as f64 / group.len() as f64;
                let sum = rest - out * tied;
                for i in 0..self.size {
                    shares[i] = if remains[i] { e[i] / sum } else { 0.0 };
                }
                for i in group {
                    shares[*i] *= 1.0 - out;
                }
                each(sum.ln() + top, &shares);
            }
            for i in group {
                remains[*i] = false;
            }
        }
    }

    fn log_without_lapse(&self, f: &[f64]) -> f64 {
        let mut log: f64 = f.iter().sum();
        self.factors(f, |sum, _| log -= sum);
        log
    }

    /// Returns the probability that the order was meant, given that it was named.
    pub(crate) fn meant(&self, f: &[f64]) -> f64 {
        if self.lapse == 0.0 {
            return 1.0;
        }
        let (meant, lapsed) = self.logs(f);
        1.0 / (1.0 + (lapsed - meant).exp())
    }

    /// Returns the logarithms of both parts.
    fn logs(&self, f: &[f64]) -> (f64, f64) {
        let orders: f64 = (1..=self.size).map(|n| (n as f64).ln()).sum();
        ((1.0 - self.lapse).ln() + self.log_without_lapse(f), self.lapse.ln() - orders)
    }

    fn plain_gradient(&self, f: &[f64], out: &mut [f64]) {
        out.fill(1.0);
        self.factors(f, |_, shares| out.iter_mut().zip(shares).for_each(|(out, share)| *out -= share));
    }

    fn plain_curvature(&self, f: &[f64], out: &mut [f64]) {
        out.fill(0.0);
        let n = self.size;
        self.factors(f, |_, shares| {
            for i in 0..n {
                out[i * n + i] += shares[i];
                for j in 0..n {
                    out[i * n + j] -= shares[i] * shares[j];
                }
            }
        });
    }
}

impl Likelihood for PlackettLuce {
    fn size(&self) -> usize {
        self.size
    }

    fn log(&self, f: &[f64]) -> f64 {
        if self.lapse == 0.0 {
            return self.log_without_lapse(f);
        }
        let (meant, lapsed) = self.logs(f);
        let top = meant.max(lapsed);
        top + ((meant - top).exp() + (lapsed - top).exp()).ln()
    }

    fn gradient(&self, f: &[f64], out: &mut [f64]) {
        self.plain_gradient(f, out);
        let meant = self.meant(f);
        for out in out {
            *out *= meant;
        }
    }

    fn curvature(&self, f: &[f64], out: &mut [f64]) {
        self.plain_curvature(f, out);
        let meant = self.meant(f);
        let mut gradient = vec![0.0; self.size];
        self.plain_gradient(f, &mut gradient);
        for i in 0..self.size {
            for j in 0..self.size {
                let value = &mut out[i * self.size + j];
                *value = meant * *value - meant * (1.0 - meant) * gradient[i] * gradient[j];
            }
        }
    }

    /// The curvature of the order times the probability that it was meant: the expected curvature of expectation maximisation.
    fn information(&self, f: &[f64], out: &mut [f64]) {
        self.plain_curvature(f, out);
        let meant = self.meant(f);
        for out in out {
            *out *= meant;
        }
    }
}
