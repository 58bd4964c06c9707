//! How far rating is.

use crate::{Agreement, Learned};

/// How far rating is, and what was learned.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// Every rater in the file or at the desk, by name.
    pub raters: Vec<RaterProgress>,
    /// Answers of all raters that count, without those that were skipped.
    pub answered: usize,
    /// How many answers are wanted in all, where that was said.
    pub goal: Option<usize>,
    /// How raters agree with each other on the same images.
    pub between: Agreement,
    /// What the chooser learned.
    pub learned: Learned,
}

/// One rater's answers.
#[derive(Clone, Debug, PartialEq)]
pub struct RaterProgress {
    /// The name.
    pub name: String,
    /// Whether the rater is at the desk now.
    pub present: bool,
    /// Answers that count.
    pub answered: usize,
    /// Questions that were passed over.
    pub skipped: usize,
    /// Answers in a minute, over the last 20, breaks left out; none before there are enough.
    pub per_minute: Option<f64>,
    /// How the rater agrees with earlier answers of their own.
    pub itself: Agreement,
}
