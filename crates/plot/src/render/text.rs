//! Text for plotters' backends, set in the embedded typeface.
//!
//! plotters' own text drops the side bearings of glyphs and places SVG and bitmap text differently; here both stand
//! on the baseline that the figure asks for.

use std::convert::Infallible;

use ab_glyph::{Font as _, ScaleFont as _, point};
use plotters_backend::text_anchor::{HPos, Pos, VPos};
use plotters_backend::{BackendColor, BackendCoord, BackendTextStyle, FontFamily, FontStyle, FontTransform};

use crate::figure::{Anchor, Text};
use crate::font::{self, Weight};

/// plotters' SVG backend divides the size by this to get the em.
const SIZE_PER_EM: f64 = 1.24;

/// A text with the scale and colour of a backend.
pub(super) struct Setting<'a> {
    pub(super) text: &'a Text,
    /// Backend units per point.
    pub(super) unit: f64,
    pub(super) colour: BackendColor,
}

impl BackendTextStyle for Setting<'_> {
    type FontError = Infallible;

    fn color(&self) -> BackendColor {
        self.colour
    }

    fn size(&self) -> f64 {
        self.text.size * self.unit * SIZE_PER_EM
    }

    fn transform(&self) -> FontTransform {
        if self.text.upwards { FontTransform::Rotate270 } else { FontTransform::None }
    }

    fn style(&self) -> FontStyle {
        match self.text.weight {
            Weight::Regular => FontStyle::Normal,
            Weight::SemiBold => FontStyle::Bold,
        }
    }

    fn anchor(&self) -> Pos {
        let across = match self.text.anchor {
            Anchor::Start => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::End => HPos::Right,
        };
        Pos::new(across, VPos::Top)
    }

    fn family(&self) -> FontFamily<'_> {
        FontFamily::Name(font::FAMILY)
    }

    /// An empty box at the anchor: `draw` does the placing.
    fn layout_box(&self, _: &str) -> Result<((i32, i32), (i32, i32)), Infallible> {
        Ok(((0, 0), (0, 0)))
    }

    fn draw<E, F: FnMut(i32, i32, BackendColor) -> Result<(), E>>(
        &self,
        text: &str,
        (x, y): BackendCoord,
        mut draw: F,
    ) -> Result<Result<(), E>, Infallible> {
        let size = self.text.size * self.unit;
        let face = font::face(self.text.weight).as_scaled(font::scale(self.text.weight, size));
        let width = font::width(text, self.text.weight, size) as f32;
        let mut pen = match self.text.anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => -width / 2.0,
            Anchor::End => -width,
        };
        let mut outcome = Ok(());
        for c in text.chars() {
            let glyph = face.glyph_id(c).with_scale_and_position(face.scale(), point(pen, 0.0));
            pen += face.h_advance(glyph.id);
            let Some(outline) = face.font().outline_glyph(glyph) else { continue };
            let corner = outline.px_bounds().min;
            outline.draw(|dx, dy, cover| {
                if outcome.is_ok() {
                    let (px, py) = (corner.x as i32 + dx.cast_signed(), corner.y as i32 + dy.cast_signed());
                    outcome = draw(x + px, y + py, self.colour.mix(f64::from(cover.min(1.0))));
                }
            });
        }
        Ok(outcome)
    }
}
