//! Hypervolume in four and more objectives, slice by slice.

use super::space::Space;
use crate::dominance::covers;

/// Returns the volume of the union of boxes from the origin to `rows`, given with the first objective ascending.
///
/// From the best value of the first objective downwards, each point adds a slab: its value there times the volume
/// that it alone dominates, of the points so far, in the other objectives (WFG with slicing).
pub(super) fn volume(rows: &[f64], dims: usize) -> f64 {
    let mut levels = vec![Level::default(); dims - 4];
    descend(rows, dims, &mut levels, &mut Space::default())
}

/// Working memory of one depth of the recursion, kept between its visits.
#[derive(Default, Clone)]
struct Level {
    /// Non-dominated points so far, without the sliced objective, the next objective ascending.
    front: Vec<f64>,
    /// What of the front reaches into one point's box, the next objective ascending.
    limited: Vec<f64>,
    /// How far the point's box is filled from below in each objective.
    floors: Vec<f64>,
}

fn descend(rows: &[f64], dims: usize, levels: &mut [Level], space: &mut Space) -> f64 {
    let Some((level, deeper)) = levels.split_first_mut() else {
        return descend_four(rows, space);
    };
    level.front.clear();
    let mut total = 0.0;
    for row in rows.chunks_exact(dims).rev() {
        let (depth, base) = (row[0], &row[1..]);
        let place = level.place(base);
        if level.covered(base, place) {
            continue;
        }
        let open = level.limit(base);
        total += depth * (open - descend(&level.limited, dims - 1, deeper, space));
        level.insert(base);
    }
    total
}

/// Four objectives: the exclusive volumes are those of a growing front in space.
fn descend_four(rows: &[f64], space: &mut Space) -> f64 {
    space.clear();
    let slabs = rows.chunks_exact(4).rev();
    slabs.map(|row| row[0] * space.grow([row[1], row[2], row[3]])).sum()
}

impl Level {
    /// Returns where the front points begin that are at least as good as `base` in its first objective.
    fn place(&self, base: &[f64]) -> usize {
        let width = base.len();
        let (mut low, mut high) = (0, self.front.len() / width);
        while low < high {
            let middle = usize::midpoint(low, high);
            if self.front[middle * width] < base[0] {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// Returns whether one of the front points from `place` on covers `base`.
    fn covered(&self, base: &[f64], place: usize) -> bool {
        let width = base.len();
        let mut candidates = self.front[place * width..].chunks_exact(width);
        candidates.any(|member| covers(&member[1..], &base[1..]))
    }

    /// Returns the volume of `base`'s box that no floor fills, and leaves in `limited` what reaches into it.
    ///
    /// A front point that falls short of `base` in one objective only fills the box up to a floor in that objective.
    /// What lies under a floor is done with; the others are cut down to `base` and measured from the floors.
    fn limit(&mut self, base: &[f64]) -> f64 {
        self.floors.clear();
        self.floors.resize(base.len(), 0.0);
        for member in self.front.chunks_exact(base.len()) {
            let mut short = (0..base.len()).filter(|&j| member[j] < base[j]);
            if let (Some(j), None) = (short.next(), short.next()) {
                self.floors[j] = self.floors[j].max(member[j]);
            }
        }
        self.limited.clear();
        for member in self.front.chunks_exact(base.len()) {
            if member.iter().zip(&self.floors).all(|(m, floor)| m > floor) {
                let cut = member.iter().zip(base).zip(&self.floors);
                self.limited.extend(cut.map(|((m, b), floor)| m.min(*b) - floor));
            }
        }
        base.iter().zip(&self.floors).map(|(b, floor)| b - floor).product()
    }

    /// Puts `base` in order, and drops the front points that it covers.
    fn insert(&mut self, base: &[f64]) {
        let width = base.len();
        let mut kept = 0;
        for read in (0..self.front.len()).step_by(width) {
            if !covers(base, &self.front[read..read + width]) {
                self.front.copy_within(read..read + width, kept);
                kept += width;
            }
        }
        self.front.truncate(kept);
        let at = self.place(base) * width;
        self.front.splice(at..at, base.iter().copied());
    }
}
