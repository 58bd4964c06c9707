//! Heat maps as pictures.

use crate::{HeatMap, Planes};

/// The share of the pixels whose heat is drawn at its strongest.
const STRONGEST: f64 = 0.02;
/// What raises the score, and what lowers it: vermilion and blue of Okabe and Ito, which stay apart for colour-blind readers.
const RAISES: [f32; 3] = [0.90, 0.35, 0.0];
const LOWERS: [f32; 3] = [0.0, 0.45, 0.75];

/// Returns the image in pale greys under its heat map: what raises the score in vermilion, what lowers it in blue.
pub fn overlay(image: &Planes, map: &HeatMap) -> Planes {
    let heat = map.smooth();
    let mut sorted: Vec<f32> = heat.iter().map(|value| value.abs()).collect();
    sorted.sort_by(f32::total_cmp);
    let top = sorted[((1.0 - STRONGEST) * (sorted.len() - 1) as f64) as usize].max(f32::MIN_POSITIVE);
    let (luma, pixels) = (image.luma(), image.pixels());
    let value = |at: usize| {
        let (channel, at) = (at / pixels, at % pixels);
        let grey = 0.45 + 0.5 * luma[at];
        let strength = (heat[at].abs() / top).clamp(0.0, 1.0);
        let colour = if heat[at] > 0.0 { RAISES } else { LOWERS };
        grey + 0.9 * strength * (colour[channel] - grey)
    };
    Planes { values: (0..3 * pixels).map(value).collect(), ..*image }
}
