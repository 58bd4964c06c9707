//! Cholesky's factor of small matrices.

/// The lower triangle L of a symmetric positive definite matrix A = L·Lᵀ, row by row.
#[derive(Debug, Clone)]
pub(crate) struct Cholesky {
    rows: Vec<Vec<f64>>,
}

impl Cholesky {
    /// Factors the matrix with these entries, of which only those with row ≥ column are asked for; nothing when it is not
    /// positive definite.
    pub(crate) fn of(size: usize, entry: impl Fn(usize, usize) -> f64) -> Option<Self> {
        let mut rows: Vec<Vec<f64>> = Vec::with_capacity(size);
        for i in 0..size {
            let mut new: Vec<f64> = Vec::with_capacity(i + 1);
            for (j, row) in rows.iter().enumerate() {
                let dot: f64 = new.iter().zip(row).map(|(a, b)| a * b).sum();
                new.push((entry(i, j) - dot) / row[j]);
            }
            let rest = entry(i, i) - new.iter().map(|a| a * a).sum::<f64>();
            if rest <= 0.0 || !rest.is_finite() {
                return None;
            }
            new.push(rest.sqrt());
            rows.push(new);
        }
        Some(Self { rows })
    }

    /// Returns ln det A.
    pub(crate) fn log_determinant(&self) -> f64 {
        self.rows.iter().enumerate().map(|(i, row)| 2.0 * row[i].ln()).sum()
    }

    /// Returns L·v.
    pub(crate) fn times(&self, values: &[f64]) -> Vec<f64> {
        self.rows.iter().map(|row| row.iter().zip(values).map(|(l, v)| l * v).sum()).collect()
    }

    /// Returns L⁻¹·v.
    pub(crate) fn forward(&self, values: &[f64]) -> Vec<f64> {
        let mut out: Vec<f64> = Vec::with_capacity(values.len());
        for (row, value) in self.rows.iter().zip(values) {
            let known: f64 = row.iter().zip(&out).map(|(l, x)| l * x).sum();
            out.push((value - known) / row[out.len()]);
        }
        out
    }

    /// Returns A⁻¹·v.
    pub(crate) fn solve(&self, values: &[f64]) -> Vec<f64> {
        let mut out = self.forward(values);
        for i in (0..out.len()).rev() {
            let known: f64 = (i + 1..out.len()).map(|k| self.rows[k][i] * out[k]).sum();
            out[i] = (out[i] - known) / self.rows[i][i];
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MATRIX: [[f64; 3]; 3] = [[4.0, 2.0, -2.0], [2.0, 10.0, 2.0], [-2.0, 2.0, 6.0]];

    #[test]
    fn the_factor_is_that_worked_out_by_hand() {
        // L = [[2], [1, 3], [−1, 1, 2]], det A = (2·3·2)².
        let factor = Cholesky::of(3, |i, j| MATRIX[i][j]).unwrap();
        assert_eq!(factor.times(&[1.0, 10.0, 100.0]), [2.0, 31.0, 209.0]);
        assert_eq!(factor.forward(&[2.0, 31.0, 209.0]), [1.0, 10.0, 100.0]);
        assert!((factor.log_determinant() - 144f64.ln()).abs() < 1e-12);
        // A·(1, 2, 3) = (2, 28, 20).
        let solved = factor.solve(&[2.0, 28.0, 20.0]);
        assert!(solved.iter().zip([1.0, 2.0, 3.0]).all(|(x, truth)| (x - truth).abs() < 1e-12), "{solved:?}");
    }

    #[test]
    fn what_is_not_positive_definite_has_none() {
        assert!(Cholesky::of(2, |i, j| if i == j { 1.0 } else { 2.0 }).is_none());
        assert!(Cholesky::of(1, |_, _| f64::NAN).is_none());
    }
}
