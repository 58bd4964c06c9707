//! A batch chosen one by one, each as if those before were answered.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use rayon::prelude::*;

use super::Candidate;
use crate::linear::{Matrix, dot, norm2};
use crate::pool::Pool;

/// The posterior while a batch grows: rows `y = A·z` of images, whose inner products are covariances.
pub(crate) struct Growing {
    pub(crate) spreads: Matrix,
    weights_scores: Vec<f64>,
}

impl Growing {
    pub(crate) fn new(pool: &Pool, model: &crate::model::RewardModel) -> Self {
        Self { spreads: model.spreads(pool), weights_scores: model.scores(pool) }
    }

    pub(crate) fn mean(&self, candidate: &Candidate) -> f64 {
        self.weights_scores[candidate.first] - self.weights_scores[candidate.second]
    }

    /// Returns `y` of the difference.
    pub(crate) fn spread(&self, candidate: &Candidate) -> Vec<f64> {
        let (first, second) = (self.spreads.row(candidate.first), self.spreads.row(candidate.second));
        first.iter().zip(second).map(|(a, b)| a - b).collect()
    }

    pub(crate) fn variance(&self, candidate: &Candidate) -> f64 {
        let (first, second) = (self.spreads.row(candidate.first), self.spreads.row(candidate.second));
        first.iter().zip(second).map(|(a, b)| (a - b) * (a - b)).sum()
    }

    /// Adds an answer of curvature `h` to the posterior: `Σ ← Σ − Σ·d·dᵀ·Σ·h/(1 + h·v)`, a step of rank one. As a root,
    /// `A ← (I − κ·y·yᵀ)·A` with `κ = (1 − 1/√(1 + h·v))/v`. `others` are rows that follow.
    pub(crate) fn answer(&mut self, candidate: &Candidate, h: f64, others: &mut [Vec<f64>]) {
        let y = self.spread(candidate);
        let v = norm2(&y);
        if v <= 0.0 {
            return;
        }
        let kappa = (1.0 - 1.0 / (1.0 + h * v).sqrt()) / v;
        let step = |row: &mut [f64]| {
            let factor = kappa * dot(row, &y);
            row.iter_mut().zip(&y).for_each(|(row, y)| *row -= factor * y);
        };
        let columns = self.spreads.columns;
        self.spreads.values.par_chunks_mut(columns).with_min_len(256).for_each(step);
        others.iter_mut().for_each(|row| step(row));
    }
}

/// A candidate with its gain when it was last computed.
#[derive(PartialEq)]
struct Entry {
    gain: f64,
    at: usize,
    round: usize,
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    /// Equal gains are ordered by position, the first one first.
    fn cmp(&self, other: &Self) -> Ordering {
        self.gain.total_cmp(&other.gain).then_with(|| other.at.cmp(&self.at))
    }
}

/// Chooses the candidates with the greatest gains one after the other; `gain` reads a candidate's gain, and `answer` adds its expected
/// answer to the state. A gain that only falls as the batch grows need not be computed again where it is already lower than the best
/// (lazy greedy; Minoux 1978).
pub(crate) fn greedy<S: Sync>(
    state: &mut S,
    count: usize,
    candidates: usize,
    gain: impl Fn(&S, usize) -> f64 + Sync,
    mut answer: impl FnMut(&mut S, usize),
) -> Vec<usize> {
    let entry = |state: &S, at: usize, round: usize| Entry { gain: gain(state, at), at, round };
    let entries: Vec<Entry> = {
        let state = &*state;
        (0..candidates).into_par_iter().with_min_len(512).map(|at| entry(state, at, 0)).collect()
    };
    let mut heap = BinaryHeap::from(entries);
    let mut chosen = Vec::with_capacity(count);
    while chosen.len() < count {
        let Some(best) = heap.pop() else { break };
        if best.round == chosen.len() {
            chosen.push(best.at);
            answer(state, best.at);
        } else {
            heap.push(entry(state, best.at, chosen.len()));
        }
    }
    chosen
}
