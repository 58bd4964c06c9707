//! Preferences in the files of others, read and written: Pick-a-Pic, HPD v2, ImageReward, and CSV with two images per row.
//!
//! [`Import`] turns such a file into records of a file of preferences: images are named by their files and hashes, and images that
//! are inside the file are written beside the records. [`export`] writes records as one of these files. What a row does not say, or a
//! format cannot say, is counted and told. `docs/preferences.md` lists the columns.
//!
//! ```no_run
//! use moa_interchange::{Format, Import, export};
//! use moa_preferences::Preferences;
//!
//! # fn main() -> Result<(), moa_interchange::InterchangeError> {
//! let imported = Import::new("train-00000.parquet", "ratings/preferences.jsonl").run()?;
//! println!("{} records; {} rows left out", imported.records, imported.skipped.count());
//! for reason in imported.skipped.iter() {
//!     println!("{reason}");
//! }
//! let preferences = Preferences::read("ratings/preferences.jsonl".as_ref())?;
//! export(&preferences, Format::ImageReward, "ratings/ranking.json".as_ref())?;
//! # Ok(())
//! # }
//! ```

mod budget;
mod cell;
mod error;
mod export;
mod format;
mod formats;
mod gallery;
mod import;
mod reasons;
mod rows;

pub use error::InterchangeError;
pub use export::{Exported, export};
pub use format::Format;
pub use import::{Import, Imported};
pub use reasons::{Reason, Reasons};
