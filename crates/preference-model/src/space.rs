//! The coordinates in which a head is linear: features, standardised and rotated by what varies over the pool.

use std::collections::HashMap;

use crate::error::{PreferenceModelError, Result};
use crate::features::Features;
use crate::linear::{Matrix, dot, norm2, symmetric_eigen};

/// How features become coordinates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SpaceSettings {
    /// At most so many principal components are kept. Default: 512.
    pub components: usize,
    /// The share of the standardised features' variance that the components hold at least, if there are enough of them; 0 to 1.
    /// Default: 0.9999.
    pub explained: f64,
}

impl Default for SpaceSettings {
    fn default() -> Self {
        Self { components: 512, explained: 0.9999 }
    }
}

/// The coordinates of images: `z = Λ^(−½)·E·u` with `u = (x − centre) / deviation`, where the rows of `E` are principal components
/// of the pool's `u`, and `Λ` their variances. Over the pool every coordinate has mean 0 and variance 1, and no two correlate.
///
/// Features that do not vary over the pool are left out. What of `u` is outside of the components is the *residual*; a model adds
/// its prior variance there, so that images unlike all of the pool are uncertain.
#[derive(Clone, Debug, PartialEq)]
pub struct Space {
    pub(crate) centre: Vec<f64>,
    /// One over the standard deviation; 0 where a feature does not vary.
    pub(crate) inverse_deviation: Vec<f64>,
    /// `[components, width]`, orthonormal rows.
    pub(crate) directions: Matrix,
    /// The variance of `u` along each direction, descending.
    pub(crate) variances: Vec<f64>,
    /// The variance of `u` along a direction that is left out.
    pub(crate) residual_variance: f64,
}

/// The least variance of a component, relative to the greatest: below are rounding errors of `f32`.
const LEAST: f64 = 1e-7;

impl Space {
    /// Computes the coordinates from all images of a pool, judged or not.
    ///
    /// # Errors
    /// Refuses pools of fewer than two images, pools in which no feature varies, and settings out of range.
    pub fn of(features: &Features, settings: &SpaceSettings) -> Result<Self> {
        Self::around(features, &vec![0; features.len()], settings)
    }

    /// Computes the coordinates from what images of one group differ in, such as those of one prompt: within groups every coordinate
    /// has variance 1 on average, and no two correlate. In what groups alone differ, all of an image is residual.
    ///
    /// Pairs and rankings say something of such differences only.
    ///
    /// # Errors
    /// Those of [`Space::of`]; refuses another number of groups than images, and groups within which no feature varies.
    pub fn within(features: &Features, groups: &[usize], settings: &SpaceSettings) -> Result<Self> {
        if groups.len() != features.len() {
            let problem = format!("there are {} images, and groups of {}", features.len(), groups.len());
            return Err(PreferenceModelError::Features { problem });
        }
        Self::around(features, groups, settings)
    }

    fn around(features: &Features, groups: &[usize], settings: &SpaceSettings) -> Result<Self> {
        if settings.components == 0 {
            let value = settings.components.to_string();
            return Err(PreferenceModelError::Setting { name: "components", value, expected: "at least 1" });
        }
        if !(settings.explained > 0.0 && settings.explained <= 1.0) {
            let value = settings.explained.to_string();
            return Err(PreferenceModelError::Setting { name: "explained", value, expected: "above 0, at most 1" });
        }
        let (n, d) = (features.len(), features.width());
        if n < 2 {
            let problem = format!("there are {n} images; a pool needs 2 that differ");
            return Err(PreferenceModelError::Features { problem });
        }
        let mut centre = vec![0.0; d];
        for image in 0..n {
            centre.iter_mut().zip(features.row(image)).for_each(|(sum, x)| *sum += f64::from(*x) / n as f64);
        }
        let means = group_means(features, groups);
        let mut variance = vec![0.0; d];
        for (image, group) in groups.iter().enumerate() {
            for ((sum, x), mean) in variance.iter_mut().zip(features.row(image)).zip(&means[group]) {
                *sum += (f64::from(*x) - mean).powi(2) / n as f64;
            }
        }
        let inverse_deviation: Vec<f64> = variance
            .iter()
            .zip(&centre)
            // A constant feature's deviation is rounding error.
            .map(|(variance, centre)| {
                let deviation = variance.sqrt();
                if deviation > 1e-6 * centre.abs() && deviation > 1e-30 { 1.0 / deviation } else { 0.0 }
            })
            .collect();
        let varying = inverse_deviation.iter().filter(|inverse| **inverse > 0.0).count();
        if varying == 0 {
            return Err(PreferenceModelError::Features { problem: format!("the features of {n} images vary nowhere") });
        }
        let mut u = Matrix::zeros(n, d);
        for (image, group) in groups.iter().enumerate() {
            let (row, mean) = (u.row_mut(image), &means[group]);
            for (j, x) in features.row(image).iter().enumerate() {
                row[j] = (f64::from(*x) - mean[j]) * inverse_deviation[j];
            }
        }
        let failed = || PreferenceModelError::Numerics { problem: "principal components do not converge" };
        // The smaller of the two Gram matrices has the same eigenvalues.
        let (mut variances, mut directions) = if n < d {
            let (values, vectors) = symmetric_eigen(u.times_transposed(&u)).ok_or_else(failed)?;
            let mut directions = vectors.product(&u);
            for row in 0..n {
                let norm = norm2(directions.row(row)).sqrt();
                let scale = if norm > 0.0 { 1.0 / norm } else { 0.0 };
                directions.row_mut(row).iter_mut().for_each(|value| *value *= scale);
            }
            (values, directions)
        } else {
            symmetric_eigen(u.gram()).ok_or_else(failed)?
        };
        for value in &mut variances {
            *value = value.max(0.0) / n as f64;
        }
        let total: f64 = variances.iter().sum();
        let mut kept = 0;
        let mut held = 0.0;
        while kept < variances.len().min(settings.components)
            && (kept == 0 || (variances[kept] > LEAST * variances[0] && held < settings.explained * total))
        {
            held += variances[kept];
            kept += 1;
        }
        let outside = variances.len() - kept;
        let dropped = if outside > 0 { variances[kept..].iter().sum::<f64>() / outside as f64 } else { 0.0 };
        let residual_variance = dropped.max(LEAST * variances[0]);
        variances.truncate(kept);
        directions.values.truncate(kept * d);
        directions.rows = kept;
        Ok(Self { centre, inverse_deviation, directions, variances, residual_variance })
    }

