//! Images as files.

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::imageops::{self, FilterType as Resampling};
use image::{ExtendedColorType, ImageEncoder, RgbImage};

use crate::{ExplainError, Planes};

/// Larger images are made smaller, to this many pixels along their longer side.
const MOST_SIDE: u32 = 256;

impl Planes {
    /// Returns the image as a PNG, made smaller where it is large.
    ///
    /// # Errors
    /// Fails where the encoder does.
    pub fn png(&self) -> Result<Vec<u8>, ExplainError> {
        let pixels = RgbImage::from_raw(self.width as u32, self.height as u32, self.to_bytes());
        let mut pixels = pixels.ok_or(ExplainError::Images("an image has another number of values than pixels"))?;
        let longer = pixels.width().max(pixels.height());
        if longer > MOST_SIDE {
            let scaled = |side: u32| (side * MOST_SIDE).div_ceil(longer).max(1);
            let (width, height) = (scaled(pixels.width()), scaled(pixels.height()));
            pixels = imageops::resize(&pixels, width, height, Resampling::CatmullRom);
        }
        let mut file = Vec::new();
        let encoder = PngEncoder::new_with_quality(&mut file, CompressionType::Best, FilterType::Adaptive);
        let written = encoder.write_image(pixels.as_raw(), pixels.width(), pixels.height(), ExtendedColorType::Rgb8);
        written.map_err(|error| ExplainError::Encode(error.to_string()))?;
        Ok(file)
    }
}
