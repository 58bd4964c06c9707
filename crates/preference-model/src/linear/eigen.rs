//! Eigenvalues and eigenvectors of a symmetric matrix: Householder's tridiagonal form, then implicit QL (Golub and Van Loan,
//! *Matrix Computations*, §8.3). Eigenvectors are kept as rows, so that every rotation runs over contiguous memory.

use rayon::prelude::*;

use super::matrix::{Matrix, dot, norm2};

/// Returns the eigenvalues in descending order, and the eigenvectors as the rows of a matrix; none where QL does not converge.
pub(crate) fn symmetric_eigen(mut a: Matrix) -> Option<(Vec<f64>, Matrix)> {
    let n = a.rows;
    let mut diagonal = vec![0.0; n];
    let mut off = vec![0.0; n];
    // The reflection of step k is stored in row k, columns k + 1 and later, with its factor.
    let mut factors = vec![0.0; n];
    for k in 0..n.saturating_sub(1) {
        diagonal[k] = a.row(k)[k];
        let x = a.row(k)[k + 1..].to_vec();
        let norm = norm2(&x).sqrt();
        if norm == 0.0 || n - k == 2 {
            off[k] = x[0];
            continue;
        }
        let alpha = if x[0] > 0.0 { -norm } else { norm };
        let mut v = x;
        v[0] -= alpha;
        let beta = 2.0 / norm2(&v);
        off[k] = alpha;
        factors[k] = beta;
        let size = n - k - 1;
        // p = β·A·v of the remaining block; A ← A − v·qᵀ − q·vᵀ with q = p − (β/2)(pᵀv)·v.
        let p: Vec<f64> =
            a.values[(k + 1) * n..].par_chunks(n).with_min_len(64).map(|row| beta * dot(&row[k + 1..], &v)).collect();
        let half = 0.5 * beta * dot(&p, &v);
        let q: Vec<f64> = p.iter().zip(&v).map(|(p, v)| p - half * v).collect();
        a.values[(k + 1) * n..].par_chunks_mut(n).with_min_len(64).enumerate().for_each(|(i, row)| {
            let (vi, qi) = (v[i], q[i]);
            for (value, (v, q)) in row[k + 1..].iter_mut().zip(v.iter().zip(&q)) {
                *value -= vi * q + qi * v;
            }
        });
        a.row_mut(k)[k + 1..].copy_from_slice(&v);
        debug_assert_eq!(size, v.len());
    }
    if n > 0 {
        diagonal[n - 1] = a.row(n - 1)[n - 1];
    }
    // Rows of `vectors` are the eigenvectors of the tridiagonal matrix.
    let mut vectors = Matrix::zeros(n, n);
    (0..n).for_each(|i| vectors.values[i * n + i] = 1.0);
    implicit_ql(&mut diagonal, &mut off, &mut vectors)?;
    // Back to the original coordinates: each row v ← v − β·(vᵀu)·u, the last reflection first.
    vectors.values.par_chunks_mut(n.max(1)).for_each(|row| {
        for k in (0..n.saturating_sub(1)).rev() {
            if factors[k] != 0.0 {
                let u = &a.row(k)[k + 1..];
                let scale = factors[k] * dot(&row[k + 1..], u);
                row[k + 1..].iter_mut().zip(u).for_each(|(value, u)| *value -= scale * u);
            }
        }
    });
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|a, b| diagonal[*b].total_cmp(&diagonal[*a]));
    let sorted = order.iter().flat_map(|row| vectors.row(*row).iter().copied()).collect();
    Some((order.iter().map(|i| diagonal[*i]).collect(), Matrix::from_values(n, n, sorted)))
}

/// A rotation of two neighbouring rows.
struct Rotation {
    row: usize,
    cos: f64,
    sin: f64,
}

