//! Colours that stay apart for colour-blind readers.

/// An opaque colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Colour(pub(crate) u8, pub(crate) u8, pub(crate) u8);

impl Colour {
    pub(crate) const WHITE: Self = Self(255, 255, 255);
    /// Titles and labels.
    pub(crate) const INK: Self = Self(34, 34, 34);
    /// Tick labels, captions and keys.
    pub(crate) const GREY: Self = Self(90, 90, 90);
    /// Frames.
    pub(crate) const FRAME: Self = Self(190, 190, 190);
    /// Grid lines.
    pub(crate) const GRID: Self = Self(232, 232, 232);

    pub(crate) const BLUE: Self = Self(0, 114, 178);
    pub(crate) const VERMILION: Self = Self(213, 94, 0);
    pub(crate) const GREEN: Self = Self(0, 158, 115);
    pub(crate) const PURPLE: Self = Self(204, 121, 167);
    pub(crate) const ORANGE: Self = Self(230, 159, 0);
    pub(crate) const SKY: Self = Self(86, 180, 233);

    /// The palette of Okabe and Ito for lines, the most distinct first. Their yellow is too faint on white, so grey
    /// takes its place.
    pub(crate) const SERIES: [Self; 7] =
        [Self::BLUE, Self::VERMILION, Self::GREEN, Self::PURPLE, Self::ORANGE, Self::SKY, Self(102, 102, 102)];

    /// Returns the colour mixed with white: 0 leaves it, 1 is white.
    pub(crate) fn pale(self, share: f64) -> Self {
        let mix = |v: u8| (f64::from(v) + (255.0 - f64::from(v)) * share).round() as u8;
        Self(mix(self.0), mix(self.1), mix(self.2))
    }
}
