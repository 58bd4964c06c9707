//! What a judge did and spent.

/// What a judge did and spent since it was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Questions that were begun.
    pub questions: u64,
    /// Questions that were answered.
    pub answered: u64,
    /// Questions that were passed over: the model's answers were none, or the service declined them.
    pub skipped: u64,
    /// Requests that were sent.
    pub requests: u64,
    /// Requests among them that repeat one that failed.
    pub retries: u64,
    /// Requests among them that remind the model of the form of its answer.
    pub reminders: u64,
    /// Tokens of questions and answers.
    pub tokens: u64,
    /// Replies without a count of tokens, for which 4 bytes of text and 1,000 per image were assumed.
    pub uncounted: u64,
    /// What the order of images changed.
    pub position: Position,
}

/// What asking in both orders found: comparisons of two images (a ranking has one for each two of its images).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Comparisons that were made in both orders.
    pub comparisons: u64,
    /// Those with the same outcome in both.
    pub consistent: u64,
    /// Those in which whichever image was shown first won.
    pub first: u64,
    /// Those in which whichever image was shown last won.
    pub second: u64,
}

impl Position {
    /// Returns the position bias, −1 to 1: how much oftener the first image won in both orders than the last; 0 is none. None before
    /// anything was compared. It hides inconsistency without a direction, which `consistent` has.
    pub fn bias(&self) -> Option<f64> {
        (self.comparisons > 0).then(|| (self.first as f64 - self.second as f64) / self.comparisons as f64)
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.comparisons += other.comparisons;
        self.consistent += other.consistent;
        self.first += other.first;
        self.second += other.second;
    }
}
