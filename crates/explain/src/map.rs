//! Heat maps.

use crate::fill::blur_plane;

/// The blur of a map before places are picked by it, in sides of the image: single pixels of gradients are noise.
const SIGMA: f32 = 0.03;

/// By how much each pixel of an image raises its score, or lowers it where negative.
#[derive(Clone, Debug, PartialEq)]
pub struct HeatMap {
    /// Height in pixels.
    pub height: usize,
    /// Width in pixels.
    pub width: usize,
    /// Row by row, in the reward's unit.
    pub values: Vec<f32>,
    /// The image's score.
    pub score: f64,
    /// The score of the blurred image.
    pub blurred: f64,
    /// By how much the values miss the difference of the two in sum; nothing where they need not add up to it.
    pub error: Option<f64>,
}

impl HeatMap {
    /// Returns the map with single pixels evened out, `height × width` values.
    pub fn smooth(&self) -> Vec<f32> {
        blur_plane(&self.values, self.height, self.width, SIGMA * self.height.min(self.width) as f32)
    }

    /// Returns the pixels of the largest values of either sign, a share of all: 1 at these, 0 elsewhere.
    pub fn strongest(&self, share: f64) -> Vec<f32> {
        let smooth = self.smooth();
        let mut order: Vec<usize> = (0..smooth.len()).collect();
        order.sort_by(|a, b| smooth[*b].abs().total_cmp(&smooth[*a].abs()));
        let mut mask = vec![0.0; smooth.len()];
        let count = ((smooth.len() as f64 * share).round() as usize).clamp(1, smooth.len());
        order[..count].iter().for_each(|at| mask[*at] = 1.0);
        mask
    }
}
