//! The analysis of an experiment's evaluations, without tensors, for runner, command and terminal UI.
//!
//! | question | answer |
//! |---|---|
//! | everything about an experiment | [`FrontReport`] |
//! | which points are on the front, and how sure is it? | [`placings`] |
//! | what counts as 0 and as 1 in the hypervolume? | [`Scales`] |
//! | is a reward constant, or beside its scale? | [`scale_findings`] |
//! | what holds on other prompts? | [`promises`] |
//! | which rewards rise while a judge falls? | [`Watcher`] |
//! | what did phases learn, keep and forget? | [`PhaseReport`](continual::PhaseReport) |
//! | how do experiments compare? | [`Comparison`] |
//! | are soups as good as training? | [`SoupComparison`] |
//! | which soups did a search add to the experiment? | [`added`] |
//! | how do scores differ by what prompts ask for? | [`TaskMeans`] |
//! | which weighting is worth training next? | [`Next`] |
//! | what does an adapter say of itself? | [`card()`](card::card) |
//! | which points are recommended, and why? | [`advice`] |
//! | which points are not distinguishable? | [`Relations`] |
//! | what has one point more than another? | [`paired()`] |
//! | what would a soup gain? | [`Forecast`] |
//! | what does a reward look at, and what fools it? | [`Explanation`](explanation::Explanation) |
//! | what makes a point draw what it should not? | [`attack`] |
//! | does something drift while adapters are trained online? | [`drift`] |
//! | how does one write a trade-off? | [`trade_off`] |
//! | which shares meet it? | [`Search`] |
//!
//! **Every interval and bound is made here or in [`moa_pareto`]**, by one [`bootstrap`]: the same resamples for every figure.

mod added;
pub mod advice;
pub mod attack;
pub mod card;
pub mod compare;
pub mod continual;
pub mod drift;
mod edge;
mod error;
pub mod explanation;
mod forecast;
mod hacking;
mod hypervolumes;
mod labels;
mod next;
mod paired;
mod placing;
mod promise;
mod relations;
pub mod report;
mod resampling;
#[cfg(test)]
mod sample;
mod scale_findings;
mod scales;
mod score;
mod search;
mod shares;
mod soup_comparison;
mod tasks;
pub mod trade_off;

pub use added::added;
pub use advice::{Recommendation, Why};
pub use compare::Comparison;
pub use edge::{Edge, EdgePath};
pub use error::{AnalysisError, Mismatch};
pub use forecast::Forecast;
pub use hacking::{SuspectedHacking, Watched, Watcher, harmless_prompts, suspected_hacking};
pub use hypervolumes::{Hypervolumes, mean_volume};
pub use labels::labels;
pub use next::Next;
pub use paired::{Paired, paired};
pub use placing::{Placing, Standing, placings};
pub use promise::{Promise, promises};
pub use relations::Relations;
pub use report::{FrontPoint, FrontReport};
pub use resampling::{FALSE_ALARMS, LEVEL, bootstrap, bootstrap_of_look};
pub use scale_findings::{ScaleFault, ScaleFinding, scale_findings};
pub use scales::{Origin, RewardScale, Scales};
pub use score::{Score, scores};
pub use search::{End, Found, Search, Tried};
pub use shares::{apportion, shares_by_name};
pub use soup_comparison::{EqualHypervolumes, SoupComparison};
pub use tasks::{TaskMean, TaskMeans};
pub use trade_off::TradeOffError;
