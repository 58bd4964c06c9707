//! Points moved so that the reference is the origin.

use super::{slices, sweep};
use crate::dominance::lexicographic;

/// Points better than the reference in every objective, as differences to it, row after row.
pub(super) struct Cloud {
    dims: usize,
    values: Vec<f64>,
}

impl Cloud {
    /// Returns the points that are better than the reference.
    pub(super) fn above<'a>(points: impl Iterator<Item = &'a [f64]>, reference: &[f64]) -> Self {
        let mut cloud = Self::empty(reference.len());
        points.for_each(|point| cloud.push(point.iter().zip(reference).map(|(p, r)| p - r)));
        cloud
    }

    /// Returns what the points dominate together with `limit`: each cut down to it (the limit set of WFG).
    pub(super) fn limited<'a>(points: impl Iterator<Item = &'a [f64]>, limit: &[f64], reference: &[f64]) -> Self {
        let mut cloud = Self::empty(reference.len());
        for point in points {
            let cut = point.iter().zip(limit).zip(reference);
            cloud.push(cut.map(|((p, l), r)| p.min(*l) - r));
        }
        cloud
    }

    fn empty(dims: usize) -> Self {
        Self { dims, values: Vec::new() }
    }

    fn push(&mut self, row: impl Iterator<Item = f64>) {
        let start = self.values.len();
        self.values.extend(row);
        if self.values[start..].iter().any(|&v| v <= 0.0) {
            self.values.truncate(start);
        }
    }

    /// Returns the volume of the union of the boxes between the origin and the points.
    pub(super) fn volume(self) -> f64 {
        let rows = self.sorted();
        match self.dims {
            1 => rows.last().copied().unwrap_or(0.0),
            2 => sweep::area(&rows),
            3 => sweep::volume(&rows),
            dims => slices::volume(&rows, dims),
        }
    }

    /// Returns the rows in ascending lexicographic order, so that the sum's rounding does not depend on the order
    /// given.
    fn sorted(&self) -> Vec<f64> {
        let mut rows: Vec<&[f64]> = self.values.chunks_exact(self.dims).collect();
        rows.sort_unstable_by(|a, b| lexicographic(a, b));
        rows.concat()
    }
}
