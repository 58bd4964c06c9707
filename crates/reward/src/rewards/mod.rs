//! The rewards, one file each. Everything is maximised; a cost is negated once, here.

mod aesthetics;
mod alignment;
mod colourfulness;
mod composition;
mod contrast;
mod diversity;
mod gen_eval;
mod harmony;
mod jpeg;
mod moments;
mod safety;
mod taste;

use rayon::prelude::*;

pub use aesthetics::Aesthetics;
pub use alignment::Alignment;
pub use colourfulness::{Colourfulness, colourfulness};
pub use composition::Composition;
pub use contrast::Contrast;
pub use diversity::Diversity;
pub use gen_eval::GenEval;
pub use harmony::{Harmony, harmony};
pub use jpeg::JpegSize;
pub use safety::Safety;
pub use taste::Taste;

use crate::{Raster, View};

/// Returns a formula's value for each image; not a number for images that hold values that are not finite, whatever
/// the formula makes of them.
fn per_picture(view: &View<'_>, formula: impl Fn(&Raster) -> f32 + Sync) -> Vec<f32> {
    let value = |raster: &Raster| if raster.is_finite() { formula(raster) } else { f32::NAN };
    view.rasters().par_iter().map(value).collect()
}
