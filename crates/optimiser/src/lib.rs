//! What everything that is trained shares, adapters as well as the built-in models: AdamW over named tensors, a running average of
//! them, and the whole state as one file that restores to the bit.

mod adamw;
mod average;
mod state;

use std::collections::BTreeMap;

use burn::tensor::Tensor;

pub use adamw::AdamW;
pub use average::Average;
pub use state::{StateError, StateReader, StateWriter};

/// Tensors by name.
pub type Named<const D: usize> = BTreeMap<String, Tensor<D>>;
