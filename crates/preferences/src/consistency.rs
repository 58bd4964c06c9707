//! How often raters agree with themselves.

use std::collections::{BTreeMap, HashMap};

use crate::{Preferences, Scores};

/// A rater, and what repeated questions say of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rater {
    /// The name.
    pub name: String,
    /// Decisions that count.
    pub decisions: usize,
    /// Votes on a pair or image that the rater had already voted on; scores are left out.
    pub repeats: usize,
    /// The repeats whose outcome is that of the rater's first vote.
    pub agreed: usize,
}

impl Preferences {
    /// Returns the raters by name.
    pub fn raters(&self) -> Vec<Rater> {
        let mut raters: BTreeMap<&str, Rater> = BTreeMap::new();
        for record in self.counted() {
            let rater = raters.entry(&record.who).or_default();
            rater.name.clone_from(&record.who);
            rater.decisions += 1;
        }
        let (pairs, images) = (self.votes_on_pairs(&[]), self.votes_on_images(Scores::LeftOut, &[]));
        let votes = pairs.iter().map(|pair| &pair.votes).chain(images.iter().map(|image| &image.votes));
        for votes in votes {
            let mut firsts: HashMap<&str, f64> = HashMap::new();
            for vote in votes {
                let Some(rater) = raters.get_mut(&*vote.record.who) else { continue };
                if let Some(first) = firsts.get(&*vote.record.who) {
                    rater.repeats += 1;
                    rater.agreed += usize::from((vote.share - first).abs() < 0.25);
                } else {
                    firsts.insert(&vote.record.who, vote.share);
                }
            }
        }
        raters.into_values().collect()
    }
}
