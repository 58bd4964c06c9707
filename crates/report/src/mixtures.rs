//! What soups are expected to give, on a lattice that is fine enough for a slider.

use moa_analysis::{FrontReport, shares_by_name};
use moa_core::{ExperimentSpec, RunId};
use moa_pareto::{Interval, ParetoError, Surrogate, simplex};

use crate::data;
use crate::number::short;

/// The slider's steps, finest first: each divides a whole into full percents.
const DIVISIONS: [usize; 8] = [100, 50, 25, 20, 10, 5, 4, 2];
/// The lattice has at most so many mixtures.
const MOST: usize = 2000;
/// Half a 95 % interval in standard errors.
const HALF: f64 = 1.96;
/// The model is made of so many points at most: fitting takes their number cubed.
const MOST_POINTS: usize = 150;

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
        let (corners, shares) = shares_by_name(spec);
        if corners.len() < 2 || corners.iter().any(|corner| front.point(corner.as_str()).is_none()) {
            return None;
        }
        let mut known: Vec<(usize, Vec<f64>)> = front
            .points
            .iter()
            .enumerate()
            .filter_map(|(place, point)| Some((place, shares.get(&point.id)?.clone())))
            .collect();
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

    /// Returns what mixtures are expected to gain over the base; without intervals where prompts are too few for any. Nothing where gains are
    /// not known.
    ///
    /// # Errors
    /// Fails where measurements cannot be fitted.
    pub(crate) fn expected(&self, front: &FrontReport) -> Result<Option<data::Mixtures>, ParetoError> {
        let known = &self.known[..self.known.len().min(MOST_POINTS)];
        let is_few = front.few_prompts().is_some();
        let shares: Vec<Vec<f64>> = known.iter().map(|(_, shares)| shares.clone()).collect();
        let mut models = Vec::new();
        for reward in 0..front.rewards.len() {
            let gain = |(place, _): &(usize, Vec<f64>)| {
                let gain = front.points[*place].rewards.get(reward)?.difference?;
                // Ends that only a reward's range gives say nothing of the spread: the means are taken as they are.
                let gain = if is_few { Interval::exact(gain.mean) } else { gain };
                gain.is_bounded().then_some(gain)
            };
            let Some(gains) = known.iter().map(gain).collect::<Option<Vec<_>>>() else { return Ok(None) };
            let values: Vec<f64> = gains.iter().map(|gain| gain.mean).collect();
            let errors: Vec<f64> = gains.iter().map(|gain| (gain.hi - gain.lo).max(0.0) / 2.0 / HALF).collect();
            models.push(Surrogate::fit(&shares, &values, &errors)?);
        }
        let (divisions, rows) = self.lattice()?;
        let expected = |shares: &Vec<f64>| {
            let of = |model: &Surrogate| {
                let prediction = model.predict(shares);
                [short(prediction.mean), if is_few { None } else { short(HALF * prediction.deviation) }]
            };
            models.iter().map(of).collect()
        };
        let parts = |shares: &Vec<f64>| shares.iter().map(|share| (share * divisions as f64).round() as u32).collect();
        Ok(Some(data::Mixtures {
            corners: self.corners.iter().map(ToString::to_string).collect(),
            divisions,
            parts: rows.iter().map(parts).collect(),
            expected: rows.iter().map(expected).collect(),
            measured: known.len(),
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
