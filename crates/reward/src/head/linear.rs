//! A linear head, fitted by ridge regression.

use burn::tensor::Tensor;
use moa_device::from_host;
use serde::{Deserialize, Serialize};

use crate::RewardError;

const FILE: &str = "the aesthetics head";

/// w·e + b.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinearHead {
    /// Version of the format: 1.
    pub version: u32,
    /// w, one number per dimension of the embedding.
    pub weights: Vec<f32>,
    /// b.
    pub bias: f32,
}

impl LinearHead {
    /// Reads the head's JSON.
    ///
    /// # Errors
    /// Refuses text that is no such JSON, other versions, and numbers that are not finite.
    pub fn read(json: &str) -> Result<Self, RewardError> {
        let head: Self = serde_json::from_str(json).map_err(|source| RewardError::Json { file: FILE, source })?;
        if head.version != 1 {
            let value = head.version.to_string();
            return Err(RewardError::Field { file: FILE, field: "version", value, wanted: "version 1" });
        }
        if head.weights.is_empty() || !head.weights.iter().chain([&head.bias]).all(|weight| weight.is_finite()) {
            let value = "empty or not finite".into();
            return Err(RewardError::Field { file: FILE, field: "weights", value, wanted: "finite numbers" });
        }
        Ok(head)
    }

    /// Returns the head's JSON.
    ///
    /// # Errors
    /// Fails when a number is not finite.
    pub fn to_json(&self) -> Result<String, RewardError> {
        serde_json::to_string(self).map_err(|source| RewardError::Json { file: FILE, source })
    }

    /// Returns w·e + b.
    pub fn apply(&self, embedding: &[f32]) -> f32 {
        let dot: f64 = self.weights.iter().zip(embedding).map(|(w, e)| f64::from(*w) * f64::from(*e)).sum();
        (dot + f64::from(self.bias)) as f32
    }

    /// Returns w·e + b of rows `[n, width]` with autodiff, `[n]`.
    pub(crate) fn apply_to(&self, embeddings: Tensor<2>) -> Tensor<1> {
        let weights = from_host(self.weights.clone(), [self.weights.len()], &embeddings.device().without_autodiff());
        embeddings.matmul(weights.unsqueeze_dim(1)).squeeze_dim(1) + self.bias
    }
}

/// Returns the head that minimises mean (w·e + b − target)² + `ridge`·v·‖w‖², with v the variance of the embeddings' dimensions
/// on average, so that `ridge` has no unit and does not depend on the number of examples; 1e-3 is mild. The bias is free.
///
/// # Errors
/// Refuses examples that do not pair up, fewer than two, and values that are not finite.
pub fn fit_linear_head(embeddings: &[Vec<f32>], targets: &[f32], ridge: f64) -> Result<LinearHead, RewardError> {
    let (count, width) = (embeddings.len(), embeddings.first().map_or(0, Vec::len));
    if count < 2 || count != targets.len() || embeddings.iter().any(|row| row.len() != width) {
        return Err(RewardError::Fit("give two or more embeddings of one width, each with its target"));
    }
    let mean_target = targets.iter().map(|t| f64::from(*t)).sum::<f64>() / count as f64;
    let mut mean = vec![0.0; width];
    for row in embeddings {
        mean.iter_mut().zip(row).for_each(|(sum, e)| *sum += f64::from(*e) / count as f64);
    }
    let mut gram = vec![0.0; width * width];
    let mut moment = vec![0.0; width];
    for (row, target) in embeddings.iter().zip(targets) {
        let centred: Vec<f64> = row.iter().zip(&mean).map(|(e, m)| f64::from(*e) - m).collect();
        for (i, x) in centred.iter().enumerate() {
            moment[i] += x * (f64::from(*target) - mean_target) / count as f64;
            for (sum, y) in gram[i * width..=i * width + i].iter_mut().zip(&centred) {
                *sum += x * y / count as f64;
            }
        }
    }
    let variance = (0..width).map(|i| gram[i * width + i]).sum::<f64>() / width as f64;
    for i in 0..width {
        gram[i * width + i] += ridge * variance;
    }
    let weights = solve(gram, moment).ok_or(RewardError::Fit(
        "the embeddings do not span their space or are not finite: give more examples, or a larger ridge",
    ))?;
    let bias = mean_target - weights.iter().zip(&mean).map(|(w, m)| w * m).sum::<f64>();
    Ok(LinearHead { version: 1, weights: weights.iter().map(|w| *w as f32).collect(), bias: bias as f32 })
}

