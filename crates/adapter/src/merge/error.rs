//! Why adapters cannot be merged.

/// Why adapters cannot be merged.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum MergeError {
    /// There is nothing to merge.
    #[error("a merge of no adapters: give at least one")]
    Empty,
    /// A share is impossible.
    #[error("share {} of the merge is {value}: shares must be {wanted}", index + 1)]
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
        "layer `{layer}` has shape {found:?} in adapter {} and {wanted:?} in one before it: they belong to \
         different base models", index + 1
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
        "adapter {} is a DoRA (layer `{layer}`): what it adds depends on the base's weights; give --base, so that it can be computed", index + 1
    )]
    Dora {
        /// The adapter's place in the list, from 0.
        index: usize,
        /// One of its layers.
        layer: String,
    },
    /// Adapters are for denoisers of different kinds.
    #[error("`{one}` is a U-Net's layer and `{other}` a transformer's: the adapters belong to different base models")]
    Kinds {
        /// A layer of a U-Net.
        one: String,
        /// One of a transformer.
        other: String,
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
