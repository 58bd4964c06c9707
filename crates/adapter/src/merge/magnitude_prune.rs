//! Magnitude pruning: only the largest entries take part.

use super::linear;

/// Returns Σ w_k·prune(t_k).
pub(super) fn merge(tensors: &[&[f32]], weights: &[f32], density: f64) -> Vec<f32> {
    let pruned: Vec<Vec<f32>> = tensors.iter().map(|tensor| prune(tensor, density)).collect();
    let pruned: Vec<&[f32]> = pruned.iter().map(Vec::as_slice).collect();
    linear::sum(&pruned, weights)
}

/// Returns the tensor with all but its ⌊density · n⌋ largest entries by magnitude set to 0; of equal ones the first stay.
pub(super) fn prune(tensor: &[f32], density: f64) -> Vec<f32> {
    let keep = (density * tensor.len() as f64) as usize;
    if keep >= tensor.len() {
        return tensor.to_vec();
    }
    let mut order: Vec<usize> = (0..tensor.len()).collect();
    if keep > 0 {
        let larger_first = |i: &usize, j: &usize| tensor[*j].abs().total_cmp(&tensor[*i].abs()).then_with(|| i.cmp(j));
        order.select_nth_unstable_by(keep - 1, larger_first);
    }
    let mut pruned = vec![0.0; tensor.len()];
    order[..keep].iter().for_each(|index| pruned[*index] = tensor[*index]);
    pruned
}