/// Solves a symmetric positive definite system by Cholesky's method; `matrix` holds the lower triangle, row-major.
/// Returns `None` when the matrix is not positive definite.
fn solve(mut matrix: Vec<f64>, mut vector: Vec<f64>) -> Option<Vec<f64>> {
    let n = vector.len();
    for i in 0..n {
        for j in 0..=i {
            let known: f64 = (0..j).map(|k| matrix[i * n + k] * matrix[j * n + k]).sum();
            let rest = matrix[i * n + j] - known;
            if i == j && (rest <= 0.0 || !rest.is_finite()) {
                return None;
            }
            matrix[i * n + j] = if i == j { rest.sqrt() } else { rest / matrix[j * n + j] };
        }
    }
    for i in 0..n {
        let known: f64 = (0..i).map(|k| matrix[i * n + k] * vector[k]).sum();
        vector[i] = (vector[i] - known) / matrix[i * n + i];
    }
    for i in (0..n).rev() {
        let known: f64 = (i + 1..n).map(|k| matrix[k * n + i] * vector[k]).sum();
        vector[i] = (vector[i] - known) / matrix[i * n + i];
    }
    Some(vector)
}

/// Returns R² of a head on examples: 1 − (mean squared error) / (variance of the targets). On examples that the head was
/// fitted to it flatters; give others.
pub fn r_squared(head: &LinearHead, embeddings: &[Vec<f32>], targets: &[f32]) -> f64 {
    let mean = targets.iter().map(|t| f64::from(*t)).sum::<f64>() / targets.len().max(1) as f64;
    let (mut error, mut variance) = (0.0, 0.0);
    for (row, target) in embeddings.iter().zip(targets) {
        error += f64::from(target - head.apply(row)).powi(2);
        variance += (f64::from(*target) - mean).powi(2);
    }
    1.0 - error / variance
}

#[cfg(test)]
mod tests {
    use moa_core::NoiseKey;

    use super::*;

    fn examples(stream: u64, count: usize) -> (Vec<Vec<f32>>, Vec<f32>) {
        let key = NoiseKey::new(stream);
        let rows: Vec<Vec<f32>> = (0..count as u64).map(|i| key.with(i).normal(6)).collect();
        let noise = key.named("noise").normal(count);
        let target = |(row, noise): (&Vec<f32>, &f32)| 0.5 * row[0] - 2.0 * row[3] + 0.25 + 0.1 * noise;
        let targets = rows.iter().zip(&noise).map(target).collect();
        (rows, targets)
    }

    #[test]
    fn ridge_regression_finds_the_plane_behind_noisy_targets() {
        let (rows, targets) = examples(1, 400);
        let head = fit_linear_head(&rows, &targets, 1e-6).expect("fits");
        for (found, wanted) in head.weights.iter().zip([0.5, 0.0, 0.0, -2.0, 0.0, 0.0]) {
            assert!((found - wanted).abs() < 0.03, "{:?}", head.weights);
        }
        assert!((head.bias - 0.25).abs() < 0.03);
        let (rows, targets) = examples(2, 200);
        assert!(r_squared(&head, &rows, &targets) > 0.99);
        assert_eq!(LinearHead::read(&head.to_json().expect("finite")).expect("reads"), head);
    }

    #[test]
    fn a_larger_ridge_gives_smaller_weights_and_degenerate_examples_are_refused() {
        let (rows, targets) = examples(1, 50);
        let length = |ridge| {
            let head = fit_linear_head(&rows, &targets, ridge).expect("fits");
            head.weights.iter().map(|w| w * w).sum::<f32>()
        };
        assert!(length(1.0) < 0.5 * length(1e-6));
        assert!(fit_linear_head(&vec![vec![1.0, 1.0]; 5], &[1.0; 5], 0.0).is_err());
        assert!(fit_linear_head(&rows, &targets[1..], 1.0).is_err());
        assert!(fit_linear_head(&[vec![f32::NAN], vec![1.0]], &[1.0, 2.0], 1.0).is_err());
    }
}
