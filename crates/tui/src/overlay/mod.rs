//! What lies over a screen: all keys, what can be done, a line that is typed, a menu, a question.

mod help;
mod line;
mod menu;
mod palette;

use ratatui::Frame;
use ratatui::layout::Rect;

use crate::app::App;
use crate::shared::Overlay;

pub(crate) use line::view as typed_line;
pub(crate) use palette::search;

/// Draws what lies over the screen.
pub(crate) fn view(app: &App, frame: &mut Frame<'_>, area: Rect) {
    match &app.shared.overlay {
        Some(Overlay::Help { scroll }) => help::view(app, frame, area, *scroll),
        Some(Overlay::Palette { query, cursor }) => palette::view(app, frame, area, query, *cursor),
        Some(Overlay::Line(line)) => line::view(line, app.shared.theme, frame, area),
        Some(Overlay::Menu(menu)) => menu::view(app, menu, frame, area),
        Some(Overlay::Leave) => line::leave(app.shared.sweeping, app.shared.theme, frame, area),
        None => {}
    }
}