fn implicit_ql(d: &mut [f64], e: &mut [f64], vectors: &mut Matrix) -> Option<()> {
    let n = d.len();
    let mut open: Vec<Rotation> = Vec::new();
    for l in 0..n {
        for round in 0.. {
            let split = (l..n - 1).find(|m| {
                let size = d[*m].abs() + d[m + 1].abs();
                e[*m].abs() <= f64::EPSILON * size
            });
            let m = split.unwrap_or(n - 1);
            if m == l {
                break;
            }
            if round == 60 || !e[l].is_finite() {
                return None;
            }
            let mut g = (d[l + 1] - d[l]) / (2.0 * e[l]);
            let mut r = g.hypot(1.0);
            g = d[m] - d[l] + e[l] / (g + r.copysign(g));
            let (mut s, mut c, mut p) = (1.0, 1.0, 0.0);
            let mut broke = false;
            for i in (l..m).rev() {
                let (f, b) = (s * e[i], c * e[i]);
                r = f.hypot(g);
                e[i + 1] = r;
                if r == 0.0 {
                    d[i + 1] -= p;
                    e[m] = 0.0;
                    broke = true;
                    break;
                }
                (s, c) = (f / r, g / r);
                g = d[i + 1] - p;
                r = (d[i] - g) * s + 2.0 * c * b;
                p = s * r;
                d[i + 1] = g + p;
                g = c * r - b;
                open.push(Rotation { row: i, cos: c, sin: s });
            }
            if !broke {
                d[l] -= p;
                e[l] = g;
                e[m] = 0.0;
            }
            if open.len() > 16 * n {
                rotate(vectors, &open);
                open.clear();
            }
        }
    }
    rotate(vectors, &open);
    Some(())
}

/// Applies rotations to blocks of columns that fit in the cache, beside each other.
fn rotate(vectors: &mut Matrix, rotations: &[Rotation]) {
    const WIDTH: usize = 16;
    let n = vectors.columns;
    if rotations.is_empty() {
        return;
    }
    let blocks: Vec<(usize, Vec<f64>)> = (0..n)
        .into_par_iter()
        .step_by(WIDTH)
        .map(|first| {
            let width = WIDTH.min(n - first);
            let mut block = vec![0.0; n * WIDTH];
            for row in 0..n {
                block[row * WIDTH..row * WIDTH + width].copy_from_slice(&vectors.row(row)[first..first + width]);
            }
            for Rotation { row, cos, sin } in rotations {
                let (upper, lower) = block[row * WIDTH..(row + 2) * WIDTH].split_at_mut(WIDTH);
                for (a, b) in upper.iter_mut().zip(lower) {
                    let f = *b;
                    *b = sin * *a + cos * f;
                    *a = cos * *a - sin * f;
                }
            }
            (first, block)
        })
        .collect();
    for (first, block) in blocks {
        let width = WIDTH.min(n - first);
        for row in 0..n {
            vectors.row_mut(row)[first..first + width].copy_from_slice(&block[row * WIDTH..row * WIDTH + width]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use moa_core::NoiseKey;

    #[test]
    fn vectors_are_orthonormal_and_rebuild_the_matrix() {
        for n in [1, 2, 3, 10, 70] {
            let key = NoiseKey::new(n as u64);
            let x = Matrix::from_values(n, n, (0..n * n).map(|i| key.uniform(i as u64) - 0.5).collect());
            let a = x.gram();
            let (values, vectors) = symmetric_eigen(a.clone()).expect("converges");
            assert!(values.windows(2).all(|two| two[0] >= two[1]));
            for (i, value) in values.iter().enumerate() {
                let image = a.times(vectors.row(i));
                for (found, wanted) in image.iter().zip(vectors.row(i)) {
                    assert!((found - value * wanted).abs() < 1e-10, "{n} {i}");
                }
                for j in 0..n {
                    assert!((dot(vectors.row(i), vectors.row(j)) - f64::from(i == j)).abs() < 1e-10, "{n} {i} {j}");
                }
            }
        }
    }

    #[test]
    fn a_diagonal_matrix_is_its_own_answer() {
        let a = Matrix::from_values(3, 3, vec![1.0, 0.0, 0.0, 0.0, 3.0, 0.0, 0.0, 0.0, 2.0]);
        assert_eq!(symmetric_eigen(a).expect("converges").0, [3.0, 2.0, 1.0]);
    }
}
