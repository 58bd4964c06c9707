//! A rater that is simulated: what experiments and tests ask in a person's place.

use moa_core::NoiseKey;
use moa_preferences::{Mark, Winner};
use moa_rating::{Answer, Mode, Pool, Question, Seat};

use crate::FeedbackError;

/// How a simulated rater errs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Errors {
    /// Never.
    None,
    /// Pairs that are closer than the median of all pairs of one prompt are answered wrongly with this probability, 0 to 0.5; others
    /// never. Between people it was measured as 25 %.
    Close(f64),
    /// As Bradley and Terry's model has it: with probability `σ(−2.4·Δ/median)`, which is 25 % on average over the closer half of
    /// evenly spread differences Δ.
    Logistic,
}

/// Pairs by which the median is found: of more, a random part.
const PAIRS: usize = 20_000;
/// The slope of [`Errors::Logistic`].
const SLOPE: f64 = 2.4;

/// A rater whose score of each image is known. The same question gets the same answer, whoever asks, when and in which order; another
/// seed is another rater with the same taste.
///
/// Of a ranking the images' places are by how many of the others they are preferred to, in the answers on pairs. An image is good if
/// its score is above the pool's median; its score on a scale is the part of the pool, in equal parts, that it is in. Images near
/// the median, or near a border of two parts, err as close pairs do.
#[derive(Clone, Debug)]
pub struct Simulated {
    scores: Vec<f64>,
    /// The images' ids, which are the same in every pool.
    ids: Vec<String>,
    /// All scores, ascending.
    sorted: Vec<f64>,
    /// The median difference of two images of one prompt.
    close: f64,
    errors: Errors,
    key: NoiseKey,
}

impl Simulated {
    /// Returns a rater with a score for each place of a pool; higher is better, on any scale.
    ///
    /// # Errors
    /// Refuses another number of scores than images, and scores that are not finite.
    pub fn new(pool: &Pool, scores: Vec<f64>, errors: Errors, seed: u64) -> Result<Self, FeedbackError> {
        let images = pool.images().len();
        if scores.len() != images {
            return Err(FeedbackError::Count { what: "scores", found: scores.len(), images });
        }
        if let Some(place) = scores.iter().position(|score| !score.is_finite()) {
            return Err(FeedbackError::Score { place, value: scores[place] });
        }
        let mut sorted = scores.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let ids = (0..images).map(|place| pool.id(place).to_owned()).collect();
        let close = median_difference(pool, &scores);
        Ok(Self { scores, ids, sorted, close, errors, key: NoiseKey::new(seed).named("simulated rater") })
    }

    /// Answers questions at a seat until so many are answered.
    ///
    /// # Errors
    /// What the desk refuses, such as a full disk; answers before that are written.
    pub fn attend(&self, seat: &Seat, mode: Mode, answers: usize) -> Result<(), FeedbackError> {
        for _ in 0..answers {
            let ticket = seat.next()?;
            seat.answer(&ticket, &self.answer(mode, &ticket.question), &[])?;
        }
        Ok(())
    }

    /// Returns the answer to a question about images of the pool.
    ///
    /// # Panics
    /// Where an image is not in the pool.
    pub fn answer(&self, mode: Mode, question: &Question) -> Answer {
        let images = &question.images;
        match mode {
            Mode::Pairs => Answer::Better(if self.prefers(images[0], images[1]) { Winner::A } else { Winner::B }),
            Mode::Ranking { .. } => Answer::Order(self.order(images)),
            Mode::Labels => {
                let middle = self.sorted[self.sorted.len() / 2];
                let distance = self.scores[images[0]] - middle;
                let errs = self.errs(distance, self.key.named("label").named(&self.ids[images[0]]));
                Answer::Mark(if (distance >= 0.0) == errs { Mark::Bad } else { Mark::Good })
            }
            Mode::Scores { best } => Answer::Score(self.score(images[0], best)),
        }
    }

