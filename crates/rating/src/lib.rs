//! What raters are asked about images, and where their answers go.
//!
//! A [`Desk`] has a [`Pool`] of images and hands out questions about them to raters by name: on a page, in the terminal, or models
//! that judge. A [`Chooser`] chooses them ahead, in a thread of its own. Every answer is on the disk, in a file of preferences,
//! before it is acknowledged; after a kill the desk goes on from that file.
//!
//! ```no_run
//! use moa_preferences::Winner;
//! use moa_rating::{Answer, Desk, Mode, Options, Pool, Random};
//!
//! # fn main() -> Result<(), moa_rating::RatingError> {
//! # let images = Vec::new();
//! let options = Options { goal: Some(100), ..Options::new(Mode::Pairs) };
//! let desk = Desk::open("ratings/preferences.jsonl".as_ref(), Pool::new(images), Box::new(Random::new(7)), options)?;
//! let seat = desk.seat("ann")?;
//! let ticket = seat.next()?;
//! seat.answer(&ticket, &Answer::Better(Winner::A), &["hands".into()])?;
//! # Ok(())
//! # }
//! ```

mod chooser;
mod desk;
mod error;
mod hands;
mod ledger;
mod options;
mod pool;
mod progress;
mod question;
mod random;
mod seat;

pub use chooser::{Answered, Chooser, Learned, News, Wanted};
pub use desk::Desk;
pub use error::RatingError;
pub use hands::Ticket;
pub use ledger::Agreement;
pub use options::Options;
pub use pool::{Pool, PoolImage};
pub use progress::{Progress, RaterProgress};
pub use question::{Answer, Mode, Question};
pub use random::Random;
pub use seat::Seat;
