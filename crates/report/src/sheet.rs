//! Images of a point: read from the results, made small, and written into the page.

use std::io::Cursor;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::imageops::{self, FilterType as Resampling};
use image::{ExtendedColorType, ImageEncoder, ImageFormat, ImageReader, RgbImage};

use crate::ReportError;
use crate::data::Picture;

/// Larger sheets are not read.
const MOST_PIXELS: u64 = 100_000_000;
/// Images are made smaller than this along their longer side, in pixels.
const MOST_SIDE: u32 = 256;
/// Images up to this side are shown pixel by pixel, and are not compressed with losses.
const SMALL: u32 = 64;
/// The quality of JPEG, of 100.
const QUALITY: u8 = 86;

/// Images of a point: a column for each prompt, a row for each noise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sheet {
    pixels: RgbImage,
    columns: u32,
    rows: u32,
}

impl Sheet {
    /// Returns the sheet of images of one size, by prompt, then noise; nothing where their number or their bytes do not fit.
    ///
    /// - `images`: red, green and blue, row after row from the top
    pub fn new((width, height): (u32, u32), images: &[Vec<u8>], noises: usize) -> Option<Self> {
        let bytes = 3 * width as usize * height as usize;
        let fits = bytes > 0 && noises > 0 && !images.is_empty() && images.len().is_multiple_of(noises);
        if !fits || images.iter().any(|image| image.len() != bytes) {
            return None;
        }
        let (columns, rows) = ((images.len() / noises) as u32, noises as u32);
        let mut pixels = RgbImage::new(columns * width, rows * height);
        for (place, image) in images.iter().enumerate() {
            let (column, row) = ((place / noises) as u32, (place % noises) as u32);
            let image = RgbImage::from_raw(width, height, image.clone())?;
            imageops::replace(&mut pixels, &image, i64::from(column * width), i64::from(row * height));
        }
        Some(Self { pixels, columns, rows })
    }

