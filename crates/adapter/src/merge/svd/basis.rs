//! Orthonormal bases that grow vector by vector, and one-sided Jacobi rotations: all that a truncated SVD needs.

/// Orthonormal vectors of one length.
#[derive(Default)]
pub(super) struct Basis {
    pub(super) vectors: Vec<Vec<f64>>,
}

/// What is left of a vector below this share of its length is rounding.
const NOTHING: f64 = 1e-13;

impl Basis {
    /// Adds what is new of a vector, and returns the vector's coordinates: one for each basis vector, the new one last.
    ///
    /// Modified Gram–Schmidt, twice: orthogonal to rounding (Giraud et al., 2005). A vector that lies in the span adds nothing.
    pub(super) fn extend(&mut self, mut vector: Vec<f64>) -> Vec<f64> {
        let before = norm(&vector);
        let mut coordinates = vec![0.0; self.vectors.len()];
        for _ in 0..2 {
            for (known, coordinate) in self.vectors.iter().zip(&mut coordinates) {
                let along = dot(known, &vector);
                add(&mut vector, -along, known);
                *coordinate += along;
            }
        }
        let rest = norm(&vector);
        if rest > NOTHING * before {
            for value in &mut vector {
                *value /= rest;
            }
            self.vectors.push(vector);
            coordinates.push(rest);
        }
        coordinates
    }

    /// Returns the vector that has these coordinates; missing ones are 0.
    pub(super) fn combine(&self, coordinates: &[f64]) -> Vec<f64> {
        combine(&self.vectors, coordinates)
    }
}

/// Returns Σ c_i·v_i.
pub(super) fn combine(vectors: &[Vec<f64>], coordinates: &[f64]) -> Vec<f64> {
    let mut sum = vec![0.0; vectors.first().map_or(0, Vec::len)];
    for (vector, coordinate) in vectors.iter().zip(coordinates) {
        add(&mut sum, *coordinate, vector);
    }
    sum
}

/// Jacobi's sweeps end here at the latest; about ten are usual.
const SWEEPS: usize = 60;

/// Returns the left singular vectors of a matrix given by columns, with their singular values, largest first; those without
/// one are left out.
///
/// One-sided Jacobi (Hestenes, 1958): columns are rotated in pairs until all are orthogonal; then they are the left singular
/// vectors times their values. Small values are as precise as large ones (Demmel & Veselić, 1992).
pub(super) fn left_vectors(mut columns: Vec<Vec<f64>>) -> Vec<(f64, Vec<f64>)> {
    let tolerance = f64::EPSILON * columns.first().map_or(1, Vec::len).max(1) as f64;
    let mut squares: Vec<f64> = columns.iter().map(|column| dot(column, column)).collect();
    let floor = |squares: &[f64]| squares.iter().copied().fold(0.0, f64::max) * f64::EPSILON * f64::EPSILON;
    for _ in 0..SWEEPS {
        let mut rotated = false;
        let nothing = floor(&squares);
        for q in 1..columns.len() {
            let (front, back) = columns.split_at_mut(q);
            let other = &mut back[0];
            for (p, one) in front.iter_mut().enumerate() {
                if squares[p] <= nothing || squares[q] <= nothing {
                    continue;
                }
                let product = dot(one, other);
                if product.abs() <= tolerance * (squares[p] * squares[q]).sqrt() {
                    continue;
                }
                rotated = true;
                let zeta = (squares[q] - squares[p]) / (2.0 * product);
                let tangent = zeta.signum() / (zeta.abs() + zeta.hypot(1.0));
                let cosine = 1.0 / tangent.hypot(1.0);
                let sine = cosine * tangent;
                for (x, y) in one.iter_mut().zip(other.iter_mut()) {
                    (*x, *y) = (cosine * *x - sine * *y, sine * *x + cosine * *y);
                }
                (squares[p], squares[q]) = (dot(one, one), dot(other, other));
            }
        }
        if !rotated {
            break;
        }
    }
    let nothing = floor(&squares);
    let mut found: Vec<(f64, Vec<f64>)> = columns
        .into_iter()
        .zip(squares)
        .filter(|(_, square)| *square > nothing)
        .map(|(column, square)| (square.sqrt(), column.into_iter().map(|value| value / square.sqrt()).collect()))
        .collect();
    found.sort_by(|one, other| other.0.total_cmp(&one.0));
    found
}

