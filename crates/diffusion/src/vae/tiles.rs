//! Decoding a large image in overlapping tiles, so that memory does not grow with the image.

use burn::tensor::{Device, Tensor};
use moa_device::from_host;

/// The smallest side of a tile, in latent pixels.
const SMALLEST: usize = 16;

/// Tiles are squares of latents that overlap by a quarter of their side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tiling {
    side: usize,
}

impl Tiling {
    /// Returns the largest tiles whose decoding takes at most `bytes`, at `bytes_per_latent` for each latent pixel.
    pub(super) fn within(bytes: u64, bytes_per_latent: u64) -> Self {
        let side = ((bytes / bytes_per_latent.max(1)) as f64).sqrt() as usize;
        Self { side: (side / 8 * 8).max(SMALLEST) }
    }

    /// Returns whether latents of this height and width take more than one tile.
    pub(super) fn splits(self, [height, width]: [usize; 2]) -> bool {
        height > self.side || width > self.side
    }

    /// Returns height and width of the tiles of latents of this height and width.
    pub(super) fn tile(self, [height, width]: [usize; 2]) -> [usize; 2] {
        [height.min(self.side), width.min(self.side)]
    }

    /// Decodes one image's latents `[1, c, h, w]`. Pixels of several tiles are averaged, those near a tile's edge with
    /// less weight.
    pub(super) fn decode(self, latents: &Tensor<4>, factor: usize, one: impl Fn(Tensor<4>) -> Tensor<4>) -> Tensor<4> {
        let ([_, _, height, width], device) = (latents.dims(), latents.device().without_autodiff());
        if !self.splits([height, width]) {
            return one(latents.clone());
        }
        let (rows, columns) = (self.starts(height), self.starts(width));
        let (tall, wide) = (self.side.min(height), self.side.min(width));
        let share = share(tall * factor, &device).reshape([1, 1, tall * factor, 1])
            * share(wide * factor, &device).reshape([1, 1, 1, wide * factor]);
        let mut sum = Tensor::<4>::zeros([1, 3, height * factor, width * factor], &device);
        let mut shares = Tensor::<4>::zeros([1, 1, height * factor, width * factor], &device);
        for &top in &rows {
            for &left in &columns {
                let tile = one(latents.clone().narrow(2, top, tall).narrow(3, left, wide));
                let (y, x) = (top * factor, left * factor);
                let area = |channels| [0..1, 0..channels, y..y + tall * factor, x..x + wide * factor];
                let so_far = sum.clone().slice(area(3));
                sum = sum.slice_assign(area(3), so_far + tile * share.clone());
                let so_far = shares.clone().slice(area(1));
                shares = shares.slice_assign(area(1), so_far + share.clone());
            }
        }
        sum / shares
    }

    /// Returns where tiles begin along a side; the last one ends with it.
    fn starts(self, length: usize) -> Vec<usize> {
        let last = length.saturating_sub(self.side);
        let stride = self.side - self.side / 4;
        (0..last).step_by(stride).chain([last]).collect()
    }
}

/// Returns the weight of each pixel along a side: it rises over the overlap, and falls over it again.
fn share(length: usize, device: &Device) -> Tensor<1> {
    let ramp = (length / 4).max(1) as f32;
    let share = |pixel: usize| ((pixel.min(length - 1 - pixel) as f32 + 0.5) / ramp).min(1.0);
    let values: Vec<f32> = (0..length).map(share).collect();
    from_host(values, [length], device)
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;

    use super::*;

    /// Decodes by repeating every pixel: tiles of such a decoder must leave no trace.
    #[test]
    fn tiles_cover_every_pixel_and_leave_no_seams() {
        let device = Device::flex();
        let tiling = Tiling::within(0, 1);
        for [height, width] in [[16, 16], [17, 40], [8, 50], [61, 23]] {
            let values: Vec<f32> = (0..3 * height * width).map(|value| (value % 97) as f32).collect();
            let latents = Tensor::<4>::from_data(TensorData::new(values, [1, 3, height, width]), &device);
            let whole = super::super::block::double(latents.clone());
            let tiled = tiling.decode(&latents, 2, |tile| {
                assert!(tile.dims()[2] <= 16 && tile.dims()[3] <= 16);
                super::super::block::double(tile)
            });
            assert_eq!(tiled.dims(), whole.dims());
            let worst = (tiled - whole).abs().max().into_scalar::<f32>();
            assert!(worst < 1e-4, "{height}×{width}: {worst}");
        }
    }

    #[test]
    fn the_budget_sets_the_side() {
        assert_eq!(Tiling::within(64 * 64 * 10, 10).side, 64);
        assert_eq!(Tiling::within(63 * 63 * 10, 10).side, 56);
    }
}
