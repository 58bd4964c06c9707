//! One adapter on the host.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The low-rank factors of one layer, laid out as PyTorch and every file format lay them out.
#[derive(Clone, Debug, PartialEq)]
pub struct AdapterLayer {
    /// Width of the layer's input.
    pub d_in: usize,
    /// Width of the layer's output.
    pub d_out: usize,
    /// The projection down, `[r, d_in]`, row-major: lora_A.
    pub a: Vec<f32>,
    /// The projection up, `[d_out, r]`, row-major: lora_B.
    pub b: Vec<f32>,
}

impl AdapterLayer {
    /// Returns whether two layers have the same shape.
    pub fn same_shape(&self, other: &Self) -> bool {
        self.d_in == other.d_in && self.d_out == other.d_out
    }
}

/// In what precision an adapter's numbers are stored; in memory they are single precision always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Single precision.
    #[default]
    F32,
    /// IEEE's half precision.
    F16,
    /// bfloat16.
    Bf16,
}

impl Precision {
    /// Returns the precision that holds the numbers of both.
    #[must_use]
    pub fn joined(self, other: Self) -> Self {
        if self == other { self } else { Self::F32 }
    }
}

/// One adapter on the host: ΔW = (α/r)·B·A for every layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Adapter {
    /// Rank r.
    pub rank: usize,
    /// LoRA's α.
    pub alpha: f32,
    /// In what its files store numbers.
    pub precision: Precision,
    /// Factors by the layer's name.
    pub layers: BTreeMap<String, AdapterLayer>,
}

/// Returns the transpose of a row-major `[rows, columns]` matrix.
pub(crate) fn transposed(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    (0..columns).flat_map(|c| (0..rows).map(move |r| values[r * columns + c])).collect()
}
