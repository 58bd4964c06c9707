//! A batch chosen one by one, each as if those before were answered.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use rayon::prelude::*;

use super::information::{Table, expected_curvature};
use super::{Candidate, Question};
use crate::linear::{Matrix, dot, norm2};
use crate::model::RewardModel;
use crate::pool::Pool;

/// The posterior while a batch grows: rows `y = A·z` of images, whose inner products are covariances.
pub(crate) struct Growing {
    pub(crate) spreads: Matrix,
    pub(crate) scores: Vec<f64>,
}

impl Growing {
    pub(crate) fn new(pool: &Pool, model: &RewardModel) -> Self {
        Self { spreads: model.spreads(pool), scores: model.scores(pool) }
    }

    /// Returns the posterior as if the questions that wait were answered.
    pub(crate) fn after(question: &Question<'_>, model: &RewardModel) -> Self {
        let mut growing = Self::new(question.pool, model);
        let (ties, lapse) = (model.noise().ties, model.noise().mean_lapse());
        for candidate in question.pending {
            let h = expected_curvature(growing.mean(candidate), growing.variance(candidate), ties, lapse);
            growing.answer(candidate, h);
        }
        growing
    }

    pub(crate) fn mean(&self, candidate: &Candidate) -> f64 {
        self.scores[candidate.first] - self.scores[candidate.second]
    }

    /// Returns `y` of the difference.
    pub(crate) fn spread(&self, candidate: &Candidate) -> Vec<f64> {
        let (first, second) = (self.spreads.row(candidate.first), self.spreads.row(candidate.second));
        first.iter().zip(second).map(|(a, b)| a - b).collect()
    }

    pub(crate) fn variance(&self, candidate: &Candidate) -> f64 {
        let (first, second) = (self.spreads.row(candidate.first), self.spreads.row(candidate.second));
        distance2(first, second)
    }

    /// Adds an answer of curvature `h` to the posterior: `Σ ← Σ − Σ·d·dᵀ·Σ·h/(1 + h·v)`, a step of rank one. As a root,
    /// `A ← (I − κ·y·yᵀ)·A` with `κ = (1 − 1/√(1 + h·v))/v`.
    pub(crate) fn answer(&mut self, candidate: &Candidate, h: f64) {
        self.answer_along(&self.spread(candidate), h);
    }

    /// Adds an answer about what has this `y`.
    pub(crate) fn answer_along(&mut self, y: &[f64], h: f64) {
        let v = norm2(y);
        if v <= 0.0 {
            return;
        }
        let kappa = (1.0 - 1.0 / (1.0 + h * v).sqrt()) / v;
        let columns = self.spreads.columns;
        self.spreads.values.par_chunks_mut(columns).with_min_len(256).for_each(|row| {
            let factor = kappa * dot(row, y);
            row.iter_mut().zip(y).for_each(|(row, y)| *row -= factor * y);
        });
    }
}

/// The posterior with its covariances to directions of interest, while a batch grows.
pub(crate) struct Watching {
    pub(crate) growing: Growing,
    /// Each image's covariance with each direction, `[images, directions]`.
    covariances: Matrix,
}

impl Watching {
    /// Watches directions, given as rows `A·t`.
    pub(crate) fn new(growing: Growing, directions: &Matrix) -> Self {
        let covariances = growing.spreads.times_transposed(directions);
        Self { growing, covariances }
    }

    /// Returns by how much an answer of curvature `h` lowers the sum of the directions' variances: `Σ_t (dᵀΣt)²·h/(1 + h·v)`.
    pub(crate) fn gain(&self, candidate: &Candidate, h: f64) -> f64 {
        let (a, b) = (self.covariances.row(candidate.first), self.covariances.row(candidate.second));
        let squares: f64 = distance2(a, b);
        squares * h / (1.0 + h * self.growing.variance(candidate))
    }

    /// Adds an answer of curvature `h`.
    pub(crate) fn answer(&mut self, candidate: &Candidate, h: f64) {
        let y = self.growing.spread(candidate);
        let scale = h / (1.0 + h * norm2(&y));
        let (a, b) = (self.covariances.row(candidate.first), self.covariances.row(candidate.second));
        let between: Vec<f64> = a.iter().zip(b).map(|(a, b)| scale * (a - b)).collect();
        let columns = self.covariances.columns;
        let spreads = &self.growing.spreads;
        self.covariances.values.par_chunks_mut(columns).with_min_len(256).enumerate().for_each(|(image, row)| {
            let factor = dot(spreads.row(image), &y);
            row.iter_mut().zip(&between).for_each(|(row, between)| *row -= factor * between);
        });
        self.growing.answer(candidate, h);
    }
}

/// Chooses the questions whose answers lower the directions' variances most.
pub(crate) fn watched(
    question: &Question<'_>,
    model: &RewardModel,
    growing: Growing,
    directions: &Matrix,
) -> Vec<usize> {
    let (ties, lapse) = (model.noise().ties, model.noise().mean_lapse());
    let table = Table::new(|mean, variance| expected_curvature(mean, variance, ties, lapse));
    let candidates = question.candidates;
    let h = |watching: &Watching, candidate: &Candidate| {
        table.at(watching.growing.mean(candidate), watching.growing.variance(candidate))
    };
    greedy(
        &mut Watching::new(growing, directions),
        question.count,
        candidates.len(),
        |watching, at| watching.gain(&candidates[at], h(watching, &candidates[at])),
        |watching, at| watching.answer(&candidates[at], h(watching, &candidates[at])),
    )
}

/// Returns the squared distance of two vectors of the same length.
fn distance2(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let rest = a.len() / 8 * 8;
    for (a, b) in a.chunks_exact(8).zip(b.chunks_exact(8)) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += (a - b) * (a - b);
        }
    }
    let tail: f64 = a[rest..].iter().zip(&b[rest..]).map(|(a, b)| (a - b) * (a - b)).sum();
    sums.iter().sum::<f64>() + tail
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
