//! Which points come first where not all can be shown with everything.

use moa_analysis::report::FrontPoint;
use moa_analysis::{FrontReport, Standing};
use moa_core::PointKind;

/// Returns the places of all points: the base, what soups are made of, then by how surely a point is on the front.
pub(crate) fn order(front: &FrontReport, first: impl Fn(&FrontPoint) -> bool) -> Vec<usize> {
    let rank = |point: &FrontPoint| {
        let placing = point.placing;
        let standing = match placing.standing() {
            Standing::On => 0,
            Standing::Unclear if placing.undominated => 1,
            Standing::Unclear => 2,
            Standing::Off => 3,
        };
        (u8::from(point.kind != PointKind::Base), u8::from(!first(point)), standing)
    };
    let mut order: Vec<usize> = (0..front.points.len()).collect();
    // Stable: alike ones stay in the experiment's order.
    order.sort_by(|one, other| {
        let (one, other) = (&front.points[*one], &front.points[*other]);
        rank(one).cmp(&rank(other)).then(other.placing.on.total_cmp(&one.placing.on))
    });
    order
}
