//! A score on a scale.

use super::Likelihood;

/// A score in standard deviations of the rater's scores, around their mean: `score ~ N(slope·(f − b), deviation²)`. The offset `b` is
/// the mean of the rater's images on the model's scale, and is fitted like a score: raters saw different images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gaussian {
    /// The standardised score.
    pub score: f64,
    /// Standard deviations of scores per logit, above 0.
    pub slope: f64,
    /// The standard deviation of the error, above 0.
    pub deviation: f64,
}

impl Likelihood for Gaussian {
    /// The image's score and the offset.
    fn size(&self) -> usize {
        2
    }

    fn log(&self, f: &[f64]) -> f64 {
        let error = (self.score - self.slope * (f[0] - f[1])) / self.deviation;
        -0.5 * error * error - self.deviation.ln() - 0.5 * std::f64::consts::TAU.ln()
    }

    fn gradient(&self, f: &[f64], out: &mut [f64]) {
        let error = (self.score - self.slope * (f[0] - f[1])) / self.deviation;
        let slope = error * self.slope / self.deviation;
        out.copy_from_slice(&[slope, -slope]);
    }

    fn curvature(&self, _: &[f64], out: &mut [f64]) {
        let value = (self.slope / self.deviation).powi(2);
        out.copy_from_slice(&[value, -value, -value, value]);
    }

    fn information(&self, f: &[f64], out: &mut [f64]) {
        self.curvature(f, out);
    }
}
