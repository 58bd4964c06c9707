//! How many objects of one concept a scene shows.

use serde::{Deserialize, Serialize};

/// How many objects of one concept a scene shows, where it shows several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "each variant is the number that it names")]
pub enum Count {
    Two,
    Three,
    Four,
}

impl Count {
    /// Every count in the order of [`Count::index`].
    pub const ALL: [Self; 3] = [Self::Two, Self::Three, Self::Four];

    /// Returns the number's name as captions use it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Two => "two",
            Self::Three => "three",
            Self::Four => "four",
        }
    }

    /// Returns the number.
    pub fn number(self) -> usize {
        match self {
            Self::Two => 2,
            Self::Three => 3,
            Self::Four => 4,
        }
    }

    /// Returns the count's place in [`Count::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }

    /// Returns the count with that name, if any.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|count| count.name() == name)
    }
}
