//! What screens are made of.

mod axis;
mod braille;
mod message;
mod panel;
mod plot;
mod spark;
mod staircase;

pub(crate) use axis::{Axis, short, signed};
pub(crate) use braille::Braille;
pub(crate) use message::{message, sheet};
pub(crate) use panel::{clip, columns, fitting, foot, panel, rows, scroll, wrapped};
pub(crate) use plot::{Plot, plot};
pub(crate) use spark::{bar, sparkline};
pub(crate) use staircase::staircase;
