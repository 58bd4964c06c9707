//! A bank of adapters, merged into the engine's layers one adapter at a time, when it is first used.

use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use burn::tensor::Tensor;
use moa_adapter::{AdapterBank, LowRank};
use moa_device::to_host;

use super::linear::{GradientPlaces, LayerFactors, Linear, Merged};

/// The factors of one layer for all adapters, on the host.
#[derive(Clone, Debug, PartialEq)]
struct Factors {
    layer: usize,
    /// `[1 or K, d_in, r]`.
    a: Vec<f32>,
    /// Whether all adapters share A.
    shared: bool,
    /// `[K, r, d_out]`.
    b: Vec<f32>,
}

/// A bank whose adapters are merged into the engine's layers.
#[derive(Debug)]
pub(super) struct MergedBank {
    members: usize,
    scale: f32,
    factors: Vec<Factors>,
    merged: Vec<OnceLock<Vec<Option<Merged>>>>,
}

impl MergedBank {
    fn new(bank: &AdapterBank, names: &[String]) -> Self {
        let host = |x: Tensor<3>| to_host(x.inner());
        let factors = bank.layers().iter().filter_map(|(name, LowRank { a, b })| {
            let layer = names.binary_search(name).ok()?;
            Some(Factors { layer, shared: a.dims()[0] == 1, a: host(a.clone()), b: host(b.clone()) })
        });
        let members = bank.members();
        let merged = (0..members).map(|_| OnceLock::new()).collect();
        Self { members, scale: bank.scale(), factors: factors.collect(), merged }
    }

    /// Returns K.
    pub(super) fn members(&self) -> usize {
        self.members
    }

    /// Returns an adapter's layers by number.
    pub(super) fn member(&self, index: usize, linears: &[&Linear]) -> &[Option<Merged>] {
        self.merged[index].get_or_init(|| {
            let mut layers: Vec<Option<Merged>> = linears.iter().map(|_| None).collect();
            for Factors { layer, a, shared, b } in &self.factors {
                let part = |values: &[f32], copies: usize, index: usize| {
                    let size = values.len() / copies;
                    index * size..(index + 1) * size
                };
                let a = if *shared { &a[..] } else { &a[part(a, self.members, index)] };
                let factors = LayerFactors { a, b: &b[part(b, self.members, index)] };
                layers[*layer] = Some(linears[*layer].merge(factors, self.scale));
            }
            layers
        })
    }

    fn same(&self, other: &Self) -> bool {
        self.members == other.members && self.scale.to_bits() == other.scale.to_bits() && self.factors == other.factors
    }
}

/// The banks that were used last, the latest at the end: an epoch's rollout, and an update's micro-batches, pass through one bank many
/// times, and each thread may train another.
#[derive(Debug, Default)]
pub(super) struct LastBanks(Mutex<Vec<Arc<MergedBank>>>);

impl LastBanks {
    /// Returns the bank, merged; what was merged before is used again where the factors are the same.
    pub(super) fn merged(&self, bank: &AdapterBank, names: &[String]) -> Arc<MergedBank> {
        let new = MergedBank::new(bank, names);
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = match last.iter().position(|known| known.same(&new)) {
            Some(place) => last.remove(place),
            None => Arc::new(new),
        };
        last.push(found.clone());
        let surplus = last.len().saturating_sub(rayon::current_num_threads().max(1));
        last.drain(..surplus);
        found
    }
}

/// A factor that gradients are wanted for, and where they go.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    /// Copies of the factor: one for each adapter, or one for all.
    copies: usize,
    /// Values of one copy.
    size: usize,
    /// Position in one adapter's flat gradient.
    place: usize,
    /// Position of the first copy in the flat gradient of all.
    start: usize,
}

/// The factors that gradients are wanted for.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    pub(super) pieces: Vec<Piece>,
    pub(super) places: Vec<GradientPlaces>,
    /// Values of one adapter's flat gradient.
    pub(super) size: usize,
    /// Values of all copies.
    pub(super) total: usize,
}

impl Wanted {
    /// Returns the factors of a bank that autodiff follows, with those factors themselves, flat, in order; none without a bank.
    pub(super) fn of(bank: Option<&AdapterBank>, names: &[String]) -> (Self, Vec<Tensor<1>>) {
        let mut wanted = Self { places: vec![GradientPlaces::default(); names.len()], ..Self::default() };
        let mut tensors = Vec::new();
        for (name, LowRank { a, b }) in bank.into_iter().flat_map(AdapterBank::layers) {
            let Ok(layer) = names.binary_search(name) else { continue };
            for (is_a, tensor) in [(true, a), (false, b)] {
                if !tensor.is_autodiff() {
                    continue;
                }
                let [copies, rows, columns] = tensor.dims();
                let size = rows * columns;
                let places = &mut wanted.places[layer];
                *if is_a { &mut places.a } else { &mut places.b } = Some(wanted.size);
                wanted.pieces.push(Piece { copies, size, place: wanted.size, start: wanted.total });
                wanted.size += size;
                wanted.total += copies * size;
                tensors.push(tensor.clone().reshape([copies * size]));
            }
        }
        (wanted, tensors)
    }

    /// Adds one adapter's flat gradient to that of all.
    pub(super) fn add(&self, member: usize, gradient: &[f32], all: &mut [f32]) {
        for piece in &self.pieces {
            let copy = if piece.copies == 1 { 0 } else { member };
            let from: Range<usize> = piece.place..piece.place + piece.size;
            super::pass::add_onto(&mut all[piece.start + copy * piece.size..][..piece.size], &gradient[from]);
        }
    }
}
