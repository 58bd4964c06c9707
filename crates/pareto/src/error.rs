//! What can be wrong with points, weightings and resampling.

/// Says why a set of numbers was refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ParetoError {
    /// A list that must hold something holds nothing.
    #[error("{what} is empty: give at least one")]
    Empty {
        /// What was empty.
        what: &'static str,
    },
    /// A row has more or fewer numbers than the others.
    #[error("{what} {index} has {found} values where {expected} are wanted: one per objective")]
    Dimension {
        /// What the row is: a point, a weighting, a prompt.
        what: &'static str,
        /// Its place in the list, from 0.
        index: usize,
        /// How many values it has.
        found: usize,
        /// How many it should have.
        expected: usize,
    },
    /// A NaN or an infinity.
    #[error("{what} {index} has the value {value} in objective {objective}: only finite numbers can be compared")]
    NotFinite {
        /// What the row is.
        what: &'static str,
        /// Its place in the list, from 0.
        index: usize,
        /// The objective's place in the row, from 0.
        objective: usize,
        /// The offending value.
        value: f64,
    },
    /// A range whose ends are equal or the wrong way round.
    #[error("normalisation of objective {objective} goes from {min} to {max}: max must be greater than min")]
    Range {
        /// The objective's place, from 0.
        objective: usize,
        /// The lower end given.
        min: f64,
        /// The upper end given.
        max: f64,
    },
    /// Two lists that are paired item by item differ in length.
    #[error("{left} prompts are paired with {right}: a paired comparison needs the same prompts on both sides")]
    Unpaired {
        /// Length of the first list.
        left: usize,
        /// Length of the second list.
        right: usize,
    },
    /// Bounds that no value keeps.
    #[error("objective {objective} must be at least {least} and at most {most}: no value is both")]
    Contradiction {
        /// The objective's place, from 0.
        objective: usize,
        /// The largest lower bound.
        least: f64,
        /// The smallest upper bound.
        most: f64,
    },
    /// A setting outside its range.
    #[error("{what} is {value}: it must be {wanted}")]
    Setting {
        /// The setting.
        what: &'static str,
        /// Its value.
        value: f64,
        /// What would be accepted.
        wanted: &'static str,
    },
}
