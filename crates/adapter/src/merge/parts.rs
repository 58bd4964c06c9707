//! The adapters that take part in a merge, by what they adapt.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use super::{Combine, Merge, MergeError, USUAL_RANK};
use crate::adapter::{encoder_of, layer_of};
use crate::names::transformer::is_of_transformer;
use crate::names::unet::is_of_unet;
use crate::{Adapter, AdapterLayer, Difference, Precision};

/// The shape of a weight or of a vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// `[out, in, …]`.
    pub(super) dims: Vec<usize>,
}

impl Shape {
    pub(super) fn rows(&self) -> usize {
        self.dims[0]
    }

    /// Returns the width of the matrix that the weight is.
    pub(super) fn columns(&self) -> usize {
        self.dims[1..].iter().product()
    }

    pub(super) fn kernel(&self) -> &[usize] {
        self.dims.get(2..).unwrap_or_default()
    }

    /// Returns whether two shapes are the same matrix; the kernel may be folded into the inputs in one of them.
    fn fits(&self, other: &Self) -> bool {
        self.rows() == other.rows() && self.columns() == other.columns()
    }
}

/// The adapters that have a share.
pub(super) struct Parts<'a> {
    adapters: Vec<(&'a Adapter, f64)>,
    /// Weights by the layer's name.
    weights: BTreeMap<&'a str, Shape>,
    /// Biases and norms by the parameter's name.
    vectors: BTreeMap<&'a str, Shape>,
}

