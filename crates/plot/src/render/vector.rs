//! SVG by plotters' SVG backend.

use std::path::Path;

use plotters::backend::SVGBackend;

use super::replay::{Feed, replay};
use crate::PlotError;
use crate::figure::Figure;

/// Units of the drawing per point: plotters' coordinates are whole numbers.
const UNIT: u32 = 10;

/// Returns the figure as an SVG document.
pub(super) fn svg(path: &Path, figure: &Figure) -> Result<String, PlotError> {
    let (width, height) = (figure.width as u32, figure.height as u32);
    let mut svg = String::new();
    {
        let mut backend = SVGBackend::with_string(&mut svg, (width * UNIT, height * UNIT));
        replay(&mut backend, figure, Feed { unit: f64::from(UNIT), strokes: true })
            .map_err(|e| PlotError::Draw { path: path.to_owned(), reason: e.to_string() })?;
    }
    // The drawing is in fine units and shown in points; text stands on its baseline; 600 is the embedded semi-bold.
    let fine = format!("<svg width=\"{}\" height=\"{}\"", width * UNIT, height * UNIT);
    let shown = format!("<svg width=\"{width}\" height=\"{height}\"");
    Ok(svg
        .replacen(&fine, &shown, 1)
        .replace(" dy=\"0.76em\"", "")
        .replace(" opacity=\"1\"", "")
        .replace("font-weight=\"bold\"", "font-weight=\"600\""))
}
