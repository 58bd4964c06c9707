//! The decisions as terms of one log-likelihood of linear scores.

use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::judgements::Judgements;
use crate::likelihood::{BradleyTerry, Gaussian, Likelihood, PlackettLuce, Threshold};
use crate::linear::{Matrix, dot};
use crate::noise::{Beliefs, Believed, Noise};

/// What has a score: an image, or a parameter of a rater.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Node {
    Image(usize),
    Offset(usize),
}

/// A decision with the nodes that it depends on.
struct Term {
    nodes: Vec<Node>,
    weight: f64,
    likelihood: Box<dyn Likelihood>,
}

/// All decisions, over the parameters `[offsets of raters…, weights of coordinates…]`.
pub(crate) struct Terms<'a> {
    coordinates: &'a Matrix,
    judgements: &'a Judgements,
    scores: Vec<Option<f64>>,
    /// The offset of each rater's threshold, and of each rater's scores.
    thresholds: BTreeMap<usize, usize>,
    centres: BTreeMap<usize, usize>,
    decisions: Vec<Term>,
}

impl<'a> Terms<'a> {
    pub(crate) fn new(coordinates: &'a Matrix, judgements: &'a Judgements, noise: &Noise) -> Self {
        let mut offsets = 0;
        let mut thresholds = BTreeMap::new();
        for entry in &judgements.markings {
            thresholds.entry(entry.rater).or_insert_with(|| {
                offsets += 1;
                offsets - 1
            });
        }
        let scores = judgements.standardised_scores();
        let mut centres = BTreeMap::new();
        for (entry, score) in judgements.scorings.iter().zip(&scores) {
            if score.is_some() {
                centres.entry(entry.rater).or_insert_with(|| {
                    offsets += 1;
                    offsets - 1
                });
            }
        }
        let mut terms = Self { coordinates, judgements, scores, thresholds, centres, decisions: Vec::new() };
        terms.set(noise);
        terms
    }

    /// Takes over other estimates of the raters' noise.
    pub(crate) fn set(&mut self, noise: &Noise) {
        let mut terms: Vec<Term> = Vec::with_capacity(self.judgements.len());
        for entry in &self.judgements.comparisons {
            let lapse = noise.lapses[entry.rater];
            let likelihood = Box::new(BradleyTerry { winner: entry.winner, ties: noise.ties, lapse });
            let nodes = vec![Node::Image(entry.first), Node::Image(entry.second)];
            terms.push(Term { nodes, weight: entry.weight, likelihood });
        }
        for entry in &self.judgements.rankings {
            let likelihood = Box::new(PlackettLuce::new(&entry.ranks, noise.lapses[entry.rater]));
            let nodes = entry.images.iter().map(|image| Node::Image(*image)).collect();
            terms.push(Term { nodes, weight: entry.weight, likelihood });
        }
        for entry in &self.judgements.markings {
            let likelihood = Box::new(Threshold { good: entry.good, lapse: noise.lapses[entry.rater] });
            let nodes = vec![Node::Image(entry.image), Node::Offset(self.thresholds[&entry.rater])];
            terms.push(Term { nodes, weight: entry.weight, likelihood });
        }
        for (entry, score) in self.judgements.scorings.iter().zip(&self.scores) {
            let Some(score) = *score else { continue };
            let likelihood = Box::new(Gaussian { score, slope: noise.slope, deviation: noise.deviation });
            let nodes = vec![Node::Image(entry.image), Node::Offset(self.centres[&entry.rater])];
            terms.push(Term { nodes, weight: entry.weight, likelihood });
        }
        self.decisions = terms;
    }

    /// Returns how many parameters of raters there are.
    pub(crate) fn offsets(&self) -> usize {
        self.thresholds.len() + self.centres.len()
    }

    pub(crate) fn size(&self) -> usize {
        self.offsets() + self.coordinates.columns
    }

    /// Returns the thresholds of raters that marked images, by rater.
    pub(crate) fn thresholds(&self) -> &BTreeMap<usize, usize> {
        &self.thresholds
    }

    pub(crate) fn scores(&self) -> &[Option<f64>] {
        &self.scores
    }

    fn score(&self, node: Node, w: &[f64]) -> f64 {
        match node {
            Node::Image(image) => dot(self.coordinates.row(image), &w[self.offsets()..]),
            Node::Offset(offset) => w[offset],
        }
    }

