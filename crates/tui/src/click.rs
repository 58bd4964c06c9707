//! What on a screen takes clicks and drags.

use std::cell::RefCell;

use ratatui::layout::{Position, Rect};

/// What the mouse does, at a column and a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Click {
    /// The button goes down.
    Down((u16, u16)),
    /// It is held, and the mouse moves.
    Drag((u16, u16)),
    /// It is let go.
    Up,
}

/// Where a drag began, and on what.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Held<T> {
    pub(crate) on: T,
    pub(crate) area: Rect,
    pub(crate) from: (u16, u16),
}

/// Areas that take clicks: drawing puts them, the mouse finds them.
#[derive(Debug)]
pub(crate) struct Clicks<T> {
    areas: RefCell<Vec<(Rect, T)>>,
    held: Option<Held<T>>,
}

impl<T> Default for Clicks<T> {
    fn default() -> Self {
        Self { areas: RefCell::default(), held: None }
    }
}

impl<T: Copy> Clicks<T> {
    /// Forgets what was drawn before.
    pub(crate) fn clear(&self) {
        self.areas.borrow_mut().clear();
    }

    /// Remembers that an area takes clicks.
    pub(crate) fn put(&self, area: Rect, on: T) {
        self.areas.borrow_mut().push((area, on));
    }

    /// Returns what lies at a place: what was drawn last is on top.
    pub(crate) fn at(&self, (x, y): (u16, u16)) -> Option<(Rect, T)> {
        self.areas.borrow().iter().rev().find(|(area, _)| area.contains(Position { x, y })).copied()
    }

    /// Takes what the mouse does. Returns where the button went down, with the place where the mouse is now; nothing where that takes no
    /// clicks.
    pub(crate) fn take(&mut self, click: Click) -> Option<(Held<T>, (u16, u16))> {
        let place = match click {
            Click::Down(place) => {
                self.held = self.at(place).map(|(area, on)| Held { on, area, from: place });
                place
            }
            Click::Drag(place) => place,
            Click::Up => {
                self.held = None;
                return None;
            }
        };
        Some((self.held?, place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drag_stays_on_what_it_began_on() {
        let mut clicks = Clicks::default();
        clicks.put(Rect { x: 0, y: 0, width: 9, height: 9 }, 'a');
        clicks.put(Rect { x: 2, y: 2, width: 2, height: 2 }, 'b');
        let on = |taken: Option<(Held<char>, (u16, u16))>| taken.map(|(held, place)| (held.on, held.from, place));
        assert_eq!(on(clicks.take(Click::Down((3, 3)))), Some(('b', (3, 3), (3, 3))));
        assert_eq!(on(clicks.take(Click::Drag((30, 8)))), Some(('b', (3, 3), (30, 8))));
        assert_eq!(on(clicks.take(Click::Up)), None);
        assert_eq!(on(clicks.take(Click::Drag((3, 3)))), None, "the button is not held");
        assert_eq!(on(clicks.take(Click::Down((0, 3)))), Some(('a', (0, 3), (0, 3))));
        assert_eq!(on(clicks.take(Click::Down((30, 3)))), None);
    }
}
