//! Between the desk at which people judge and the model of their judgement.
//!
//! - [`PoolFolder`] is the folder of a rating: images under names that say nothing, `pool.json`, and `preferences.jsonl`.
//! - [`Active`] chooses what is asked at a [`moa_rating::Desk`] by a model that is fitted to the answers as they come in.
//! - [`Simulated`] answers in a person's place, from a score that is known, with a person's errors.
//!
//! No tensors: the caller computes the features of images.
//!
//! ```
//! use moa_feedback::{Active, ActiveSettings, Errors, Simulated};
//! use moa_preference_model::Features;
//! use moa_preferences::{Image, ImageFile};
//! use moa_rating::{Desk, Mode, Options, Pool, PoolImage};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("preferences.jsonl");
//! // Four images of a prompt, with two features each; the first feature is what the rater likes.
//! let image = |index: usize| PoolImage {
//!     image: Image::File(ImageFile { path: format!("{index}.png"), sha256: format!("{index:064x}") }),
//!     prompt: "a red cat".into(),
//!     origin: "base".into(),
//!     file: format!("{index}.png").into(),
//! };
//! let pool = Pool::new((0..4).map(image));
//! let features = Features::new(2, vec![0.1, 0.9, 0.8, 0.2, 0.5, 0.4, 0.3, 0.1])?;
//! let active = Active::new(&pool, &features, ActiveSettings::default())?;
//! let rater = Simulated::new(&pool, vec![0.1, 0.8, 0.5, 0.3], Errors::None, 7)?;
//! let desk = Desk::open(&path, pool, Box::new(active), Options::new(Mode::Pairs))?;
//! rater.attend(&desk.seat("simulated")?, Mode::Pairs, 3)?;
//! assert_eq!(desk.progress().answered, 3);
//! # Ok(())
//! # }
//! ```

mod active;
mod error;
mod learning;
mod pool_folder;
mod simulated;

pub use active::{Active, ActiveSettings, Asking};
pub use error::FeedbackError;
pub use pool_folder::{NewImage, PoolEntry, PoolFolder, PoolOrigin, VERSION};
pub use simulated::{Errors, Simulated};
