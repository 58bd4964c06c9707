//! The largest singular values of a dense matrix, without all the others.

use moa_core::NoiseKey;

use super::Pair;
use super::basis::{Basis, combine, dot, left_vectors};

/// Directions of a block beyond those wanted.
const SPARE: usize = 8;
/// When a further block adds less than this share of what the largest values hold of ‖W‖², they are found.
const CONVERGED: f64 = 1e-10;

/// Returns the pairs of the `rank` largest singular values of W, largest first; fewer where W has fewer.
///
/// Randomised block Krylov iteration (Musco & Musco, 2015), with the whole basis kept orthonormal: random directions, then
/// WᵀW of those that were new last, until nothing is gained or the basis is the whole space. The start is always the same.
///
/// - `matrix`: `[d_out, d_in]`, row-major
pub(super) fn largest(matrix: &[f32], d_in: usize, rank: usize) -> Vec<Pair> {
    let block = (rank + SPARE).min(d_in);
    let mut search = Search { matrix, d_in, right: Basis::default(), images: Vec::new(), left: Basis::default() };
    let key = NoiseKey::new(0).named("svd");
    let mut next: Vec<Vec<f64>> =
        (0..block as u64).map(|index| key.with(index).normal(d_in).into_iter().map(f64::from).collect()).collect();
    let mut reached = 0.0;
    let mut coordinates: Vec<Vec<f64>> = Vec::new();
    loop {
        let fresh = search.extend(next, &mut coordinates);
        let ritz = search.ritz(&coordinates);
        let energy: f64 = ritz.iter().take(rank).map(|(value, _)| value * value).sum();
        // With nothing new, or nothing left to be new, the basis holds every right singular vector.
        let complete = fresh == 0 || search.right.vectors.len() >= d_in;
        if complete || energy - reached <= CONVERGED * energy {
            return ritz.iter().take(rank).map(|(_, vector)| search.pair(vector)).collect();
        }
        reached = energy;
        let last = search.images.len() - fresh..;
        next = search.images[last].iter().map(|image| search.transposed_times(image)).collect();
    }
}

struct Search<'a> {
    matrix: &'a [f32],
    d_in: usize,
    /// Orthonormal directions in the input space.
    right: Basis,
    /// W times each of them.
    images: Vec<Vec<f64>>,
    /// An orthonormal basis of the images.
    left: Basis,
}

impl Search<'_> {
    /// Adds directions, and returns how many were new. `coordinates` are those of the images in `left`.
    fn extend(&mut self, directions: Vec<Vec<f64>>, coordinates: &mut Vec<Vec<f64>>) -> usize {
        let before = self.right.vectors.len();
        for direction in directions {
            self.right.extend(direction);
        }
        let fresh = self.times(&self.right.vectors[before..]);
        for image in fresh {
            coordinates.push(self.left.extend(image.clone()));
            self.images.push(image);
        }
        self.right.vectors.len() - before
    }

    /// Returns the right singular vectors in coordinates of `right`, with their values: with images = Q·R, those of R.
    fn ritz(&self, coordinates: &[Vec<f64>]) -> Vec<(f64, Vec<f64>)> {
        // Column i of Rᵀ, whose left singular vectors are the right ones of R.
        let column = |i: usize| coordinates.iter().map(|image| image.get(i).copied().unwrap_or(0.0)).collect();
        left_vectors((0..self.left.vectors.len()).map(column).collect())
    }

    fn pair(&self, vector: &[f64]) -> Pair {
        Pair { right: self.right.combine(vector), image: combine(&self.images, vector) }
    }

    /// Returns W times vectors.
    fn times(&self, vectors: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let mut images = vec![Vec::with_capacity(self.matrix.len() / self.d_in.max(1)); vectors.len()];
        let mut wide = vec![0.0; self.d_in];
        for row in self.matrix.chunks_exact(self.d_in) {
            wide.iter_mut().zip(row).for_each(|(wide, value)| *wide = f64::from(*value));
            images.iter_mut().zip(vectors).for_each(|(image, vector)| image.push(dot(&wide, vector)));
        }
        images
    }

    /// Returns Wᵀ times a vector.
    fn transposed_times(&self, vector: &[f64]) -> Vec<f64> {
        let mut sum = vec![0.0; self.d_in];
        for (row, factor) in self.matrix.chunks_exact(self.d_in).zip(vector) {
            sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += factor * f64::from(*value));
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// W = signal of rank 12 with slowly falling values, and noise everywhere.
    fn matrix(d_out: usize, d_in: usize) -> Vec<f32> {
        let normal = |seed: u64, count: usize| NoiseKey::new(seed).normal(count);
        let (left, right) = (normal(1, d_out * 12), normal(2, 12 * d_in));
        let mut matrix: Vec<f32> = normal(3, d_out * d_in).into_iter().map(|value| 0.05 * value).collect();
        for (row, left) in matrix.chunks_exact_mut(d_in).zip(left.chunks_exact(12)) {
            for (r, right) in right.chunks_exact(d_in).enumerate() {
                row.iter_mut().zip(right).for_each(|(sum, value)| *sum += left[r] * 0.9f32.powi(r as i32) * value);
            }
        }
        matrix
    }

    #[test]
    fn the_largest_values_are_those_of_the_full_decomposition() {
        for [d_out, d_in] in [[60, 90], [90, 60], [7, 50]] {
            let matrix = matrix(d_out, d_in);
            let column = |i: usize| matrix.chunks_exact(d_in).map(|row| f64::from(row[i])).collect();
            let wanted = left_vectors((0..d_in).map(column).collect());
            let found = largest(&matrix, d_in, 6);
            assert_eq!(found.len(), 6);
            for (Pair { right, image }, (value, left)) in found.iter().zip(&wanted) {
                assert!((dot(image, image).sqrt() / value - 1.0).abs() < 1e-6, "{d_out} × {d_in}");
                assert!((dot(right, right) - 1.0).abs() < 1e-12);
                assert!((dot(image, left).abs() / value - 1.0).abs() < 1e-6, "{d_out} × {d_in}");
            }
        }
    }
}
