//! Exact hypervolume: how much of the objective space a set of points dominates.

mod cloud;
mod slices;
mod space;
mod staircase;
mod sweep;

use cloud::Cloud;
pub(crate) use staircase::Staircase;

use crate::dominance::covers;
use crate::{ParetoError, check};

/// Returns the volume that `points` dominate above `reference`, exactly.
///
/// Two and three objectives are swept; four or more are cut into slices along one objective, and each slice is an
/// exclusive volume in one objective less (WFG: While, Bradstreet and Barone 2012). A point that is not better than
/// the reference in *every* objective contributes nothing. The result has the unit of the product of all objectives,
/// and its bits do not depend on the order of the points.
///
/// What it hides: the number depends on the reference point and on the scale of each objective, so it says nothing
/// without both; points far from the reference in one objective weigh more; it favours the knee over the corners of
/// a convex front.
///
/// ```
/// use moa_pareto::hypervolume;
/// let front = [[3.0, 1.0], [1.0, 2.0]];
/// assert_eq!(hypervolume(&front, &[0.0, 0.0])?, 4.0);
/// # Ok::<(), moa_pareto::ParetoError>(())
/// ```
///
/// # Errors
/// An empty reference, rows that differ from it in length, and NaN or infinite values.
pub fn hypervolume<P: AsRef<[f64]>>(points: &[P], reference: &[f64]) -> Result<f64, ParetoError> {
    check_all(points, reference)?;
    Ok(volume_above(points, reference))
}

/// Returns how much `candidate` would add to the hypervolume of `points`.
///
/// Microseconds for the fronts that people look at, so that an interface can ask at every key press.
///
/// # Errors
/// As [`hypervolume`].
pub fn hypervolume_gain<P: AsRef<[f64]>>(
    points: &[P],
    candidate: &[f64],
    reference: &[f64],
) -> Result<f64, ParetoError> {
    check_all(points, reference)?;
    check::row("candidate", 0, candidate, reference.len())?;
    let others = points.iter().map(AsRef::as_ref);
    Ok(exclusive(others, candidate, reference))
}

/// Returns, for each point, the hypervolume that would be lost without it.
///
/// Dominated points, and points that have a twin, contribute 0.
///
/// What it hides: contributions do not add up to the hypervolume, because what two points share belongs to neither.
///
/// # Errors
/// As [`hypervolume`].
pub fn exclusive_contributions<P: AsRef<[f64]>>(points: &[P], reference: &[f64]) -> Result<Vec<f64>, ParetoError> {
    check_all(points, reference)?;
    let contribution = |(index, point): (usize, &P)| {
        let others = points.iter().enumerate();
        let others = others.filter_map(|(i, p)| (i != index).then_some(p.as_ref()));
        exclusive(others, point.as_ref(), reference)
    };
    Ok(points.iter().enumerate().map(contribution).collect())
}

/// Returns the volume that `point` dominates and none of the `others` does.
pub(crate) fn exclusive<'a>(others: impl Iterator<Item = &'a [f64]> + Clone, point: &[f64], reference: &[f64]) -> f64 {
    let better = point.iter().zip(reference).all(|(p, r)| p > r);
    if !better || others.clone().any(|other| covers(other, point)) {
        return 0.0;
    }
    let own: f64 = point.iter().zip(reference).map(|(p, r)| p - r).product();
    let shared = Cloud::limited(others, point, reference).volume();
    (own - shared).max(0.0)
}

fn check_all<P: AsRef<[f64]>>(points: &[P], reference: &[f64]) -> Result<(), ParetoError> {
    check::not_empty("the reference point", reference)?;
    check::row("reference point", 0, reference, reference.len())?;
    check::rows_of("point", points, reference.len())
}

/// Returns the hypervolume of rows that are known to be finite and of the reference's length.
pub(crate) fn volume_above<P: AsRef<[f64]>>(points: &[P], reference: &[f64]) -> f64 {
    // An empty sum is −0.
    Cloud::above(points.iter().map(AsRef::as_ref), reference).volume() + 0.0
}
