//! Images on the host, for formulas over pixels.

use burn::tensor::Tensor;
use moa_device::to_host;

/// One image: colours in [0, 1], row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Raster {
    /// Width, in pixels.
    pub width: usize,
    /// Height, in pixels.
    pub height: usize,
    /// Red, green and blue of each pixel.
    pub colours: Vec<[f32; 3]>,
}

impl Raster {
    /// Returns the images of a batch, `[n, 3, height, width]`.
    pub fn of(pixels: Tensor<4>) -> Vec<Self> {
        let [_, _, height, width] = pixels.dims();
        let count = height * width;
        let picture = |planes: &[f32]| {
            let colours = (0..count).map(|i| [planes[i], planes[count + i], planes[2 * count + i]]).collect();
            Self { width, height, colours }
        };
        to_host(pixels).chunks_exact(3 * count).map(picture).collect()
    }

    /// Returns the image of bytes, row by row, RGB.
    pub fn of_bytes(width: usize, rgb: &[u8]) -> Self {
        let colours: Vec<_> = rgb.chunks_exact(3).map(|pixel| [0, 1, 2].map(|c| f32::from(pixel[c]) / 255.0)).collect();
        Self { width, height: colours.len() / width, colours }
    }

    /// Returns whether every value is a finite number.
    pub fn is_finite(&self) -> bool {
        self.colours.iter().flatten().all(|value| value.is_finite())
    }

    /// Returns the bytes, row by row, RGB.
    pub fn to_bytes(&self) -> Vec<u8> {
        let byte = |value: f32| (value.clamp(0.0, 1.0) * 255.0).round() as u8;
        self.colours.iter().flatten().map(|value| byte(*value)).collect()
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    #[test]
    fn planes_become_colours() {
        let values: Vec<f32> = (0..12).map(|v| v as f32 / 12.0).collect();
        let rasters = Raster::of(Tensor::from_data(TensorData::new(values, [1, 3, 2, 2]), &Device::flex()));
        let second = rasters[0].colours[1].map(|value| (value * 12.0).round() as usize);
        assert_eq!(second, [1, 5, 9]);
        let bytes = rasters[0].to_bytes();
        assert_eq!(bytes[..3], [0, 85, 170]);
        assert_eq!(Raster::of_bytes(2, &bytes).height, 2);
    }
}
