//! Where the first object of a pair lies, seen from the second.

use serde::{Deserialize, Serialize};

/// Where the first object of a pair lies, seen from the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each variant is the relation that it names")]
pub enum Relation {
    LeftOf,
    RightOf,
    Above,
    Below,
}

impl Relation {
    /// Every relation in the order of [`Relation::index`].
    pub const ALL: [Self; 4] = [Self::LeftOf, Self::RightOf, Self::Above, Self::Below];

    /// Returns the words that captions use.
    pub fn name(self) -> &'static str {
        match self {
            Self::LeftOf => "left of",
            Self::RightOf => "right of",
            Self::Above => "above",
            Self::Below => "below",
        }
    }

    /// Returns the relation's place in [`Relation::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }

    /// Returns the relation of the second object to the first.
    pub fn inverse(self) -> Self {
        match self {
            Self::LeftOf => Self::RightOf,
            Self::RightOf => Self::LeftOf,
            Self::Above => Self::Below,
            Self::Below => Self::Above,
        }
    }

    /// Returns whether the objects lie side by side, not one above the other.
    pub fn is_horizontal(self) -> bool {
        matches!(self, Self::LeftOf | Self::RightOf)
    }
}
