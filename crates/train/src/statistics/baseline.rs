//! What is to be expected of a prompt: running means of its scores, or what its text says.

use moa_core::NoiseKey;
use moa_core::experiment::Baseline;
use moa_optimiser::{StateError, StateReader, StateWriter};

use crate::TrainError;
use crate::contexts::Contexts;
use crate::epoch::RunScores;
use crate::state::{load_list, load_rows, save_list, save_rows};
use crate::world::World;

/// Directions of texts' embeddings that a value is a function of, beside a constant.
const DIRECTIONS: usize = 32;
/// What keeps the constant from being undetermined.
const LEAST_RIDGE: f64 = 1e-6;

/// What is to be expected of prompts, by run and reward.
///
/// Kept in f32, in which it is stored: a restored trainer continues with the same bits.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Baselines {
    /// Running means of each prompt.
    Prompt {
        /// `[run][reward · prompt]`
        means: Vec<Vec<f32>>,
        /// How many visits count in them, `[prompt]`.
        weights: Vec<f32>,
    },
    /// A linear function of features, by least squares with older epochs fading (DPOK's value function, 2305.16381).
    Value {
        ridge: f64,
        /// `[prompt][feature]`, the constant last; made from the prompts' texts.
        features: Vec<Vec<f32>>,
        /// Σ φφᵀ, `[feature · feature]`: the same for all runs, which see the same prompts.
        squares: Vec<f32>,
        /// Σ φ·score, `[run][reward · feature]`.
        products: Vec<Vec<f32>>,
    },
}

impl Baselines {
    /// Returns the baselines that an experiment asks for, before anything was scored.
    ///
    /// # Errors
    /// Fails when a prompt cannot be tokenised.
    pub(crate) fn new(world: &World<'_>) -> Result<Option<Self>, TrainError> {
        let (members, rewards, prompts) = (world.members(), world.spec.rewards.len(), world.prompts.len());
        Ok(match world.spec.training.advantages.baseline {
            Baseline::Group => None,
            Baseline::Prompt { .. } => {
                Some(Self::Prompt { means: vec![vec![0.0; rewards * prompts]; members], weights: vec![0.0; prompts] })
            }
            Baseline::Value { ridge, .. } => {
                let features = features(world.contexts(), world.key("value"))?;
                let width = features.first().map_or(0, Vec::len);
                let products = vec![vec![0.0; rewards * width]; members];
                Some(Self::Value { ridge, features, squares: vec![0.0; width * width], products })
            }
        })
    }

    /// Takes an epoch's scores in, `[run][reward][picture]`, `group` of each of `visited` prompts.
    pub(super) fn follow(&mut self, visited: &[usize], scores: &RunScores, group: usize, decay: f64) {
        let mean = |scores: &[f32]| scores.iter().map(|score| f64::from(*score)).sum::<f64>() / scores.len() as f64;
        let decay = decay as f32;
        match self {
            Self::Prompt { means, weights } => {
                let prompts = weights.len();
                for (place, prompt) in visited.iter().enumerate() {
                    let before = weights[*prompt] * decay;
                    weights[*prompt] = before + 1.0;
                    for (means, columns) in means.iter_mut().zip(scores) {
                        for (reward, column) in columns.iter().enumerate() {
                            let own = mean(&column[place * group..(place + 1) * group]) as f32;
                            let kept = &mut means[reward * prompts + prompt];
                            *kept = (*kept * before + own) / (before + 1.0);
                        }
                    }
                }
            }
            Self::Value { features, squares, products, .. } => {
                squares.iter_mut().chain(products.iter_mut().flatten()).for_each(|sum| *sum *= decay);
                for (place, prompt) in visited.iter().enumerate() {
                    let own = &features[*prompt];
                    let width = own.len();
                    for (row, left) in own.iter().enumerate() {
                        for (column, right) in own.iter().enumerate() {
                            squares[row * width + column] += left * right;
                        }
                    }
                    for (products, columns) in products.iter_mut().zip(scores) {
                        for (products, column) in products.chunks_mut(width).zip(columns) {
                            let score = mean(&column[place * group..(place + 1) * group]) as f32;
                            products.iter_mut().zip(own).for_each(|(sum, feature)| *sum += feature * score);
                        }
                    }
                }
            }
        }
    }

