//! AdamW over the trained factors of a bank, with every adapter's gradient clipped by its own norm.

use std::collections::BTreeMap;

use burn::optim::{AdamW, AdamWConfig, AdamWState, Optimizer};
use burn::tensor::Tensor;
use moa_adapter::{AdapterBank, LowRank};
use moa_core::experiment::OptimiserSpec;

/// The name of a trained factor: its layer, and which side.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FactorName {
    pub(crate) layer: String,
    pub(crate) side: Side,
}

/// Which factor of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    /// The projection down, trained only when adapters do not share it.
    A,
    /// The projection up.
    B,
}

/// Factors by name, each `[members, …, …]`.
pub(crate) type Factors = BTreeMap<FactorName, Tensor<3>>;

/// Returns the factors of a bank that are trained.
pub(crate) fn trained(bank: &AdapterBank, share_a: bool) -> Factors {
    let mut factors = Factors::new();
    for (layer, LowRank { a, b }) in bank.layers() {
        if !share_a {
            factors.insert(FactorName { layer: layer.clone(), side: Side::A }, a.clone());
        }
        factors.insert(FactorName { layer: layer.clone(), side: Side::B }, b.clone());
    }
    factors
}

/// Returns the bank with these factors in place of its own.
pub(crate) fn with_factors(bank: &AdapterBank, factors: &Factors) -> AdapterBank {
    let find = |layer: &str, side| factors.get(&FactorName { layer: layer.to_owned(), side }).cloned();
    let layers = bank.layers().iter().map(|(layer, own)| {
        let a = find(layer, Side::A).unwrap_or_else(|| own.a.clone());
        let b = find(layer, Side::B).unwrap_or_else(|| own.b.clone());
        (layer.clone(), LowRank { a, b })
    });
    bank.with_layers(layers.collect())
}

/// AdamW's state for all adapters of a bank; adapters do not influence each other.
pub(crate) struct BankOptimiser {
    adamw: AdamW,
    learning_rate: f64,
    max_grad_norm: f64,
    pub(crate) moments: BTreeMap<FactorName, AdamWState<3>>,
}

impl BankOptimiser {
    pub(crate) fn new(spec: &OptimiserSpec) -> Self {
        let adamw = AdamWConfig::new()
            .with_beta_1(spec.beta1 as f32)
            .with_beta_2(spec.beta2 as f32)
            .with_epsilon(spec.epsilon as f32)
            .with_weight_decay(spec.weight_decay as f32)
            .build();
        let (learning_rate, max_grad_norm) = (spec.learning_rate, spec.max_grad_norm);
        Self { adamw, learning_rate, max_grad_norm, moments: BTreeMap::new() }
    }

    /// Takes one step and returns the new factors and every adapter's gradient norm before clipping.
    pub(crate) fn update(&mut self, factors: &Factors, gradients: &Factors) -> (Factors, Vec<f64>) {
        let norms = member_norms(gradients);
        let members = norms.len();
        let clip: Vec<f32> = norms.iter().map(|norm| (self.max_grad_norm / norm.max(1e-12)).min(1.0) as f32).collect();
        let mut next = Factors::new();
        for (name, factor) in factors {
            let Some(gradient) = gradients.get(name) else {
                next.insert(name.clone(), factor.clone());
                continue;
            };
            let clip = Tensor::<1>::from_floats(clip.as_slice(), &factor.device()).reshape([members, 1, 1]);
            let gradient = gradient.clone() * clip;
            let (moved, moments) =
                self.adamw.step(self.learning_rate, factor.clone(), gradient, self.moments.remove(name));
            self.moments.extend(moments.map(|moments| (name.clone(), moments)));
            next.insert(name.clone(), moved);
        }
        (next, norms)
    }
}

/// Returns the norm of each adapter's whole gradient.
fn member_norms(gradients: &Factors) -> Vec<f64> {
    let squares = gradients.values().map(|gradient| {
        let members = gradient.dims()[0];
        gradient.clone().powi_scalar(2).reshape([members as i64, -1]).sum_dim(1)
    });
    let squares: Vec<Tensor<2>> = squares.collect();
    if squares.is_empty() {
        return Vec::new();
    }
    let sums = Tensor::cat(squares, 1).sum_dim(1).into_data().convert::<f32>().try_into_vec::<f32>();
    sums.unwrap_or_default().into_iter().map(|sum| f64::from(sum).sqrt()).collect()
}
