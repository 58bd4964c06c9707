//! The images of one prompt whose order says most.

use std::collections::HashSet;
use std::hash::BuildHasher;

use moa_core::NoiseKey;

use super::Candidate;
use super::batch::{Growing, greedy};
use super::candidates::shuffle;
use super::information::{Table, expected_curvature, mutual_information};
use crate::linear::dot;
use crate::model::RewardModel;
use crate::pool::Pool;

/// What sets of images are chosen from.
#[derive(Clone, Copy)]
pub struct SetQuestion<'a, S> {
    /// The images.
    pub pool: &'a Pool,
    /// What is known.
    pub model: &'a RewardModel,
    /// The places of each prompt's images.
    pub prompts: &'a [Vec<usize>],
    /// Images of a set, at least 2.
    pub size: usize,
    /// Sets to leave out, their places ascending.
    pub asked: &'a HashSet<Vec<usize>, S>,
    /// Sets that are asked already, and whose answers the model does not know.
    pub pending: &'a [Vec<usize>],
    /// How many sets to return.
    pub count: usize,
    /// What random draws depend on.
    pub key: NoiseKey,
}

/// Images of a prompt that are looked at: of more, a random part.
const IMAGES: usize = 48;
/// Prompts that are looked at in a batch: of more, a random part.
const PROMPTS: usize = 128;
/// Other images that take the place of a set's last one where the set was asked.
const TRIES: usize = 16;

/// Returns sets of images of one prompt each, their places ascending, the most informative first; at most one of each prompt, and
/// fewer than `count` where there are no others.
///
/// A set begins with the pair whose answer says most ([`super::Bald`]); then the image is added whose comparisons with those of the
/// set say most on average, given that these were answered. The best set of all is found only where that is greedy's.
pub fn rankings<S: BuildHasher + Sync>(question: &SetQuestion<'_, S>) -> Vec<Vec<usize>> {
    let model = question.model;
    let (ties, lapse) = (model.noise().ties, model.noise().mean_lapse());
    let tables = [
        Table::new(|mean, variance| mutual_information(mean, variance, ties, lapse)),
        Table::new(|mean, variance| expected_curvature(mean, variance, ties, lapse)),
    ];
    let mut growing = Growing::new(question.pool, model);
    for set in question.pending {
        answer(&mut growing, &tables[1], set);
    }
    let mut groups: Vec<Vec<usize>> =
        question.prompts.iter().filter(|images| images.len() >= question.size.max(2)).cloned().collect();
    shuffle(&mut groups, question.key.named("prompts"));
    groups.truncate(PROMPTS.max(question.count));
    for (at, images) in groups.iter_mut().enumerate() {
        shuffle(images, question.key.named("images").with(at as u64));
        images.truncate(IMAGES.max(question.size));
    }
    let mut found = Vec::new();
    greedy(
        &mut growing,
        question.count,
        groups.len(),
        |growing, at| best(growing, &tables, &groups[at], question).map_or(0.0, |(gain, _)| gain),
        |growing, at| {
            if let Some((_, set)) = best(growing, &tables, &groups[at], question) {
                answer(growing, &tables[1], &set);
                found.push(set);
            }
        },
    );
    found
}

/// Adds an order's answers: each two images weigh so much that all of a set together are as many comparisons as order it.
fn answer(growing: &mut Growing, curvature: &Table, set: &[usize]) {
    for (at, first) in set.iter().enumerate() {
        for second in &set[at + 1..] {
            let pair = Candidate { prompt: 0, first: *first, second: *second };
            let h = curvature.at(growing.mean(&pair), growing.variance(&pair));
            growing.answer(&pair, h * 2.0 / set.len() as f64);
        }
    }
}

/// What is believed of a prompt's images: means, and covariances that fall as answers are added.
struct Local {
    means: Vec<f64>,
    covariances: Vec<f64>,
}

impl Local {
    fn variance(&self, a: usize, b: usize) -> f64 {
        let (n, k) = (self.means.len(), &self.covariances);
        (k[a * n + a] + k[b * n + b] - 2.0 * k[a * n + b]).max(0.0)
    }

    fn at(&self, table: &Table, a: usize, b: usize) -> f64 {
        table.at(self.means[a] - self.means[b], self.variance(a, b))
    }

    fn answer(&mut self, a: usize, b: usize, h: f64) {
        let n = self.means.len();
        let scale = h / (1.0 + h * self.variance(a, b));
        let along: Vec<f64> = (0..n).map(|i| self.covariances[i * n + a] - self.covariances[i * n + b]).collect();
        for (i, left) in along.iter().enumerate() {
            for (j, right) in along.iter().enumerate() {
                self.covariances[i * n + j] -= scale * left * right;
            }
        }
    }
}

/// Returns the set that says most of a prompt's images, with its gain; none where all that are tried were asked.
fn best<S: BuildHasher>(
    growing: &Growing,
    [gains, curvature]: &[Table; 2],
    images: &[usize],
    question: &SetQuestion<'_, S>,
) -> Option<(f64, Vec<usize>)> {
    let n = images.len();
    let row = |at: usize| growing.spreads.row(images[at]);
    let covariances = (0..n * n).map(|at| dot(row(at / n), row(at % n))).collect();
    let mut local = Local { means: images.iter().map(|image| growing.scores[*image]).collect(), covariances };
    let pairs = (0..n).flat_map(|a| (a + 1..n).map(move |b| (a, b)));
    let (mut gain, mut first) = (f64::NEG_INFINITY, (0, 1));
    for pair in pairs {
        let own = local.at(gains, pair.0, pair.1);
        if own > gain {
            (gain, first) = (own, pair);
        }
    }
    let mut set = vec![first.0, first.1];
    let h = local.at(curvature, first.0, first.1);
    local.answer(first.0, first.1, h);
    let mean = |local: &Local, set: &[usize], at: usize| {
        set.iter().map(|other| local.at(gains, at, *other)).sum::<f64>() / set.len() as f64
    };
    while set.len() < question.size {
        let mut open: Vec<(f64, usize)> =
            (0..n).filter(|at| !set.contains(at)).map(|at| (mean(&local, &set, at), at)).collect();
        open.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let is_last = set.len() + 1 == question.size;
        let is_open = |at: usize| {
            let mut places: Vec<usize> = set.iter().chain([&at]).map(|at| images[*at]).collect();
            places.sort_unstable();
            !question.asked.contains(&places)
        };
        let (own, at) = open.into_iter().take(TRIES).find(|(_, at)| !is_last || is_open(*at))?;
        gain += own;
        for other in set.clone() {
            let h = local.at(curvature, at, other);
            local.answer(at, other, h * 2.0 / (set.len() + 1) as f64);
        }
        set.push(at);
    }
    let mut places: Vec<usize> = set.into_iter().map(|at| images[at]).collect();
    places.sort_unstable();
    (!question.asked.contains(&places)).then_some((gain, places))
}
