//! Counter-based random numbers.

/// The odd constant by which splitmix64 steps: 2⁶⁴ divided by the golden ratio.
const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

/// A counter-based random number generator: draw `n` is splitmix64's mix of `key + n·γ`.
///
/// Two generators with the same key give the same draws on every platform: only integer arithmetic and exact
/// floating-point operations are used. Different keys give independent streams, so that work can be split over
/// threads or resumed by key. (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.)
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SceneRng {
    key: u64,
    counter: u64,
}

impl SceneRng {
    /// Returns the stream of `seed`.
    pub fn new(seed: u64) -> Self {
        Self::keyed(seed, &[])
    }

    /// Returns the stream of `seed` and a path under it, such as `[step, sample]`.
    pub fn keyed(seed: u64, path: &[u64]) -> Self {
        let key = path.iter().fold(mix(seed), |key, &part| mix(key.wrapping_add(GAMMA) ^ mix(part)));
        Self { key, counter: 0 }
    }

    /// Returns 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.counter = self.counter.wrapping_add(1);
        mix(self.key.wrapping_add(self.counter.wrapping_mul(GAMMA)))
    }

    /// Returns a number uniform in `0..bound`; 0 for a bound of 0.
    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.bits()) * bound as u128) >> 64) as usize
    }

    /// Returns a number uniform in [0, 1).
    pub fn unit(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1_u32 << 24) as f32
    }

    /// Returns a bell-shaped number of mean 0 and variance 1: the sum of four uniform ones, so within ±3.5.
    pub fn bell(&mut self) -> f32 {
        let sum = self.unit() + self.unit() + self.unit() + self.unit();
        (sum - 2.0) * 3.0_f32.sqrt()
    }

    /// Returns one of the items, each with the same probability.
    pub fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    /// Shuffles the items by Fisher and Yates.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

/// Returns splitmix64's finaliser of `z`, a bijection that scatters its bits.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_variance_are_those_stated() {
        let mut rng = SceneRng::new(3);
        let draws: Vec<f32> = (0..20_000).map(|_| rng.bell()).collect();
        let mean = draws.iter().sum::<f32>() / draws.len() as f32;
        let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / draws.len() as f32;
        assert!(mean.abs() < 0.03, "mean {mean}");
        assert!((variance - 1.0).abs() < 0.03, "variance {variance}");
        assert!((0..1000).all(|_| rng.below(5) < 5));
        assert!((0..1000).all(|_| (0.0..1.0).contains(&rng.unit())));
    }

    #[test]
    fn a_shuffle_gives_every_order_alike() {
        let (mut rng, mut counts) = (SceneRng::new(5), std::collections::HashMap::new());
        for _ in 0..6000 {
            let mut items = [0, 1, 2];
            rng.shuffle(&mut items);
            *counts.entry(items).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 6);
        assert!(counts.values().all(|count| (900..1100).contains(count)), "{counts:?}");
    }

    #[test]
    fn streams_differ_by_seed_and_by_path() {
        let first = |seed, path: &[u64]| SceneRng::keyed(seed, path).bits();
        assert_eq!(first(1, &[2, 3]), first(1, &[2, 3]));
        let all = [first(1, &[]), first(2, &[]), first(1, &[0]), first(1, &[2, 3]), first(1, &[3, 2]), first(0, &[])];
        for (i, a) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|b| a != b));
        }
    }
}
