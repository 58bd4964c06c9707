//! Judgements of people and models on images: what is judged, and rewards that are fitted to it.

mod draw;
mod fit;
mod follow;
mod look;
mod online;
mod open;
mod taste;
mod times;

pub use draw::{Artist, JudgedDrawing, artists, prompts_to_judge};
pub use fit::{FitError, FitPart, FitRequest, FittedRatings, fit};
pub use look::Look;
pub(crate) use online::{Feedback, Judged};
pub use taste::taste;
pub(crate) use times::Times;
