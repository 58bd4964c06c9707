//! How questions are handed out.

use std::time::Duration;

use crate::{Mode, RatingError};

/// How questions are handed out.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// What is asked.
    pub mode: Mode,
    /// The share of questions that all raters are asked, 0 to 1, so that their agreement is known. Default: 0.
    pub overlap: f64,
    /// The share of a rater's questions that repeat an earlier one with its sides swapped, 0 to 0.5, so that the rater's own
    /// consistency is known. Default: 0.
    pub repeats: f64,
    /// Questions between one and its repeat, at least. Default: 10.
    pub repeat_after: usize,
    /// Questions that are chosen at a time; the queue is filled again when so many are left. Default: 16.
    pub batch: usize,
    /// How long an empty queue waits for the chooser before random questions fill it. Default: 0; a model that judges can wait.
    pub patience: Duration,
    /// How long a rater's questions are kept for them without a sign of life. Default: 2 minutes.
    pub lease: Duration,
    /// How many answers are wanted in all; nothing ends there. Default: none.
    pub goal: Option<usize>,
    /// Reasons that raters are offered as tags. Default: none.
    pub tags: Vec<String>,
    /// What sides and random questions depend on. Default: 0.
    pub seed: u64,
}

impl Options {
    /// Returns the defaults for a mode.
    pub fn new(mode: Mode) -> Self {
        Self {
            mode,
            overlap: 0.0,
            repeats: 0.0,
            repeat_after: 10,
            batch: 16,
            patience: Duration::ZERO,
            lease: Duration::from_mins(2),
            goal: None,
            tags: Vec::new(),
            seed: 0,
        }
    }

    pub(crate) fn check(&self) -> Result<(), RatingError> {
        self.mode.check()?;
        let refused = |field, value: String, accepted| Err(RatingError::Option { field, value, accepted });
        if !(0.0..=1.0).contains(&self.overlap) {
            return refused("overlap", self.overlap.to_string(), "give a share, 0 to 1");
        }
        if !(0.0..=0.5).contains(&self.repeats) {
            return refused("repeats", self.repeats.to_string(), "give a share, 0 to 0.5");
        }
        if !(1..=1000).contains(&self.batch) {
            return refused("batch", self.batch.to_string(), "give 1 to 1000");
        }
        let is_tag =
            |tag: &String| !tag.trim().is_empty() && tag.chars().count() <= 64 && !tag.chars().any(char::is_control);
        if let Some(tag) = self.tags.iter().find(|tag| !is_tag(tag)) {
            return refused("a tag", format!("{tag:?}"), "give a word or two, at most 64 characters");
        }
        if self.tags.len() > 32 {
            return refused("tags", format!("a list of {}", self.tags.len()), "give at most 32");
        }
        Ok(())
    }
}
