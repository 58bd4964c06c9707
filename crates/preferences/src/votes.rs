//! Votes on the same images as one entry each.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::{Decision, Image, Mark, Preferences, PreferencesError, Record, Winner};

/// Two images of a prompt, and which of them is preferred.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// What was to be drawn.
    pub prompt: String,
    /// The image that came first in the first vote.
    pub a: Image,
    /// The other image.
    pub b: Image,
    /// The share of the weighted votes for `a`, 0 to 1; a tie is half a vote for each.
    pub share: f64,
    /// The sum of the votes' weights, above 0.
    pub weight: f64,
    /// How many votes there are.
    pub votes: usize,
    /// The tags of all votes, sorted.
    pub tags: Vec<String>,
}

/// An image of a prompt, and whether it is good.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// What was to be drawn.
    pub prompt: String,
    /// The image.
    pub image: Image,
    /// The share of the weighted votes for good, 0 to 1.
    pub share: f64,
    /// The sum of the votes' weights, above 0.
    pub weight: f64,
    /// How many votes there are.
    pub votes: usize,
    /// The tags of all votes, sorted.
    pub tags: Vec<String>,
}

/// Whether scores count as labels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scores {
    /// Labels alone count.
    #[default]
    LeftOut,
    /// A score above the median of the same rater's scores in the file is a vote for good, below it for bad, and equal to it half a
    /// vote for each: raters have scales of their own.
    AgainstMedian,
}

/// A rater's opinion of two things: 1 is for the first, 0 for the second, ½ for neither.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Vote<'a> {
    pub(crate) record: &'a Record,
    pub(crate) share: f64,
}

/// Two images of a prompt with the votes on them.
pub(crate) struct VotesOnPair<'a> {
    pub(crate) prompt: &'a str,
    pub(crate) images: [&'a Image; 2],
    pub(crate) votes: Vec<Vote<'a>>,
}

/// An image of a prompt with the votes on it.
pub(crate) struct VotesOnImage<'a> {
    pub(crate) prompt: &'a str,
    pub(crate) image: &'a Image,
    pub(crate) votes: Vec<Vote<'a>>,
}

impl Preferences {
    /// Returns the distinct pairs in the order of their first votes; rankings are a vote on each two of their images. Pairs whose
    /// votes all have the weight 0 are left out. Votes that are about different ones of `topics`, by their tags, are not merged.
    ///
    /// # Errors
    /// Refuses files without such a pair, and says what the records are instead.
    pub fn pairs(&self, topics: &[String]) -> Result<Vec<Pair>, PreferencesError> {
        let pairs: Vec<Pair> = self
            .votes_on_pairs(topics)
            .into_iter()
            .filter_map(|pair| {
                let [a, b] = pair.images.map(Image::clone);
                let (share, weight) = mean(&pair.votes)?;
                let (votes, tags) = (pair.votes.len(), tags(&pair.votes));
                Some(Pair { prompt: pair.prompt.to_owned(), a, b, share, weight, votes, tags })
            })
            .collect();
        if pairs.is_empty() { Err(self.nothing_left("pair", "compare or rank images first")) } else { Ok(pairs) }
    }

    /// Returns the distinct labelled images in the order of their first votes. Images whose votes all have the weight 0 are left
    /// out. Votes that are about different ones of `topics`, by their tags, are not merged.
    ///
    /// # Errors
    /// Refuses files without such an image, and says what the records are instead.
    pub fn labels(&self, scores: Scores, topics: &[String]) -> Result<Vec<Label>, PreferencesError> {
        let labels: Vec<Label> = self
            .votes_on_images(scores, topics)
            .into_iter()
            .filter_map(|label| {
                let (share, weight) = mean(&label.votes)?;
                let (votes, tags) = (label.votes.len(), tags(&label.votes));
                let (prompt, image) = (label.prompt.to_owned(), label.image.clone());
                Some(Label { prompt, image, share, weight, votes, tags })
            })
            .collect();
        if labels.is_empty() { Err(self.nothing_left("label", "label images good or bad first")) } else { Ok(labels) }
    }

