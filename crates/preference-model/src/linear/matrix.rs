//! A dense matrix with contiguous rows.

use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2, Axis};
use rayon::prelude::*;

/// Rows of a product that are computed together; fixed, so that sums have one order on any number of threads.
const BLOCK: usize = 96;

/// A dense matrix of `f64`, row by row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Matrix {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) values: Vec<f64>,
}

/// Returns the inner product of two vectors of the same length.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (chunks, rest) = (a.chunks_exact(8), a.len() / 8 * 8);
    for (a, b) in chunks.zip(b.chunks_exact(8)) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a * b;
        }
    }
    let tail: f64 = a[rest..].iter().zip(&b[rest..]).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f64>() + tail
}

/// Returns the squared Euclidean norm.
pub(crate) fn norm2(a: &[f64]) -> f64 {
    dot(a, a)
}

impl Matrix {
    pub(crate) fn zeros(rows: usize, columns: usize) -> Self {
        Self { rows, columns, values: vec![0.0; rows * columns] }
    }

    pub(crate) fn from_values(rows: usize, columns: usize, values: Vec<f64>) -> Self {
        debug_assert_eq!(values.len(), rows * columns);
        Self { rows, columns, values }
    }

    pub(crate) fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.columns..(row + 1) * self.columns]
    }

    pub(crate) fn row_mut(&mut self, row: usize) -> &mut [f64] {
        &mut self.values[row * self.columns..(row + 1) * self.columns]
    }

    pub(crate) fn view(&self) -> ArrayView2<'_, f64> {
        view(&self.values, self.rows, self.columns)
    }

    /// Returns `self · xᵀ` for each row: a matrix times a vector.
    pub(crate) fn times(&self, x: &[f64]) -> Vec<f64> {
        (0..self.rows).map(|row| dot(self.row(row), x)).collect()
    }

    /// Returns `selfᵀ · x`.
    pub(crate) fn transposed_times(&self, x: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; self.columns];
        for (row, x) in x.iter().enumerate() {
            if *x != 0.0 {
                out.iter_mut().zip(self.row(row)).for_each(|(out, value)| *out += x * value);
            }
        }
        out
    }

    /// Returns `self · otherᵀ`, of shape `[self.rows, other.rows]`.
    pub(crate) fn times_transposed(&self, other: &Self) -> Self {
        let mut out = Self::zeros(self.rows, other.rows);
        let width = other.rows.max(1);
        out.values.par_chunks_mut(BLOCK * width).enumerate().for_each(|(block, out)| {
            let first = block * BLOCK;
            let count = out.len() / width;
            let rows = &self.values[first * self.columns..(first + count) * self.columns];
            let mut out = view_mut(out, count, other.rows);
            general_mat_mul(1.0, &view(rows, count, self.columns), &other.view().reversed_axes(), 0.0, &mut out);
        });
        out
    }

    /// Returns `self · other`.
    pub(crate) fn product(&self, other: &Self) -> Self {
        let mut out = Self::zeros(self.rows, other.columns);
        let width = other.columns.max(1);
        out.values.par_chunks_mut(BLOCK * width).enumerate().for_each(|(block, out)| {
            let first = block * BLOCK;
            let count = out.len() / width;
            let rows = &self.values[first * self.columns..(first + count) * self.columns];
            let mut out = view_mut(out, count, other.columns);
            general_mat_mul(1.0, &view(rows, count, self.columns), &other.view(), 0.0, &mut out);
        });
        out
    }

    /// Returns `selfᵀ · self`, symmetric, of shape `[columns, columns]`.
    pub(crate) fn gram(&self) -> Self {
        let size = self.columns;
        let mut out = Self::zeros(size, size);
        out.values.par_chunks_mut((BLOCK * size).max(1)).enumerate().for_each(|(block, out)| {
            let first = block * BLOCK;
            let count = out.len() / size;
            let all = self.view();
            let left = all.slice_axis(Axis(1), (first..first + count).into());
            let right = all.slice_axis(Axis(1), (..first + count).into());
            let mut out = view_mut(out, count, size);
            let mut lower = out.slice_axis_mut(Axis(1), (..first + count).into());
            general_mat_mul(1.0, &left.t(), &right, 0.0, &mut lower);
        });
        for row in 0..size {
            for column in row + 1..size {
                out.values[row * size + column] = out.values[column * size + row];
            }
        }
        out
    }
}

fn view(values: &[f64], rows: usize, columns: usize) -> ArrayView2<'_, f64> {
    ArrayView2::from_shape((rows, columns), values).expect("the slice has the shape's length")
}

fn view_mut(values: &mut [f64], rows: usize, columns: usize) -> ArrayViewMut2<'_, f64> {
    ArrayViewMut2::from_shape((rows, columns), values).expect("the slice has the shape's length")
}
