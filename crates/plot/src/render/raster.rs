//! PNG by plotters' bitmap backend, smoothed by oversampling.

use std::path::Path;

use plotters::backend::{BitMapBackend, RGBPixel};

use super::replay::{Feed, replay};
use crate::PlotError;
use crate::figure::Figure;

/// How finely a figure is rasterised.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Density {
    /// Pixels of the file per point.
    pub(crate) pixels: u32,
    /// Drawn pixels per pixel of the file, along each side; they are averaged.
    pub(crate) oversampling: u32,
}

/// For figures: 192 dots per inch.
pub(super) const PRINT: Density = Density { pixels: 2, oversampling: 3 };

/// The most bytes that a drawing may take while it is made.
const MOST: u64 = 1 << 30;

/// An image of a figure.
#[derive(Debug)]
pub(crate) struct Raster {
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// Red, green, blue; row after row.
    pub(crate) pixels: Vec<u8>,
}

impl Raster {
    /// Rasterises the figure.
    pub(crate) fn draw(path: &Path, figure: &Figure, density: Density) -> Result<Self, PlotError> {
        let Density { pixels, oversampling } = density;
        let size = |length: f64| length as u64 * u64::from(pixels);
        let (width, height) = (size(figure.width), size(figure.height));
        let fine = |length: u64| length * u64::from(oversampling);
        let bytes = fine(width).saturating_mul(fine(height)).saturating_mul(3);
        if bytes > MOST {
            return Err(PlotError::TooLarge { path: path.to_owned(), width, height });
        }
        let mut canvas = vec![0; bytes as usize];
        {
            let failed = |reason: String| PlotError::Draw { path: path.to_owned(), reason };
            let size = (fine(width) as u32, fine(height) as u32);
            let mut backend = BitMapBackend::<RGBPixel>::with_buffer_and_format(&mut canvas, size)
                .map_err(|e| failed(e.to_string()))?;
            let unit = f64::from(pixels * oversampling);
            replay(&mut backend, figure, Feed { unit, strokes: false }).map_err(|e| failed(e.to_string()))?;
        }
        let (width, height) = (width as usize, height as usize);
        let pixels = average(&canvas, width, height, oversampling as usize);
        Ok(Self { width, height, pixels })
    }

    /// Returns the image as a PNG file, with its resolution.
    pub(crate) fn png(&self, path: &Path) -> Result<Vec<u8>, PlotError> {
        let failed = |e: png::EncodingError| PlotError::Draw { path: path.to_owned(), reason: e.to_string() };
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, self.width as u32, self.height as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::High);
        let mut writer = encoder.write_header().map_err(failed)?;
        writer.write_image_data(&self.pixels).map_err(failed)?;
        writer.finish().map_err(failed)?;
        Ok(bytes)
    }
}

/// Returns the image with each square of `side` × `side` pixels averaged to one.
fn average(fine: &[u8], width: usize, height: usize, side: usize) -> Vec<u8> {
    let row_bytes = width * side * 3;
    let share = (side * side) as u32;
    let mut sums = vec![0u32; width * 3];
    let mut pixels = Vec::with_capacity(width * height * 3);
    for rows in fine.chunks_exact(row_bytes * side) {
        sums.fill(0);
        for row in rows.chunks_exact(row_bytes) {
            for (sum, square) in sums.chunks_exact_mut(3).zip(row.chunks_exact(side * 3)) {
                for pixel in square.chunks_exact(3) {
                    for (sum, &value) in sum.iter_mut().zip(pixel) {
                        *sum += u32::from(value);
                    }
                }
            }
        }
        pixels.extend(sums.iter().map(|sum| ((sum + share / 2) / share) as u8));
    }
    pixels
}
