//! Where in an image a reward looks.

use moa_analysis::explanation::RegionMethod;

use crate::map::HeatMap;
use crate::occlusion::{cost, occlusion};
use crate::paths::integrated_gradients;
use crate::{ExplainError, Images, Lens};

/// How a map is made.
pub type Method = RegionMethod;

/// Returns the map of one image of a set: by integrated gradients where the reward has a gradient, by occlusion elsewhere.
///
/// - `tolerance`: by how much attributions may miss the difference of scores, in the reward's unit
///
/// # Errors
/// Fails where the reward cannot score variants of the image, and where its scores or gradients are not finite.
pub fn heat_map(lens: &Lens<'_>, set: &Images, place: usize, tolerance: f64) -> Result<HeatMap, ExplainError> {
    match method(lens) {
        Method::IntegratedGradients => integrated_gradients(lens, set, place, tolerance),
        Method::Occlusion => occlusion(lens, set, place),
    }
}

/// Returns how a reward's maps are made.
pub(crate) fn method(lens: &Lens<'_>) -> Method {
    if lens.has_gradient() { Method::IntegratedGradients } else { Method::Occlusion }
}

/// Returns what a map costs, in scores of an image.
pub(crate) fn price(lens: &Lens<'_>, set: &Images) -> f64 {
    let [height, width] = set.size();
    let group = if lens.compares() { set.group() } else { 1 };
    group as f64
        * match method(lens) {
            Method::IntegratedGradients => 3.0 * 96.0,
            Method::Occlusion => cost(height, width) as f64,
        }
}
