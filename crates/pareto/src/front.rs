//! A Pareto front that grows point by point.

use crate::dominance::covers;
use crate::{ParetoError, check, hypervolume, hypervolume_gain};

/// The non-dominated points met so far, each with a tag of the caller's (an id, a label).
///
/// Equal points are all kept, as in [`non_dominated`](crate::non_dominated).
#[derive(Debug, Clone)]
pub struct ParetoFront<T> {
    objectives: usize,
    members: Vec<(Vec<f64>, T)>,
}

/// What became of a point put to a front.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Insertion<T> {
    /// A member dominates it; the tag is handed back.
    Dominated(T),
    /// It is a member now; these are no longer, since it dominates them.
    Added {
        /// Tags of the points that left.
        removed: Vec<T>,
    },
}

impl<T> ParetoFront<T> {
    /// Returns an empty front of points with so many objectives.
    ///
    /// # Errors
    /// No objectives.
    pub fn new(objectives: usize) -> Result<Self, ParetoError> {
        if objectives == 0 {
            return Err(ParetoError::Setting { what: "the number of objectives", value: 0.0, wanted: "at least 1" });
        }
        Ok(Self { objectives, members: Vec::new() })
    }

    /// Puts a point in unless a member dominates it.
    ///
    /// # Errors
    /// Another number of objectives, and NaN or infinite values.
    pub fn insert(&mut self, point: Vec<f64>, tag: T) -> Result<Insertion<T>, ParetoError> {
        check::row("point", self.members.len(), &point, self.objectives)?;
        let dominated = |(member, _): &(Vec<f64>, T)| covers(member, &point) && *member != point;
        if self.members.iter().any(dominated) {
            return Ok(Insertion::Dominated(tag));
        }
        let gone = |(member, _): &mut (Vec<f64>, T)| covers(&point, member) && *member != point;
        let removed = self.members.extract_if(.., gone).map(|(_, t)| t).collect();
        self.members.push((point, tag));
        Ok(Insertion::Added { removed })
    }

    /// Returns the members, in the order in which they came.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[f64], &T)> {
        self.members.iter().map(|(point, tag)| (&point[..], tag))
    }

    /// Returns how many members there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Returns whether there are no members.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Returns the [`hypervolume`] of the members above `reference`.
    ///
    /// # Errors
    /// A reference of another length, or that is not finite.
    pub fn hypervolume(&self, reference: &[f64]) -> Result<f64, ParetoError> {
        hypervolume(&self.points(), reference)
    }

    /// Returns the hypervolume that a candidate would add; see [`hypervolume_gain`].
    ///
    /// # Errors
    /// As [`hypervolume_gain`].
    pub fn gain(&self, candidate: &[f64], reference: &[f64]) -> Result<f64, ParetoError> {
        hypervolume_gain(&self.points(), candidate, reference)
    }

    fn points(&self) -> Vec<&[f64]> {
        self.members.iter().map(|(point, _)| &point[..]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_come_and_go_by_dominance() {
        let mut front = ParetoFront::new(2).unwrap();
        let added = |removed: &[&'static str]| Ok(Insertion::Added { removed: removed.to_vec() });
        assert_eq!(front.insert(vec![1.0, 1.0], "base"), added(&[]));
        assert_eq!(front.insert(vec![2.0, 0.5], "a"), added(&[]));
        assert_eq!(front.insert(vec![2.0, 0.5], "twin of a"), added(&[]));
        assert_eq!(front.insert(vec![0.5, 0.5], "worse"), Ok(Insertion::Dominated("worse")));
        assert_eq!(front.insert(vec![1.5, 1.5], "b"), added(&["base"]));
        let tags: Vec<_> = front.iter().map(|(_, tag)| *tag).collect();
        assert_eq!(tags, ["a", "twin of a", "b"]);
    }

    #[test]
    fn the_gain_is_what_the_hypervolume_grows_by() {
        let mut front = ParetoFront::new(3).unwrap();
        let reference = [0.0; 3];
        for point in [[1.0, 2.0, 3.0], [3.0, 1.0, 2.0], [2.0, 3.0, 1.0]] {
            let before = front.hypervolume(&reference).unwrap();
            let gain = front.gain(&point, &reference).unwrap();
            front.insert(point.to_vec(), ()).unwrap();
            let after = front.hypervolume(&reference).unwrap();
            assert!((after - before - gain).abs() < 1e-12);
        }
    }

    #[test]
    fn a_nan_is_refused() {
        let mut front = ParetoFront::new(2).unwrap();
        assert!(matches!(front.insert(vec![f64::NAN, 1.0], ()), Err(ParetoError::NotFinite { objective: 0, .. })));
    }
}
