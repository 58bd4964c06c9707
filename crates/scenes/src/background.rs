//! The eight background colours.

use crate::words::words;

words! {
    /// The colour behind a scene's objects.
    #[serde(rename_all = "lowercase")]
    Background {
        Red "red";
        Green "green";
        Blue "blue";
        Yellow "yellow";
        White "white";
        Black "black";
        Purple "purple";
        Gray "gray";
    }
}

impl Background {
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
}
