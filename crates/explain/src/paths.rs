//! Integrated gradients (Sundararajan et al., 1703.01365).

use crate::fill::blurred;
use crate::{ExplainError, HeatMap, Images, Lens, Planes};

/// Steps along the path, tried in this order until attributions add up.
const STEPS: [usize; 3] = [24, 96, 256];
/// Attributions add up where they miss the difference of scores by less than this share of it.
const CLOSE: f64 = 0.02;

/// Returns (x − x′) ⊙ ∫₀¹ ∇f(x′ + t·(x − x′)) dt, summed over the colours, with x′ the blurred image; the integral by the midpoint rule.
///
/// By the theorem of completeness attributions sum to f(x) − f(x′): [`HeatMap::error`] says by how much they miss it. Steps are made finer,
/// to 256 at most, until that is within 2 % of the difference or `tolerance` in the reward's unit.
pub(crate) fn integrated_gradients(
    lens: &Lens<'_>,
    set: &Images,
    place: usize,
    tolerance: f64,
) -> Result<HeatMap, ExplainError> {
    let image = &set.images()[place];
    let from = blurred(image);
    let ends = lens.score_variants(set, place, &[from.clone(), image.clone()])?;
    let difference = ends[1] - ends[0];
    let mut best = None;
    for steps in STEPS {
        let map = sum(lens, set, place, &from, steps)?;
        let error = map.iter().map(|value| f64::from(*value)).sum::<f64>() - difference;
        let done = error.abs() <= (CLOSE * difference.abs()).max(tolerance);
        best = Some(HeatMap {
            height: image.height,
            width: image.width,
            values: map,
            score: ends[1],
            blurred: ends[0],
            error: Some(error.abs()),
        });
        if done {
            break;
        }
    }
    best.ok_or(ExplainError::Images("there are no steps to integrate over"))
}

fn sum(lens: &Lens<'_>, set: &Images, place: usize, from: &Planes, steps: usize) -> Result<Vec<f32>, ExplainError> {
    let image = &set.images()[place];
    let point = |step: usize| from.mixed(image, &vec![(step as f32 + 0.5) / steps as f32; image.pixels()]);
    let points: Vec<Planes> = (0..steps).map(point).collect();
    let pixels = image.pixels();
    let mut map = vec![0.0f64; pixels];
    for gradient in lens.gradients(set, place, &points)? {
        for (at, slope) in gradient.iter().enumerate() {
            let way = f64::from(image.values[at]) - f64::from(from.values[at]);
            map[at % pixels] += way * f64::from(*slope) / steps as f64;
        }
    }
    Ok(map.into_iter().map(|value| value as f32).collect())
}
