//! LoRA layers, adapter banks, adapter files — and the named parameters that every model of moa is built from.
//!
//! A *bank* holds K adapters over one frozen base. Rows of a batch belong to adapters in order (`[K · m, …]`), so that
//! `x·W` runs once for the whole bank and only the low-rank branch is batched per adapter.

mod adapter;
mod apply;
mod bank;
pub mod contents;
mod family;
mod format;
mod linear;
mod merge;
mod names;
mod parameters;
mod reduce;

pub use adapter::{Adapter, AdapterLayer, Difference, Norms, Precision, encoder_of};
pub use apply::Change;
pub use bank::{AdapterBank, BankConfig, LayerShape, LowRank};
pub use format::{
    AdapterFileError, AdapterFiles, AdapterFormat, OutgoingFiles, base_named_by, provenance_of, sha256_of_file,
};
pub use linear::Linear;
pub use merge::{MajoritySign, Merge, MergeError, MergeMethod};
pub use reduce::Lost;

pub use parameters::{Init, Origin, Parameter, Parameters, ParametersError, TensorFile, weight_files};
