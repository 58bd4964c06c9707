//! A model behind a chat endpoint that judges images: a rater at the desk, and a reward of its own.
//!
//! A [`Judge`] asks an OpenAI-compatible service, such as vLLM or llama.cpp on this machine: the images go along as they are, with a
//! [`Rubric`] and the form of the answer. [`Judge::rate`] sits at a [`moa_rating::Desk`] like a person, and its answers are kept as
//! ratings under its name. Comparisons are asked in both orders, so that a preference for a position cancels. [`AiScore`] scores
//! images. Nothing is contacted but the one address, which comes from the environment, as does the key.
//!
//! ```no_run
//! use moa_ai_judge::{Budget, Judge, Settings};
//! # fn main() -> Result<(), moa_ai_judge::JudgeError> {
//! # let desk: moa_rating::Desk = unimplemented!();
//! let settings = Settings { budget: Budget { questions: Some(500), ..Budget::default() }, ..Settings::new("qwen2.5-vl") };
//! let judge = Judge::new(settings, &|name| std::env::var(name).ok())?;
//! let stop = judge.stop_flag();
//! // On Ctrl-C: stop.store(true, Ordering::Relaxed)
//! let ended = judge.rate(&desk, &|progress| eprintln!("{} answered, {:?} left", progress.tally.answered, progress.left))?;
//! # Ok(())
//! # }
//! ```

mod chat;
mod clock;
mod endpoint;
mod error;
mod judge;
mod orders;
mod parse;
mod picture;
mod rate;
mod rubric;
mod score;
mod settings;
mod tally;

pub use error::JudgeError;
pub use judge::Judge;
pub use orders::POSITION;
pub use rate::{Ended, Progress};
pub use rubric::Rubric;
pub use score::AiScore;
pub use settings::{Budget, Settings};
pub use tally::{Position, Tally};
