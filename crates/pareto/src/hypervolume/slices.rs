//! Hypervolume in four and more objectives, slice by slice.

use super::Staircase;
use crate::dominance::covers;

/// Returns the volume of the union of boxes from the origin to `rows`, given with the first objective ascending.
///
/// From the best value of the first objective downwards, each point adds a slab: its value there times the volume that
/// it alone dominates, of the points so far, in the other objectives (WFG with slicing).
pub(super) fn volume(rows: &[f64], dims: usize) -> f64 {
    let mut levels = vec![Level::default(); dims - 3];
    descend(rows, dims, &mut levels)
}

/// Working memory of one depth of the recursion, kept between its visits.
#[derive(Default, Clone)]
struct Level {
    /// Non-dominated points so far, without the sliced objective, the next objective descending.
    front: Vec<f64>,
    /// The front cut down to one point, with the next objective ascending.
    limited: Vec<f64>,
    /// Cross-section in the last two objectives (of four).
    stairs: Staircase,
}

fn descend(rows: &[f64], dims: usize, levels: &mut [Level]) -> f64 {
    let (level, deeper) =
        levels.split_first_mut().unwrap_or_else(|| unreachable!("a level for each number of objectives from 4 up"));
    level.front.clear();
    let mut total = 0.0;
    for row in rows.chunks_exact(dims).rev() {
        let (depth, base) = (row[0], &row[1..]);
        let place = level.place(base);
        if level.covered(base, place) {
            continue;
        }
        let alone = if dims == 4 {
            level.exclusive_of_three(base, place)
        } else {
            level.limit(base, place);
            base.iter().product::<f64>() - descend(&level.limited, dims - 1, deeper)
        };
        total += depth * alone;
        level.insert(base, place);
    }
    total
}

impl Level {
    /// Returns how many front points are at least as good as `base` in its first objective.
    fn place(&self, base: &[f64]) -> usize {
        let width = base.len();
        let (mut low, mut high) = (0, self.front.len() / width);
        while low < high {
            let middle = usize::midpoint(low, high);
            if self.front[middle * width] >= base[0] {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// Returns whether one of the front points before `place` covers `base`.
    fn covered(&self, base: &[f64], place: usize) -> bool {
        let width = base.len();
        self.front[..place * width].chunks_exact(width).any(|member| covers(&member[1..], &base[1..]))
    }

    /// Fills `limited` with the front cut down to `base`.
    ///
    /// The points before `place` all end up level with `base` in the first objective.
    fn limit(&mut self, base: &[f64], _place: usize) {
        self.limited.clear();
        for member in self.front.chunks_exact(base.len()).rev() {
            self.limited.extend(member.iter().zip(base).map(|(m, b)| m.min(*b)));
        }
    }

    /// Returns the volume in three objectives that `base` dominates and the front does not.
    fn exclusive_of_three(&mut self, base: &[f64], place: usize) -> f64 {
        let [z, x, y] = [base[0], base[1], base[2]];
        self.stairs.clear();
        let mut free = x * y;
        let (above, below) = self.front.split_at(place * 3);
        for member in above.chunks_exact(3) {
            free -= self.stairs.grow(member[1].min(x), member[2].min(y));
        }
        let mut top = z;
        let mut volume = 0.0;
        for member in below.chunks_exact(3) {
            let (mx, my) = (member[1].min(x), member[2].min(y));
            volume += free * (top - member[0]);
            top = member[0];
            if member[1] >= x && member[2] >= y {
                return volume;
            }
            free -= self.stairs.grow(mx, my);
        }
        volume + free * top
    }

    /// Puts `base` at `place`, and drops the front points that it covers.
    fn insert(&mut self, base: &[f64], place: usize) {
        let width = base.len();
        // Whoever is level with `base` stands just before `place`.
        let level =
            self.front[..place * width].chunks_exact(width).rev().take_while(|member| member[0] <= base[0]).count();
        let start = (place - level) * width;
        let mut kept = start;
        let mut read = start;
        while read < self.front.len() {
            if !covers(&base[1..], &self.front[read + 1..read + width]) {
                self.front.copy_within(read..read + width, kept);
                kept += width;
            }
            read += width;
        }
        self.front.truncate(kept);
        let at = self.place(base) * width;
        self.front.splice(at..at, base.iter().copied());
    }
}
