//! Designs on the simplex: which weightings of `n` objectives to try.
//!
//! A weighting is a row of `n` numbers that are at least 0 and sum to 1.

use crate::random::Stream;
use crate::{ParetoError, check};

/// The largest lattice that is built rather than refused.
const MOST: usize = 1_000_000;

/// Returns the `n` weightings that care for one objective alone.
///
/// # Errors
/// No objectives.
pub fn corners(objectives: usize) -> Result<Vec<Vec<f64>>, ParetoError> {
    some("the number of objectives", objectives)?;
    let corner = |i| (0..objectives).map(|j| if i == j { 1.0 } else { 0.0 }).collect();
    Ok((0..objectives).map(corner).collect())
}

/// Returns the weighting that cares for all objectives alike.
///
/// # Errors
/// No objectives.
pub fn centre(objectives: usize) -> Result<Vec<f64>, ParetoError> {
    some("the number of objectives", objectives)?;
    Ok(vec![1.0 / objectives as f64; objectives])
}

/// Returns the simplex lattice (Das and Dennis 1998): all weightings whose entries are multiples of `1 / divisions`.
///
/// `C(objectives + divisions − 1, divisions)` of them, the first objective's weight descending; with one division the
/// corners.
///
/// # Errors
/// No objectives, no divisions, and more than a million weightings.
pub fn lattice(objectives: usize, divisions: usize) -> Result<Vec<Vec<f64>>, ParetoError> {
    some("the number of objectives", objectives)?;
    some("the number of divisions", divisions)?;
    let count = lattice_size(objectives, divisions);
    if count > MOST as f64 {
        return Err(ParetoError::Setting {
            what: "the size of the lattice",
            value: count,
            wanted: "at most 1000000 weightings: use fewer divisions",
        });
    }
    let mut rows = Vec::with_capacity(count as usize);
    fill(&mut rows, &mut vec![0; objectives], 0, divisions, divisions);
    Ok(rows)
}

/// Returns the finest [`lattice`] of at most `most` weightings and 100 divisions; the corners where even they are more.
///
/// # Errors
/// No objectives.
pub fn finest_lattice(objectives: usize, most: usize) -> Result<Vec<Vec<f64>>, ParetoError> {
    some("the number of objectives", objectives)?;
    let fits = |divisions: &usize| lattice_size(objectives, *divisions) <= most as f64;
    lattice(objectives, (2..=100).rev().find(fits).unwrap_or(1))
}

/// Returns `count` draws from the Dirichlet distribution with the given concentration of each objective.
///
/// All 1: uniform over the simplex. Below 1: near the corners; above: near the centre. Draw `i` depends on the seed,
/// `i` and the concentrations only, so that asking for more keeps the earlier ones.
///
/// # Errors
/// No objectives, and concentrations that are not finite and positive.
pub fn dirichlet(concentration: &[f64], count: usize, seed: u64) -> Result<Vec<Vec<f64>>, ParetoError> {
    check::not_empty("the concentration", concentration)?;
    if let Some(&value) = concentration.iter().find(|c| !(c.is_finite() && **c > 0.0)) {
        return Err(ParetoError::Setting {
            what: "a concentration",
            value,
            wanted: "a positive number, 1 for uniform draws",
        });
    }
    let draw = |number: usize| {
        let mut stream = Stream::new(seed, number as u64);
        let logs: Vec<f64> = concentration.iter().map(|&c| stream.log_gamma(c)).collect();
        let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let gammas: Vec<f64> = logs.iter().map(|l| (l - most).exp()).collect();
        let sum: f64 = gammas.iter().sum();
        gammas.iter().map(|g| g / sum).collect()
    };
    Ok((0..count).map(draw).collect())
}

/// Removes weightings that differ from an earlier one by at most `tolerance` in every entry, and keeps the order.
pub fn dedup(weightings: &mut Vec<Vec<f64>>, tolerance: f64) {
    let mut kept: Vec<Vec<f64>> = Vec::with_capacity(weightings.len());
    for weighting in weightings.drain(..) {
        let twin = |other: &Vec<f64>| {
            other.len() == weighting.len() && other.iter().zip(&weighting).all(|(a, b)| (a - b).abs() <= tolerance)
        };
        if !kept.iter().any(twin) {
            kept.push(weighting);
        }
    }
    *weightings = kept;
}

