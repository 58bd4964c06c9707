//! The outline of a set of points in two objectives.

/// Mutually non-dominated points of the plane: `x` ascends, `y` descends.
///
/// The workhorse of the three- and four-objective sweeps: sorted arrays, because fronts in the plane are short and
/// moving a few cache lines beats chasing a tree's pointers.
#[derive(Debug, Default, Clone)]
pub(crate) struct Staircase {
    xs: Vec<f64>,
    ys: Vec<f64>,
}

impl Staircase {
    pub(crate) fn clear(&mut self) {
        self.xs.clear();
        self.ys.clear();
    }

    /// Returns the first step that is at least as far right as `x`.
    fn seek(&self, x: f64) -> usize {
        self.xs.partition_point(|&step| step < x)
    }

    /// Returns whether a step is at least as good as `(x, y)` in both objectives.
    pub(crate) fn covers(&self, x: f64, y: f64) -> bool {
        self.ys.get(self.seek(x)).is_some_and(|&step| step >= y)
    }

    /// Puts `(x, y)` in, and drops the steps that it covers.
    pub(crate) fn raise(&mut self, x: f64, y: f64) {
        if !self.covers(x, y) {
            let (first, end) = self.covered(x, y);
            self.replace(first, end, x, y);
        }
    }

    /// Puts `(x, y)` in, and returns the area above the axes that it adds. Both must be positive.
    pub(crate) fn grow(&mut self, x: f64, y: f64) -> f64 {
        if self.covers(x, y) {
            return 0.0;
        }
        let (first, end) = self.covered(x, y);
        let mut left = if first == 0 { 0.0 } else { self.xs[first - 1] };
        let mut area = 0.0;
        for step in first..end {
            area += (self.xs[step] - left) * (y - self.ys[step]);
            left = self.xs[step];
        }
        let below = self.ys.get(end).copied().unwrap_or(0.0);
        area += (x - left) * (y - below);
        self.replace(first, end, x, y);
        area
    }

    /// Returns the range of steps that `(x, y)`, itself not covered, covers.
    fn covered(&self, x: f64, y: f64) -> (usize, usize) {
        let mut end = self.seek(x);
        let mut first = end;
        if self.xs.get(end) == Some(&x) {
            end += 1;
        }
        while first > 0 && self.ys[first - 1] <= y {
            first -= 1;
        }
        (first, end)
    }

    fn replace(&mut self, first: usize, end: usize, x: f64, y: f64) {
        if first == end {
            self.xs.insert(first, x);
            self.ys.insert(first, y);
            return;
        }
        self.xs[first] = x;
        self.ys[first] = y;
        self.xs.drain(first + 1..end);
        self.ys.drain(first + 1..end);
    }
}
