//! The eight background colours.

use serde::{Deserialize, Serialize};

/// The colour behind a scene's objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "each variant is the colour that it names")]
pub enum Background {
    Red,
    Green,
    Blue,
    Yellow,
    White,
    Black,
    Purple,
    Gray,
}

impl Background {
    /// Every background in the order of [`Background::index`].
    pub const ALL: [Self; 8] =
        [Self::Red, Self::Green, Self::Blue, Self::Yellow, Self::White, Self::Black, Self::Purple, Self::Gray];

    /// Returns the colour's name as captions use it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Red => "red",
            Self::Green => "green",
            Self::Blue => "blue",
            Self::Yellow => "yellow",
            Self::White => "white",
            Self::Black => "black",
            Self::Purple => "purple",
            Self::Gray => "gray",
        }
    }

    /// Returns the nominal colour, sRGB in 0–255; a rendered scene's differs by a few levels.
    pub fn rgb(self) -> [u8; 3] {
        match self {
            Self::Red => [217, 51, 51],
            Self::Green => [64, 166, 77],
            Self::Blue => [64, 115, 230],
            Self::Yellow => [247, 217, 77],
            Self::White => [247, 247, 247],
            Self::Black => [26, 26, 31],
            Self::Purple => [140, 77, 179],
            Self::Gray => [153, 153, 153],
        }
    }

    /// Returns the background's place in [`Background::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }

    /// Returns the background with that name, if any.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|background| background.name() == name)
    }
}
