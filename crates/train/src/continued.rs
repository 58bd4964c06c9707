//! What a phase's runs go on from, and what holds them back from forgetting it.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor};
use moa_adapter::Adapter;
use moa_core::RunId;
use moa_core::experiment::OptimiserSpec;
use moa_optimiser::{AdamW, StateReader};

use crate::TrainError;
use crate::factors::{Factors, members};

/// What the runs of a phase go on from.
#[derive(Clone, Debug, Default)]
pub struct Continued {
    /// How many of the training prompts, the last ones, are those of earlier phases: a share of every epoch's is taken from them.
    pub replayed: usize,
    /// By run of the phase, what the phase before left of the run that it goes on from.
    pub last: BTreeMap<RunId, Last>,
}

/// What a phase left of a run.
#[derive(Clone, Debug)]
pub struct Last {
    /// Its adapter.
    pub adapter: Adapter,
    /// The checkpoints in which the training of this phase and of those before it ended, of which it is told how much each weight matters.
    /// Empty where that is not asked for.
    pub states: Vec<Vec<u8>>,
}

/// The pull of elastic weight consolidation (Kirkpatrick et al., 1612.00796) back to the adapters of the phase before: the gradient of
/// ½·λ·Σ F·(θ − θ*)².
#[derive(Clone, Debug)]
pub(crate) struct Consolidation {
    strength: f64,
    /// F, with a mean of 1 over all weights of a member.
    importance: Factors,
    /// θ*.
    anchor: Factors,
}

impl Consolidation {
    /// - `importance`, `anchor`: by the names of the trained factors, `[members, …, …]`
    pub(crate) fn new(strength: f64, importance: Factors, anchor: Factors) -> Self {
        Self { strength, importance, anchor }
    }

    /// Returns the gradients with the pull added, for every factor that is held.
    pub(crate) fn pulled(&self, mut gradients: Factors, factors: &Factors) -> Factors {
        for (name, anchor) in &self.anchor {
            let (Some(factor), Some(importance)) = (factors.get(name), self.importance.get(name)) else { continue };
            let pull = (factor.clone() - anchor.clone()) * importance.clone() * self.strength;
            let all = match gradients.remove(name) {
                Some(gradient) => gradient + pull,
                None => pull,
            };
            gradients.insert(name.clone(), all);
        }
        gradients
    }

    /// Keeps the runs at `places` alone.
    pub(crate) fn keep(&mut self, places: &[usize]) {
        self.importance = members(&self.importance, places);
        self.anchor = members(&self.anchor, places);
    }
}

/// Returns how much each weight of one run mattered in the phases before: the mean squared gradient of each, as the optimiser's second moments
/// estimate it, summed over the phases (online EWC; Schwarz et al., 1805.06370) and divided by its mean over all weights.
///
/// - `states`: the checkpoints in which the phases' trainings ended
/// - `like`: the run's factors
///
/// # Errors
/// Refuses checkpoints that cannot be read, and those of a run that ended before its time, which keep no moments.
pub(crate) fn importance(
    run: &RunId,
    states: &[Vec<u8>],
    like: &Factors,
    optimiser: &OptimiserSpec,
    device: &Device,
) -> Result<Factors, TrainError> {
    let mut sum = Factors::new();
    for state in states {
        let file = StateReader::open(state)?;
        let mut adamw = AdamW::<3>::new(optimiser);
        adamw.load(&file, like, device)?;
        let squares = adamw.mean_squares(optimiser.beta2);
        if squares.len() < like.len() {
            return Err(TrainError::NoImportance { run: run.clone() });
        }
        crate::factors::add(&mut sum, squares);
    }
    let count: usize = like.values().map(|factor| factor.dims().iter().product::<usize>()).sum();
    let total: f64 = sum.values().map(|squares| f64::from(total_of(squares))).sum();
    let mean = total / count.max(1) as f64;
    if mean <= 0.0 || !mean.is_finite() {
        return Err(TrainError::NoImportance { run: run.clone() });
    }
    Ok(sum.into_iter().map(|(name, squares)| (name, squares / mean)).collect())
}

