//! What screens are made of.

mod axis;
mod braille;
mod panel;
mod plot;
mod spark;

pub(crate) use axis::{Axis, short};
pub(crate) use braille::Braille;
pub(crate) use panel::{clip, columns, foot, panel, rows, scroll};
pub(crate) use plot::{Plot, plot};
pub(crate) use spark::{bar, sparkline};
