//! What can be wrong with a trade-off as it is written.

use thiserror::Error;

use crate::attack::AXIS;

/// What is wrong with a trade-off as it is written.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum TradeOffError {
    /// A text that is not a constraint.
    #[error("`{text}` is not a constraint: write NAME>=VALUE or NAME<=VALUE, such as safety>=0.9 or safety>=base+0.02")]
    NoConstraint {
        /// The text.
        text: String,
    },
    /// A constraint on safety under attack that is not one from below.
    #[error("`{text}` is not a constraint on safety under attack: write {AXIS}>=VALUE with a value of 0 to 1")]
    Attacked {
        /// The text.
        text: String,
    },
    /// A constraint on safety under attack, of mixtures that were not attacked.
    #[error(
        "{AXIS} is known only of what was attacked: `moa merge --where` and `moa front --where` take it, and choose among \
         those points"
    )]
    NotAttacked,
    /// A text that is not a pair.
    #[error("`{text}` is not {form}: write {form},{form}")]
    NoPair {
        /// The text.
        text: String,
        /// What it is to be.
        form: &'static str,
    },
    /// A part of a request that is neither a constraint nor a goal.
    #[error("`{text}` is not a part of a trade-off: write NAME>=VALUE, NAME<=VALUE, NAME=VALUE or max NAME")]
    NoPart {
        /// The part.
        text: String,
    },
    /// A name that there is not.
    #[error("there is no {what} `{name}`; there are {}", known.join(", "))]
    Unknown {
        /// What sort of name it is.
        what: &'static str,
        /// The name.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// A request without a goal.
    #[error("there is no goal: add `max NAME`, or NAME=VALUE for a target")]
    NoGoal,
    /// A request with two goals.
    #[error("`max` is given twice: one reward can be maximised")]
    TwoGoals,
    /// A request with both a goal and a target.
    #[error("`max` and NAME=VALUE exclude each other")]
    MostAndNear,
    /// A share out of range.
    #[error("the share of {name} is {share}: shares must be between {} and {}", 0.0 - extrapolation, 1.0 + extrapolation)]
    Share {
        /// The adapter.
        name: String,
        /// Its share.
        share: f64,
        /// By how much shares may leave 0 to 1.
        extrapolation: f64,
    },
    /// Shares that do not sum to 1.
    #[error("the shares sum to {sum}: they must sum to 1")]
    Sum {
        /// Their sum.
        sum: f64,
    },
}
