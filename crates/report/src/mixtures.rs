//! What soups are expected to give, on a lattice that is fine enough for a slider.

use moa_analysis::{Forecast, FrontReport, Score, shares_by_name};
use moa_core::{ExperimentSpec, RunId};
use moa_pareto::{Interval, ParetoError, simplex};

use crate::data;
use crate::number::short;

/// The slider's steps, finest first: each divides a whole into full percents.
const DIVISIONS: [usize; 8] = [100, 50, 25, 20, 10, 5, 4, 2];
/// The lattice has at most so many mixtures.
const MOST: usize = 2000;

/// The adapters that soups are made of, and the points that are soups of them.
#[derive(Clone, Debug)]
pub(crate) struct Pantry {
    /// The corners, all of which are evaluated.
    pub(crate) corners: Vec<RunId>,
    /// Places of points, with their shares of the corners; the corners first.
    pub(crate) known: Vec<(usize, Vec<f64>)>,
}

impl Pantry {
    /// Returns what soups can be made of; nothing with fewer than two corners, or before all of them are evaluated.
    pub(crate) fn of(spec: &ExperimentSpec, front: &FrontReport) -> Option<Self> {
        let (corners, _) = shares_by_name(spec, &[]);
        if corners.len() < 2 || corners.iter().any(|corner| front.point(corner.as_str()).is_none()) {
            return None;
        }
        let shares = front.points.iter().enumerate().filter_map(|(place, point)| Some((place, point.shares.clone()?)));
        let mut known: Vec<(usize, Vec<f64>)> = shares.collect();
        known.sort_by_key(|(_, shares)| shares.iter().all(|share| *share < 1.0));
        Some(Self { corners, known })
    }

    /// Returns the finest lattice that a page has room for: its divisions and mixtures.
    fn lattice(&self) -> Result<(usize, Vec<Vec<f64>>), ParetoError> {
        for divisions in DIVISIONS {
            let rows = simplex::lattice(self.corners.len(), divisions);
            // A lattice of millions is refused before it is made.
            if let Ok(rows) = rows
                && rows.len() <= MOST
            {
                return Ok((divisions, rows));
            }
        }
        Ok((1, simplex::corners(self.corners.len())?))
    }

    /// Returns what mixtures are expected to gain over the base; nothing where gains are not known.
    ///
    /// # Errors
    /// Refuses to make no lattice.
    pub(crate) fn expected(&self, front: &FrontReport) -> Result<Option<data::Mixtures>, ParetoError> {
        let is_few = front.few_prompts().is_some();
        let gains = |place: usize| -> Option<Vec<Interval>> {
            let gain = |score: &Score| {
                // Ends that only a reward's range gives are no interval of a measurement.
                Some(if is_few { Interval::unbounded(score.difference?.mean) } else { score.difference? })
            };
            front.points[place].rewards.iter().map(gain).collect()
        };
        let known = self.known.iter().filter_map(|(place, shares)| Some((&shares[..], gains(*place)?)));
        let Some(forecast) = Forecast::fit(known) else { return Ok(None) };
        let (divisions, rows) = self.lattice()?;
        let expected = |shares: &Vec<f64>| {
            let of = |gain: Interval| [short(gain.mean), gain.half_width().and_then(short)];
            forecast.gains(shares).into_iter().map(of).collect()
        };
        let parts = |shares: &Vec<f64>| shares.iter().map(|share| (share * divisions as f64).round() as u32).collect();
        Ok(Some(data::Mixtures {
            corners: self.corners.iter().map(ToString::to_string).collect(),
            divisions,
            parts: rows.iter().map(parts).collect(),
            expected: rows.iter().map(expected).collect(),
            measured: forecast.points(),
            drawn: Vec::new(),
        }))
    }

    /// Returns the mixtures of a lattice that no point is.
    ///
    /// # Errors
    /// Refuses lattices of more than a million mixtures.
    pub(crate) fn unknown(&self, divisions: usize) -> Result<Vec<Vec<f64>>, ParetoError> {
        if divisions == 0 {
            return Ok(Vec::new());
        }
        let mut rows = simplex::lattice(self.corners.len(), divisions)?;
        let is = |one: &[f64], other: &[f64]| one.iter().zip(other).all(|(one, other)| (one - other).abs() < 1e-6);
        rows.retain(|row| !self.known.iter().any(|(_, known)| is(row, known)));
        Ok(rows)
    }
}
