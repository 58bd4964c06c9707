//! Pareto fronts, indicators, bootstrap intervals and weighting designs.
//!
//! Pure `f64` maths over plain slices: a *point* is anything that reads as `&[f64]`, one number per objective.
//!
//! **Everything is maximised.** A cost is negated once, where it is made, and never here.
//!
//! | question | answer |
//! |---|---|
//! | which points are worth having? | [`non_dominated`], [`ranks`], [`ParetoFront`] |
//! | how good is a set of points? | [`hypervolume`], [`igd_plus`], [`additive_epsilon`], [`expected_utility`], [`sparsity`] |
//! | what does one point add? | [`hypervolume_gain`], [`exclusive_contributions`] |
//! | how sure is a number? | [`Bootstrap`] |
//! | what holds on other prompts? | [`Bootstrap::simultaneous`], [`lower_end`] |
//! | which of many claims hold? | [`Bootstrap::family`] |
//! | which weightings to train? | [`simplex`] |
//! | which weighting to train next? | [`Proposer`] |
//! | what would a soup score? | [`Surrogate`] |
//! | which soup hits a trade-off? | [`Solver`] |
//!
//! Indicators mix objectives of different units, so bring the points to one scale first: [`Normalisation`].

mod bootstrap;
mod check;
mod cholesky;
mod distance;
mod divide;
mod dominance;
mod draws;
mod error;
mod family;
mod front;
mod hypervolume;
mod interval;
mod normalisation;
mod propose;
mod random;
mod sample;
pub mod simplex;
mod simultaneous;
mod solve;
mod sparsity;
mod student;
mod surrogate;
mod utility;

pub use bootstrap::{Bootstrap, Resampled};
pub use distance::{additive_epsilon, igd_plus};
pub use dominance::{dominates, non_dominated, ranks};
pub use error::ParetoError;
pub use family::{Covered, Family};
pub use front::{Insertion, ParetoFront};
pub use hypervolume::{exclusive_contributions, hypervolume, hypervolume_gain};
pub use interval::Interval;
pub use normalisation::Normalisation;
pub use propose::{Proposal, Proposer, Soup, Trained};
pub use sample::{FEWEST_CLAIMED, FEWEST_PROMPTS, FEWEST_VARYING, Sample};
pub use solve::{Answer, Bound, Constraint, Goal, Measured, Solver, Step, TradeOff};
pub use sparsity::sparsity;
pub use student::lower_end;
pub use surrogate::{Prediction, Surrogate};
pub use utility::expected_utility;
