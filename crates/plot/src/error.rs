//! What can be wrong with a drawing.

use std::io;
use std::path::PathBuf;

/// Says why a drawing was not made.
#[derive(Debug, thiserror::Error)]
pub enum PlotError {
    /// There is nothing to draw.
    #[error("{what} is empty: nothing to draw")]
    Empty {
        /// What was empty.
        what: String,
    },
    /// A front was asked for with a single reward.
    #[error("a front needs at least two rewards, there is {found}: draw curves instead")]
    TooFewRewards {
        /// How many rewards there are.
        found: usize,
    },
    /// A pair names a reward that does not exist, or one reward twice.
    #[error("rewards {x} and {y} are not a pair of the {count} rewards: give two different ones, counted from 0")]
    NoSuchPair {
        /// The reward asked for along x.
        x: usize,
        /// The reward asked for along y.
        y: usize,
        /// How many rewards there are.
        count: usize,
    },
    /// Something has more or fewer parts than what it belongs to.
    #[error("{what} has {found} {parts} where {expected} are wanted")]
    Count {
        /// The thing, with its name.
        what: String,
        /// What is counted.
        parts: &'static str,
        /// How many there are.
        found: usize,
        /// How many there should be.
        expected: usize,
    },
    /// A NaN or an infinity.
    #[error("{what} is {value}: only finite numbers can be drawn")]
    NotFinite {
        /// The number, with its place.
        what: String,
        /// Its value.
        value: f64,
    },
    /// A setting outside its range.
    #[error("{what} is {value}: it must be {wanted}")]
    Setting {
        /// The setting.
        what: &'static str,
        /// Its value.
        value: u64,
        /// What would be accepted.
        wanted: &'static str,
    },
    /// The file's ending names no format that the drawing can be written in.
    #[error("{} cannot be drawn: the name must end in {wanted}", path.display())]
    Format {
        /// The file asked for.
        path: PathBuf,
        /// The endings that would do.
        wanted: &'static str,
    },
    /// The drawing is too large to be held in memory as an image.
    #[error("{} would be {width} × {height} pixels: draw fewer rows or columns, or use a smaller scale", path.display())]
    TooLarge {
        /// The file asked for.
        path: PathBuf,
        /// Its width in pixels.
        width: u64,
        /// Its height in pixels.
        height: u64,
    },
    /// plotters could not draw.
    #[error("drawing {} failed: {reason}", path.display())]
    Draw {
        /// The file asked for.
        path: PathBuf,
        /// What plotters said.
        reason: String,
    },
    /// The file could not be written.
    #[error("writing {} failed: {source}", path.display())]
    Write {
        /// The file asked for.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl PlotError {
    /// Returns an error unless the number is finite; `what` names it.
    pub(crate) fn unless_finite(value: f64, what: impl FnOnce() -> String) -> Result<(), Self> {
        if value.is_finite() {
            return Ok(());
        }
        Err(Self::NotFinite { what: what(), value })
    }

    /// Returns an error if the list is empty.
    pub(crate) fn if_empty<T>(list: &[T], what: &str) -> Result<(), Self> {
        if !list.is_empty() {
            return Ok(());
        }
        Err(Self::Empty { what: what.to_owned() })
    }
}
