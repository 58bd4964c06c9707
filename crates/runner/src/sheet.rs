//! Contact sheets: the first images of an evaluation, pixel by pixel, one column per prompt.

use std::io::{Cursor, ErrorKind};
use std::path::{Path, PathBuf};

use moa_plot::{PlotError, RgbPicture};
use moa_reward::{Pictures, Raster};
use moa_store::{PICTURES, write_atomically};

use crate::RunnerError;

/// At most so many images of a prompt are kept.
const ROWS: usize = 4;

/// The first images of the first prompts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sheet {
    /// By prompt, then image.
    pub(crate) columns: Vec<Vec<RgbPicture>>,
}

/// How many images a sheet has, and how large they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SheetSize {
    pub(crate) columns: usize,
    pub(crate) rows: usize,
    /// Width and height of each image, in pixels.
    pub(crate) picture: (usize, usize),
}

impl SheetSize {
    /// Returns the size of sheets of `prompts` prompts with so many images each.
    pub(crate) fn new(prompts: usize, per_prompt: usize, picture: (usize, usize)) -> Self {
        Self { columns: prompts, rows: per_prompt.min(ROWS), picture }
    }
}

impl Sheet {
    /// Returns the sheet of a batch; an empty one where no prompts are shown.
    pub(crate) fn of(pictures: &Pictures, size: SheetSize) -> Self {
        if size.columns == 0 {
            return Self { columns: Vec::new() };
        }
        let (group, (width, height)) = (pictures.group(), size.picture);
        let shown = pictures.pixels().narrow(0, 0, (size.columns * group).min(pictures.len()));
        let rgb =
            |raster: &Raster| RgbPicture { width: width as u32, height: height as u32, pixels: raster.to_bytes() };
        let rasters = Raster::of(shown);
        let columns = rasters.chunks(group.max(1)).map(|group| group.iter().take(size.rows).map(rgb).collect());
        Self { columns: columns.collect() }
    }

    /// Returns the images of one row: the first, second … image of every prompt.
    pub(crate) fn row(&self, row: usize) -> Vec<RgbPicture> {
        self.columns.iter().filter_map(|column| column.get(row).cloned()).collect()
    }

    /// Returns the root mean square of the differences to another sheet's pixels, from 0 to 255; nothing where the sheets are empty or of
    /// other sizes.
    pub(crate) fn distance(&self, other: &Self) -> Option<f64> {
        let bytes = |sheet: &Self| -> Vec<u8> {
            sheet.columns.iter().flatten().flat_map(|picture| picture.pixels.iter().copied()).collect()
        };
        let (own, others) = (bytes(self), bytes(other));
        let squares = own.iter().zip(&others).map(|(own, other)| f64::from(own.abs_diff(*other)).powi(2));
        (!own.is_empty() && own.len() == others.len()).then(|| (squares.sum::<f64>() / own.len() as f64).sqrt())
    }

    /// Writes the sheet as a PNG without margins.
    pub(crate) fn write(&self, path: &Path, size: SheetSize) -> Result<(), RunnerError> {
        let (width, height) = size.picture;
        let stride = size.columns * width * 3;
        let mut pixels = vec![0u8; size.rows * height * stride];
        for (x, column) in self.columns.iter().enumerate() {
            for (y, picture) in column.iter().enumerate() {
                for (line, bytes) in picture.pixels.chunks_exact(width * 3).enumerate() {
                    let start = (y * height + line) * stride + x * width * 3;
                    pixels[start..start + width * 3].copy_from_slice(bytes);
                }
            }
        }
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, (size.columns * width) as u32, (size.rows * height) as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let encoded = encoder.write_header().and_then(|mut writer| writer.write_image_data(&pixels));
        encoded.map_err(|error| PlotError::Draw { path: path.to_path_buf(), reason: error.to_string() })?;
        Ok(write_atomically(path, &file)?)
    }

    /// Reads a sheet of this size; nothing where there is none, or one of another size.
    ///
    /// # Errors
    /// What the system says of a file that is there and cannot be read.
    pub(crate) fn read(path: &Path, size: SheetSize) -> Result<Option<Self>, RunnerError> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(RunnerError::Read { path: path.to_path_buf(), reason: error.to_string() }),
        };
        Ok(decode(&bytes).and_then(|(width, pixels)| cut(width, &pixels, size)))
    }
}

