//! What a reward looks at, and what fools it, for any reward that a [`Scorer`](moa_reward::Scorer) has.
//!
//! | question | answer |
//! |---|---|
//! | where in the image? | [`heat_map`]: integrated gradients, or occlusion where there is no gradient |
//! | does it point at what matters? | [`deletion`] |
//! | which words of the prompt? | `words` |
//! | by which concepts? | `concepts`: a sparse linear account over named directions of a CLIP |
//! | what is it blind to, what fools it? | `edits` |
//! | what does it want? | [`climb`]: an image climbed on it |
//! | with what does it agree? | `agreement`: judges, other rewards, raters |
//!
//! [`explain`] answers all of them for one reward, as a [`RewardCard`](moa_analysis::explanation::RewardCard). Rewards are known only by
//! what every reward does: scores, where it has one a gradient, and prompts that it refuses.

mod agreement;
mod card;
mod climb;
mod concepts;
mod deletion;
mod edits;
mod error;
mod fill;
mod heat;
mod images;
mod lens;
mod lettering;
mod map;
mod meter;
mod occlusion;
mod overlay;
mod paths;
mod picture;
mod words;

pub use agreement::RatedPair;
pub use card::{Drawings, Explained, Settings, explain};
pub use climb::{Climbing, climb};
pub use concepts::{Concept, Dictionary, emoji_concepts, general_concepts, read_concepts};
pub use deletion::{Deletions, deletion};
pub use error::ExplainError;
pub use heat::{Method, heat_map};
pub use images::{Images, Planes};
pub use lens::{Column, Lens};
pub use map::HeatMap;
pub use meter::Meter;
pub use overlay::overlay;
