//! From an image to a model's input.

use image::RgbImage;
use image::imageops::{FilterType, crop_imm, resize};
use moa_core::experiment::{OnnxLayout, OnnxSpec};

use crate::Raster;

/// Cropping, resizing and normalising, as the model was trained with.
pub(super) struct Preparation {
    height: u32,
    width: u32,
    mean: [f64; 3],
    std: [f64; 3],
    layout: OnnxLayout,
}

impl Preparation {
    /// Returns the preparation of images for an input of so many rows and columns.
    pub(super) fn new(spec: &OnnxSpec, height: usize, width: usize) -> Self {
        let OnnxSpec { mean, std, layout, .. } = *spec;
        Self { height: height as u32, width: width as u32, mean, std, layout }
    }

    /// Returns an image's values in the order of the input's axes.
    ///
    /// The image is rounded to 8 bits first, as it would be saved, so that scores are those of the saved image.
    pub(super) fn apply(&self, raster: &Raster) -> Vec<f32> {
        let (width, height) = (raster.width as u32, raster.height as u32);
        let Some(picture) = RgbImage::from_raw(width, height, raster.to_bytes()) else {
            unreachable!("a raster has three colours for each of its pixels")
        };
        let picture = self.fit(picture);
        let value =
            |byte: u8, channel: usize| ((f64::from(byte) / 255.0 - self.mean[channel]) / self.std[channel]) as f32;
        let pixels = picture.pixels().map(|pixel| pixel.0);
        match self.layout {
            OnnxLayout::Nchw => (0..3)
                .flat_map(|channel| pixels.clone().map(move |pixel| (pixel[channel], channel)))
                .map(|(byte, channel)| value(byte, channel))
                .collect(),
            OnnxLayout::Nhwc => {
                pixels.flat_map(|pixel| [0, 1, 2].map(|channel| value(pixel[channel], channel))).collect()
            }
        }
    }

    /// Crops about the centre to the input's shape, and resizes with Catmull-Rom's cubic (a = −0.5), widened where images
    /// shrink: Pillow's `BICUBIC`.
    fn fit(&self, picture: RgbImage) -> RgbImage {
        let (width, height) = picture.dimensions();
        if (width, height) == (self.width, self.height) {
            return picture;
        }
        let scaled =
            |side: u32, by: u32, to: u32| (f64::from(side) * f64::from(to) / f64::from(by)).round().max(1.0) as u32;
        let (inner_width, inner_height) =
            if u64::from(width) * u64::from(self.height) > u64::from(height) * u64::from(self.width) {
                (scaled(height, self.height, self.width).min(width), height)
            } else {
                (width, scaled(width, self.width, self.height).min(height))
            };
        let (left, top) = ((width - inner_width) / 2, (height - inner_height) / 2);
        let centre = crop_imm(&picture, left, top, inner_width, inner_height).to_image();
        resize(&centre, self.width, self.height, FilterType::CatmullRom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preparation(width: usize, height: usize, layout: OnnxLayout) -> Preparation {
        let (mean, std) = ([0.0, 0.5, 1.0], [1.0, 0.5, 0.25]);
        Preparation { height: height as u32, width: width as u32, mean, std, layout }
    }

    #[test]
    fn values_are_normalised_and_ordered() {
        let raster = Raster::of_bytes(2, &[255, 255, 255, 0, 0, 0]);
        let planes = preparation(2, 1, OnnxLayout::Nchw).apply(&raster);
        assert_eq!(planes, [1.0, 0.0, 1.0, -1.0, 0.0, -4.0]);
        let pixels = preparation(2, 1, OnnxLayout::Nhwc).apply(&raster);
        assert_eq!(pixels, [1.0, 1.0, 0.0, 0.0, -1.0, -4.0]);
    }

    #[test]
    fn wide_and_tall_pictures_are_cropped_about_their_centre() {
        // Black, white, white, black: the centre is white.
        let (black, white) = ([0; 3], [255; 3]);
        let row = [black, white, white, black].concat();
        let preparation = preparation(1, 1, OnnxLayout::Nchw);
        let wide = Raster::of_bytes(4, &[row.clone(), row.clone()].concat());
        let tall: Vec<u8> = [black, white, white, black].iter().flat_map(|pixel| [*pixel, *pixel].concat()).collect();
        for raster in [wide, Raster::of_bytes(2, &tall)] {
            assert_eq!(preparation.apply(&raster), [1.0, 1.0, 0.0], "{raster:?}");
        }
    }
}