fn some(what: &'static str, count: usize) -> Result<(), ParetoError> {
    if count == 0 {
        return Err(ParetoError::Setting { what, value: 0.0, wanted: "at least 1" });
    }
    Ok(())
}

fn lattice_size(objectives: usize, divisions: usize) -> f64 {
    let smaller = (objectives - 1).min(divisions);
    let total = (objectives + divisions - 1) as f64;
    (0..smaller).fold(1.0, |size, i| size * (total - i as f64) / (i + 1) as f64).round()
}

/// Fills `parts` from `place` on with all ways to share out `left`, and appends each as a row.
fn fill(rows: &mut Vec<Vec<f64>>, parts: &mut [usize], place: usize, left: usize, divisions: usize) {
    if place + 1 == parts.len() {
        parts[place] = left;
        rows.push(parts.iter().map(|&p| p as f64 / divisions as f64).collect());
        return;
    }
    for part in (0..=left).rev() {
        parts[place] = part;
        fill(rows, parts, place + 1, left - part, divisions);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_simplex(weighting: &[f64]) -> bool {
        weighting.iter().all(|&w| w >= 0.0) && (weighting.iter().sum::<f64>() - 1.0).abs() < 1e-12
    }

    #[test]
    fn the_lattice_has_the_binomial_number_of_distinct_weightings() {
        let lattice = lattice(4, 5).unwrap();
        assert_eq!(lattice.len(), 56);
        assert!(lattice.iter().all(|w| on_simplex(w)));
        let mut distinct = lattice.clone();
        dedup(&mut distinct, 1e-9);
        assert_eq!(distinct, lattice);
    }

    #[test]
    fn one_division_gives_the_corners() {
        assert_eq!(lattice(3, 1), corners(3));
        assert_eq!(lattice(1, 7), Ok(vec![vec![1.0]]));
    }

    #[test]
    fn the_finest_lattice_is_the_last_that_fits() {
        assert_eq!(finest_lattice(4, 2000), lattice(4, 20));
        assert_eq!(finest_lattice(2, 2000), lattice(2, 100));
        assert_eq!(finest_lattice(30, 29), corners(30));
        assert!(finest_lattice(0, 2000).is_err());
    }

    #[test]
    fn impossible_designs_are_refused() {
        assert!(lattice(0, 3).is_err());
        assert!(lattice(3, 0).is_err());
        assert!(lattice(60, 60).is_err());
        assert!(centre(0).is_err());
        assert!(dirichlet(&[1.0, 0.0], 3, 1).is_err());
        assert!(dirichlet(&[1.0, f64::NAN], 3, 1).is_err());
    }

    #[test]
    fn draws_lie_on_the_simplex_and_average_to_the_concentrations() {
        let draws = dirichlet(&[1.0, 2.0, 5.0], 20_000, 3).unwrap();
        assert!(draws.iter().all(|w| on_simplex(w)));
        for (objective, expected) in [0.125, 0.25, 0.625].into_iter().enumerate() {
            let mean = draws.iter().map(|w| w[objective]).sum::<f64>() / draws.len() as f64;
            assert!((mean - expected).abs() < 0.01, "{objective}: {mean}");
        }
    }

    #[test]
    fn tiny_concentrations_give_corners_not_nan() {
        for draw in dirichlet(&[1e-4; 4], 200, 9).unwrap() {
            assert!(on_simplex(&draw), "{draw:?}");
        }
    }

    #[test]
    fn more_draws_keep_the_earlier_ones_and_the_seed_matters() {
        let few = dirichlet(&[1.0; 4], 3, 5).unwrap();
        let many = dirichlet(&[1.0; 4], 9, 5).unwrap();
        assert_eq!(few[..], many[..3]);
        assert_ne!(few, dirichlet(&[1.0; 4], 3, 6).unwrap());
    }

    #[test]
    fn dedup_keeps_the_first_of_each() {
        let mut rows = vec![vec![0.5, 0.5], vec![1.0, 0.0], vec![0.5 + 1e-12, 0.5 - 1e-12]];
        dedup(&mut rows, 1e-9);
        assert_eq!(rows, [[0.5, 0.5], [1.0, 0.0]]);
    }
}