    /// Returns whether a rater who errs says that the first image is better.
    fn prefers(&self, first: usize, second: usize) -> bool {
        let delta = self.scores[first] - self.scores[second];
        let (a, b) = (&self.ids[first], &self.ids[second]);
        let (low, high) = (a.min(b), a.max(b));
        let errs = self.errs(delta, self.key.named(low).named(high));
        // Equal scores: the image of the lower id.
        let is_better = if delta == 0.0 { a < b } else { delta > 0.0 };
        is_better != errs
    }

    fn errs(&self, delta: f64, key: NoiseKey) -> bool {
        let probability = match self.errors {
            Errors::Close(probability) if delta.abs() < self.close => probability,
            Errors::None | Errors::Close(_) => 0.0,
            Errors::Logistic => 1.0 / (1.0 + (SLOPE * delta.abs() / self.close.max(f64::MIN_POSITIVE)).exp()),
        };
        key.uniform(0) < probability
    }

    fn order(&self, images: &[usize]) -> Vec<u32> {
        let wins =
            |image: usize| images.iter().filter(|other| **other != image && self.prefers(image, **other)).count();
        let mut order: Vec<(usize, usize)> = images.iter().map(|image| wins(*image)).zip(0..).collect();
        // Circles of errors are cut by the true score.
        order.sort_by(|(wins, a), (other, b)| {
            other.cmp(wins).then(self.scores[images[*b]].total_cmp(&self.scores[images[*a]])).then(a.cmp(b))
        });
        let mut ranks = vec![0; images.len()];
        order.iter().zip(1..).for_each(|((_, at), rank)| ranks[*at] = rank);
        ranks
    }

    fn score(&self, image: usize, best: u32) -> u32 {
        let (score, count) = (self.scores[image], self.sorted.len());
        let border = |part: u32| self.sorted[(count * part as usize / best as usize).min(count - 1)];
        let part = (1..best).filter(|part| score >= border(*part)).count() as u32;
        // The nearer border, and the part beyond it.
        let below = (part > 0).then(|| (score - border(part), part - 1));
        let above = (part + 1 < best).then(|| (border(part + 1) - score, part + 1));
        let nearest = below.into_iter().chain(above).min_by(|a, b| a.0.total_cmp(&b.0));
        match nearest {
            Some((distance, other)) if self.errs(distance, self.key.named("score").named(&self.ids[image])) => {
                other + 1
            }
            _ => part + 1,
        }
    }
}

/// Returns the median of |Δ| over pairs of one prompt; 0 without a pair.
fn median_difference(pool: &Pool, scores: &[f64]) -> f64 {
    let groups: Vec<&Vec<usize>> = pool.prompts().iter().filter(|images| images.len() > 1).collect();
    let total: usize = groups.iter().map(|images| images.len() * (images.len() - 1) / 2).sum();
    let mut differences = Vec::with_capacity(total.min(PAIRS));
    if total <= PAIRS {
        for images in groups {
            for (at, first) in images.iter().enumerate() {
                differences.extend(images[at + 1..].iter().map(|second| (scores[*first] - scores[*second]).abs()));
            }
        }
    } else {
        let key = NoiseKey::new(9).named("median");
        for draw in 0..PAIRS as u64 {
            // Prompts by their pairs, as all pairs are counted.
            let mut at = key.named("prompt").below(draw, total);
            let images = groups.iter().find(|images| {
                let own = images.len() * (images.len() - 1) / 2;
                let found = at < own;
                at = at.saturating_sub(if found { 0 } else { own });
                found
            });
            let Some(images) = images else { continue };
            let first = key.named("first").below(draw, images.len());
            let other = key.named("second").below(draw, images.len() - 1);
            let second = other + usize::from(other >= first);
            differences.push((scores[images[first]] - scores[images[second]]).abs());
        }
    }
    differences.sort_unstable_by(f64::total_cmp);
    differences.get(differences.len() / 2).copied().unwrap_or(0.0)
}