/// Returns where the sheet of a point lies.
pub(crate) fn path(folder: &Path) -> PathBuf {
    folder.join(PICTURES)
}

/// Returns width and bytes of an RGB PNG; nothing for anything else.
fn decode(bytes: &[u8]) -> Option<(usize, Vec<u8>)> {
    let mut reader = png::Decoder::new(Cursor::new(bytes)).read_info().ok()?;
    let mut pixels = vec![0; reader.output_buffer_size()?];
    let info = reader.next_frame(&mut pixels).ok()?;
    let rgb = info.color_type == png::ColorType::Rgb && info.bit_depth == png::BitDepth::Eight;
    rgb.then_some((info.width as usize, pixels))
}

/// Cuts a sheet into its images; nothing when it has another size.
fn cut(found: usize, pixels: &[u8], size: SheetSize) -> Option<Sheet> {
    let (width, height) = size.picture;
    if found != size.columns * width || pixels.len() != size.rows * height * found * 3 {
        return None;
    }
    let picture = |x: usize, y: usize| {
        let line = |line: usize| {
            let start = ((y * height + line) * found + x * width) * 3;
            &pixels[start..start + width * 3]
        };
        RgbPicture { width: width as u32, height: height as u32, pixels: (0..height).flat_map(line).copied().collect() }
    };
    let columns = (0..size.columns).map(|x| (0..size.rows).map(|y| picture(x, y)).collect());
    Some(Sheet { columns: columns.collect() })
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Tensor, TensorData};
    use moa_core::NoiseKey;

    use super::*;

    fn sheet() -> (Sheet, SheetSize) {
        let values = NoiseKey::new(1).normal(6 * 3 * 4 * 5);
        let pixels = Tensor::<4>::from_data(TensorData::new(values, [6, 3, 4, 5]), &Device::flex());
        let prompts = ["a", "a", "b", "b", "c", "c"].map(str::to_owned).to_vec();
        let size = SheetSize::new(2, 2, (5, 4));
        (Sheet::of(&Pictures::new(pixels, prompts, 2).unwrap(), size), size)
    }

    #[test]
    fn a_sheet_reads_back_as_it_was() {
        let root = tempfile::tempdir().unwrap();
        let path = path(root.path());
        let (sheet, size) = sheet();
        assert_eq!((sheet.columns.len(), sheet.row(1).len()), (2, 2));
        assert_eq!(Sheet::read(&path, size).unwrap(), None);
        sheet.write(&path, size).unwrap();
        assert_eq!(Sheet::read(&path, size).unwrap(), Some(sheet));
    }

    #[test]
    fn the_distance_is_the_root_mean_square_of_pixel_differences() {
        let sheet = |pixels: [u8; 6]| Sheet {
            columns: vec![vec![RgbPicture { width: 2, height: 1, pixels: pixels.to_vec() }]],
        };
        let base = sheet([10, 20, 30, 40, 50, 60]);
        assert_eq!(base.distance(&base), Some(0.0));
        // 9 + 16 + 25 + 0 + 0 + 4 over 6 values.
        assert_eq!(sheet([13, 16, 35, 40, 50, 58]).distance(&base), Some(3.0));
        let empty = Sheet { columns: Vec::new() };
        assert_eq!((empty.distance(&empty), base.distance(&empty)), (None, None));
    }

    #[test]
    fn an_experiment_that_shows_no_prompts_has_empty_sheets() {
        let pixels = Tensor::<4>::zeros([2, 3, 4, 5], &Device::flex());
        let pictures = Pictures::new(pixels, vec!["a".to_owned(); 2], 2).unwrap();
        assert_eq!(Sheet::of(&pictures, SheetSize::new(0, 2, (5, 4))), Sheet { columns: Vec::new() });
    }

    #[test]
    fn sheets_of_another_size_and_damaged_ones_count_as_absent() {
        let root = tempfile::tempdir().unwrap();
        let path = path(root.path());
        let (sheet, size) = sheet();
        sheet.write(&path, size).unwrap();
        assert_eq!(Sheet::read(&path, SheetSize { columns: 3, ..size }).unwrap(), None);
        std::fs::write(&path, "no image").unwrap();
        assert_eq!(Sheet::read(&path, size).unwrap(), None);
    }
}
