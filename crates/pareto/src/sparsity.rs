//! How unevenly a front is filled.

use crate::{ParetoError, check};

/// Returns the sparsity of a set of points: the mean squared gap between neighbours, objective by objective (Xu et
/// al. 2020).
///
/// `1 / (n − 1) · Σⱼ Σᵢ (s̃ⱼ(i) − s̃ⱼ(i + 1))²`, where `s̃ⱼ` are the values of objective `j` in order. Lower is
/// denser; 0 for fewer than two points. Pass the non-dominated points only.
///
/// What it hides: nearly everything but gaps. A single point, or a heap of points in one corner, has the best
/// sparsity of all, and a better front can be sparser. Read it beside the hypervolume, never alone; and the scale of
/// each objective enters squared.
///
/// # Errors
/// Rows of different lengths, and NaN or infinite values.
pub fn sparsity<P: AsRef<[f64]>>(points: &[P]) -> Result<f64, ParetoError> {
    let dims = check::rows("point", points)?;
    if points.len() < 2 {
        return Ok(0.0);
    }
    let gaps = |objective: usize| -> f64 {
        let mut values: Vec<f64> = points.iter().map(|p| p.as_ref()[objective]).collect();
        values.sort_unstable_by(f64::total_cmp);
        values.windows(2).map(|pair| (pair[1] - pair[0]).powi(2)).sum()
    };
    Ok((0..dims).map(gaps).sum::<f64>() / (points.len() - 1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_squared_and_averaged() {
        let points = [[0.0, 2.0], [2.0, 0.0], [1.0, 1.0]];
        assert_eq!(sparsity(&points), Ok(2.0));
    }

    #[test]
    fn a_single_point_looks_perfect() {
        assert_eq!(sparsity(&[[5.0, 1.0]]), Ok(0.0));
    }
}
