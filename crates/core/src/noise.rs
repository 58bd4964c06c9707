//! Counter-based noise: every random number of a sweep is a pure function of what it is for.
//!
//! A result must not depend on batch size, thread count, resumption or on what ran beside it, so no generator is ever
//! advanced: a [`NoiseKey`] names the draw (seed, epoch, prompt, sample, step …) and element `i` of that draw is a hash
//! of key and `i`. The hash is SplitMix64's finaliser (Steele, Lea & Flood, OOPSLA 2014).

/// The name of one draw: a 64-bit digest of the words that say what the draw is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NoiseKey(u64);

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl NoiseKey {
    /// Returns the root key of a seed.
    pub fn new(seed: u64) -> Self {
        Self(mix(seed.wrapping_add(GOLDEN)))
    }

    /// Returns the key of a part of this draw: `key.with(epoch).with(prompt)`. The order of the words matters.
    pub fn with(self, word: u64) -> Self {
        Self(mix(self.0.rotate_left(17) ^ mix(word.wrapping_add(GOLDEN))))
    }

    /// Returns the key of a named part, e.g. `key.named("rollout")`.
    pub fn named(self, name: &str) -> Self {
        name.bytes().fold(self.with(name.len() as u64), |key, byte| key.with(u64::from(byte)))
    }

    /// Returns 64 random bits: element `index` of the draw.
    pub fn bits(self, index: u64) -> u64 {
        mix(self.0.wrapping_add(index.wrapping_add(1).wrapping_mul(GOLDEN)))
    }

    /// Returns a uniform number in `[0, 1)`, with 53 random bits.
    pub fn uniform(self, index: u64) -> f64 {
        (self.bits(index) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Returns a whole number in `0..bound` (0 when `bound` is 0), by the multiply-shift method.
    pub fn below(self, index: u64, bound: usize) -> usize {
        ((u128::from(self.bits(index)) * bound as u128) >> 64) as usize
    }

    /// Fills `out` with standard normal numbers (Box–Muller, two from each 64 random bits).
    pub fn fill_normal(self, out: &mut [f32]) {
        for (pair, chunk) in out.chunks_mut(2).enumerate() {
            let bits = self.bits(pair as u64);
            // The half-unit offset keeps the logarithm finite.
            let radius = (-2.0 * (((bits >> 32) as f32 + 0.5) / 4_294_967_296.0).ln()).sqrt();
            let (sin, cos) = (std::f32::consts::TAU * ((bits as u32) as f32 / 4_294_967_296.0)).sin_cos();
            chunk[0] = radius * cos;
            if let Some(second) = chunk.get_mut(1) {
                *second = radius * sin;
            }
        }
    }

    /// Returns `count` standard normal numbers.
    pub fn normal(self, count: usize) -> Vec<f32> {
        let mut out = vec![0.0; count];
        self.fill_normal(&mut out);
        out
    }

    /// Returns the numbers `0..count` in random order (Fisher–Yates).
    pub fn permutation(self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        for last in (1..count).rev() {
            order.swap(last, self.below(last as u64, last + 1));
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_numbers_have_mean_zero_and_variance_one() {
        let draw = NoiseKey::new(7).named("test").normal(100_001);
        let mean = draw.iter().sum::<f32>() / draw.len() as f32;
        let variance = draw.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / draw.len() as f32;
        assert!(mean.abs() < 0.01, "mean {mean}");
        assert!((variance - 1.0).abs() < 0.02, "variance {variance}");
        assert!(draw.iter().all(|x| x.is_finite()));
    }

    #[test]
    fn keys_that_differ_in_one_word_give_unrelated_draws() {
        let (a, b) = (NoiseKey::new(1).with(2).with(3), NoiseKey::new(1).with(3).with(2));
        assert_ne!(a, b);
        let (x, y) = (a.normal(4096), b.normal(4096));
        let correlation = x.iter().zip(&y).map(|(p, q)| p * q).sum::<f32>() / 4096.0;
        assert!(correlation.abs() < 0.06, "correlation {correlation}");
    }

    #[test]
    fn a_prefix_of_a_draw_is_the_shorter_draw() {
        let key = NoiseKey::new(5);
        assert_eq!(key.normal(10)[..6], key.normal(6));
    }

    #[test]
    fn permutations_hold_every_number_once() {
        let mut order = NoiseKey::new(9).permutation(50);
        assert_ne!(order, (0..50).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..50).collect::<Vec<_>>());
    }
}
