//! What the formula that stands for a person thinks of image files.

use std::path::Path;

use burn::tensor::Device;
use moa_reward::{Raster, rater};

use crate::RunnerError;
use crate::preferences::{decoded, pixels_of};

/// Returns the rating of image files by the formula that stands for a person's taste ([`moa_reward::rater`]).
///
/// # Errors
/// Says which file cannot be read.
pub fn taste<'p>(files: impl Iterator<Item = &'p Path>) -> Result<Vec<f64>, RunnerError> {
    let rate = |file| {
        let pixels = pixels_of(&decoded(file)?.to_rgb8(), &Device::flex());
        Ok(Raster::of(pixels).iter().map(|raster| f64::from(rater::rate(raster).total())).next().unwrap_or_default())
    };
    files.map(rate).collect()
}
