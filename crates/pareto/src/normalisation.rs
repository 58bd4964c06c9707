//! One scale for objectives of different units.

use crate::{ParetoError, check};

/// Maps each objective linearly so that `min` becomes 0 and `max` becomes 1.
///
/// Values outside are not clamped: a clamped point could be dominated without being worse. Being linear, it may be
/// applied before or after taking means.
///
/// Indicators change with it, so it belongs beside every number that was made with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Normalisation {
    min: Vec<f64>,
    max: Vec<f64>,
}

impl Normalisation {
    /// Returns the map that takes `min` to 0 and `max` to 1, objective by objective.
    ///
    /// # Errors
    /// No objectives, different lengths, NaN or infinite ends, and a `max` that is not greater than its `min`.
    pub fn new(min: Vec<f64>, max: Vec<f64>) -> Result<Self, ParetoError> {
        check::not_empty("the normalisation", &min)?;
        check::row("lower end of normalisation", 0, &min, min.len())?;
        check::row("upper end of normalisation", 0, &max, min.len())?;
        match (0..min.len()).find(|&i| min[i] >= max[i]) {
            None => Ok(Self { min, max }),
            Some(objective) => Err(ParetoError::Range { objective, min: min[objective], max: max[objective] }),
        }
    }

    /// Returns the map from the ranges that the points span.
    ///
    /// What it hides: it changes with every point added, so two sets normalised each by itself cannot be compared.
    ///
    /// # Errors
    /// No points, rows of different lengths, NaN or infinite values, and an objective in which all points are equal.
    pub fn spanning<P: AsRef<[f64]>>(points: &[P]) -> Result<Self, ParetoError> {
        check::not_empty("the set of points", points)?;
        let dims = check::rows("point", points)?;
        let fold = |objective: usize, start: f64, pick: fn(f64, f64) -> f64| {
            let values = points.iter().map(|p| p.as_ref()[objective]);
            values.fold(start, pick)
        };
        Self::new(
            (0..dims).map(|j| fold(j, f64::INFINITY, f64::min)).collect(),
            (0..dims).map(|j| fold(j, f64::NEG_INFINITY, f64::max)).collect(),
        )
    }

    /// Returns what becomes 0 in each objective.
    pub fn min(&self) -> &[f64] {
        &self.min
    }

    /// Returns what becomes 1 in each objective.
    pub fn max(&self) -> &[f64] {
        &self.max
    }

    /// Returns a point on the common scale.
    ///
    /// # Errors
    /// Another number of objectives, and NaN or infinite values.
    pub fn apply(&self, point: &[f64]) -> Result<Vec<f64>, ParetoError> {
        check::row("point", 0, point, self.min.len())?;
        Ok(self.map(point))
    }

    /// Returns points on the common scale.
    ///
    /// # Errors
    /// Another number of objectives, and NaN or infinite values.
    pub fn apply_all<P: AsRef<[f64]>>(&self, points: &[P]) -> Result<Vec<Vec<f64>>, ParetoError> {
        check::rows_of("point", points, self.min.len())?;
        Ok(points.iter().map(|p| self.map(p.as_ref())).collect())
    }

    fn map(&self, point: &[f64]) -> Vec<f64> {
        let ends = self.min.iter().zip(&self.max);
        point.iter().zip(ends).map(|(v, (min, max))| (v - min) / (max - min)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_become_zero_and_one_and_nothing_is_clamped() {
        let scale = Normalisation::new(vec![1.0, -2.0], vec![3.0, 2.0]).unwrap();
        assert_eq!(scale.apply(&[1.0, 2.0]), Ok(vec![0.0, 1.0]));
        assert_eq!(scale.apply(&[5.0, -4.0]), Ok(vec![2.0, -0.5]));
    }

    #[test]
    fn spanning_takes_the_extremes() {
        let scale = Normalisation::spanning(&[[0.0, 5.0], [2.0, 1.0]]).unwrap();
        assert_eq!((scale.min(), scale.max()), (&[0.0, 1.0][..], &[2.0, 5.0][..]));
    }

    #[test]
    fn an_empty_range_is_refused_by_name() {
        let error = Normalisation::new(vec![0.0, 1.0], vec![1.0, 1.0]).unwrap_err();
        assert_eq!(error.to_string(), "normalisation of objective 1 goes from 1 to 1: max must be greater than min");
    }
}