fn total_of(tensor: &Tensor<3>) -> f32 {
    moa_device::to_host(tensor.clone()).iter().sum()
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;
    use moa_device::to_host;
    use moa_optimiser::StateWriter;

    use super::*;

    fn factors(values: &[f32]) -> Factors {
        let tensor = Tensor::from_data(TensorData::new(values.to_vec(), [1, 1, values.len()]), &Device::flex());
        Factors::from([("layer/b".to_owned(), tensor)])
    }

    /// The checkpoint of an optimiser that took one step on each of these gradients.
    fn state(optimiser: &OptimiserSpec, gradients: &[[f32; 3]]) -> Vec<u8> {
        let (mut adamw, mut weights) = (AdamW::new(optimiser), factors(&[0.0; 3]));
        for gradient in gradients {
            adamw.step(0.1, &mut weights, factors(gradient));
        }
        let mut file = StateWriter::default();
        adamw.save(&mut file);
        file.finish(&1).expect("writes")
    }

    #[test]
    fn weights_matter_by_their_mean_squared_gradients_over_all_phases() {
        let optimiser = OptimiserSpec { beta2: 0.5, ..OptimiserSpec::default() };
        let run = RunId("safety".into());
        let states = [state(&optimiser, &[[1.0, 2.0, 0.0], [3.0, 0.0, 0.0]]), state(&optimiser, &[[0.0, 1.0, 1.0]])];
        let found = importance(&run, &states, &factors(&[0.0; 3]), &optimiser, &Device::flex()).expect("there is one");
        // Of two steps the moment is (0.25·first + 0.5·second) / 0.75, of one step that gradient's square.
        let sum = [(0.25 + 0.5 * 9.0) / 0.75, (0.25 * 4.0) / 0.75 + 1.0, 1.0];
        let mean = sum.iter().sum::<f64>() / 3.0;
        let found = to_host(found["layer/b"].clone());
        let close = |(found, sum): (&f32, f64)| (f64::from(*found) - sum / mean).abs() < 1e-5;
        assert!(found.iter().zip(sum).all(close), "{found:?} for {sum:?} / {mean}");
    }

    #[test]
    fn a_training_that_left_no_moments_says_so() {
        let (optimiser, run) = (OptimiserSpec::default(), RunId("safety".into()));
        let empty = StateWriter::default().finish(&1).expect("writes");
        let error = importance(&run, &[empty], &factors(&[0.0; 3]), &optimiser, &Device::flex()).expect_err("none");
        assert!(error.to_string().contains("`safety`"), "{error}");
    }

    #[test]
    fn the_pull_is_the_gradient_of_the_quadratic() {
        let held = Consolidation::new(0.7, factors(&[2.0, 0.5, 0.0]), factors(&[1.0, -1.0, 3.0]));
        let penalty = |theta: &[f32; 3]| {
            let pairs = theta.iter().zip([(2.0, 1.0), (0.5, -1.0), (0.0, 3.0)]);
            0.5 * 0.7 * pairs.map(|(theta, (f, star))| f * (f64::from(*theta) - star).powi(2)).sum::<f64>()
        };
        let theta = [1.5f32, 0.25, -2.0];
        let given = [0.1f32, 0.0, -0.3];
        let pulled = to_host(held.pulled(factors(&given), &factors(&theta))["layer/b"].clone());
        for place in 0..3 {
            let moved = |by: f32| {
                let mut moved = theta;
                moved[place] += by;
                penalty(&moved)
            };
            let slope = (moved(0.125) - moved(-0.125)) / 0.25;
            assert!((f64::from(pulled[place]) - f64::from(given[place]) - slope).abs() < 1e-5, "weight {place}");
        }
        // A factor that no reward moves is pulled all the same.
        assert_eq!(held.pulled(Factors::new(), &factors(&theta)).len(), 1);
    }
}
