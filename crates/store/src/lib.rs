//! Metrics, evaluations and runs of an experiment, kept in sled; adapters and images are files beside it.
//!
//! - [`Layout`] knows where each file of an experiment lies, and [`write_atomically`] writes it whole or not at all.
//! - [`RunLog`] is the truth: what is known of a run, in its own folder, in lines with checksums; [`Leases`] say who writes it.
//! - [`MetricStore`] is the index over all logs, with one writer: it takes records or [`RunEvent`](moa_core::RunEvent)s.
//! - [`Snapshot`] is what readers get, [`Follower`] keeps one up to date. Readers never touch the writer's files: they read
//!   a private copy of a store that is not being written, and the journal `live.jsonl` of one that is.
//! - [`added`] finds the soups that were added to an experiment when they were measured.
//! - [`TaskStatus`] is what the process of one part of a sweep says of itself, in a file of its own; [`Submissions`] what a cluster's
//!   queue was given.
//! - [`ImageScores`] are the scores of an evaluation's single images, in a file beside the log.
//! - [`AcrossRecord`] is the evaluation of one phase's adapter on another phase's prompts and rewards.
//! - [`Arrivals`] are the prompts that arrived while an experiment was trained, [`Versions`] the adapters that were released meanwhile.
//! - [`Remarks`] are the user's own notes and tags, and [`remove_experiment`] and [`remove_points`] delete what is not wanted any more.
//! - [`export()`] writes results as CSV, JSON lines, Parquet or text.

mod across;
mod activity;
mod added;
mod arrivals;
mod atomic;
mod codec;
mod database;
mod error;
pub mod export;
mod follow;
mod image_scores;
mod journal;
mod layout;
mod lease;
mod lines;
mod names;
mod remarks;
mod remove;
mod run_log;
mod silence;
mod snapshot;
mod store;
mod submissions;
mod tasks;
mod versions;

pub use across::AcrossRecord;
pub use activity::Activity;
pub use added::{Indexed, added, index_point};
pub use arrivals::{Arrivals, Look, prompt_of_line};
pub use atomic::{write_atomically, write_atomically_with, write_where_other};
pub use error::StoreError;
pub use export::{Format, Table, export};
pub use follow::{Change, Follower};
pub use image_scores::{ImageColumn, ImageScores, Role};
pub use layout::{ADAPTER, ADAPTER_CONFIG, LEASE, Layout, PICTURES, ResultTable, SAMPLES};
pub use lease::Leases;
pub use remarks::{Remark, Remarks};
pub use remove::{remove_experiment, remove_points};
pub use run_log::{Entry, Origin, RunHistory, RunLog, opened};
pub use snapshot::{Snapshot, Source, Sweep};
pub use store::MetricStore;
pub use submissions::{Submission, Submissions};
pub use tasks::{TASK_FORMAT, TaskState, TaskStatus, unix_now};
pub use versions::{Alarm, AlarmKind, Standing, Version, VersionGain, Versions};

/// The format of stores and journals that this version writes, and the newest that it reads.
pub const FORMAT: u32 = 1;
