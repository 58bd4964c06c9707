//! Colours: few, safe for colour-blind eyes, on dark and on light backgrounds, and none where none are wanted.

use moa_core::PointKind;
use ratatui::style::{Color, Modifier, Style};

/// How many colours a terminal shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Colours {
    /// None: bold, dim and reversed text carries all meaning.
    None,
    /// The sixteen that every terminal names.
    Sixteen,
    /// All.
    #[default]
    Full,
}

/// The background of the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Background {
    /// Light letters on a dark background.
    #[default]
    Dark,
    /// Dark letters on a light background.
    Light,
}

/// How everything looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Theme {
    /// The colours that the terminal shows.
    pub colours: Colours,
    /// The terminal's background.
    pub background: Background,
}

type Rgb = (u8, u8, u8);

/// Okabe and Ito's palette (2008), the lighter ones first.
const ON_DARK: [Rgb; 7] =
    [(86, 180, 233), (230, 159, 0), (0, 178, 130), (204, 121, 167), (240, 228, 66), (224, 110, 40), (120, 150, 230)];
/// The same, the darker ones first, and yellow darkened.
const ON_LIGHT: [Rgb; 7] =
    [(0, 114, 178), (200, 120, 0), (0, 130, 95), (170, 80, 130), (150, 135, 0), (190, 70, 0), (60, 90, 180)];
const SIXTEEN: [Color; 6] = [Color::Cyan, Color::Yellow, Color::Green, Color::Magenta, Color::Blue, Color::Red];

impl Theme {
    fn colour(self, dark: Rgb, light: Rgb, sixteen: Color) -> Option<Color> {
        let (r, g, b) = if self.background == Background::Dark { dark } else { light };
        match self.colours {
            Colours::None => None,
            Colours::Sixteen => Some(sixteen),
            Colours::Full => Some(Color::Rgb(r, g, b)),
        }
    }

    /// Returns the style of what steps back.
    pub(crate) fn dim(self) -> Style {
        match self.colour((126, 134, 150), (112, 116, 126), Color::DarkGray) {
            Some(colour) => Style::new().fg(colour),
            None => Style::new().add_modifier(Modifier::DIM),
        }
    }

    /// Returns the style of lines between things.
    pub(crate) fn line(self) -> Style {
        match self.colour((68, 76, 92), (196, 200, 208), Color::DarkGray) {
            Some(colour) => Style::new().fg(colour),
            None => Style::new().add_modifier(Modifier::DIM),
        }
    }

    /// Returns the style of headings.
    #[expect(clippy::unused_self, reason = "headings are bold on every background; the others ask the theme")]
    pub(crate) fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// Returns the style of what is active.
    pub(crate) fn accent(self) -> Style {
        foreground(self.colour(ON_DARK[0], ON_LIGHT[0], Color::Cyan)).add_modifier(Modifier::BOLD)
    }

    /// Returns the style of keys in hints.
    pub(crate) fn key(self) -> Style {
        foreground(self.colour(ON_DARK[0], ON_LIGHT[0], Color::Cyan))
    }

    /// Returns the style of what is better.
    pub(crate) fn good(self) -> Style {
        foreground(self.colour(ON_DARK[2], ON_LIGHT[2], Color::Green))
    }

    /// Returns the style of what is worse.
    pub(crate) fn bad(self) -> Style {
        foreground(self.colour(ON_DARK[5], ON_LIGHT[5], Color::Red))
    }

    /// Returns the style of warnings.
    pub(crate) fn warn(self) -> Style {
        foreground(self.colour(ON_DARK[1], ON_LIGHT[1], Color::Yellow)).add_modifier(Modifier::BOLD)
    }

    /// Returns what the row under the cursor is patched with.
    pub(crate) fn selected(self) -> Style {
        match self.colour((38, 46, 62), (222, 230, 242), Color::DarkGray) {
            Some(_) if self.colours == Colours::Sixteen => Style::new().add_modifier(Modifier::REVERSED),
            Some(colour) => Style::new().bg(colour),
            None => Style::new().add_modifier(Modifier::REVERSED),
        }
    }

    /// Returns the style of the `index`-th curve, slider or mark.
    pub(crate) fn series(self, index: usize) -> Style {
        let (dark, light) = (ON_DARK[index % ON_DARK.len()], ON_LIGHT[index % ON_LIGHT.len()]);
        foreground(self.colour(dark, light, SIXTEEN[index % SIXTEEN.len()]))
    }

    /// Returns the style of a kind of point.
    pub(crate) fn kind(self, kind: PointKind) -> Style {
        match kind {
            // Whatever lies under it is drawn over.
            PointKind::Base => self.strong().fg(Color::Reset),
            PointKind::Trained => self.series(0),
            PointKind::Soup => self.series(1),
            PointKind::Blend => self.series(2),
            PointKind::Given => self.series(3),
        }
    }

    /// Returns the theme for the other background.
    pub(crate) fn turned(self) -> Self {
        let background = match self.background {
            Background::Dark => Background::Light,
            Background::Light => Background::Dark,
        };
        Self { background, ..self }
    }
}

fn foreground(colour: Option<Color>) -> Style {
    colour.map_or(Style::new(), |colour| Style::new().fg(colour))
}

/// Returns the arrow of a difference whose interval lies above 0 (1) or below (-1), and a blank for one that includes it.
pub(crate) fn sign(sign: i8, theme: Theme) -> (&'static str, Style) {
    match sign {
        1 => ("↑", theme.good()),
        -1 => ("↓", theme.bad()),
        _ => (" ", theme.dim()),
    }
}

/// Returns the mark of a kind of point, distinguishable without colours.
pub(crate) fn mark(kind: PointKind) -> &'static str {
    match kind {
        PointKind::Base => "◆",
        PointKind::Trained => "●",
        PointKind::Soup => "○",
        PointKind::Blend => "△",
        PointKind::Given => "▲",
    }
}
