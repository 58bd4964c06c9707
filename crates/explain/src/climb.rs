//! What a reward wants: images climbed on it, pixel by pixel.

use crate::{ExplainError, Images, Lens, Planes};

/// Steps of gradient ascent.
pub(crate) const STEPS: usize = 48;
/// How far the root mean square of a step moves pixels at first, in [0, 1]; it falls to a fifth of that.
const STEP: f32 = 0.02;
/// What a unit of total variation costs in standard deviations of the score, where smooth images are preferred.
const SMOOTHNESS: f32 = 8.0;
/// Softens the total variation where neighbours are equal.
const SOFT: f32 = 1e-4;

/// An image before and after.
#[derive(Clone, Debug, PartialEq)]
pub struct Climbing {
    /// The image after, in 255 levels as files have it.
    pub image: Planes,
    /// The score before.
    pub before: f64,
    /// The score after.
    pub after: f64,
}

/// Climbs one image of a set on a reward: steps of normalised gradient ascent on the pixels, kept in [0, 1].
///
/// With `smooth`, the objective is score/deviation − λ·TV(x), with TV the mean length of the difference between neighbours: it keeps the
/// changes that survive in an image, and drops the noise that any network answers to (Mahendran and Vedaldi, 1412.0035).
///
/// # Errors
/// Fails where the reward has no gradient, or scores or gradients are not finite.
pub fn climb(
    lens: &Lens<'_>,
    set: &Images,
    place: usize,
    deviation: f64,
    smooth: bool,
) -> Result<Climbing, ExplainError> {
    let start = &set.images()[place];
    let mut image = start.clone();
    for step in 0..STEPS {
        let found = lens.gradients(set, place, std::slice::from_ref(&image))?;
        let mut slope = found.into_iter().next().unwrap_or_default();
        if smooth {
            let rough = roughness(&image);
            slope
                .iter_mut()
                .zip(rough)
                .for_each(|(slope, rough)| *slope = *slope / deviation as f32 - SMOOTHNESS * rough);
        }
        let length = (slope.iter().map(|value| value * value).sum::<f32>() / slope.len() as f32).sqrt();
        if length <= 0.0 {
            break;
        }
        let size = STEP * (1.0 - 0.8 * step as f32 / STEPS as f32) / length;
        image.values.iter_mut().zip(&slope).for_each(|(value, slope)| *value = (*value + size * slope).clamp(0.0, 1.0));
    }
    let image = image.by_value(|value| (value * 255.0).round() / 255.0);
    let scores = lens.score_variants(set, place, &[start.clone(), image.clone()])?;
    Ok(Climbing { image, before: scores[0], after: scores[1] })
}

/// Returns the gradient of the mean length of the difference between each pixel and its right and lower neighbours.
fn roughness(image: &Planes) -> Vec<f32> {
    let (height, width, pixels) = (image.height, image.width, image.pixels());
    let mut slope = vec![0.0; image.values.len()];
    for (plane, slope) in image.values.chunks_exact(pixels).zip(slope.chunks_exact_mut(pixels)) {
        for at in 0..pixels {
            let right = (at % width + 1 < width).then_some(at + 1);
            let below = (at / width + 1 < height).then_some(at + width);
            let [across, down] = [right, below].map(|next| next.map_or(0.0, |next| plane[next] - plane[at]));
            let length = (across * across + down * down + SOFT).sqrt() * image.values.len() as f32;
            slope[at] -= (across + down) / length;
            if let Some(next) = right {
                slope[next] += across / length;
            }
            if let Some(next) = below {
                slope[next] += down / length;
            }
        }
    }
    slope
}

#[cfg(test)]
mod tests {
    use moa_core::NoiseKey;

    use super::*;

    #[test]
    fn the_slope_of_roughness_is_that_of_differences() {
        let values: Vec<f32> = NoiseKey::new(1).normal(3 * 12).iter().map(|x| 0.5 + 0.2 * x).collect();
        let image = Planes { height: 3, width: 4, values };
        let length = |image: &Planes| {
            let mut sum = 0.0f64;
            for plane in image.values.chunks_exact(12) {
                for at in 0..12 {
                    let next = |inside: bool, by: usize| if inside { plane[at + by] - plane[at] } else { 0.0 };
                    let (across, down) = (next(at % 4 < 3, 1), next(at / 4 < 2, 4));
                    sum += f64::from((across * across + down * down + SOFT).sqrt());
                }
            }
            sum / 36.0
        };
        let slope = roughness(&image);
        for at in [0, 5, 11, 17, 35] {
            let shifted = |by: f32| {
                let mut image = image.clone();
                image.values[at] += by;
                length(&image)
            };
            let difference = (shifted(1e-2) - shifted(-1e-2)) / 2e-2;
            assert!((f64::from(slope[at]) - difference).abs() < 1e-3, "{at}: {} {difference}", slope[at]);
        }
    }
}
