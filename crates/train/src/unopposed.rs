//! The sum of rewards' gradients, turned as little as it takes to oppose none of them.
//!
//! With g the sum and gₖ each reward's own part of it, the direction is the nearest d to g with ⟨d, gₖ⟩ ≥ 0 for all k: a quadratic
//! programme whose dual is to find the multipliers λ ≥ 0 that make ‖g + Σ λₖgₖ‖ least, d being that sum (GEM, Lopez-Paz & Ranzato,
//! 1706.08840; kin of MGDA, 1810.04650, and MARBLE, 2605.06507). Where no two rewards pull apart, d is g.

use burn::tensor::Tensor;
use moa_device::{from_host, to_host};

use crate::factors::{Factors, add};

/// Sweeps over the multipliers, at most.
const SWEEPS: usize = 2000;
/// Changes of a multiplier below this count as none.
const TOLERANCE: f64 = 1e-9;

/// Returns one gradient out of those of several rewards, for each member on its own.
pub(crate) fn unopposed(parts: &[Factors]) -> Factors {
    let mut sum = Factors::new();
    let Some(first) = parts.first().and_then(|part| part.values().next()) else { return sum };
    let (members, device) = (first.dims()[0], first.device());
    let multipliers = multipliers(&products(parts), parts.len(), members);
    for (index, part) in parts.iter().enumerate() {
        let weights: Vec<f32> = multipliers.iter().map(|own| (1.0 + own[index]) as f32).collect();
        let weights: Tensor<3> = from_host(weights, [members, 1, 1], &device);
        add(&mut sum, part.iter().map(|(name, g)| (name.clone(), g.clone() * weights.clone())).collect());
    }
    sum
}

/// Returns ⟨gᵢ, gⱼ⟩ for i ≤ j, pair by pair, of all members each.
fn products(parts: &[Factors]) -> Vec<f32> {
    let mut all: Vec<Tensor<1>> = Vec::new();
    for (i, one) in parts.iter().enumerate() {
        for other in &parts[i..] {
            let of_layer = one.iter().filter_map(|(name, own)| {
                let members = own.dims()[0];
                Some((own.clone() * other.get(name)?.clone()).reshape([members as i64, -1]).sum_dim(1))
            });
            let layers: Vec<Tensor<2>> = of_layer.collect();
            all.push(Tensor::cat(layers, 1).sum_dim(1).flatten(0, 1));
        }
    }
    to_host(Tensor::cat(all, 0))
}

/// Returns every member's multipliers from the products of its gradients.
fn multipliers(products: &[f32], count: usize, members: usize) -> Vec<Vec<f64>> {
    let pairs: Vec<(usize, usize)> = (0..count).flat_map(|i| (i..count).map(move |j| (i, j))).collect();
    let of_member = |member: usize| {
        let mut gram = vec![vec![0.0; count]; count];
        for (pair, (i, j)) in pairs.iter().enumerate() {
            let product = f64::from(products[pair * members + member]);
            (gram[*i][*j], gram[*j][*i]) = (product, product);
        }
        solved(&gram)
    };
    (0..members).map(of_member).collect()
}

/// Solves the dual by turns: each multiplier in closed form while the others stay.
fn solved(gram: &[Vec<f64>]) -> Vec<f64> {
    let count = gram.len();
    let mut found = vec![0.0; count];
    if gram.iter().flatten().any(|product| !product.is_finite()) {
        return found;
    }
    for _ in 0..SWEEPS {
        let mut opposed = false;
        for i in 0..count {
            let own = gram[i][i];
            if own <= 0.0 {
                continue;
            }
            let along: f64 = (0..count).map(|j| (1.0 + found[j]) * gram[i][j]).sum();
            let next = (found[i] - along / own).max(0.0);
            opposed |= (next - found[i]).abs() > TOLERANCE;
            found[i] = next;
        }
        if !opposed {
            break;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    /// Gradients of two members in two dimensions.
    fn gradient(values: [[f32; 2]; 2]) -> Factors {
        let tensor = from_host(values.concat(), [2, 1, 2], &Device::flex());
        Factors::from([("layer/b".to_owned(), tensor)])
    }

    #[test]
    fn a_sum_that_opposes_a_reward_is_turned_until_it_does_not() {
        // The first member's sum, (2, −1), opposes the second reward; the second member's opposes none.
        let parts = [gradient([[3.0, 0.0], [1.0, 0.0]]), gradient([[-1.0, 1.0], [0.0, 1.0]])];
        // Against (−1, 1), (2, 1) has −1: it is turned to be at right angles with it.
        let found = to_host(unopposed(&parts)["layer/b"].clone());
        let dot = -found[0] + found[1];
        assert!(dot.abs() < 1e-5 && found[0] > 0.0, "{found:?}");
        assert!((found[0] - 1.5).abs() < 1e-5 && (found[1] - 1.5).abs() < 1e-5, "the nearest such: {found:?}");
        assert_eq!(found[2..], [1.0, 1.0], "nothing to turn");
    }

    #[test]
    fn opposite_rewards_leave_nothing_and_broken_ones_are_summed() {
        let parts = [gradient([[1.0, 0.0], [f32::NAN, 0.0]]), gradient([[-2.0, 0.0], [1.0, 1.0]])];
        let found = to_host(unopposed(&parts)["layer/b"].clone());
        assert!(found[0].abs() < 1e-5, "{found:?}");
        assert!(found[2].is_nan(), "the trainer says of which run");
    }
}
