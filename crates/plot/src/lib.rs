//! Fronts, curves and image grids as SVG and PNG.
//!
//! Every drawing is first a `Figure`: a list of shapes in points of 1/96 inch. The same list is then replayed on
//! plotters' SVG backend or on its bitmap backend, as the file's ending says. Text is set in an embedded subset
//! of Inter, so nothing depends on the fonts of the machine.
//!
//! Files appear whole or not at all: they are written under a temporary name and renamed.
//!
//! Colours are those of Okabe and Ito (2008), which stay apart for colour-blind readers; kinds of points also differ
//! in shape, and series beyond the seventh in dashes.

mod attacks;
mod axis;
mod colour;
mod compared;
mod curves;
mod edges;
mod error;
mod figure;
mod font;
mod fronts;
mod heat_map;
mod key;
mod labels;
mod marker;
mod pair;
mod panel;
mod pictures;
mod render;
mod scatter;
mod series;

pub use attacks::{AttackedModel, Success, draw_attacks};
pub use compared::{FrontSeries, draw_compared_fronts};
pub use curves::{Curve, CurvePanel, draw_curves};
pub use edges::{EdgeLine, EdgePanel, EdgeRow, draw_edges};
pub use error::PlotError;
pub use fronts::{FrontPoint, PointKind, draw_fronts};
pub use heat_map::{HeatCell, HeatMap, draw_heat_map};
pub use moa_pareto::Interval;
pub use pair::draw_front_pair;
pub use pictures::{GridRow, RgbPicture, draw_picture_grid};
