//! Why adapters cannot be merged.

/// Why adapters cannot be merged.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum MergeError {
    /// There is nothing to merge.
    #[error("a merge of no adapters: give at least one")]
    Empty,
    /// A share is impossible.
    #[error("share {index} of the merge is {value}: shares must be {wanted}")]
    Share {
        /// The adapter's place in the list, from 0.
        index: usize,
        /// Its share.
        value: f64,
        /// What it may be.
        wanted: &'static str,
    },
    /// The shares cannot be divided by their sum.
    #[error("the shares of the merge sum to {sum}: their sum must be positive")]
    Sum {
        /// The sum.
        sum: f64,
    },
    /// A layer has other widths in one adapter than in another.
    #[error(
        "layer `{layer}` has shape {found:?} in adapter {index} and {wanted:?} in one before it: they belong to \
         different base models"
    )]
    Shape {
        /// The layer.
        layer: String,
        /// The adapter's place in the list, from 0.
        index: usize,
        /// Its layer's input and output widths.
        found: [usize; 2],
        /// The widths in an adapter before it.
        wanted: [usize; 2],
    },
    /// Factors of different ranks cannot be added.
    #[error(
        "adapter {index} has rank {found} and another {wanted}: methods that work on the factors need equal ranks; use mean or concatenate"
    )]
    Rank {
        /// The adapter's place among those with a share, from 0.
        index: usize,
        /// Its rank.
        found: usize,
        /// The first one's rank.
        wanted: usize,
    },
    /// A setting is out of its range.
    #[error("{setting} is {value}: give {wanted}")]
    Setting {
        /// The setting.
        setting: &'static str,
        /// Its value.
        value: f64,
        /// What it may be.
        wanted: &'static str,
    },
}
