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
    ///
    /// The colours are chosen so that every drawing of the sprite pack stands out from every background.
    pub fn rgb(self) -> [u8; 3] {
        match self {
            Self::Red => [165, 24, 30],
            Self::Green => [60, 190, 110],
            Self::Blue => [45, 85, 210],
            Self::Yellow => [253, 242, 130],
            Self::White => [250, 250, 250],
            Self::Black => [10, 10, 12],
            Self::Purple => [115, 45, 160],
            Self::Gray => [168, 168, 168],
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
