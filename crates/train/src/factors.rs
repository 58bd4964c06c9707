//! The trained factors of a bank, by name.

use burn::tensor::Tensor;
use moa_adapter::{AdapterBank, LowRank};
use moa_device::from_host;
use moa_optimiser::Named;

/// The factors that are trained, each `[members, …, …]`: `<layer>/b`, and `<layer>/a` where adapters do not share theirs.
pub(crate) type Factors = Named<3>;

fn name(layer: &str, side: &str) -> String {
    format!("{layer}/{side}")
}

/// Returns the factors of a bank that are trained.
pub(crate) fn trained(bank: &AdapterBank, share_a: bool) -> Factors {
    let mut factors = Factors::new();
    for (layer, LowRank { a, b }) in bank.layers() {
        if !share_a {
            factors.insert(name(layer, "a"), a.clone());
        }
        factors.insert(name(layer, "b"), b.clone());
    }
    factors
}

/// Returns the bank with these factors in place of its own.
pub(crate) fn with_factors(bank: &AdapterBank, factors: &Factors) -> AdapterBank {
    let find = |layer: &str, side| factors.get(&name(layer, side)).cloned();
    let layers = bank.layers().iter().map(|(layer, own)| {
        let a = find(layer, "a").unwrap_or_else(|| own.a.clone());
        let b = find(layer, "b").unwrap_or_else(|| own.b.clone());
        (layer.clone(), LowRank { a, b })
    });
    bank.with_layers(layers.collect())
}

/// Returns the factors as leaves of a new graph.
pub(crate) fn leaves(factors: &Factors) -> Factors {
    factors.iter().map(|(name, factor)| (name.clone(), factor.clone().autodiff().require_grad())).collect()
}

/// Adds factors up, name by name.
pub(crate) fn add(sum: &mut Factors, factors: Factors) {
    for (name, factor) in factors {
        let total = match sum.remove(&name) {
            Some(total) => total + factor,
            None => factor,
        };
        sum.insert(name, total);
    }
}

/// Returns the factors of one member.
pub(crate) fn member(factors: &Factors, index: usize) -> Factors {
    map(factors, |factor| factor.narrow(0, index, 1))
}

/// Returns the factors of the members at `places`, in this order.
pub(crate) fn members(factors: &Factors, places: &[usize]) -> Factors {
    map(factors, |factor| rows(&factor, places))
}

/// Returns the factors with one member's in place of what it had.
pub(crate) fn replaced(factors: &Factors, index: usize, one: &Factors) -> Factors {
    let replace = |(name, factor): (&String, &Tensor<3>)| {
        let parts = (0..factor.dims()[0]).map(|place| match one.get(name) {
            Some(own) if place == index => own.clone(),
            _ => factor.clone().narrow(0, place, 1),
        });
        (name.clone(), Tensor::cat(parts.collect(), 0))
    };
    factors.iter().map(replace).collect()
}

/// Returns rows of a factor.
pub(crate) fn rows(factor: &Tensor<3>, places: &[usize]) -> Tensor<3> {
    Tensor::cat(places.iter().map(|place| factor.clone().narrow(0, *place, 1)).collect(), 0)
}

/// Returns the square of the norm of each member's whole gradient, `[members]`; `None` where there is no gradient.
pub(crate) fn member_squares(gradients: &Factors) -> Option<Tensor<1>> {
    let squares = gradients.values().map(|gradient| {
        let members = gradient.dims()[0];
        gradient.clone().powi_scalar(2).reshape([members as i64, -1]).sum_dim(1)
    });
    let squares: Vec<Tensor<2>> = squares.collect();
    (!squares.is_empty()).then(|| Tensor::cat(squares, 1).sum_dim(1).flatten(0, 1))
}

/// Returns the gradients, each member's scaled down to a norm of at most `most`.
pub(crate) fn clipped(gradients: Factors, norms: &[f64], most: f64) -> Factors {
    let clip: Vec<f32> = norms.iter().map(|norm| (most / norm.max(1e-12)).min(1.0) as f32).collect();
    let Some(device) = gradients.values().next().map(Tensor::device) else { return gradients };
    let members = clip.len();
    let clip: Tensor<3> = from_host(clip, [members, 1, 1], &device);
    gradients.into_iter().map(|(name, gradient)| (name, gradient * clip.clone())).collect()
}

fn map(factors: &Factors, change: impl Fn(Tensor<3>) -> Tensor<3>) -> Factors {
    factors.iter().map(|(name, factor)| (name.clone(), change(factor.clone()))).collect()
}

/// Returns the factors of all members, in order, from those of each.
pub(crate) fn of_members(parts: &[Factors]) -> Factors {
    let mut all = Factors::new();
    for name in parts.first().into_iter().flat_map(Factors::keys) {
        let tensors = parts.iter().filter_map(|part| part.get(name).cloned()).collect();
        all.insert(name.clone(), Tensor::cat(tensors, 0));
    }
    all
}

/// Returns a bank of all the members whose factors are given, in order.
pub(crate) fn joined(frame: &AdapterBank, parts: &[Factors]) -> AdapterBank {
    with_factors(frame, &of_members(parts))
}
