//! Fronts of two rewards.

/// Returns the points that no other beats in two values, from the right to the left: what a staircase joins.
pub(crate) fn staircase(mut points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    points.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.1.total_cmp(&a.1)));
    let mut best = f64::NEG_INFINITY;
    points.retain(|point| {
        let better = point.1 > best;
        best = best.max(point.1);
        better
    });
    points
}