    /// Returns what is expected of prompts' scores for a run, `[reward][prompt]`.
    pub(crate) fn of(&self, run: usize, visited: &[usize]) -> Vec<Vec<f64>> {
        match self {
            Self::Prompt { means, weights } => {
                let of_reward = |means: &[f32]| visited.iter().map(|prompt| f64::from(means[*prompt])).collect();
                means[run].chunks(weights.len().max(1)).map(of_reward).collect()
            }
            Self::Value { ridge, features, squares, products } => {
                let width = features.first().map_or(1, Vec::len);
                let of_reward = |products: &[f32]| {
                    let coefficients = regularised(squares, products, *ridge);
                    let expected = |prompt: &usize| {
                        features[*prompt].iter().zip(&coefficients).map(|(x, c)| f64::from(*x) * c).sum()
                    };
                    visited.iter().map(expected).collect()
                };
                products[run].chunks(width).map(of_reward).collect()
            }
        }
    }

    /// Keeps the runs at `places` alone.
    pub(super) fn keep(&mut self, places: &[usize]) {
        let (Self::Prompt { means: by_run, .. } | Self::Value { products: by_run, .. }) = self;
        *by_run = places.iter().map(|place| by_run[*place].clone()).collect();
    }

    pub(super) fn save(&self, file: &mut StateWriter) {
        let (Self::Prompt { means: by_run, weights: shared } | Self::Value { products: by_run, squares: shared, .. }) =
            self;
        save_rows(file, BY_RUN, by_run);
        save_list(file, SHARED, shared);
    }

    pub(super) fn load(&mut self, file: &StateReader<'_>) -> Result<(), StateError> {
        let (Self::Prompt { means: by_run, weights: shared } | Self::Value { products: by_run, squares: shared, .. }) =
            self;
        load_rows(file, BY_RUN, by_run)?;
        load_list(file, SHARED, shared)
    }
}

const BY_RUN: &str = "baseline/runs";
const SHARED: &str = "baseline/shared";

/// Returns features of texts, `[prompt][feature]`: the mean of each one's token states, standardised over all and, where there are more
/// than [`DIRECTIONS`], seen along so many random ones; and a constant.
///
/// # Errors
/// Fails when a prompt cannot be tokenised.
fn features(contexts: &Contexts<'_>, key: NoiseKey) -> Result<Vec<Vec<f32>>, TrainError> {
    let (means, width) = contexts.means()?;
    let prompts = means.len() / width.max(1);
    let columns: Vec<(f64, f64)> = (0..width)
        .map(|column| {
            let values = || (0..prompts).map(|row| f64::from(means[row * width + column]));
            let mean = values().sum::<f64>() / prompts as f64;
            let variance = values().map(|value| (value - mean).powi(2)).sum::<f64>() / prompts as f64;
            (mean, variance.sqrt())
        })
        .collect();
    let standardised = |row: &[f32]| -> Vec<f64> {
        let pairs = row.iter().zip(&columns);
        // What all texts share says nothing of any.
        pairs.map(|(value, (mean, sd))| if *sd > 1e-6 { (f64::from(*value) - mean) / sd } else { 0.0 }).collect()
    };
    let directions: Option<Vec<Vec<f32>>> = (width > DIRECTIONS)
        .then(|| (0..DIRECTIONS).map(|direction| key.with(direction as u64).normal(width)).collect());
    let seen = |row: &[f32]| -> Vec<f32> {
        let row = standardised(row);
        let along = |direction: &Vec<f32>| {
            let sum: f64 = direction.iter().zip(&row).map(|(d, x)| f64::from(*d) * x).sum();
            (sum / (width as f64).sqrt()) as f32
        };
        let own = match &directions {
            Some(directions) => directions.iter().map(along).collect(),
            None => row.iter().map(|value| *value as f32).collect::<Vec<_>>(),
        };
        own.into_iter().chain([1.0]).collect()
    };
    Ok(means.chunks(width.max(1)).map(seen).collect())
}

