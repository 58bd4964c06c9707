//! Occlusion (Zeiler and Fergus, 1311.2901).

use crate::fill::blurred;
use crate::{ExplainError, HeatMap, Images, Lens};

/// The patch's side, in sides of the image.
const PATCH: f64 = 0.2;

/// Returns for each pixel the mean of f(x) − f(x with a patch of the blurred image) over the patches that cover it. Patches overlap by
/// half; effects need not add up to anything.
pub(crate) fn occlusion(lens: &Lens<'_>, set: &Images, place: usize) -> Result<HeatMap, ExplainError> {
    let image = &set.images()[place];
    let [height, width] = [image.height, image.width];
    let fill = blurred(image);
    let patches = patches(height, width);
    let mut values = vec![0.0f64; image.pixels()];
    let mut covers = vec![0.0f64; image.pixels()];
    let mut score = None;
    for part in patches.chunks(32) {
        let mut variants = vec![image.clone()];
        variants.extend(part.iter().map(|patch| image.mixed(&fill, &patch.shares(height, width))));
        let scores = lens.score_variants(set, place, &variants)?;
        score = Some(scores[0]);
        for (patch, occluded) in part.iter().zip(&scores[1..]) {
            for at in patch.pixels(width) {
                values[at] += scores[0] - occluded;
                covers[at] += 1.0;
            }
        }
    }
    let blurred = lens.score_variants(set, place, &[fill])?[0];
    let values = values.iter().zip(&covers).map(|(sum, covers)| (sum / covers.max(1.0)) as f32).collect();
    Ok(HeatMap { height, width, values, score: score.unwrap_or(blurred), blurred, error: None })
}

/// How many images a map takes.
pub(crate) fn cost(height: usize, width: usize) -> usize {
    patches(height, width).len() + 2
}

/// A rectangle of an image.
struct Patch {
    rows: std::ops::Range<usize>,
    columns: std::ops::Range<usize>,
}

impl Patch {
    fn pixels(&self, width: usize) -> impl Iterator<Item = usize> {
        self.rows.clone().flat_map(move |row| self.columns.clone().map(move |column| row * width + column))
    }

    fn shares(&self, height: usize, width: usize) -> Vec<f32> {
        let mut shares = vec![0.0; height * width];
        self.pixels(width).for_each(|at| shares[at] = 1.0);
        shares
    }
}

fn patches(height: usize, width: usize) -> Vec<Patch> {
    let [rows, columns] = [height, width].map(|side| {
        let patch = ((side as f64 * PATCH).round() as usize).clamp(1, side);
        let step = (patch / 2).max(1);
        let starts = (0..side).step_by(step).map(move |start| start.min(side - patch)..start.min(side - patch) + patch);
        let mut ranges: Vec<_> = starts.collect();
        ranges.dedup();
        ranges
    });
    rows.iter()
        .flat_map(|rows| columns.iter().map(|columns| Patch { rows: rows.clone(), columns: columns.clone() }))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches_cover_every_pixel() {
        for (height, width) in [(32, 32), (1, 5), (64, 48)] {
            let mut covered = vec![0; height * width];
            for patch in patches(height, width) {
                patch.pixels(width).for_each(|at| covered[at] += 1);
            }
            assert!(covered.iter().all(|covers| *covers > 0), "{height} × {width}");
        }
        assert!(patches(1024, 1024).len() < 200);
    }
}
