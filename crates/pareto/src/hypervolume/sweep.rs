//! Plane and space sweeps: hypervolume in two and three objectives.

use super::Staircase;

/// Returns the area of the union of boxes from the origin to rows `(x, y)`, given with `x` ascending.
pub(super) fn area(rows: &[f64]) -> f64 {
    let mut area = 0.0;
    let mut height = 0.0;
    for row in rows.chunks_exact(2).rev() {
        let [x, y] = [row[0], row[1]];
        if y > height {
            area += x * (y - height);
            height = y;
        }
    }
    area
}

/// Returns the volume of the union of boxes from the origin to rows `(z, x, y)`, given with `z` ascending.
///
/// The sweep goes down the first objective; the cross-section is a staircase that only grows (Fonseca, Paquete and
/// López-Ibáñez 2006): `O(n log n)` but for moving the steps.
pub(super) fn volume(rows: &[f64]) -> f64 {
    let mut stairs = Staircase::default();
    rows.chunks_exact(3).rev().map(|row| row[0] * stairs.grow(row[1], row[2])).sum()
}
