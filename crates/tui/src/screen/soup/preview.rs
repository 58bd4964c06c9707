//! The base's images, and the soup's from the same noise.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::widgets::{Paragraph, Wrap};

use super::Soup;
use crate::picture::Rgb;
use crate::session::{Pictures, Session};
use crate::shared::Shared;
use crate::widget::{clip, panel};

/// Images of a soup.
#[derive(Clone, Debug)]
pub(super) struct Preview {
    pub(super) shares: Vec<f64>,
    pub(super) pictures: Vec<Rgb>,
    pub(super) coarse: bool,
}

pub(super) fn view(soup: &Soup, shared: &Shared, session: &Session, frame: &mut Frame<'_>, area: Rect) {
    let theme = shared.theme;
    let figures = &session.figures;
    let shares = soup.shares(figures);
    let fresh = soup.preview.as_ref().is_some_and(|preview| preview.shares == shares);
    let state = match (&soup.preview, &shared.worker_gone) {
        (_, Some(_)) => "no previews: the worker has stopped",
        (Some(preview), _) if fresh && !preview.coarse => "",
        (Some(_), _) if fresh => "coarse, refining …",
        _ if soup.failed.is_some() => "",
        _ if soup.previewing => "drawing …",
        _ => "",
    };
    let title = soup.mix(figures).describe(&figures.corners);
    let inner = panel(frame, area, &title, state, theme);
    let note = |frame: &mut Frame<'_>, text: &str| {
        frame.render_widget(Paragraph::new(text.to_owned()).style(theme.dim()).wrap(Wrap { trim: true }), inner);
    };
    if !figures.has_corners() {
        return note(frame, "images are shown when the corners are trained and evaluated");
    }
    if let Some(reason) = &soup.failed {
        return note(frame, &format!("no images: {reason}"));
    }
    let base = figures.base().and_then(|base| match session.sheets.get(&base.id) {
        Some(Pictures::Ready(sheet)) => Some(sheet),
        _ => None,
    });
    let Some(aspect) =
        soup.preview.as_ref().and_then(|preview| preview.pictures.first()).or_else(|| base?.get(0, 0)).map(Rgb::aspect)
    else {
        return note(frame, if shared.worker_gone.is_some() { "" } else { "drawing …" });
    };
    let both = base.is_some();
    let captions = inner.height >= 14;
    let inner = if captions { Rect { y: inner.y + 1, height: inner.height - 1, ..inner } } else { inner };
    let room = if both { (inner.height - 1) / 2 } else { inner.height };
    let height = room.clamp(2, 16);
    // Cells are twice as high as wide.
    let label = 6;
    let width = ((2.0 * f64::from(height) / aspect).round() as u16).clamp(2, inner.width.max(2));
    let across = usize::from(inner.width.saturating_sub(label) / (width + 1));
    for prompt in 0..if captions { across } else { 0 } {
        let place = Rect { x: inner.x + label + prompt as u16 * (width + 1), y: inner.y - 1, width, height: 1 };
        let text = session.figures.prompts.get(prompt).map_or("", String::as_str);
        frame.render_widget(Paragraph::new(clip(text, width.into())).style(theme.dim()), place);
    }
    let mut row = |y: u16, name: &str, picture: &dyn Fn(usize) -> Option<Rgb>| {
        frame.render_widget(
            Paragraph::new(name.to_owned()).style(theme.dim()),
            Rect { y, height: 1, width: label, ..inner },
        );
        for prompt in 0..across {
            let place = Rect { x: inner.x + label + prompt as u16 * (width + 1), y, width, height };
            if let Some(picture) = picture(prompt).filter(|_| place.bottom() <= inner.bottom()) {
                shared.gallery.draw(&picture, place, theme.dim(), frame.buffer_mut());
            }
        }
    };
    if let Some(sheet) = base {
        row(inner.y, "base", &|prompt| sheet.get(prompt, 0).cloned());
    }
    let y = if both { inner.y + height + 1 } else { inner.y };
    row(y, "mix", &|prompt| soup.preview.as_ref()?.pictures.get(prompt).cloned());
}
