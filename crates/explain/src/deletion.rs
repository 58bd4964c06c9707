//! The deletion test: does what a heat map points at matter more than other places? (after Samek et al., 1509.06321)

use moa_analysis::explanation::Deletion;
use moa_core::NoiseKey;
use moa_pareto::{Bootstrap, FEWEST_CLAIMED, Interval};

use crate::fill::blurred;
use crate::{ExplainError, HeatMap, Images, Lens, Planes};

/// The shares of the image that are deleted.
pub(crate) const SHARES: [f64; 3] = [0.05, 0.1, 0.2];
/// How often the same shapes are deleted elsewhere.
pub(crate) const ELSEWHERE: usize = 8;
/// How exactly the ends of a ratio are found, as a share of it.
const EXACT: f64 = 0.005;
/// Ratios above this are not told apart.
const MOST: f64 = 1000.0;

/// What deleting changed, for one image after the other: score differences without their signs, in the reward's unit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Deletions {
    /// The share of the pixels that was deleted.
    pub share: f64,
    /// Where the map points.
    pub pointed: Vec<f64>,
    /// Where the same shapes lie elsewhere, on average.
    pub elsewhere: Vec<f64>,
}

impl Deletions {
    /// Returns the figures, in standard deviations of the scores.
    ///
    /// The ends of the ratio are those ratios ρ at which the interval of the mean of pointed − ρ·elsewhere touches 0 (Fieller's way,
    /// by the studentised bootstrap over prompts).
    ///
    /// # Errors
    /// Fails without an image.
    pub fn figures(&self, deviation: f64) -> Result<Deletion, ExplainError> {
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
        let (pointed, elsewhere) = (mean(&self.pointed), mean(&self.elsewhere));
        let ratio = if elsewhere > 0.0 { Some(self.ratio(pointed / elsewhere)?.into()) } else { None };
        Ok(Deletion { share: self.share, pointed: pointed / deviation, elsewhere: elsewhere / deviation, ratio })
    }

    fn ratio(&self, ratio: f64) -> Result<Interval, ExplainError> {
        let bootstrap = Bootstrap { fewest: FEWEST_CLAIMED, ..Bootstrap::default() };
        let sign = |rho: f64| {
            let rests: Vec<f64> = self.pointed.iter().zip(&self.elsewhere).map(|(p, e)| p - rho * e).collect();
            Ok::<_, ExplainError>(bootstrap.mean(moa_pareto::Sample::new(&rests))?.sign())
        };
        // Below the lower end the rest is surely positive, above the upper one surely negative.
        let end = |mut inside: f64, mut outside: f64, wanted: i8| {
            if sign(outside)? != wanted {
                return Ok::<_, ExplainError>(None);
            }
            while (inside - outside).abs() > EXACT * inside.max(outside) {
                let middle = f64::midpoint(inside, outside);
                if sign(middle)? == wanted { outside = middle } else { inside = middle }
            }
            Ok(Some(outside))
        };
        let lo = end(ratio, 0.0, 1)?.unwrap_or(f64::NEG_INFINITY);
        let hi = end(ratio, MOST.max(2.0 * ratio), -1)?.unwrap_or(f64::INFINITY);
        Ok(Interval { mean: ratio, lo, hi })
    }
}

/// Deletes what an image's map points at, and the same shapes elsewhere, at each share: pixels are replaced by the blurred image.
///
/// Shapes elsewhere are the mask moved around the edges of the image, and mirrored, by chance: as large and as ragged, and at other
/// places. Returns the change without its sign where the map points, and elsewhere on average, by share.
///
/// # Errors
/// Fails where the reward cannot score an edited image.
pub fn deletion(
    lens: &Lens<'_>,
    set: &Images,
    place: usize,
    map: &HeatMap,
    shares: &[f64],
    key: NoiseKey,
) -> Result<Vec<[f64; 2]>, ExplainError> {
    let image = &set.images()[place];
    let fill = blurred(image);
    let mut variants = Vec::with_capacity(shares.len() * (ELSEWHERE + 1));
    for (number, share) in shares.iter().enumerate() {
        let mask = map.strongest(*share);
        variants.push(image.mixed(&fill, &mask));
        let key = key.with(place as u64).with(number as u64);
        for draw in 0..ELSEWHERE as u64 {
            variants.push(image.mixed(&fill, &moved(&mask, image, key.with(draw))));
        }
    }
    let scores = lens.score_variants(set, place, &variants)?;
    let change = |score: &f64| (map.score - score).abs();
    let of_share = |scores: &[f64]| {
        let elsewhere = scores[1..].iter().map(change).sum::<f64>() / ELSEWHERE as f64;
        [change(&scores[0]), elsewhere]
    };
    Ok(scores.chunks_exact(ELSEWHERE + 1).map(of_share).collect())
}

/// Returns a mask that is moved around the image's edges by chance, and mirrored every second time.
fn moved(mask: &[f32], image: &Planes, key: NoiseKey) -> Vec<f32> {
    let (height, width) = (image.height, image.width);
    let (down, across, mirror) = (key.below(0, height), key.below(1, width), key.below(2, 2) == 1);
    let mut moved = vec![0.0; mask.len()];
    for row in 0..height {
        for column in 0..width {
            let from = if mirror { width - 1 - column } else { column };
            moved[(row + down) % height * width + (column + across) % width] = mask[row * width + from];
        }
    }
    moved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_lies_within_its_ends_and_few_images_leave_it_open() {
        let key = NoiseKey::new(3);
        let noise = key.normal(64);
        let pointed: Vec<f64> = noise.iter().map(|x| 3.0 + 0.5 * f64::from(*x)).collect();
        let elsewhere: Vec<f64> = (0..64).map(|at| 1.0 + 0.2 * f64::from(noise[63 - at])).collect();
        let all = Deletions { share: 0.1, pointed, elsewhere };
        let found = all.figures(2.0).unwrap();
        let ratio = found.ratio.unwrap();
        assert!((found.pointed - 1.5).abs() < 0.1 && (ratio.value - 3.0).abs() < 0.3, "{found:?}");
        assert!(ratio.is_above(2.5) && ratio.is_below(3.6), "{ratio:?}");
        let few = Deletions { pointed: all.pointed[..4].to_vec(), elsewhere: all.elsewhere[..4].to_vec(), ..all };
        let open = few.figures(1.0).unwrap().ratio.unwrap();
        assert_eq!((open.low, open.high), (None, None));
    }

    #[test]
    fn shapes_that_move_stay_as_large() {
        let image = Planes { height: 4, width: 6, values: vec![0.0; 72] };
        let mask: Vec<f32> = (0..24).map(|at| f32::from(u8::from(at < 7))).collect();
        for draw in 0..9 {
            let other = moved(&mask, &image, NoiseKey::new(draw));
            assert_eq!(other.iter().filter(|on| **on > 0.0).count(), 7);
        }
    }
}
