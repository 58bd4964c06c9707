//! How many objects of one concept a scene shows.

use crate::words::words;

words! {
    /// How many objects of one concept a scene shows, where it shows several.
    #[serde(rename_all = "lowercase")]
    Count {
        Two "two";
        Three "three";
        Four "four";
    }
}

impl Count {
    /// Returns the number.
    pub fn number(self) -> usize {
        match self {
            Self::Two => 2,
            Self::Three => 3,
            Self::Four => 4,
        }
    }
}
