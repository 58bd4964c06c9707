//! Differences of weights brought to a low rank, for formats that have factors alone.

use rayon::prelude::*;

use crate::adapter::layer_of;
use crate::merge::svd::nearest;
use crate::{Adapter, AdapterLayer};

/// What is lost of a layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Lost {
    /// The layer.
    pub layer: String,
    /// ‖rest‖ / ‖ΔW‖ of its difference, from 0 to 1.
    pub share: f64,
}

impl Adapter {
    /// Returns the adapter with the differences of its weights as low-rank factors: the nearest matrices of a rank in the Frobenius norm, beside
    /// the factors that are there. Differences of biases and norms, and DoRA's magnitudes, stay. Says what is lost of each layer.
    pub fn reduced(&self, rank: usize) -> (Self, Vec<Lost>) {
        let (weights, vectors): (Vec<_>, Vec<_>) = self
            .differences
            .iter()
            .partition(|(name, difference)| name.ends_with(".weight") && difference.shape.len() > 1);
        let reduced: Vec<(&str, (AdapterLayer, f64))> =
            weights.into_par_iter().map(|(name, difference)| (layer_of(name), nearest(difference, rank))).collect();
        let differences = vectors.into_iter().map(|(name, own)| (name.clone(), own.clone())).collect();
        let mut adapter = Self { differences, ..self.clone() };
        let mut lost = Vec::new();
        for (name, (layer, share)) in reduced {
            let joined = match adapter.layers.get(name) {
                Some(own) => beside(own, &layer),
                None => layer,
            };
            adapter.layers.insert(name.to_owned(), joined);
            lost.push(Lost { layer: name.to_owned(), share });
        }
        (adapter, lost)
    }
}

/// Returns the factors whose product is the sum of two.
fn beside(one: &AdapterLayer, other: &AdapterLayer) -> AdapterLayer {
    crate::merge::concatenated(&[(one, 1.0), (other, 1.0)])
}
