//! The search for the weighting with the greatest expected gain.

use rayon::prelude::*;

use super::posterior::Posterior;

/// Draws by which all candidates are compared.
const SCREENING: usize = 16;
/// Candidates that are compared by all draws.
const FINALISTS: usize = 32;
/// How often the step of the refinement is halved.
const HALVINGS: usize = 3;

/// Returns the weighting with the greatest expected gain: the best candidate, moved by ever smaller steps for as long as the gain
/// grows; nothing without candidates.
pub(super) fn greatest_gain(
    posterior: &Posterior,
    candidates: &[Vec<f64>],
    is_new: impl Fn(&[f64]) -> bool,
) -> Option<Vec<f64>> {
    let gain = |weighting: &Vec<f64>| posterior.expected_gain(weighting, usize::MAX);
    let mut screened: Vec<(f64, &Vec<f64>)> =
        candidates.par_iter().map(|weighting| (posterior.expected_gain(weighting, SCREENING), weighting)).collect();
    screened.sort_by(|one, other| other.0.total_cmp(&one.0));
    screened.truncate(FINALISTS);
    let finalists = screened.into_par_iter().map(|(_, weighting)| (gain(weighting), weighting.clone())).collect();
    let (mut best, mut weighting) = greatest(finalists)?;
    // Lattices of at most 100 divisions: half their step is at least 0.005.
    let mut step = spacing(candidates) / 2.0;
    for _ in 0..HALVINGS {
        let mut moved = neighbours(&weighting, step);
        moved.retain(|neighbour| is_new(neighbour));
        let moved = moved.into_par_iter().map(|neighbour| (gain(&neighbour), neighbour)).collect();
        match greatest(moved) {
            Some(better) if better.0 > best => (best, weighting) = better,
            _ => {}
        }
        step /= 2.0;
    }
    Some(weighting)
}

/// Returns the first of those with the greatest gain.
fn greatest(gains: Vec<(f64, Vec<f64>)>) -> Option<(f64, Vec<f64>)> {
    gains.into_iter().reduce(|best, next| if next.0 > best.0 { next } else { best })
}

/// Returns the smallest weight above 0, which is the spacing of a lattice.
fn spacing(candidates: &[Vec<f64>]) -> f64 {
    candidates.iter().flatten().copied().filter(|weight| *weight > 0.0).fold(1.0, f64::min)
}

/// Returns the weightings that take `step`, or what there is, from one weight and give it to another.
fn neighbours(weighting: &[f64], step: f64) -> Vec<Vec<f64>> {
    let mut all = Vec::new();
    for from in 0..weighting.len() {
        for to in 0..weighting.len() {
            let taken = step.min(weighting[from]);
            if from != to && taken > 0.0 {
                let mut moved = weighting.to_vec();
                moved[from] -= taken;
                moved[to] += taken;
                all.push(moved);
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_stay_on_the_simplex() {
        let all = neighbours(&[0.5, 0.45, 0.05, 0.0], 0.1);
        assert_eq!(all.len(), 9);
        assert!(all.iter().flatten().all(|weight| *weight >= 0.0));
        assert!(all.iter().all(|row| (row.iter().sum::<f64>() - 1.0).abs() < 1e-12));
    }
}
