//! One decision about images, as it is kept in a line.

use crate::{Image, Moment};

/// The version of the format that this moa reads and writes.
pub const VERSION: u32 = 1;

/// One decision of a rater: a line of the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Tells the record from all others of the file; [`crate::Ids`] makes them.
    pub id: String,
    /// The rater: a person's name, or what an AI judge is called.
    pub who: String,
    /// When it was decided.
    pub when: Moment,
    /// What was decided.
    pub decision: Decision,
    /// Words about the decision, such as "hands" or "spelling". Default: none.
    pub tags: Vec<String>,
    /// How much the vote counts beside others, 0 to 1,000,000. Default: 1.
    pub weight: f64,
}

/// What was decided; an outcome that is `None` was skipped, and counts nowhere.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Which of two images is better.
    Pair {
        /// What was to be drawn.
        prompt: String,
        /// The first image.
        a: Image,
        /// The second image, another than the first.
        b: Image,
        /// The better one.
        outcome: Option<Winner>,
    },
    /// The order of several images.
    Ranking {
        /// What was to be drawn.
        prompt: String,
        /// The images, 2 to 64, all different.
        images: Vec<Image>,
        /// Each image's place, from 1, which is the best; equal places are ties, and places may be left out.
        outcome: Option<Vec<u32>>,
    },
    /// Whether an image is good.
    Label {
        /// What was to be drawn.
        prompt: String,
        /// The image.
        image: Image,
        /// What it is called.
        outcome: Option<Mark>,
    },
    /// How good an image is, on the rater's own scale.
    Score {
        /// What was to be drawn.
        prompt: String,
        /// The image.
        image: Image,
        /// The score, finite; higher is better.
        outcome: Option<f64>,
    },
    /// An earlier record does not count. Undoing an undo makes what it undid count again.
    Undo {
        /// The id of the earlier record.
        record: String,
    },
}

/// Which of two images is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Winner {
    /// The first.
    A,
    /// The second.
    B,
    /// Neither.
    Tie,
}

/// What an image is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mark {
    /// To be drawn more often.
    Good,
    /// To be drawn less often.
    Bad,
}

impl Record {
    /// Returns the record of a decision without tags, with weight 1.
    pub fn new(id: impl Into<String>, who: impl Into<String>, when: Moment, decision: Decision) -> Self {
        Self { id: id.into(), who: who.into(), when, decision, tags: Vec::new(), weight: 1.0 }
    }
}

impl Decision {
    /// What the kinds are called in a line.
    pub const KINDS: [&'static str; 5] = ["Pair", "Ranking", "Label", "Score", "Undo"];

    /// Returns what the decision's kind is called in a line.
    pub fn kind(&self) -> &'static str {
        let place = match self {
            Self::Pair { .. } => 0,
            Self::Ranking { .. } => 1,
            Self::Label { .. } => 2,
            Self::Score { .. } => 3,
            Self::Undo { .. } => 4,
        };
        Self::KINDS[place]
    }

    /// Returns what was to be drawn; none for an undo.
    pub fn prompt(&self) -> Option<&str> {
        match self {
            Self::Pair { prompt, .. }
            | Self::Ranking { prompt, .. }
            | Self::Label { prompt, .. }
            | Self::Score { prompt, .. } => Some(prompt),
            Self::Undo { .. } => None,
        }
    }

    /// Returns the images in the order in which a line holds them.
    pub fn images(&self) -> Vec<&Image> {
        match self {
            Self::Pair { a, b, .. } => vec![a, b],
            Self::Ranking { images, .. } => images.iter().collect(),
            Self::Label { image, .. } | Self::Score { image, .. } => vec![image],
            Self::Undo { .. } => Vec::new(),
        }
    }

    /// Returns the images to be changed, in the order in which a line holds them.
    pub fn images_mut(&mut self) -> Vec<&mut Image> {
        match self {
            Self::Pair { a, b, .. } => vec![a, b],
            Self::Ranking { images, .. } => images.iter_mut().collect(),
            Self::Label { image, .. } | Self::Score { image, .. } => vec![image],
            Self::Undo { .. } => Vec::new(),
        }
    }

    /// Returns whether the rater passed the question over.
    pub fn is_skipped(&self) -> bool {
        match self {
            Self::Pair { outcome, .. } => outcome.is_none(),
            Self::Ranking { outcome, .. } => outcome.is_none(),
            Self::Label { outcome, .. } => outcome.is_none(),
            Self::Score { outcome, .. } => outcome.is_none(),
            Self::Undo { .. } => false,
        }
    }
}