    /// Returns how many numbers describe an image.
    pub fn width(&self) -> usize {
        self.centre.len()
    }

    /// Returns how many coordinates there are.
    pub fn components(&self) -> usize {
        self.variances.len()
    }

    /// Returns the standardised features of an image.
    fn standardised(&self, x: &[f32]) -> Vec<f64> {
        x.iter()
            .zip(self.centre.iter().zip(&self.inverse_deviation))
            .map(|(x, (centre, inverse))| (f64::from(*x) - centre) * inverse)
            .collect()
    }

    /// Returns coordinates `[components]` and residual `[width]` of an image with `width()` features.
    pub(crate) fn place(&self, x: &[f32]) -> Placed {
        assert_eq!(x.len(), self.width(), "an image has {} features", self.width());
        let mut residual = self.standardised(x);
        let along = self.directions.times(&residual);
        for (row, along) in along.iter().enumerate() {
            residual.iter_mut().zip(self.directions.row(row)).for_each(|(value, e)| *value -= along * e);
        }
        let z = along.iter().zip(&self.variances).map(|(along, variance)| along / variance.sqrt()).collect();
        Placed { z, residual }
    }

    /// Returns the coordinates of many images, `[images, components]`.
    pub(crate) fn coordinates(&self, features: &Features) -> Matrix {
        let rows: Vec<f64> = (0..features.len()).flat_map(|image| self.standardised(features.row(image))).collect();
        let u = Matrix::from_values(features.len(), self.width(), rows);
        let mut z = u.times_transposed(&self.directions);
        let inverse: Vec<f64> = self.variances.iter().map(|variance| 1.0 / variance.sqrt()).collect();
        for row in 0..z.rows {
            z.row_mut(row).iter_mut().zip(&inverse).for_each(|(z, inverse)| *z *= inverse);
        }
        z
    }

    /// Returns the gradient with respect to features of a function, from its gradients with respect to coordinates and residual.
    pub(crate) fn pull_back(&self, by_z: &[f64], by_residual: Option<&[f64]>) -> Vec<f64> {
        let scaled: Vec<f64> = by_z.iter().zip(&self.variances).map(|(g, variance)| g / variance.sqrt()).collect();
        let mut gradient = self.directions.transposed_times(&scaled);
        if let Some(by_residual) = by_residual {
            // The residual is a projection of `u`: E has orthonormal rows.
            let along = self.directions.times(by_residual);
            let inside = self.directions.transposed_times(&along);
            for ((g, outer), inside) in gradient.iter_mut().zip(by_residual).zip(inside) {
                *g += outer - inside;
            }
        }
        gradient.iter_mut().zip(&self.inverse_deviation).for_each(|(g, inverse)| *g *= inverse);
        gradient
    }
}

/// Returns the mean features of each group.
fn group_means(features: &Features, groups: &[usize]) -> HashMap<usize, Vec<f64>> {
    let mut sums: HashMap<usize, (f64, Vec<f64>)> = HashMap::new();
    for (image, group) in groups.iter().enumerate() {
        let (count, sum) = sums.entry(*group).or_insert_with(|| (0.0, vec![0.0; features.width()]));
        *count += 1.0;
        sum.iter_mut().zip(features.row(image)).for_each(|(sum, x)| *sum += f64::from(*x));
    }
    let mean = |(count, sum): (f64, Vec<f64>)| sum.into_iter().map(|sum| sum / count).collect();
    sums.into_iter().map(|(group, sums)| (group, mean(sums))).collect()
}

/// Where an image is.
pub(crate) struct Placed {
    pub(crate) z: Vec<f64>,
    pub(crate) residual: Vec<f64>,
}

impl Placed {
    /// Returns the squared length of the residual.
    pub(crate) fn distance2(&self) -> f64 {
        dot(&self.residual, &self.residual)
    }
}
