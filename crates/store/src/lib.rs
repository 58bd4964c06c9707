//! Metrics, evaluations and runs of an experiment, kept in sled; adapters and pictures are files beside it.
//!
//! - [`Layout`] knows where each file of an experiment lies, and [`write_atomically`] writes it whole or not at all.
//! - [`MetricStore`] is the one writer: it takes records or [`RunEvent`](moa_core::RunEvent)s, and holds the truth.
//! - [`Snapshot`] is what readers get, [`Follower`] keeps one up to date. Readers never touch the writer's files: they read
//!   a private copy of a store that nobody writes, and the journal `live.jsonl` of one that somebody does.
//! - [`export()`] writes a snapshot as CSV, JSON lines or Parquet.

mod activity;
mod atomic;
mod codec;
mod database;
mod error;
pub mod export;
mod follow;
mod journal;
mod layout;
mod names;
mod silence;
mod snapshot;
mod store;

pub use activity::Activity;
pub use atomic::{write_atomically, write_atomically_with};
pub use error::StoreError;
pub use export::{Format, Table, export};
pub use follow::{Change, Follower};
pub use layout::Layout;
pub use snapshot::{Snapshot, Source, Sweep};
pub use store::MetricStore;

/// The format of stores and journals that this version writes, and the newest that it reads.
pub const FORMAT: u32 = 1;