/// Returns Σ x_i·y_i; several sums run beside each other, so that the processor's vector units have work.
pub(super) fn dot(x: &[f64], y: &[f64]) -> f64 {
    let mut sums = [0.0f64; 8];
    let (xs, ys) = (x.chunks_exact(8), y.chunks_exact(8));
    let rest: f64 = xs.remainder().iter().zip(ys.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in xs.zip(ys) {
        for lane in 0..8 {
            sums[lane] += x[lane] * y[lane];
        }
    }
    rest + sums.iter().sum::<f64>()
}

/// Adds a multiple of `vector` to `sum`.
pub(super) fn add(sum: &mut [f64], factor: f64, vector: &[f64]) {
    sum.iter_mut().zip(vector).for_each(|(sum, value)| *sum += factor * value);
}

fn norm(vector: &[f64]) -> f64 {
    dot(vector, vector).sqrt()
}

#[cfg(test)]
mod tests {
    use moa_core::NoiseKey;

    use super::*;

    fn columns(seed: u64, rows: usize, count: usize) -> Vec<Vec<f64>> {
        let column = |index: u64| NoiseKey::new(seed).with(index).normal(rows).into_iter().map(f64::from).collect();
        (0..count as u64).map(column).collect()
    }

    #[test]
    fn a_basis_is_orthonormal_and_gives_its_vectors_back() {
        let mut wanted = columns(1, 9, 4);
        wanted.push(combine(&wanted, &[1.0, -2.0, 0.5, 3.0]));
        wanted.push(vec![0.0; 9]);
        let mut basis = Basis::default();
        let coordinates: Vec<Vec<f64>> = wanted.iter().map(|vector| basis.extend(vector.clone())).collect();
        assert_eq!(basis.vectors.len(), 4, "what lies in the span adds nothing");
        for (i, one) in basis.vectors.iter().enumerate() {
            for (j, other) in basis.vectors.iter().enumerate() {
                assert!((dot(one, other) - f64::from(u8::from(i == j))).abs() < 1e-14);
            }
        }
        for (vector, coordinates) in wanted.iter().zip(&coordinates) {
            let again = basis.combine(coordinates);
            assert!(vector.iter().zip(again).all(|(x, y)| (x - y).abs() < 1e-13));
        }
    }

    #[test]
    fn singular_values_are_known_where_the_matrix_is_made_of_them() {
        let orthonormal = |seed, rows| {
            let mut basis = Basis::default();
            for column in columns(seed, rows, 5) {
                basis.extend(column);
            }
            basis.vectors
        };
        let (left, right) = (orthonormal(1, 12), orthonormal(2, 7));
        let values = [1e3, 2.0, 2.0, 1e-6, 1e-9];
        // Column j of Σ σ_i·u_i·v_iᵀ.
        let column = |j: usize| combine(&left, &(0..5).map(|i| values[i] * right[i][j]).collect::<Vec<_>>());
        let found = left_vectors((0..7).map(column).collect());
        for ((found, _), wanted) in found.iter().zip(values) {
            assert!((found - wanted).abs() < 1e-12, "{found} {wanted}: as precise as the matrix itself");
        }
        assert!((dot(&found[0].1, &left[0]).abs() - 1.0).abs() < 1e-12);
        assert!(found.len() < 7, "values that are not there are left out");
        assert!(left_vectors(vec![vec![0.0; 3]; 2]).is_empty() && left_vectors(Vec::new()).is_empty());
    }
}
