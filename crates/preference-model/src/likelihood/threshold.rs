//! Good or bad: the image against a threshold of the rater's.

use moa_preferences::Winner;

use super::{BradleyTerry, Likelihood};

/// A decision whether an image is good: `p(good) = ε/2 + (1 − ε)·σ(f − t)`, where `t` is the rater's threshold, which is fitted
/// like a score. Raters that call more images good have lower thresholds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Threshold {
    /// Whether the image is good.
    pub good: bool,
    /// The probability ε of a lapse, 0 to below 1.
    pub lapse: f64,
}

impl Threshold {
    /// Returns the same decision as one between the image and the threshold.
    pub(crate) fn as_pair(self) -> BradleyTerry {
        BradleyTerry { winner: if self.good { Winner::A } else { Winner::B }, ties: 0.0, lapse: self.lapse }
    }
}

impl Likelihood for Threshold {
    /// The image's score and the threshold.
    fn size(&self) -> usize {
        2
    }

    fn log(&self, f: &[f64]) -> f64 {
        self.as_pair().log(f)
    }

    fn gradient(&self, f: &[f64], out: &mut [f64]) {
        self.as_pair().gradient(f, out);
    }

    fn curvature(&self, f: &[f64], out: &mut [f64]) {
        self.as_pair().curvature(f, out);
    }

    fn information(&self, f: &[f64], out: &mut [f64]) {
        self.as_pair().information(f, out);
    }
}
