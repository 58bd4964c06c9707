//! What the formula that stands for a person thinks of image files.

use std::path::Path;

use moa_reward::{Raster, rater};

use crate::RunnerError;
use crate::preferences::decoded;

/// Returns the rating of image files by the formula that stands for a person's taste ([`moa_reward::rater`]).
///
/// # Errors
/// Says which file cannot be read.
pub fn taste<'p>(files: impl Iterator<Item = &'p Path>) -> Result<Vec<f64>, RunnerError> {
    let rate = |file| {
        let image = decoded(file)?.to_rgb8();
        Ok(f64::from(rater::rate(&Raster::of_bytes(image.width() as usize, image.as_raw())).total()))
    };
    files.map(rate).collect()
}
