//! Compressibility and incompressibility: the size of the image as JPEG (Black et al., DDPO, 2305.13301).

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use rayon::prelude::*;

use crate::{Raster, Reward, RewardError, View};

/// The size in kB (1000 bytes) of the image as baseline JPEG with halved chroma, or minus it.
pub struct JpegSize {
    name: String,
    quality: u8,
    sign: f32,
}

impl JpegSize {
    /// Returns the reward that wants small files: minus the size.
    ///
    /// # Errors
    /// Refuses qualities outside 1 to 100.
    pub fn small(name: impl Into<String>, quality: u8) -> Result<Self, RewardError> {
        Self::new(name.into(), quality, -1.0)
    }

    /// Returns the reward that wants large files: the size.
    ///
    /// # Errors
    /// Refuses qualities outside 1 to 100.
    pub fn large(name: impl Into<String>, quality: u8) -> Result<Self, RewardError> {
        Self::new(name.into(), quality, 1.0)
    }

    fn new(name: String, quality: u8, sign: f32) -> Result<Self, RewardError> {
        if !(1..=100).contains(&quality) {
            let (file, value) = ("the reward's settings", quality.to_string());
            return Err(RewardError::Field { file, field: "quality", value, wanted: "a JPEG quality from 1 to 100" });
        }
        Ok(Self { name, quality, sign })
    }

    fn kilobytes(&self, raster: &Raster) -> Result<f32, RewardError> {
        let mut file = Vec::new();
        let mut encoder = Encoder::new(&mut file, self.quality);
        encoder.set_sampling_factor(SamplingFactor::F_2_2);
        let side = |pixels: usize| u16::try_from(pixels).unwrap_or(u16::MAX);
        encoder.encode(&raster.to_bytes(), side(raster.width), side(raster.height), ColorType::Rgb)?;
        Ok(file.len() as f32 / 1000.0)
    }
}

impl Reward for JpegSize {
    fn name(&self) -> &str {
        &self.name
    }

    fn score(&self, view: &View<'_>) -> Result<Vec<f32>, RewardError> {
        let size = |raster: &Raster| {
            if raster.is_finite() { self.kilobytes(raster).map(|size| self.sign * size) } else { Ok(f32::NAN) }
        };
        view.rasters().par_iter().map(size).collect()
    }
}
