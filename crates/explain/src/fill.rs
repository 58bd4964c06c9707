//! What stands for nothing in an image.

use crate::Planes;

/// The standard deviation of the blur that takes what an image shows away, in sides of the image.
const SIGMA: f32 = 0.2;

/// Returns the image so blurred that only its colours remain, about where they were: what deleted pixels are replaced by, and from where
/// gradients are integrated (Fong and Vedaldi, 1704.03296).
pub(crate) fn blurred(image: &Planes) -> Planes {
    blur(image, SIGMA * image.height.min(image.width) as f32)
}

/// Returns a Gaussian blur whose standard deviation is in pixels; the image is mirrored at its edges.
pub(crate) fn blur(image: &Planes, sigma: f32) -> Planes {
    let kernel = kernel(sigma);
    image.by_plane(|plane| {
        let across = lines(plane, image.width, image.height, image.width, 1, &kernel);
        lines(&across, image.height, image.width, 1, image.width, &kernel)
    })
}

/// Returns one blurred plane of values.
pub(crate) fn blur_plane(plane: &[f32], height: usize, width: usize, sigma: f32) -> Vec<f32> {
    let kernel = kernel(sigma);
    lines(&lines(plane, width, height, width, 1, &kernel), height, width, 1, width, &kernel)
}

/// Returns one half of the weights, from the middle on.
fn kernel(sigma: f32) -> Vec<f32> {
    let radius = (3.0 * sigma).ceil().max(0.0) as usize;
    let weight = |at: usize| if at == 0 { 1.0 } else { (-0.5 * (at as f32 / sigma).powi(2)).exp() };
    let half: Vec<f32> = (0..=radius).map(weight).collect();
    let sum = 2.0 * half.iter().sum::<f32>() - half[0];
    half.into_iter().map(|weight| weight / sum).collect()
}

/// Blurs each of `count` lines of `length` values, which begin `between` apart and whose values are `step` apart.
fn lines(plane: &[f32], length: usize, count: usize, between: usize, step: usize, kernel: &[f32]) -> Vec<f32> {
    let mirrored = |at: isize| {
        let period = 2 * length as isize;
        let at = at.rem_euclid(period);
        (if at < length as isize { at } else { period - 1 - at }) as usize
    };
    let mut out = vec![0.0; plane.len()];
    for line in 0..count {
        for at in 0..length {
            let value = |offset: isize| plane[line * between + mirrored(at as isize + offset) * step];
            let pairs = kernel.iter().enumerate().skip(1);
            let sides: f32 = pairs.map(|(k, weight)| weight * (value(k as isize) + value(-(k as isize)))).sum();
            out[line * between + at * step] = kernel[0] * value(0) + sides;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blur_keeps_the_mean_and_takes_the_contrast() {
        let values = (0..3 * 8 * 12).map(|at| ((at * 7919) % 13) as f32 / 12.0).collect();
        let image = Planes { height: 8, width: 12, values };
        let mean = |image: &Planes| image.values.iter().sum::<f32>() / image.values.len() as f32;
        let spread = |image: &Planes| image.values.iter().map(|v| (v - mean(image)).powi(2)).sum::<f32>();
        let soft = blurred(&image);
        assert!((mean(&soft) - mean(&image)).abs() < 1e-4);
        assert!(spread(&soft) < 0.05 * spread(&image));
        assert_eq!(blur(&image, 0.0), image);
    }
}
