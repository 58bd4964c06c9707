//! Images as PNG files in base64, batch by batch.

use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use png::{BitDepth, ColorType, Compression, Encoder};
use rayon::prelude::*;

use super::error::Problem;
use super::protocol;
use crate::{Raster, RewardError, View};

/// What a reward from outside is asked to score, cut into requests.
pub(super) struct Batches<'a> {
    rasters: &'a [Raster],
    prompts: &'a [String],
    size: usize,
}

impl<'a> Batches<'a> {
    /// Returns the images of a view in batches of `size`.
    ///
    /// # Errors
    /// Refuses images that hold values that are not finite, which no PNG can show.
    pub(super) fn new(reward: &str, view: &'a View<'_>, size: u32) -> Result<Self, RewardError> {
        let (rasters, prompts) = (finite(reward, view)?, view.pictures().prompts());
        Ok(Self { rasters, prompts, size: size.max(1) as usize })
    }

    /// Returns the number of images.
    pub(super) fn pictures(&self) -> usize {
        self.rasters.len()
    }

    /// Returns the number of batches.
    pub(super) fn count(&self) -> usize {
        self.rasters.len().div_ceil(self.size)
    }

    /// Returns the places of a batch's images.
    pub(super) fn range(&self, batch: usize) -> Range<usize> {
        let start = batch * self.size;
        start..(start + self.size).min(self.rasters.len())
    }

    /// Returns the prompts of a batch.
    pub(super) fn prompts(&self, batch: usize) -> &'a [String] {
        &self.prompts[self.range(batch)]
    }

    /// Returns a batch as a request; its images are encoded on all cores.
    ///
    /// # Errors
    /// Fails where the PNG encoder does.
    pub(super) fn request(&self, id: u64, batch: usize) -> Result<Vec<u8>, Problem> {
        let pictures = self.rasters[self.range(batch)].par_iter().map(encode).collect::<Result<Vec<_>, Problem>>()?;
        Ok(protocol::request(id, &pictures, self.prompts(batch)))
    }
}

/// Returns the images of a view on the host.
///
/// # Errors
/// Refuses images that hold values that are not finite.
pub(super) fn finite<'a>(reward: &str, view: &'a View<'_>) -> Result<&'a [Raster], RewardError> {
    let rasters = view.rasters();
    match rasters.iter().position(|raster| !raster.is_finite()) {
        None => Ok(rasters),
        Some(picture) => {
            let prompt = view.pictures().prompts()[picture].clone();
            Err(RewardError::NotFinite { reward: reward.to_owned(), picture, prompt })
        }
    }
}

/// Returns an image as a PNG in base64.
fn encode(raster: &Raster) -> Result<String, Problem> {
    Ok(STANDARD.encode(png(raster)?))
}

/// Returns an image as an 8-bit RGB PNG. It is read once and thrown away: the compression is a fast one.
pub(super) fn png(raster: &Raster) -> Result<Vec<u8>, Problem> {
    let mut file = Vec::with_capacity(raster.colours.len());
    let mut encoder = Encoder::new(&mut file, raster.width as u32, raster.height as u32);
    encoder.set_color(ColorType::Rgb);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_compression(Compression::Fast);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&raster.to_bytes())?;
    writer.finish()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_survive_the_encoding() {
        let bytes: Vec<u8> = (0..5 * 3 * 3_u8).map(|value| value.wrapping_mul(37)).collect();
        let file = STANDARD.decode(encode(&Raster::of_bytes(5, &bytes)).unwrap()).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
        let mut found = vec![0; reader.output_buffer_size().unwrap()];
        let frame = reader.next_frame(&mut found).unwrap();
        assert_eq!((frame.width, frame.height, &found[..]), (5, 3, &bytes[..]));
    }

    #[test]
    fn the_last_batch_is_what_is_left() {
        let rasters = vec![Raster::of_bytes(1, &[0, 0, 0]); 5];
        let prompts: Vec<String> = (0..5).map(|index| index.to_string()).collect();
        let batches = Batches { rasters: &rasters, prompts: &prompts, size: 2 };
        assert_eq!((batches.count(), batches.range(2), batches.prompts(2)), (3, 4..5, &prompts[4..]));
    }
}
