//! From an image to a model's input.

use image::RgbImage;
use image::imageops::{FilterType, crop_imm, resize};
use moa_core::experiment::{OnnxChannels, OnnxLayout, OnnxSpec};

use crate::Raster;

/// Cropping, resizing and normalising, as the model was trained with.
pub(super) struct Preparation {
    height: u32,
    width: u32,
    /// Rows and columns of what the input is the centre of.
    around: [u32; 2],
    mean: [f64; 3],
    std: [f64; 3],
    white: f64,
    /// The colours in the input's order, by their place in red, green and blue.
    order: [usize; 3],
    layout: OnnxLayout,
}

impl Preparation {
    /// Returns the preparation of images for an input of so many rows and columns.
    ///
    /// # Errors
    /// Refuses a `resize` of which the input cannot be cut out.
    pub(super) fn new(spec: &OnnxSpec, height: usize, width: usize) -> Result<Self, String> {
        let OnnxSpec { mean, std, white, layout, .. } = *spec;
        let own = [height as u32, width as u32];
        let around = spec.resize.unwrap_or(own);
        if around[0] < own[0] || around[1] < own[1] {
            return Err(format!(
                "takes images of {own:?}, which cannot be cut out of `resize`, {around:?}: give at least {own:?}"
            ));
        }
        let order = match spec.channels {
            OnnxChannels::Rgb => [0, 1, 2],
            OnnxChannels::Bgr => [2, 1, 0],
        };
        Ok(Self { height: own[0], width: own[1], around, mean, std, white, order, layout })
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
        let value = |byte: u8, channel: usize| {
            ((f64::from(byte) / 255.0 * self.white - self.mean[channel]) / self.std[channel]) as f32
        };
        let pixels = picture.pixels().map(|pixel| pixel.0);
        match self.layout {
            OnnxLayout::Nchw => self
                .order
                .into_iter()
                .flat_map(|channel| pixels.clone().map(move |pixel| (pixel[channel], channel)))
                .map(|(byte, channel)| value(byte, channel))
                .collect(),
            OnnxLayout::Nhwc => {
                pixels.flat_map(|pixel| self.order.map(|channel| value(pixel[channel], channel))).collect()
            }
        }
    }

    /// Resizes to what the input is the centre of, and cuts the input out.
    fn fit(&self, picture: RgbImage) -> RgbImage {
        let [height, width] = self.around;
        let whole = resized(picture, [height, width]);
        if [height, width] == [self.height, self.width] {
            return whole;
        }
        let (left, top) = ((width - self.width) / 2, (height - self.height) / 2);
        crop_imm(&whole, left, top, self.width, self.height).to_image()
    }
}

/// Crops about the centre to the shape of so many rows and columns, and resizes with Catmull-Rom's cubic (a = −0.5), widened where
/// images shrink: Pillow's `BICUBIC`.
fn resized(picture: RgbImage, [rows, columns]: [u32; 2]) -> RgbImage {
    let (width, height) = picture.dimensions();
    if (width, height) == (columns, rows) {
        return picture;
    }
    let scaled =
        |side: u32, by: u32, to: u32| (f64::from(side) * f64::from(to) / f64::from(by)).round().max(1.0) as u32;
    let (inner_width, inner_height) = if u64::from(width) * u64::from(rows) > u64::from(height) * u64::from(columns) {
        (scaled(height, rows, columns).min(width), height)
    } else {
        (width, scaled(width, columns, rows).min(height))
    };
    let (left, top) = ((width - inner_width) / 2, (height - inner_height) / 2);
    let centre = crop_imm(&picture, left, top, inner_width, inner_height).to_image();
    resize(&centre, columns, rows, FilterType::CatmullRom)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preparation(width: usize, height: usize, layout: OnnxLayout) -> Preparation {
        let (mean, std) = ([0.0, 0.5, 1.0], [1.0, 0.5, 0.25]);
        let spec = OnnxSpec { mean, std, layout, ..OnnxSpec::of("a.onnx") };
        Preparation::new(&spec, height, width).expect("fits")
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
    fn colours_are_reversed_and_scaled_with_their_own_means() {
        let raster = Raster::of_bytes(2, &[255, 0, 51, 0, 102, 255]);
        let caffe = |layout| {
            let spec = OnnxSpec {
                mean: [123.0, 117.0, 104.0],
                white: 255.0,
                channels: OnnxChannels::Bgr,
                layout,
                ..OnnxSpec::of("a.onnx")
            };
            Preparation::new(&spec, 1, 2).expect("fits").apply(&raster)
        };
        assert_eq!(caffe(OnnxLayout::Nhwc), [-53.0, -117.0, 132.0, 151.0, -15.0, -123.0]);
        assert_eq!(caffe(OnnxLayout::Nchw), [-53.0, 151.0, -117.0, -15.0, 132.0, -123.0]);
    }

    #[test]
    fn the_input_is_cut_out_of_what_images_are_resized_to() {
        let (black, white) = ([0; 3], [255; 3]);
        let row = [black, white, white, black].concat();
        let edge = black.repeat(4);
        let framed = Raster::of_bytes(4, &[edge.clone(), row.clone(), row, edge].concat());
        let with = |resize| OnnxSpec { resize: Some(resize), ..OnnxSpec::of("a.onnx") };
        let cut = Preparation::new(&with([4, 4]), 2, 2).expect("fits");
        assert_eq!(cut.apply(&framed), [1.0; 12]);
        let refused = Preparation::new(&with([4, 1]), 2, 2).err().expect("refused");
        assert!(refused.contains("give at least [2, 2]"), "{refused}");
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