/// Returns c with (S + R)·c = p, R the ridge on all but the constant, which comes last.
fn regularised(squares: &[f32], products: &[f32], ridge: f64) -> Vec<f64> {
    let width = products.len();
    let mut rows: Vec<Vec<f64>> = (0..width)
        .map(|row| {
            let mut own: Vec<f64> = squares[row * width..(row + 1) * width].iter().map(|v| f64::from(*v)).collect();
            own[row] += if row + 1 < width { ridge } else { LEAST_RIDGE };
            own.push(f64::from(products[row]));
            own
        })
        .collect();
    // Gauss's elimination: the matrix is positive definite, so that no row need be exchanged.
    for pivot in 0..width {
        let own = rows[pivot].clone();
        for row in rows.iter_mut().skip(pivot + 1) {
            let share = row[pivot] / own[pivot];
            row.iter_mut().zip(&own).skip(pivot).for_each(|(value, own)| *value -= share * own);
        }
    }
    let mut found = vec![0.0; width];
    for row in (0..width).rev() {
        let rest: f64 = (row + 1..width).map(|column| rows[row][column] * found[column]).sum();
        found[row] = (rows[row][width] - rest) / rows[row][row];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prompt() -> Baselines {
        Baselines::Prompt { means: vec![vec![0.0; 6]; 1], weights: vec![0.0; 3] }
    }

    #[test]
    fn a_prompts_mean_is_its_own_and_fades() {
        let mut baselines = prompt();
        // Two rewards, two prompts of two images.
        baselines.follow(&[2, 0], &vec![vec![vec![1.0, 3.0, 5.0, 5.0], vec![0.0, 1.0, 0.0, 0.0]]], 2, 0.5);
        assert_eq!(baselines.of(0, &[0, 2]), [[5.0, 2.0], [0.0, 0.5]]);
        baselines.follow(&[2], &vec![vec![vec![8.0, 8.0], vec![0.5, 0.5]]], 2, 0.5);
        let found = baselines.of(0, &[2])[0][0];
        assert!((found - (2.0 * 0.5 + 8.0) / 1.5).abs() < 1e-6, "{found}");
    }

    #[test]
    fn a_value_lends_prompts_what_others_taught() {
        // Scores are 1 + 2·x of one feature, with a second that says nothing.
        let features = vec![vec![-1.0, 0.3, 1.0], vec![0.0, -0.4, 1.0], vec![1.0, 0.2, 1.0], vec![2.0, 0.0, 1.0]];
        let products = vec![vec![0.0; 3]; 1];
        let mut value = Baselines::Value { ridge: 1e-3, features, squares: vec![0.0; 9], products };
        for _ in 0..3 {
            value.follow(&[0, 1, 2], &vec![vec![vec![-1.0, 1.0, 3.0]]], 1, 0.9);
        }
        let expected = &value.of(0, &[0, 3])[0];
        assert!((expected[0] + 1.0).abs() < 0.01 && (expected[1] - 5.0).abs() < 0.05, "{expected:?}");
    }

    #[test]
    fn stored_baselines_are_the_same_bits() {
        let mut baselines = prompt();
        baselines.follow(&[1], &vec![vec![vec![0.123, 0.7], vec![0.3, 0.9]]], 2, 0.9);
        let mut file = StateWriter::default();
        baselines.save(&mut file);
        let bytes = file.finish(&()).expect("writes");
        let mut read = prompt();
        read.load(&StateReader::open(&bytes).expect("opens")).expect("fits");
        assert_eq!(read, baselines);
    }
}
