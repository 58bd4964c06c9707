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
        /// Shape of its layer's weight.
        found: Vec<usize>,
        /// The shape in an adapter before it.
        wanted: Vec<usize>,
    },
    /// A DoRA is merged with others.
    #[error(
        "adapter {index} is a DoRA (layer `{layer}`): what it adds depends on the base's weights; give --base, so that it can be computed"
    )]
    Dora {
        /// The adapter's place in the list, from 0.
        index: usize,
        /// One of its layers.
        layer: String,
    },
    /// A value of the result is not finite.
    #[error("layer `{0}` of the result holds values that are no numbers: weights or alphas are too large")]
    NotFinite(String),
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
