//! The Cholesky factor of a positive definite matrix, in blocks.

use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2, Axis};
use rayon::prelude::*;

use super::matrix::{Matrix, dot};

const BLOCK: usize = 64;

/// The lower factor `L` of `A = L·Lᵀ`.
#[derive(Clone, Debug)]
pub(crate) struct Cholesky {
    lower: Matrix,
}

impl Cholesky {
    /// Factors a symmetric matrix, of which the lower triangle is read; none where it is not positive definite.
    pub(crate) fn new(mut a: Matrix) -> Option<Self> {
        let n = a.rows;
        for first in (0..n).step_by(BLOCK) {
            let end = (first + BLOCK).min(n);
            for i in first..end {
                for j in first..=i {
                    let sum = dot(&a.row(i)[first..j], &a.row(j)[first..j]);
                    let value = a.values[i * n + j] - sum;
                    a.values[i * n + j] = if i == j {
                        if !(value > 0.0 && value.is_finite()) {
                            return None;
                        }
                        value.sqrt()
                    } else {
                        value / a.values[j * n + j]
                    };
                }
            }
            let (top, below) = a.values.split_at_mut(end * n);
            // The panel below: each row is solved by itself.
            below.par_chunks_mut(n).for_each(|row| {
                for j in first..end {
                    let above = &top[j * n..(j + 1) * n];
                    row[j] = (row[j] - dot(&row[first..j], &above[first..j])) / above[j];
                }
            });
            if end == n {
                break;
            }
            let width = end - first;
            let panel: Vec<f64> = below.chunks(n).flat_map(|row| row[first..end].iter().copied()).collect();
            below.par_chunks_mut(BLOCK * n).enumerate().for_each(|(block, rows)| {
                let count = rows.len() / n;
                let from = block * BLOCK;
                let left = shaped(&panel[from * width..(from + count) * width], count, width);
                let right = shaped(&panel[..(from + count) * width], from + count, width);
                let mut rows = ArrayViewMut2::from_shape((count, n), rows).expect("whole rows");
                let mut out = rows.slice_axis_mut(Axis(1), (end..end + from + count).into());
                general_mat_mul(-1.0, &left, &right.t(), 1.0, &mut out);
            });
        }
        for row in 0..n {
            a.row_mut(row)[row + 1..].fill(0.0);
        }
        Some(Self { lower: a })
    }

    /// Returns log |A|.
    pub(crate) fn log_determinant(&self) -> f64 {
        (0..self.lower.rows).map(|row| 2.0 * self.lower.row(row)[row].ln()).sum()
    }

    /// Returns A⁻¹·b.
    pub(crate) fn solve(&self, b: &[f64]) -> Vec<f64> {
        let n = self.lower.rows;
        let mut x = b.to_vec();
        for i in 0..n {
            x[i] = (x[i] - dot(&self.lower.row(i)[..i], &x[..i])) / self.lower.row(i)[i];
        }
        for i in (0..n).rev() {
            x[i] /= self.lower.row(i)[i];
            let value = x[i];
            x[..i].iter_mut().zip(self.lower.row(i)).for_each(|(x, lower)| *x -= value * lower);
        }
        x
    }

    /// Returns L⁻¹, lower triangular: `A⁻¹ = L⁻ᵀ·L⁻¹`.
    pub(crate) fn inverse_lower(&self) -> Matrix {
        let n = self.lower.rows;
        let mut inverse = Matrix::zeros(n, n);
        for first in (0..n).step_by(BLOCK) {
            let end = (first + BLOCK).min(n);
            let (done, rest) = inverse.values.split_at_mut(first * n);
            let rows = &mut rest[..(end - first) * n];
            if first > 0 {
                let panel: Vec<f64> =
                    (first..end).flat_map(|row| self.lower.row(row)[..first].iter().copied()).collect();
                // Blocks of columns are independent of each other.
                let left = shaped(&panel, end - first, first);
                let parts: Vec<(usize, Vec<f64>)> = (0..first)
                    .into_par_iter()
                    .step_by(BLOCK)
                    .map(|column| {
                        let width = BLOCK.min(first - column);
                        let done = shaped(done, first, n);
                        let mut part = vec![0.0; (end - first) * width];
                        let mut out = ArrayViewMut2::from_shape((end - first, width), &mut part[..]).expect("shape");
                        let left = left.slice_axis(Axis(1), (column..).into());
                        let right = done.slice_axis(Axis(0), (column..).into());
                        let right = right.slice_axis(Axis(1), (column..column + width).into());
                        general_mat_mul(-1.0, &left, &right, 0.0, &mut out);
                        (column, part)
                    })
                    .collect();
                for (column, part) in parts {
                    let width = BLOCK.min(first - column);
                    for (row, part) in rows.chunks_mut(n).zip(part.chunks(width)) {
                        row[column..column + width].copy_from_slice(part);
                    }
                }
            }
            for i in first..end {
                let (above, row) = rows.split_at_mut((i - first) * n);
                let row = &mut row[..n];
                row[i] = 1.0;
                for (j, above) in (first..i).zip(above.chunks(n)) {
                    let factor = self.lower.row(i)[j];
                    row[..=j].iter_mut().zip(above).for_each(|(row, above)| *row -= factor * above);
                }
                let pivot = self.lower.row(i)[i];
                row[..=i].iter_mut().for_each(|value| *value /= pivot);
            }
        }
        inverse
    }
}

fn shaped(values: &[f64], rows: usize, columns: usize) -> ArrayView2<'_, f64> {
    ArrayView2::from_shape((rows, columns), values).expect("the slice has the shape's length")
}

#[cfg(test)]
mod tests {
    use super::*;
    use moa_core::NoiseKey;

    #[test]
    fn factors_solve_and_invert() {
        for n in [1, 2, 63, 64, 65, 200] {
            let key = NoiseKey::new(n as u64);
            let x = Matrix::from_values(n + 5, n, (0..(n + 5) * n).map(|i| key.uniform(i as u64) - 0.5).collect());
            let mut a = x.gram();
            (0..n).for_each(|i| a.values[i * n + i] += 0.1);
            let cholesky = Cholesky::new(a.clone()).expect("positive definite");
            let b: Vec<f64> = (0..n).map(|i| (i as f64).sin()).collect();
            let solved = cholesky.solve(&b);
            for (found, wanted) in a.times(&solved).iter().zip(&b) {
                assert!((found - wanted).abs() < 1e-9, "{n}: {found} {wanted}");
            }
            let inverse = cholesky.inverse_lower();
            let identity = inverse.product(&cholesky.lower);
            for i in 0..n {
                for j in 0..n {
                    assert!((identity.row(i)[j] - f64::from(i == j)).abs() < 1e-9, "{n} {i} {j}");
                }
            }
        }
    }

    #[test]
    fn what_is_not_positive_definite_has_no_factor() {
        assert!(Cholesky::new(Matrix::from_values(2, 2, vec![1.0, 2.0, 2.0, 1.0])).is_none());
        assert!(Cholesky::new(Matrix::from_values(1, 1, vec![f64::NAN])).is_none());
    }
}
