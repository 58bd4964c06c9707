//! What generated images have and scenes have not.

use burn::tensor::{Tensor, TensorData};
use moa_core::NoiseKey;

/// Standard deviation of the strongest noise.
const NOISE: f32 = 0.12;
/// The share of images that are blurred.
const BLURRED: f64 = 0.4;

/// Returns images `[rows, 3, side, side]` in [0, 1] with noise of a random strength, and four in ten of them blurred before it: generated
/// images are never as clean as scenes, and a model that has only seen clean ones trips over their texture.
pub(super) fn corrupted(images: Tensor<4>, key: NoiseKey) -> Tensor<4> {
    let device = images.device();
    let dims @ [rows, channels, height, width] = images.dims();
    let per_row = |values: Vec<f32>| Tensor::<4>::from_data(TensorData::new(values, [rows, 1, 1, 1]), &device);
    let strength = |row: u64| {
        let blurs = key.named("blurs").uniform(row) < BLURRED;
        if blurs { key.named("blur").uniform(row) as f32 } else { 0.0 }
    };
    let blur = per_row((0..rows as u64).map(strength).collect());
    let images = images.clone() + (blurred(images.clone()) - images) * blur;
    let strength = per_row((0..rows as u64).map(|row| NOISE * key.named("strength").uniform(row) as f32).collect());
    let noise = key.named("noise").normal(rows * channels * height * width);
    let noise = Tensor::<4>::from_data(TensorData::new(noise, dims), &device);
    (images + noise * strength).clamp(0.0, 1.0)
}

/// Returns the mean of each pixel and its neighbours with weights ¼, ½, ¼ along both axes; the border is repeated.
fn blurred(images: Tensor<4>) -> Tensor<4> {
    [2, 3].into_iter().fold(images, |images, axis| {
        let side = images.dims()[axis];
        let part = |from: usize, length: usize| images.clone().narrow(axis, from, length);
        let before = Tensor::cat(vec![part(0, 1), part(0, side - 1)], axis);
        let after = Tensor::cat(vec![part(1, side - 1), part(side - 1, 1)], axis);
        (before + after) * 0.25 + images * 0.5
    })
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn a_flat_image_stays_flat_under_blur_and_a_point_spreads() {
        let device = Device::flex();
        let flat: Vec<f32> = blurred(Tensor::ones([1, 1, 4, 4], &device)).into_data().try_into_vec().expect("f32");
        assert!(flat.iter().all(|value| (value - 1.0).abs() < 1e-6));
        let mut values = vec![0.0f32; 16];
        values[5] = 1.0;
        let point = Tensor::<4>::from_data(TensorData::new(values, [1, 1, 4, 4]), &device);
        let spread: Vec<f32> = blurred(point).into_data().try_into_vec().expect("f32");
        assert_eq!(spread[..7], [0.0625, 0.125, 0.0625, 0.0, 0.125, 0.25, 0.125]);
    }

    #[test]
    fn images_stay_in_range_and_differ_by_key() {
        let images = Tensor::<4>::ones([3, 3, 8, 8], &Device::flex()) * 0.5;
        let of = |seed| -> Vec<f32> {
            corrupted(images.clone(), NoiseKey::new(seed)).into_data().try_into_vec().expect("f32")
        };
        assert!(of(1).iter().all(|value| (0.0..=1.0).contains(value)));
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }
}
