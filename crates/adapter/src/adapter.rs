//! One adapter on the host.

use std::collections::BTreeMap;

/// The low-rank factors of one layer, in moa's orientation.
#[derive(Clone, Debug, PartialEq)]
pub struct AdapterLayer {
    /// Width of the layer's input.
    pub d_in: usize,
    /// Width of the layer's output.
    pub d_out: usize,
    /// `[d_in, r]`, row-major.
    pub a: Vec<f32>,
    /// `[r, d_out]`, row-major.
    pub b: Vec<f32>,
}

impl AdapterLayer {
    /// Returns whether two layers have the same shape.
    pub fn same_shape(&self, other: &Self) -> bool {
        self.d_in == other.d_in && self.d_out == other.d_out
    }
}

/// One adapter on the host: ΔW = (α/r)·A·B for every layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Adapter {
    /// Rank r.
    pub rank: usize,
    /// LoRA's α.
    pub alpha: f32,
    /// Factors by the layer's name.
    pub layers: BTreeMap<String, AdapterLayer>,
}