    pub(crate) fn votes_on_pairs(&self, topics: &[String]) -> Vec<VotesOnPair<'_>> {
        let mut places = HashMap::new();
        let mut pairs: Vec<VotesOnPair<'_>> = Vec::new();
        for record in self.counted() {
            for (prompt, images, share) in compared(&record.decision) {
                let [a, b] = images.map(Image::key);
                let turned = a > b;
                let about = about(record, topics);
                let key = if turned { (prompt, b, a, about) } else { (prompt, a, b, about) };
                let (place, first_turned) = *places.entry(key).or_insert((pairs.len(), turned));
                if place == pairs.len() {
                    pairs.push(VotesOnPair { prompt, images, votes: Vec::new() });
                }
                let share = if turned == first_turned { share } else { 1.0 - share };
                pairs[place].votes.push(Vote { record, share });
            }
        }
        pairs
    }

    pub(crate) fn votes_on_images(&self, scores: Scores, topics: &[String]) -> Vec<VotesOnImage<'_>> {
        let medians = if scores == Scores::AgainstMedian { self.medians() } else { BTreeMap::new() };
        let mut places = HashMap::new();
        let mut images: Vec<VotesOnImage<'_>> = Vec::new();
        for record in self.counted() {
            let (prompt, image, share) = match &record.decision {
                Decision::Label { prompt, image, outcome: Some(mark) } => {
                    (prompt, image, if *mark == Mark::Good { 1.0 } else { 0.0 })
                }
                Decision::Score { prompt, image, outcome: Some(score) } => {
                    let Some(median) = medians.get(&*record.who) else { continue };
                    (prompt, image, above(*score, *median))
                }
                _ => continue,
            };
            let place = *places.entry((prompt, image.key(), about(record, topics))).or_insert(images.len());
            if place == images.len() {
                images.push(VotesOnImage { prompt, image, votes: Vec::new() });
            }
            images[place].votes.push(Vote { record, share });
        }
        images
    }

    /// Returns the median of each rater's scores.
    pub(crate) fn medians(&self) -> BTreeMap<&str, f64> {
        let mut scores: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for record in self.counted() {
            if let Decision::Score { outcome: Some(score), .. } = record.decision {
                scores.entry(&record.who).or_default().push(score);
            }
        }
        let median = |mut scores: Vec<f64>| {
            scores.sort_unstable_by(f64::total_cmp);
            scores[(scores.len() - 1) / 2].midpoint(scores[scores.len() / 2])
        };
        scores.into_iter().map(|(who, scores)| (who, median(scores))).collect()
    }

    fn nothing_left(&self, what: &'static str, way_out: &str) -> PreferencesError {
        let undone = self.kept.iter().filter(|kept| kept.undone).count();
        let skipped = self.kept.iter().filter(|kept| !kept.undone && kept.record.decision.is_skipped()).count();
        let weightless = self.counted().filter(|record| record.weight == 0.0).count();
        let mut found: Vec<String> = Vec::new();
        for kind in Decision::KINDS {
            let count = self.counted().filter(|record| record.decision.kind() == kind && record.weight > 0.0).count();
            if count > 0 {
                found.push(format!("{count} {kind}"));
            }
        }
        for (count, what) in [(undone, "undone"), (skipped, "skipped"), (weightless, "of weight 0")] {
            if count > 0 {
                found.push(format!("{count} {what}"));
            }
        }
        let found = if found.is_empty() { "no records".into() } else { found.join(", ") };
        PreferencesError::NothingLeft { file: self.file(), what, why: format!("it holds {found}; {way_out}") }
    }
}

/// Returns each two images that a decision compares, and the share of its vote for the first.
fn compared(decision: &Decision) -> Vec<(&str, [&Image; 2], f64)> {
    match decision {
        Decision::Pair { prompt, a, b, outcome: Some(winner) } => {
            let share = match winner {
                Winner::A => 1.0,
                Winner::B => 0.0,
                Winner::Tie => 0.5,
            };
            vec![(prompt, [a, b], share)]
        }
        Decision::Ranking { prompt, images, outcome: Some(places) } => {
            let ranked: Vec<_> = images.iter().zip(places).collect();
            let later = |index: usize| ranked[index + 1..].iter().map(move |second| (index, second));
            (0..ranked.len())
                .flat_map(later)
                .map(|(first, (other, place))| {
                    let (image, first) = ranked[first];
                    // The best place is the first.
                    (&**prompt, [image, *other], above(f64::from(**place), f64::from(*first)))
                })
                .collect()
        }
        _ => Vec::new(),
    }
}

/// Returns the places of those topics that a record is about by its tags.
fn about(record: &Record, topics: &[String]) -> Vec<usize> {
    (0..topics.len()).filter(|topic| record.tags.contains(&topics[*topic])).collect()
}

/// Returns 1 where `value` is above `other`, 0 below it, ½ where they are equal.
fn above(value: f64, other: f64) -> f64 {
    if value > other {
        1.0
    } else if value < other {
        0.0
    } else {
        0.5
    }
}

/// Returns the weighted mean of votes and the sum of weights; none where that is 0.
fn mean(votes: &[Vote<'_>]) -> Option<(f64, f64)> {
    let weight: f64 = votes.iter().map(|vote| vote.record.weight).sum();
    let sum: f64 = votes.iter().map(|vote| vote.record.weight * vote.share).sum();
    (weight > 0.0).then(|| ((sum / weight).clamp(0.0, 1.0), weight))
}

fn tags(votes: &[Vote<'_>]) -> Vec<String> {
    let tags: BTreeSet<&String> = votes.iter().flat_map(|vote| &vote.record.tags).collect();
    tags.into_iter().cloned().collect()
}