impl<'a> Parts<'a> {
    /// # Errors
    /// Refuses adapters whose shapes differ, and DoRAs beside others or at another share than 1.
    pub(super) fn new(adapters: &[(&'a Adapter, f64)]) -> Result<Self, MergeError> {
        let parts: Vec<(&Adapter, f64)> = adapters.iter().copied().filter(|(_, share)| *share != 0.0).collect();
        if parts.is_empty() {
            return Err(MergeError::Empty);
        }
        let (mut weights, mut vectors) = (BTreeMap::new(), BTreeMap::new());
        for (index, (adapter, share)) in adapters.iter().enumerate() {
            let note = |known: &mut BTreeMap<&'a str, Shape>, name: &'a str, found: Shape| {
                let wanted = known.entry(name).or_insert_with(|| found.clone());
                if !wanted.fits(&found) {
                    let (found, wanted) = (found.dims, wanted.dims.clone());
                    return Err(MergeError::Shape { layer: name.to_owned(), index, found, wanted });
                }
                if found.dims.len() > wanted.dims.len() {
                    *wanted = found;
                }
                Ok(())
            };
            for (name, layer) in &adapter.layers {
                note(&mut weights, name, Shape { dims: layer.shape() })?;
            }
            for (name, difference) in &adapter.differences {
                let shape = Shape { dims: difference.shape.clone() };
                if difference.shape.len() > 1 {
                    note(&mut weights, layer_of(name), shape)?;
                } else {
                    note(&mut vectors, name, shape)?;
                }
            }
            let is_alone = parts.len() == 1 && share.to_bits() == 1f64.to_bits();
            if let Some(layer) = adapter.magnitudes.keys().next().filter(|_| *share != 0.0 && !is_alone) {
                return Err(MergeError::Dora { index, layer: layer.clone() });
            }
        }
        // Each may be for whichever denoiser; together they are for one.
        let all = || parts.iter().flat_map(|(adapter, _)| adapter.names()).filter(|name| encoder_of(name).is_none());
        if let (Some(one), Some(other)) =
            (all().find(|name| is_of_unet(name)), all().find(|name| is_of_transformer(name)))
        {
            return Err(MergeError::Kinds { one: one.to_owned(), other: other.to_owned() });
        }
        let own = |name: &str| parts.iter().any(|(adapter, _)| adapter.names().any(|own| own == name));
        let in_weights: BTreeSet<&str> =
            parts.iter().flat_map(|(adapter, _)| adapter.names()).map(layer_of_weight).collect();
        weights.retain(|name, _| in_weights.contains(name));
        vectors.retain(|name, _| own(name));
        Ok(Self { adapters: parts, weights, vectors })
    }

    /// Returns a DoRA that is alone with share 1, as it is.
    pub(super) fn untouched(&self) -> Option<Adapter> {
        match &self.adapters[..] {
            [(only, _)] if !only.magnitudes.is_empty() => Some((*only).clone()),
            _ => None,
        }
    }

    /// Returns the layers whose weights change, sorted.
    pub(super) fn weights(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.weights.keys().copied()
    }

    /// Returns the layers with factors, sorted.
    pub(super) fn layer_names(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.weights().filter(|name| self.adapters.iter().any(|(adapter, _)| adapter.layers.contains_key(*name)))
    }

    pub(super) fn shape(&self, name: &str) -> Shape {
        self.weights[name].clone()
    }

    /// Returns the factors of a layer with their shares, in the order of the adapters.
    pub(super) fn layers(&self, name: &str) -> Vec<(&'a AdapterLayer, f64)> {
        self.adapters.iter().filter_map(|(adapter, share)| Some((adapter.layers.get(name)?, *share))).collect()
    }

    /// Returns whether a layer's weight has a difference in one of the adapters.
    pub(super) fn has_difference(&self, name: &str) -> bool {
        self.adapters.iter().any(|(adapter, _)| difference_of(adapter, name).is_some())
    }

    /// Returns whether all that is added to a layer are factors of one rank.
    pub(super) fn has_equal_factors(&self, name: &str) -> bool {
        let layers = self.layers(name);
        !self.has_difference(name) && layers.iter().all(|(layer, _)| layer.rank == layers[0].0.rank)
    }

    /// Returns ΔW of a layer in each adapter that has one.
    pub(super) fn deltas(&self, name: &str) -> Vec<Vec<f32>> {
        let delta = |(adapter, _): &(&Adapter, f64)| match (adapter.layers.get(name), difference_of(adapter, name)) {
            (None, None) => None,
            (Some(layer), None) => Some(layer.delta()),
            (None, Some(difference)) => Some(difference.values.clone()),
            (Some(layer), Some(difference)) => {
                Some(layer.delta().iter().zip(&difference.values).map(|(one, other)| one + other).collect())
            }
        };
        self.adapters.iter().filter_map(delta).collect()
    }

    /// Returns the shares that belong to [`Parts::deltas`].
    pub(super) fn shares(&self, name: &str) -> Vec<f32> {
        let has = |adapter: &Adapter| adapter.layers.contains_key(name) || difference_of(adapter, name).is_some();
        self.adapters.iter().filter(|(adapter, _)| has(adapter)).map(|(_, share)| *share as f32).collect()
    }

    /// Returns the rank that a layer of the result has after an SVD.
    pub(super) fn wanted_rank(&self, name: &str, merge: &Merge) -> usize {
        let largest = |ranks: &mut dyn Iterator<Item = usize>| ranks.max().filter(|rank| *rank > 0);
        let here = || largest(&mut self.layers(name).iter().map(|(layer, _)| layer.rank));
        let anywhere = || largest(&mut self.adapters.iter().map(|(adapter, _)| adapter.rank()));
        let rank = merge.rank.or_else(here).or_else(anywhere).unwrap_or(USUAL_RANK);
        let shape = &self.weights[name];
        rank.min(shape.rows()).min(shape.columns())
    }

    /// Returns Σ λ_k·D_k of all differences.
    pub(super) fn sum_of_differences(&self) -> BTreeMap<String, Difference> {
        let mut sums: BTreeMap<String, (Vec<usize>, Vec<f64>)> = BTreeMap::new();
        for (adapter, share) in &self.adapters {
            for (name, difference) in &adapter.differences {
                let new = || (difference.shape.clone(), vec![0.0; difference.values.len()]);
                let (_, sum) = sums.entry(name.clone()).or_insert_with(new);
                sum.iter_mut().zip(&difference.values).for_each(|(sum, value)| *sum += share * f64::from(*value));
            }
        }
        let single = |(name, (shape, sum)): (String, (Vec<usize>, Vec<f64>))| {
            (name, Difference { shape, values: sum.into_iter().map(|value| value as f32).collect() })
        };
        sums.into_iter().map(single).collect()
    }

    /// Returns the biases and norms, combined by a rule.
    pub(super) fn combined_vectors(&self, combine: &Combine<'_>) -> BTreeMap<String, Difference> {
        let first = 2 * self.weights.len() as u64;
        let names: Vec<(u64, &str, &Shape)> =
            self.vectors.iter().zip(first..).map(|((name, shape), place)| (place, *name, shape)).collect();
        let vector = |(place, name, shape): &(u64, &str, &Shape)| {
            let own =
                || self.adapters.iter().filter_map(|(adapter, share)| Some((adapter.differences.get(*name)?, share)));
            let tensors: Vec<&[f32]> = own().map(|(difference, _)| &difference.values[..]).collect();
            let weights: Vec<f32> = own().map(|(_, share)| *share as f32).collect();
            let values = combine(&tensors, &weights, *place);
            ((*name).to_owned(), Difference { shape: shape.dims.clone(), values })
        };
        names.par_iter().map(vector).collect()
    }

    /// Returns the precision of the result: the adapters' own where they agree.
    pub(super) fn precision(&self) -> Precision {
        self.adapters.iter().map(|(adapter, _)| adapter.precision).reduce(Precision::joined).unwrap_or_default()
    }

    /// Refuses negative shares, for methods that take a root of them.
    pub(super) fn not_negative(&self) -> Result<(), MergeError> {
        let is_negative = |(adapter, share): &(&Adapter, f64)| {
            adapter.layers.values().map(|layer| share * layer.scale()).any(|weight| weight < 0.0) || *share < 0.0
        };
        match self.adapters.iter().position(is_negative) {
            Some(index) => {
                let wanted = "not negative: only mean, concatenate and svd can extrapolate";
                Err(MergeError::Share { index, value: self.adapters[index].1, wanted })
            }
            None => Ok(()),
        }
    }
}

/// Returns the difference of a layer's weight, unless that is a norm's, which is a vector.
fn difference_of<'a>(adapter: &'a Adapter, layer: &str) -> Option<&'a Difference> {
    adapter.differences.get(&format!("{layer}.weight")).filter(|difference| difference.shape.len() > 1)
}

/// Returns the layer whose weight a parameter is, of others the name as it is.
fn layer_of_weight(name: &str) -> &str {
    name.strip_suffix(".weight").unwrap_or(name)
}