    /// Returns the log-likelihood at these parameters.
    pub(crate) fn log(&self, w: &[f64]) -> f64 {
        let each: Vec<f64> = self
            .decisions
            .par_iter()
            .with_min_len(64)
            .map(|term| {
                let f: Vec<f64> = term.nodes.iter().map(|node| self.score(*node, w)).collect();
                term.weight * term.likelihood.log(&f)
            })
            .collect();
        each.iter().sum()
    }

    fn add(&self, node: Node, factor: f64, out: &mut [f64]) {
        match node {
            Node::Image(image) => {
                let row = self.coordinates.row(image);
                out[self.offsets()..].iter_mut().zip(row).for_each(|(out, value)| *out += factor * value);
            }
            Node::Offset(offset) => out[offset] += factor,
        }
    }

    /// Returns the gradient of the log-likelihood, and rows `R` of its information `Rᵀ·R`.
    pub(crate) fn gradient_and_rows(&self, w: &[f64]) -> (Vec<f64>, Matrix) {
        let size = self.size();
        let parts: Vec<(Vec<f64>, Vec<f64>)> = self
            .decisions
            .par_iter()
            .with_min_len(16)
            .map(|term| {
                let n = term.nodes.len();
                let f: Vec<f64> = term.nodes.iter().map(|node| self.score(*node, w)).collect();
                let (mut slope, mut information) = (vec![0.0; n], vec![0.0; n * n]);
                term.likelihood.gradient(&f, &mut slope);
                term.likelihood.information(&f, &mut information);
                let mut rows = Vec::with_capacity((n - 1) * size);
                for factor in factors(&mut information, n) {
                    let mut row = vec![0.0; size];
                    for (node, factor) in term.nodes.iter().zip(&factor) {
                        self.add(*node, factor * term.weight.sqrt(), &mut row);
                    }
                    rows.extend(row);
                }
                (slope, rows)
            })
            .collect();
        let mut gradient = vec![0.0; size];
        let mut rows = Vec::with_capacity(parts.iter().map(|(_, rows)| rows.len()).sum());
        for (term, (slope, own)) in self.decisions.iter().zip(parts) {
            for (node, slope) in term.nodes.iter().zip(&slope) {
                self.add(*node, term.weight * slope, &mut gradient);
            }
            rows.extend(own);
        }
        let count = rows.len() / size;
        (gradient, Matrix::from_values(count, size, rows))
    }

    /// Returns what is believed of the decisions' differences, with the posterior's root `A`: `Σ = Aᵀ·A`.
    pub(crate) fn beliefs(&self, w: &[f64], root: &Matrix) -> Beliefs {
        let size = self.size();
        let differences: Vec<&Term> = self.decisions.iter().filter(|term| term.nodes.len() == 2).collect();
        let mut rows = Matrix::zeros(differences.len(), size);
        for (at, term) in differences.iter().enumerate() {
            let row = rows.row_mut(at);
            self.add(term.nodes[0], 1.0, row);
            self.add(term.nodes[1], -1.0, row);
        }
        let spread = rows.times_transposed(root);
        let believed =
            |at: usize| Believed { mean: dot(rows.row(at), w), deviation: dot(spread.row(at), spread.row(at)).sqrt() };
        let (pairs, marks) = (self.judgements.comparisons.len(), self.judgements.markings.len());
        let mut at = pairs + marks;
        let mut scored = |score: &Option<f64>| {
            if score.is_none() {
                return Believed { mean: 0.0, deviation: 0.0 };
            }
            at += 1;
            believed(at - 1)
        };
        Beliefs {
            comparisons: (0..pairs).map(believed).collect(),
            markings: (pairs..pairs + marks).map(believed).collect(),
            scorings: self.scores.iter().map(&mut scored).collect(),
            rankings: (self.judgements.rankings.iter())
                .map(|entry| entry.images.iter().map(|image| self.score(Node::Image(*image), w)).collect())
                .collect(),
        }
    }
}

/// Returns vectors `v` with `Σ v·vᵀ` the positive semidefinite matrix: Cholesky's factor without its zero columns.
fn factors(a: &mut [f64], n: usize) -> Vec<Vec<f64>> {
    let top = (0..n).map(|i| a[i * n + i]).fold(0.0, f64::max);
    let mut found = Vec::with_capacity(n);
    for k in 0..n {
        let pivot = a[k * n + k];
        if pivot <= 1e-12 * top || pivot <= 0.0 {
            continue;
        }
        let root = pivot.sqrt();
        let mut v = vec![0.0; n];
        (k..n).for_each(|i| v[i] = a[i * n + k] / root);
        for i in k..n {
            for j in k..n {
                a[i * n + j] -= v[i] * v[j];
            }
        }
        found.push(v);
    }
    found
}
