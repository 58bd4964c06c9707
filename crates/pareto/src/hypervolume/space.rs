//! The volume that one point adds to a growing front in three objectives.

use super::Staircase;

/// Mutually non-dominated points of space, `z` descending, in columns.
///
/// The inner loop of every hypervolume in four and more objectives: a point's exclusive volume costs one quick pass
/// over the front, because few members reach into the part of its cross-section that no other member fills.
#[derive(Default, Clone)]
pub(super) struct Space {
    xs: Vec<f64>,
    ys: Vec<f64>,
    zs: Vec<f64>,
    stairs: Staircase,
}

impl Space {
    pub(super) fn clear(&mut self) {
        self.xs.clear();
        self.ys.clear();
        self.zs.clear();
    }

    /// Puts `(z, x, y)` in and returns the volume above the origin that it adds.
    pub(super) fn grow(&mut self, [z, x, y]: [f64; 3]) -> f64 {
        let place = self.zs.partition_point(|&member| member >= z);
        let Some(volume) = self.exclusive(place, [z, x, y]) else {
            return 0.0;
        };
        self.insert(place, [z, x, y]);
        volume
    }

    /// Returns the volume that the point adds, or nothing if a member covers it.
    ///
    /// The cross-section at `z` is the box `x × y` less what the members before `place` fill. Members that are as
    /// wide as the box, or as high, only raise its sides (`left`, `bottom`); the rest are steps inside it.
    fn exclusive(&mut self, place: usize, [z, x, y]: [f64; 3]) -> Option<f64> {
        let (mut left, mut bottom) = (0.0f64, 0.0f64);
        for (&mx, &my) in self.xs[..place].iter().zip(&self.ys[..place]) {
            bottom = bottom.max(if mx >= x { my } else { 0.0 });
            left = left.max(if my >= y { mx } else { 0.0 });
        }
        if bottom >= y || left >= x {
            return None;
        }
        self.stairs.clear();
        let mut free = (x - left) * (y - bottom);
        for (&mx, &my) in self.xs[..place].iter().zip(&self.ys[..place]) {
            if mx > left && my > bottom {
                free -= self.stairs.grow(mx - left, my - bottom);
            }
        }
        let mut volume = 0.0;
        let mut top = z;
        for member in place..self.zs.len() {
            let (mx, my) = (self.xs[member], self.ys[member]);
            if mx > left && my > bottom {
                volume += free * (top - self.zs[member]);
                top = self.zs[member];
                if mx >= x && my >= y {
                    return Some(volume);
                }
                free -= self.stairs.grow(mx.min(x) - left, my.min(y) - bottom);
            }
        }
        Some(volume + free * top)
    }

    /// Puts the point at `place`, and drops the members that it covers.
    fn insert(&mut self, place: usize, [z, x, y]: [f64; 3]) {
        // Whoever is level with the point stands just before it.
        let mut first = place;
        while first > 0 && self.zs[first - 1] <= z {
            first -= 1;
        }
        let covered = |(&mx, &my): (&f64, &f64)| mx <= x && my <= y;
        let columns = self.xs[first..].iter().zip(&self.ys[first..]);
        let Some(hole) = columns.clone().position(covered).map(|i| first + i) else {
            self.zs.insert(place, z);
            self.xs.insert(place, x);
            self.ys.insert(place, y);
            return;
        };
        let mut kept = hole;
        for member in hole..self.zs.len() {
            if !covered((&self.xs[member], &self.ys[member])) {
                self.zs[kept] = self.zs[member];
                self.xs[kept] = self.xs[member];
                self.ys[kept] = self.ys[member];
                kept += 1;
            }
        }
        self.zs.truncate(kept);
        self.xs.truncate(kept);
        self.ys.truncate(kept);
        let place = self.zs.partition_point(|&member| member >= z);
        self.zs.insert(place, z);
        self.xs.insert(place, x);
        self.ys.insert(place, y);
    }
}
