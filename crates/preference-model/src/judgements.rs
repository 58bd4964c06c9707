//! What raters decided, over the images of a pool.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};

use moa_preferences::{Decision, Image, Mark, Preferences, Record, Winner};

use crate::error::{PreferenceModelError, Result};

/// A decision between two images.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The prompt's number in [`Judgements::prompts`].
    pub prompt: usize,
    /// The rater's number in [`Judgements::raters`].
    pub rater: usize,
    /// The image that was shown first, by its place in the pool.
    pub first: usize,
    /// The other image.
    pub second: usize,
    /// The better one: `A` is the first.
    pub winner: Winner,
    /// How much it counts, above 0.
    pub weight: f64,
}

/// A decision on the order of several images.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranking {
    /// The prompt's number.
    pub prompt: usize,
    /// The rater's number.
    pub rater: usize,
    /// The images, at least three, by their places in the pool.
    pub images: Vec<usize>,
    /// Each image's rank; the lowest is the best, equal ones are ties.
    pub ranks: Vec<u32>,
    /// How much it counts, above 0.
    pub weight: f64,
}

/// A decision whether an image is good.
#[derive(Clone, Debug, PartialEq)]
pub struct Marking {
    /// The prompt's number.
    pub prompt: usize,
    /// The rater's number.
    pub rater: usize,
    /// The image, by its place in the pool.
    pub image: usize,
    /// Whether it is good.
    pub good: bool,
    /// How much it counts, above 0.
    pub weight: f64,
}

/// A score on a rater's own scale.
#[derive(Clone, Debug, PartialEq)]
pub struct Scoring {
    /// The prompt's number.
    pub prompt: usize,
    /// The rater's number.
    pub rater: usize,
    /// The image, by its place in the pool.
    pub image: usize,
    /// The score, higher is better.
    pub score: f64,
    /// How much it counts, above 0.
    pub weight: f64,
}

/// All decisions that count, one entry per decision: models need to know who decided.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Judgements {
    /// Decisions between two images; rankings of two images are among them.
    pub comparisons: Vec<Comparison>,
    /// Decisions on the order of three images or more.
    pub rankings: Vec<Ranking>,
    /// Good or bad.
    pub markings: Vec<Marking>,
    /// Scores.
    pub scorings: Vec<Scoring>,
    /// The prompts, in the order in which they came up.
    pub prompts: Vec<String>,
    /// The raters, in the order in which they came up.
    pub raters: Vec<String>,
    /// Records that were left out because the pool has none, or only one, of their images.
    pub missing: usize,
    prompt_places: HashMap<String, usize>,
    rater_places: HashMap<String, usize>,
}

impl Judgements {
    /// Returns no judgements, to add to.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the records of a file that count. `place` says where in the pool an image of a prompt is.
    ///
    /// Records of weight 0 are left out; so are those with images that have no place ([`Judgements::missing`] counts them). A
    /// ranking keeps those of its images that have one.
    pub fn from_preferences(preferences: &Preferences, place: impl FnMut(&str, &Image) -> Option<usize>) -> Self {
        Self::from_records(preferences.counted(), place)
    }

