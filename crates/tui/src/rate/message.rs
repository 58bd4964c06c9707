//! What the rating UI hears, and what it asks for.

use std::time::SystemTime;

use ratatui::crossterm::event::Event;

use super::clerk::{Order, Reply};
use crate::picture::{Drawn, PictureKey, Rgb};

/// What the rating UI hears.
pub enum Message {
    /// A key, a click, or another size of the terminal.
    Input(Event),
    /// What time it is.
    Tick(SystemTime),
    /// What came of an order.
    Reply(Box<Reply>),
    /// An image of the pool, by its place, or why it cannot be shown.
    Picture(usize, Result<Rgb, String>),
    /// An image in the terminal's form.
    Painted(PictureKey, Box<Drawn>),
    /// The UI is to be left.
    Stop,
}

/// What the rating UI asks for.
pub enum Request {
    /// Something of the desk.
    Order(Order),
    /// An image of the pool, by its place.
    Picture(usize),
    /// An image in the terminal's form, so many columns and rows large.
    Paint(PictureKey, Rgb, (u16, u16)),
}
