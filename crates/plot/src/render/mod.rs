//! From shapes to files.

mod file;
mod raster;
mod replay;
mod text;
mod vector;

use std::path::Path;

pub(crate) use file::write_whole;
pub(crate) use raster::{Density, Raster};

use crate::PlotError;
use crate::figure::Figure;

/// Writes the figure as SVG or PNG, as the path's ending says.
pub(crate) fn save(path: &Path, figure: &Figure) -> Result<(), PlotError> {
    let ending = path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
    let bytes = match ending.as_deref() {
        Some("svg") => vector::svg(path, figure)?.into_bytes(),
        Some("png") => Raster::draw(path, figure, raster::PRINT)?.png(path)?,
        _ => return Err(PlotError::Format { path: path.to_owned(), wanted: ".svg or .png" }),
    };
    write_whole(path, &bytes)
}
