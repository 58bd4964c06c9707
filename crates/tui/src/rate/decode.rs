//! Images from their files.

use std::io::Cursor;

use image::ImageReader;
use image::imageops::FilterType;
use moa_rating::Pool;

use super::clerk::said;
use crate::picture::{MOST_PIXELS, Rgb};

/// Larger images are kept at this many pixels a side: no terminal shows more.
const LARGEST_SIDE: u32 = 1600;

/// Reads an image of the pool, as large as a terminal can show it.
///
/// # Errors
/// Says what is wrong with the image, without its file's name, which may say what drew it.
pub fn picture(pool: &Pool, place: usize) -> Result<Rgb, String> {
    let bytes = pool.read(place).map_err(|error| said(&error))?;
    let open = || ImageReader::new(Cursor::new(&bytes)).with_guessed_format().map_err(|error| error.to_string());
    let (width, height) = open()?.into_dimensions().map_err(|error| error.to_string())?;
    if u64::from(width) * u64::from(height) > MOST_PIXELS {
        return Err(format!("the image has {width} × {height} pixels, more than {} million", MOST_PIXELS / 1_000_000));
    }
    let mut image = open()?.decode().map_err(|error| error.to_string())?;
    if width.max(height) > LARGEST_SIDE {
        image = image.resize(LARGEST_SIDE, LARGEST_SIDE, FilterType::Triangle);
    }
    let image = image.into_rgb8();
    let (width, height) = image.dimensions();
    Rgb::new(width, height, image.into_raw()).ok_or_else(|| "the image is empty".to_owned())
}
