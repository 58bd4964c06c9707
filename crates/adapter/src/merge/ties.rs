//! TIES: trim, elect signs, and average what agrees (Yadav et al., 2306.01708), in peft's form.

use serde::{Deserialize, Serialize};

use super::magnitude_prune::prune;

/// How the sign of an entry is elected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MajoritySign {
    /// By the sum of the values.
    #[default]
    Total,
    /// By the number of adapters.
    Frequency,
}

/// Returns the merge of tensors, trimmed to their largest entries first.
pub(super) fn merge(tensors: &[&[f32]], weights: &[f32], density: f64, majority: MajoritySign) -> Vec<f32> {
    let trimmed: Vec<Vec<f32>> = tensors.iter().map(|tensor| prune(tensor, density)).collect();
    agreeing(&trimmed, weights, majority)
}

/// Returns, entry by entry, Σ w_k·t_k over the tensors that have the elected sign, divided by how many they are.
///
/// The sign is elected before weighting. Zeros agree with no sign.
pub(super) fn agreeing(tensors: &[Vec<f32>], weights: &[f32], majority: MajoritySign) -> Vec<f32> {
    let sign = |value: f32| i8::from(value > 0.0) - i8::from(value < 0.0);
    let entry = |index: usize| {
        let vote: f32 = match majority {
            MajoritySign::Total => tensors.iter().map(|tensor| tensor[index]).sum(),
            MajoritySign::Frequency => tensors.iter().map(|tensor| f32::from(sign(tensor[index]))).sum(),
        };
        let elected = if vote >= 0.0 { 1 } else { -1 };
        let (mut sum, mut count) = (0.0f32, 0.0f32);
        for (tensor, weight) in tensors.iter().zip(weights) {
            if sign(tensor[index]) == elected {
                sum += weight * tensor[index];
                count += 1.0;
            }
        }
        sum / count.max(1.0)
    };
    (0..tensors.first().map_or(0, Vec::len)).map(entry).collect()
}
