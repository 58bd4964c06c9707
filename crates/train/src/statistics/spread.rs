//! Running standard deviations of rewards within a prompt's images, by run.

use moa_optimiser::{StateError, StateReader, StateWriter};

use crate::state::{load_list, load_rows, save_list, save_rows};

/// The root mean square of groups' standard deviations, by member and reward, with older epochs fading.
///
/// Kept in f32, in which it is stored: a restored trainer continues with the same bits.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Spreads {
    /// Faded sums of mean squared deviations, `[member][reward]`.
    squares: Vec<Vec<f32>>,
    /// The faded number of epochs in them.
    weight: f32,
}

const PART: &str = "spreads";
const WEIGHT: &str = "spreads/weight";

impl Spreads {
    /// Returns the spreads before anything was scored.
    pub(crate) fn new(members: usize, rewards: usize) -> Self {
        Self { squares: vec![vec![0.0; rewards]; members], weight: 0.0 }
    }

    /// Takes an epoch's scores in, `[member][reward][picture]`; `decay` of what was there stays.
    pub(crate) fn follow(&mut self, scores: &[Vec<Vec<f32>>], group: usize, decay: f64) {
        self.weight = self.weight * decay as f32 + 1.0;
        for (squares, columns) in self.squares.iter_mut().zip(scores) {
            for (square, column) in squares.iter_mut().zip(columns) {
                *square = *square * decay as f32 + mean_square(column, group) as f32;
            }
        }
    }

    /// Returns the standard deviation of each reward of a member; 0 of one that has not varied.
    pub(crate) fn of(&self, member: usize) -> Vec<f64> {
        let weight = f64::from(self.weight).max(f64::MIN_POSITIVE);
        self.squares[member].iter().map(|square| (f64::from(*square) / weight).sqrt()).collect()
    }

    /// Keeps the members at `places` alone.
    pub(crate) fn keep(&mut self, places: &[usize]) {
        self.squares = places.iter().map(|place| self.squares[*place].clone()).collect();
    }

    /// Adds the spreads to a file.
    pub(crate) fn save(&self, file: &mut StateWriter) {
        save_rows(file, PART, &self.squares);
        save_list(file, WEIGHT, &[self.weight]);
    }

    /// Takes spreads of the same members and rewards from a file.
    pub(crate) fn load(&mut self, file: &StateReader<'_>) -> Result<(), StateError> {
        let mut weight = vec![self.weight];
        load_rows(file, PART, &mut self.squares)?;
        load_list(file, WEIGHT, &mut weight)?;
        self.weight = weight[0];
        Ok(())
    }
}

/// Returns the mean over groups of the variance within each.
fn mean_square(column: &[f32], group: usize) -> f64 {
    let variance = |scores: &[f32]| {
        let mean = scores.iter().map(|score| f64::from(*score)).sum::<f64>() / scores.len() as f64;
        scores.iter().map(|score| (f64::from(*score) - mean).powi(2)).sum::<f64>() / scores.len() as f64
    };
    let groups = column.chunks(group.max(1));
    let count = groups.len().max(1) as f64;
    groups.map(variance).sum::<f64>() / count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads_are_within_groups_and_fade() {
        let mut spreads = Spreads::new(1, 2);
        // Two groups of two: within-group deviations 1 and 0; the level of the prompts does not count.
        spreads.follow(&[vec![vec![1.0, 3.0, 50.0, 50.0], vec![0.0; 4]]], 2, 0.5);
        let first = spreads.of(0);
        assert!((first[0] - 0.5f64.sqrt()).abs() < 1e-6 && first[1] == 0.0, "{first:?}");
        spreads.follow(&[vec![vec![0.0, 0.0, 0.0, 0.0], vec![0.0; 4]]], 2, 0.5);
        let second = spreads.of(0)[0];
        assert!((second - (0.25f64 / 1.5).sqrt()).abs() < 1e-6, "{second}: half of what was, over a weight of 1.5");
    }

    #[test]
    fn stored_spreads_are_the_same_bits() {
        let mut spreads = Spreads::new(2, 2);
        let scores = |x: f32| vec![vec![x, 0.3, 0.7 * x, 0.1], vec![0.2, x, 0.4, 0.9]];
        spreads.follow(&[scores(0.123), scores(0.77)], 2, 0.9);
        let mut file = StateWriter::default();
        spreads.save(&mut file);
        let bytes = file.finish(&()).expect("writes");
        let mut read = Spreads::new(2, 2);
        read.load(&StateReader::open(&bytes).expect("opens")).expect("fits");
        assert_eq!(read, spreads);
        spreads.keep(&[1]);
        assert_eq!(spreads.of(0), read.of(1));
    }
}
