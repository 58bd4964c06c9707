//! Where the first object of a pair lies, seen from the second.

use crate::words::words;

words! {
    /// Where the first object of a pair lies, seen from the second.
    #[serde(rename_all = "snake_case")]
    Relation {
        LeftOf "left of";
        RightOf "right of";
        Above "above";
        Below "below";
    }
}

impl Relation {
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
