//! What people and AI judges say of images: `preferences.jsonl`, one versioned record per line.
//!
//! A rater's tool appends each decision with a [`Writer`]; nothing that was decided is lost when it is killed. Training reads the
//! file with [`Preferences::read`], and takes [`Preferences::pairs`] or [`Preferences::labels`] of it: votes on the same images
//! are one entry each, with the share of votes. `docs/preferences.md` is the format's contract.
//!
//! No tensors, and images are never decoded: they are identified by the hash of their file, or by what draws them.

mod check;
mod consistency;
mod error;
mod fault;
mod files;
mod image;
mod json;
mod line;
mod moment;
mod notes;
mod preferences;
mod record;
mod votes;
mod writer;

pub use consistency::Rater;
pub use error::PreferencesError;
pub use fault::Faults;
pub use image::{Drawn, Image, ImageFile, sha256};
pub use moment::Moment;
pub use preferences::{FILE_NAME, LARGEST_FILE, Preferences, file_in};
pub use record::{Decision, Mark, Record, VERSION, Winner};
pub use votes::{Label, Pair, Scores};
pub use writer::{Ids, Writer};