    /// Takes records that count, such as those with a tag; see [`Judgements::from_preferences`].
    pub fn from_records<'a>(
        records: impl IntoIterator<Item = &'a Record>,
        mut place: impl FnMut(&str, &Image) -> Option<usize>,
    ) -> Self {
        let mut judgements = Self::new();
        for record in records {
            let decision = &record.decision;
            let Some(prompt) = decision.prompt() else { continue };
            if record.weight == 0.0 || decision.is_skipped() {
                continue;
            }
            let places: Vec<Option<usize>> = decision.images().iter().map(|image| place(prompt, image)).collect();
            let (who, weight) = (&*record.who, record.weight);
            match (decision, &places[..]) {
                (Decision::Pair { outcome: Some(winner), .. }, [Some(a), Some(b)]) if a != b => {
                    judgements.compare(prompt, who, *a, *b, *winner, weight);
                }
                (Decision::Ranking { outcome: Some(ranks), .. }, _) => {
                    let mut known: Vec<(usize, u32)> = Vec::new();
                    for (place, rank) in places.iter().zip(ranks) {
                        if let Some(place) = place.filter(|place| known.iter().all(|(known, _)| known != place)) {
                            known.push((place, *rank));
                        }
                    }
                    judgements.missing += usize::from(known.len() < 2);
                    judgements.rank(prompt, who, &known, weight);
                }
                (Decision::Label { outcome: Some(mark), .. }, [Some(image)]) => {
                    judgements.mark(prompt, who, *image, *mark == Mark::Good, weight);
                }
                (Decision::Score { outcome: Some(score), .. }, [Some(image)]) => {
                    judgements.score(prompt, who, *image, *score, weight);
                }
                _ => judgements.missing += 1,
            }
        }
        judgements
    }

    /// Adds a decision between two images.
    pub fn compare(&mut self, prompt: &str, rater: &str, first: usize, second: usize, winner: Winner, weight: f64) {
        let (prompt, rater) = (self.prompt(prompt), self.rater(rater));
        self.comparisons.push(Comparison { prompt, rater, first, second, winner, weight });
    }

    /// Adds the votes of several raters on a pair, of which a share is for the first image: two decisions that share the weight.
    pub fn compare_by_share(
        &mut self,
        prompt: &str,
        rater: &str,
        first: usize,
        second: usize,
        share: f64,
        weight: f64,
    ) {
        for (winner, weight) in [(Winner::A, share * weight), (Winner::B, (1.0 - share) * weight)] {
            if weight > 0.0 {
                self.compare(prompt, rater, first, second, winner, weight);
            }
        }
    }

    /// Adds a ranking of images with their ranks, the lowest of which is the best. One of two images is a comparison; one of fewer
    /// is nothing.
    pub fn rank(&mut self, prompt: &str, rater: &str, ranked: &[(usize, u32)], weight: f64) {
        match ranked {
            [] | [_] => {}
            [(first, rank), (second, other)] => {
                let winner = match rank.cmp(other) {
                    Ordering::Less => Winner::A,
                    Ordering::Equal => Winner::Tie,
                    Ordering::Greater => Winner::B,
                };
                self.compare(prompt, rater, *first, *second, winner, weight);
            }
            _ => {
                let (prompt, rater) = (self.prompt(prompt), self.rater(rater));
                let (images, ranks) = ranked.iter().copied().unzip();
                self.rankings.push(Ranking { prompt, rater, images, ranks, weight });
            }
        }
    }

    /// Adds a decision whether an image is good.
    pub fn mark(&mut self, prompt: &str, rater: &str, image: usize, good: bool, weight: f64) {
        let (prompt, rater) = (self.prompt(prompt), self.rater(rater));
        self.markings.push(Marking { prompt, rater, image, good, weight });
    }

    /// Adds a score.
    pub fn score(&mut self, prompt: &str, rater: &str, image: usize, score: f64, weight: f64) {
        let (prompt, rater) = (self.prompt(prompt), self.rater(rater));
        self.scorings.push(Scoring { prompt, rater, image, score, weight });
    }

    /// Returns how many decisions there are.
    pub fn len(&self) -> usize {
        self.comparisons.len() + self.rankings.len() + self.markings.len() + self.scorings.len()
    }

    /// Returns whether there is no decision.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the decisions on prompts for which `keep` holds; prompts and raters keep their numbers.
    pub fn of_prompts(&self, keep: impl Fn(usize) -> bool) -> Self {
        let mut kept = self.clone();
        kept.comparisons.retain(|entry| keep(entry.prompt));
        kept.rankings.retain(|entry| keep(entry.prompt));
        kept.markings.retain(|entry| keep(entry.prompt));
        kept.scorings.retain(|entry| keep(entry.prompt));
        kept
    }

    /// Returns the decisions at those positions for which `keep` holds: comparisons, rankings, markings, scorings are counted
    /// through in this order.
    pub fn at(&self, keep: impl Fn(usize) -> bool) -> Self {
        let mut kept = self.clone();
        let mut position = 0;
        let mut next = || {
            position += 1;
            keep(position - 1)
        };
        kept.comparisons.retain(|_| next());
        kept.rankings.retain(|_| next());
        kept.markings.retain(|_| next());
        kept.scorings.retain(|_| next());
        kept
    }

    /// Returns all decided pairs, in rankings too.
    pub(crate) fn decided_pairs(&self) -> Vec<DecidedPair> {
        let mut pairs = Vec::with_capacity(self.comparisons.len());
        for entry in &self.comparisons {
            let (better, other) = match entry.winner {
                Winner::B => (entry.second, entry.first),
                Winner::A | Winner::Tie => (entry.first, entry.second),
            };
            let tie = entry.winner == Winner::Tie;
            pairs.push(DecidedPair {
                prompt: entry.prompt,
                rater: entry.rater,
                better,
                other,
                tie,
                weight: entry.weight,
            });
        }
        for entry in &self.rankings {
            let size = entry.images.len();
            // A ranking weighs as much as the comparisons that would order as many images: one fewer.
            let weight = entry.weight * 2.0 / size as f64;
            for i in 0..size {
                for j in i + 1..size {
                    let (better, other) = if entry.ranks[j] < entry.ranks[i] { (j, i) } else { (i, j) };
                    let (better, other) = (entry.images[better], entry.images[other]);
                    let tie = entry.ranks[i] == entry.ranks[j];
                    pairs.push(DecidedPair { prompt: entry.prompt, rater: entry.rater, better, other, tie, weight });
                }
            }
        }
        pairs
    }

    /// Returns the pairs of images of one prompt that a rater called good and bad, or gave different scores. A prompt's pairs of a rater
    /// weigh as much together as its images are many.
    pub(crate) fn implied_pairs(&self) -> Vec<DecidedPair> {
        /// An image with its value and weight.
        type Valued = (usize, f64, f64);
        let mut groups: BTreeMap<(bool, usize, usize), Vec<Valued>> = BTreeMap::new();
        for entry in &self.markings {
            let value = (entry.image, f64::from(entry.good), entry.weight);
            groups.entry((false, entry.prompt, entry.rater)).or_default().push(value);
        }
        for entry in &self.scorings {
            let value = (entry.image, entry.score, entry.weight);
            groups.entry((true, entry.prompt, entry.rater)).or_default().push(value);
        }
        let mut pairs = Vec::new();
        for ((_, prompt, rater), images) in groups {
            let begin = pairs.len();
            for (at, (a, value, weight)) in images.iter().enumerate() {
                for (b, other, own) in images[at + 1..].iter().filter(|(b, ..)| a != b) {
                    let (better, other) = match value.total_cmp(other) {
                        Ordering::Greater => (*a, *b),
                        Ordering::Less => (*b, *a),
                        Ordering::Equal => continue,
                    };
                    pairs.push(DecidedPair { prompt, rater, better, other, tie: false, weight: weight * own });
                }
            }
            let count = pairs.len() - begin;
            for pair in &mut pairs[begin..] {
                pair.weight *= images.len() as f64 / count as f64;
            }
        }
        pairs
    }

    /// Checks places, weights and values against a pool of so many images.
    ///
    /// # Errors
    /// Names the first judgement that is invalid.
    pub fn check(&self, images: usize) -> Result<()> {
        let known = |place: usize| {
            if place < images { None } else { Some(format!("image {place} is not in the pool of {images} images")) }
        };
        let weighed = |weight: f64| {
            if weight > 0.0 && weight.is_finite() {
                None
            } else {
                Some(format!("its weight is {weight}: give one above 0"))
            }
        };
        let named = |prompt: usize, rater: usize| {
            if prompt < self.prompts.len() && rater < self.raters.len() {
                None
            } else {
                Some(format!("prompt {prompt} or rater {rater} is unknown"))
            }
        };
        let fail = |index: usize, problem: Option<String>| match problem {
            Some(problem) => Err(PreferenceModelError::Judgement { index, problem }),
            None => Ok(()),
        };
        for (index, entry) in self.comparisons.iter().enumerate() {
            let same = (entry.first == entry.second).then(|| format!("image {} is compared with itself", entry.first));
            let problem = known(entry.first).or_else(|| known(entry.second)).or(same);
            fail(index, problem.or_else(|| weighed(entry.weight)).or_else(|| named(entry.prompt, entry.rater)))?;
        }
        for (index, entry) in self.rankings.iter().enumerate() {
            let mut images = entry.images.clone();
            images.sort_unstable();
            images.dedup();
            let odd = images.len() != entry.images.len() || entry.ranks.len() != entry.images.len() || images.len() < 2;
            let odd = odd.then(|| "a ranking needs different images, and a rank for each".to_owned());
            let problem = odd.or_else(|| entry.images.iter().find_map(|image| known(*image)));
            fail(index, problem.or_else(|| weighed(entry.weight)).or_else(|| named(entry.prompt, entry.rater)))?;
        }
        for (index, entry) in self.markings.iter().enumerate() {
            let problem = known(entry.image).or_else(|| weighed(entry.weight));
            fail(index, problem.or_else(|| named(entry.prompt, entry.rater)))?;
        }
        for (index, entry) in self.scorings.iter().enumerate() {
            let odd = (!entry.score.is_finite()).then(|| format!("the score is {}", entry.score));
            let problem = known(entry.image).or(odd).or_else(|| weighed(entry.weight));
            fail(index, problem.or_else(|| named(entry.prompt, entry.rater)))?;
        }
        Ok(())
    }

    /// Returns each score in standard deviations of its rater's scores, around their mean; raters whose scores do not vary have
    /// none.
    pub(crate) fn standardised_scores(&self) -> Vec<Option<f64>> {
        let mut sums: BTreeMap<usize, (f64, f64, f64)> = BTreeMap::new();
        for entry in &self.scorings {
            let sum = sums.entry(entry.rater).or_default();
            sum.0 += entry.weight;
            sum.1 += entry.weight * entry.score;
        }
        for entry in &self.scorings {
            let sum = sums.get_mut(&entry.rater).expect("every rater has a sum");
            sum.2 += entry.weight * (entry.score - sum.1 / sum.0).powi(2);
        }
        let standardise = |entry: &Scoring| {
            let (weight, sum, squares) = sums[&entry.rater];
            let (mean, deviation) = (sum / weight, (squares / weight).sqrt());
            (deviation > 1e-12 * mean.abs() && deviation > 0.0).then(|| (entry.score - mean) / deviation)
        };
        self.scorings.iter().map(standardise).collect()
    }

    fn prompt(&mut self, name: &str) -> usize {
        number(&mut self.prompts, &mut self.prompt_places, name.trim())
    }

    fn rater(&mut self, name: &str) -> usize {
        number(&mut self.raters, &mut self.rater_places, name)
    }
}

/// Two images of which one is better, or neither.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DecidedPair {
    pub(crate) prompt: usize,
    pub(crate) rater: usize,
    pub(crate) better: usize,
    pub(crate) other: usize,
    pub(crate) tie: bool,
    pub(crate) weight: f64,
}

fn number(names: &mut Vec<String>, places: &mut HashMap<String, usize>, name: &str) -> usize {
    if let Some(place) = places.get(name) {
        return *place;
    }
    places.insert(name.to_owned(), names.len());
    names.push(name.to_owned());
    names.len() - 1
}
