//! What the evaluations of an experiment add up to, without tensors: what runner, command and terminal UI say of results.
//!
//! | question | answer |
//! |---|---|
//! | everything that is said of an experiment | [`FrontReport`] |
//! | which points are on the front, and how sure is it? | [`placings`] |
//! | what counts as 0 and as 1 in the hypervolume? | [`Scales`] |
//! | what holds on other prompts? | [`promises`] |
//! | which rewards rise while a judge falls? | [`Watcher`] |
//! | how do experiments compare? | [`Comparison`] |
//! | are soups as good as training? | [`SoupComparison`] |
//! | which weighting is worth training next? | [`Next`] |
//! | what does an adapter say of itself? | [`card()`](card::card) |
//!
//! **Every interval and bound is made here or in [`moa_pareto`]**, by one [`bootstrap`]: the same resamples for every figure.

pub mod card;
pub mod compare;
mod edge;
mod error;
mod hacking;
mod hypervolumes;
mod next;
mod placing;
mod promise;
pub mod report;
mod resampling;
mod scales;
mod score;
mod shares;
mod soup_comparison;

pub use compare::Comparison;
pub use edge::{Edge, EdgePath};
pub use error::{AnalysisError, Mismatch};
pub use hacking::{SuspectedHacking, Watched, Watcher, harmless_prompts, suspected_hacking};
pub use hypervolumes::{Hypervolumes, mean_volume};
pub use next::Next;
pub use placing::{Placing, Standing, placings};
pub use promise::{Promise, promises};
pub use report::FrontReport;
pub use resampling::{LEVEL, bootstrap};
pub use scales::{Origin, RewardScale, Scales};
pub use score::{Score, scores};
pub use shares::shares_by_name;
pub use soup_comparison::{EqualHypervolumes, SoupComparison};
