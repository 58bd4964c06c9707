//! Counter-based random numbers: each stream is a pure function of a seed and a number.

/// One step of the golden ratio, the increment of SplitMix64 (Steele, Lea and Flood 2014).
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// A stream of random numbers that depends on its seed and number only, never on what else was drawn.
#[derive(Debug, Clone)]
pub(crate) struct Stream {
    state: u64,
}

impl Stream {
    /// Returns stream `number` of `seed`.
    pub(crate) fn new(seed: u64, number: u64) -> Self {
        // Two rounds of mixing, so that neighbouring streams do not overlap in shifted form.
        let key = mix(seed.wrapping_add(GOLDEN));
        Self { state: mix(key ^ mix(number.wrapping_mul(GOLDEN).wrapping_add(GOLDEN))) }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN);
        mix(self.state)
    }

    /// Returns a number in [0, 1) with 53 random bits.
    pub(crate) fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Returns an integer below `bound`, each equally likely (Lemire 2019).
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        let threshold = bound.wrapping_neg() % bound;
        loop {
            let product = u128::from(self.next()) * u128::from(bound);
            if product as u64 >= threshold {
                return (product >> 64) as u64;
            }
        }
    }

    /// Returns a draw from the standard normal distribution (Marsaglia's polar method).
    pub(crate) fn normal(&mut self) -> f64 {
        loop {
            let [u, v] = [self.uniform(), self.uniform()].map(|x| 2.0 * x - 1.0);
            let square = u * u + v * v;
            if square > 0.0 && square < 1.0 {
                return u * (-2.0 * square.ln() / square).sqrt();
            }
        }
    }

    /// Returns the logarithm of a draw from the gamma distribution of the given shape and scale 1.
    ///
    /// Marsaglia and Tsang 2000; the logarithm keeps small shapes, whose draws underflow, apart.
    pub(crate) fn log_gamma(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            let boost = (1.0 - self.uniform()).ln() / shape;
            return self.log_gamma(shape + 1.0) + boost;
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let root = 1.0 + c * x;
            if root <= 0.0 {
                continue;
            }
            let cube = root * root * root;
            let bound = 0.5 * x * x + d * (1.0 - cube + cube.ln());
            if (1.0 - self.uniform()).ln() < bound {
                return (d * cube).ln();
            }
        }
    }
}

/// The finaliser of SplitMix64.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(draw: impl Fn(&mut Stream) -> f64) -> (f64, f64) {
        let count = 40_000;
        let draws: Vec<f64> = (0..count).map(|i| draw(&mut Stream::new(7, i))).collect();
        let mean = draws.iter().sum::<f64>() / count as f64;
        let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count as f64;
        (mean, variance)
    }

    #[test]
    fn first_draws_of_neighbouring_streams_are_uniform_and_normal() {
        let (mean, variance) = moments(Stream::uniform);
        assert!((mean - 0.5).abs() < 0.01 && (variance - 1.0 / 12.0).abs() < 0.002);
        let (mean, variance) = moments(Stream::normal);
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03);
    }

    #[test]
    fn gamma_has_its_shape_as_mean_and_variance() {
        for shape in [0.3, 1.0, 4.5] {
            let (mean, variance) = moments(|stream| stream.log_gamma(shape).exp());
            assert!((mean / shape - 1.0).abs() < 0.03, "{shape}: mean {mean}");
            assert!((variance / shape - 1.0).abs() < 0.08, "{shape}: variance {variance}");
        }
    }

    #[test]
    fn below_reaches_each_number_equally() {
        let mut stream = Stream::new(1, 2);
        let mut counts = [0u32; 7];
        for _ in 0..70_000 {
            counts[stream.below(7) as usize] += 1;
        }
        assert!(counts.iter().all(|&n| n.abs_diff(10_000) < 500), "{counts:?}");
    }

    #[test]
    fn streams_are_reproducible_and_differ_by_seed_and_number() {
        let first = |seed, number| Stream::new(seed, number).next();
        assert_eq!(first(3, 4), first(3, 4));
        assert_ne!(first(3, 4), first(3, 5));
        assert_ne!(first(3, 4), first(4, 4));
    }
}
