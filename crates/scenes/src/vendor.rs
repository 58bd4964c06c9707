//! Who drew an emoji.

use serde::{Deserialize, Serialize};

/// The vendor whose drawing of a concept is shown; each has a style of its own. NOTICE names versions and licences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Vendor {
    /// Twitter Emoji.
    Twemoji,
    /// Noto Emoji by Google.
    Noto,
    /// The first, blob-shaped generation of Noto Emoji.
    NotoV1,
    /// Fluent Emoji Flat by Microsoft.
    Fluent,
    /// Emoji One 2.3.
    Emojione,
}

impl Vendor {
    /// Every vendor in the order of [`Vendor::index`].
    pub const ALL: [Self; 5] = [Self::Twemoji, Self::Noto, Self::NotoV1, Self::Fluent, Self::Emojione];

    /// Returns the vendor's name as in the sprite pack.
    pub fn name(self) -> &'static str {
        match self {
            Self::Twemoji => "twemoji",
            Self::Noto => "noto",
            Self::NotoV1 => "noto-v1",
            Self::Fluent => "fluent",
            Self::Emojione => "emojione",
        }
    }

    /// Returns the vendor's place in [`Vendor::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }
}
