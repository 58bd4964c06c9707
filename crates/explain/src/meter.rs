//! How far the work is.

use std::cell::Cell;

/// Tells the share of the work that is done, in parts whose size is known beforehand.
pub struct Meter<'a> {
    tell: &'a dyn Fn(f64),
    /// The share of the whole where the part at hand begins, and where it ends.
    part: Cell<[f64; 2]>,
    done: Cell<f64>,
    planned: Cell<f64>,
}

impl<'a> Meter<'a> {
    /// Returns a meter that tells shares of the whole.
    pub fn new(tell: &'a dyn Fn(f64)) -> Self {
        Self { tell, part: Cell::new([0.0, 1.0]), done: Cell::new(0.0), planned: Cell::new(1.0) }
    }

    /// Begins a part of the whole, from one share to another, in which so many images are planned to be scored.
    pub(crate) fn begin(&self, part: [f64; 2], planned: f64) {
        self.part.set(part);
        self.done.set(0.0);
        self.planned.set(planned.max(1.0));
        (self.tell)(part[0]);
    }

    /// Says that more images were scored.
    pub(crate) fn add(&self, images: f64) {
        self.done.set(self.done.get() + images);
        let [from, to] = self.part.get();
        (self.tell)(from + (to - from) * (self.done.get() / self.planned.get()).min(1.0));
    }
}
