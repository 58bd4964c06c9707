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
        let Self { xs, ys, zs, stairs } = self;
        let [left, bottom] = sides(&xs[..place], &ys[..place], [x, y]);
        if bottom >= y || left >= x {
            return None;
        }
        stairs.clear();
        let mut free = (x - left) * (y - bottom);
        let before = reaching(&xs[..place], &ys[..place], [left, bottom]);
        before.for_each(|member| free -= stairs.grow(xs[member] - left, ys[member] - bottom));
        let (mut volume, mut top) = (0.0, z);
        for member in reaching(&xs[place..], &ys[place..], [left, bottom]).map(|after| place + after) {
            let (mx, my) = (xs[member], ys[member]);
            volume += free * (top - zs[member]);
            top = zs[member];
            if mx >= x && my >= y {
                return Some(volume);
            }
            free -= stairs.grow(mx.min(x) - left, my.min(y) - bottom);
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

/// Members that are looked at together, in as many lanes as the processor has.
const BLOCK: usize = 8;

/// Returns how far the box `x × y` is filled from its left side by members as high, and from below by members as wide.
fn sides(xs: &[f64], ys: &[f64], [x, y]: [f64; 2]) -> [f64; 2] {
    let (mut left, mut bottom) = ([0.0f64; BLOCK], [0.0f64; BLOCK]);
    let (x_blocks, x_rest) = xs.as_chunks::<BLOCK>();
    let (y_blocks, y_rest) = ys.as_chunks::<BLOCK>();
    for (xs, ys) in x_blocks.iter().zip(y_blocks) {
        for lane in 0..BLOCK {
            let (wide, high) = (if xs[lane] >= x { ys[lane] } else { 0.0 }, if ys[lane] >= y { xs[lane] } else { 0.0 });
            bottom[lane] = if wide > bottom[lane] { wide } else { bottom[lane] };
            left[lane] = if high > left[lane] { high } else { left[lane] };
        }
    }
    let most = |lanes: [f64; BLOCK]| lanes.into_iter().fold(0.0, f64::max);
    let (mut left, mut bottom) = (most(left), most(bottom));
    for (&mx, &my) in x_rest.iter().zip(y_rest) {
        bottom = bottom.max(if mx >= x { my } else { 0.0 });
        left = left.max(if my >= y { mx } else { 0.0 });
    }
    [left, bottom]
}

/// Returns the members that reach beyond `left` and `bottom`, in order. Few do: whole blocks are passed over at once.
fn reaching(xs: &[f64], ys: &[f64], [left, bottom]: [f64; 2]) -> impl Iterator<Item = usize> {
    let blocks = xs.chunks(BLOCK).zip(ys.chunks(BLOCK)).enumerate();
    blocks.flat_map(move |(block, (xs, ys))| {
        let reaches = |lane: usize| u32::from((xs[lane] > left) & (ys[lane] > bottom)) << lane;
        let mut reaching = (0..xs.len()).fold(0, |all, lane| all | reaches(lane));
        std::iter::from_fn(move || {
            let lane = reaching.trailing_zeros();
            reaching &= reaching.wrapping_sub(1);
            (lane < u32::BITS).then_some(BLOCK * block + lane as usize)
        })
    })
}