    /// Reads the images of a point that a sweep has kept, of `found` columns and rows; nothing where there are none, or they are of
    /// another experiment's size.
    ///
    /// - `wanted`: so many columns and rows are taken, from the first on
    ///
    /// # Errors
    /// What the system says of a file that cannot be read.
    pub(crate) fn read(path: &Path, found: (u32, u32), wanted: (u32, u32)) -> Result<Option<Self>, ReportError> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(ReportError::Read { path: path.to_owned(), reason: error.to_string() }),
        };
        Ok(Self::decode(&bytes, found).map(|sheet| sheet.first(wanted)))
    }

    fn decode(bytes: &[u8], (columns, rows): (u32, u32)) -> Option<Self> {
        let reader = || ImageReader::with_format(Cursor::new(bytes), ImageFormat::Png);
        let (width, height) = reader().into_dimensions().ok()?;
        let fits = columns > 0 && rows > 0 && width.is_multiple_of(columns) && height.is_multiple_of(rows);
        if !fits || u64::from(width) * u64::from(height) > MOST_PIXELS {
            return None;
        }
        Some(Self { pixels: reader().decode().ok()?.into_rgb8(), columns, rows })
    }

    /// Returns width and height of one image.
    fn cell(&self) -> (u32, u32) {
        (self.pixels.width() / self.columns, self.pixels.height() / self.rows)
    }

    /// Returns the first columns and rows.
    fn first(self, (columns, rows): (u32, u32)) -> Self {
        let (columns, rows) = (columns.min(self.columns), rows.min(self.rows));
        if (columns, rows) == (self.columns, self.rows) {
            return self;
        }
        let (width, height) = self.cell();
        let pixels = imageops::crop_imm(&self.pixels, 0, 0, columns * width, rows * height).to_image();
        Self { pixels, columns, rows }
    }

    /// Returns the sheet with images of at most [`MOST_SIDE`] pixels. Each is made smaller by itself, so that none shows of its neighbours.
    fn fitted(&self) -> Self {
        let (width, height) = self.cell();
        let longer = width.max(height);
        if longer <= MOST_SIDE {
            return self.clone();
        }
        let scaled = |side: u32| (side * MOST_SIDE).div_ceil(longer).max(1);
        let (w, h) = (scaled(width), scaled(height));
        let mut pixels = RgbImage::new(w * self.columns, h * self.rows);
        for row in 0..self.rows {
            for column in 0..self.columns {
                let cell = imageops::crop_imm(&self.pixels, column * width, row * height, width, height).to_image();
                let cell = imageops::resize(&cell, w, h, Resampling::CatmullRom);
                imageops::replace(&mut pixels, &cell, i64::from(column * w), i64::from(row * h));
            }
        }
        Self { pixels, columns: self.columns, rows: self.rows }
    }

    /// Returns the sheet as the page has it: PNG, or JPEG where images are large and it is smaller. Nothing where neither can be written.
    pub(crate) fn picture(&self) -> Option<Picture> {
        let fitted = self.fitted();
        let (width, height) = fitted.cell();
        let pixels = &fitted.pixels;
        let mut png = Vec::new();
        let encoder = PngEncoder::new_with_quality(&mut png, CompressionType::Best, FilterType::Adaptive);
        encoder.write_image(pixels.as_raw(), pixels.width(), pixels.height(), ExtendedColorType::Rgb8).ok()?;
        let mut best = ("image/png", png);
        if width.max(height) > SMALL {
            let mut jpeg = Vec::new();
            JpegEncoder::new_with_quality(&mut jpeg, QUALITY).encode_image(pixels).ok()?;
            if jpeg.len() < best.1.len() {
                best = ("image/jpeg", jpeg);
            }
        }
        let src = format!("data:{};base64,{}", best.0, STANDARD.encode(best.1));
        Some(Picture { src, cell: [width, height], columns: fitted.columns, rows: fitted.rows })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(side: u32, seed: u32) -> Vec<u8> {
        (0..side * side * 3).map(|i| (i.wrapping_mul(2_654_435_761).wrapping_add(seed * 97) >> 13) as u8).collect()
    }

    #[test]
    fn images_stand_by_prompt_and_noise() {
        let grey = |level: u8| vec![level; 2 * 3];
        let sheet = Sheet::new((2, 1), &[grey(1), grey(2), grey(3), grey(4)], 2).expect("it fits");
        let level = |x, y| sheet.pixels.get_pixel(x, y).0[0];
        assert_eq!([level(0, 0), level(0, 1), level(2, 0), level(2, 1)], [1, 2, 3, 4]);
        assert_eq!(Sheet::new((2, 1), &[grey(1), grey(2), grey(3)], 2), None);
        assert_eq!(Sheet::new((2, 2), &[grey(1)], 1), None);
    }

    #[test]
    fn small_images_keep_every_pixel_and_large_ones_become_small() {
        let small = Sheet::new((32, 32), &[noise(32, 1), noise(32, 2)], 1).unwrap();
        let picture = small.picture().unwrap();
        let bytes = STANDARD.decode(picture.src.strip_prefix("data:image/png;base64,").unwrap()).unwrap();
        assert_eq!(Sheet::decode(&bytes, (2, 1)).unwrap(), small);
        let large = Sheet::new((512, 384), &vec![vec![90; 512 * 384 * 3]; 2], 1).unwrap();
        let picture = large.picture().unwrap();
        assert_eq!((picture.cell, picture.columns), ([256, 192], 2));
        assert!(picture.src.len() < 40_000, "{}", picture.src.len());
    }

    #[test]
    fn what_is_no_sheet_of_this_size_counts_as_absent() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pictures.png");
        assert_eq!(Sheet::read(&path, (2, 1), (2, 1)).unwrap(), None);
        std::fs::write(&path, "no image").unwrap();
        assert_eq!(Sheet::read(&path, (2, 1), (2, 1)).unwrap(), None);
        let sheet = Sheet::new((32, 32), &[noise(32, 1), noise(32, 2)], 1).unwrap();
        sheet.pixels.save(&path).unwrap();
        assert_eq!(Sheet::read(&path, (3, 1), (3, 1)).unwrap(), None);
        let first = Sheet::read(&path, (2, 1), (1, 1)).unwrap().unwrap();
        assert_eq!(first, Sheet::new((32, 32), &[noise(32, 1)], 1).unwrap());
    }
}
