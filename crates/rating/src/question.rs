//! What is asked, and what is answered.

use moa_preferences::{Decision, Mark, Winner};

use crate::{Pool, RatingError};

/// What raters are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Which of two images is better.
    Pairs,
    /// The order of several images.
    Ranking {
        /// Images of a question, 3 to 9.
        images: usize,
    },
    /// Whether an image is good or bad.
    Labels,
    /// How good an image is.
    Scores {
        /// The best score, 2 to 10; the worst is 1.
        best: u32,
    },
}

impl Mode {
    /// Returns how many images a question shows.
    pub fn size(self) -> usize {
        match self {
            Self::Pairs => 2,
            Self::Ranking { images } => images,
            Self::Labels | Self::Scores { .. } => 1,
        }
    }

    pub(crate) fn check(self) -> Result<(), RatingError> {
        let refused = |field, value: String, accepted| Err(RatingError::Option { field, value, accepted });
        match self {
            Self::Ranking { images } if !(3..=9).contains(&images) => {
                refused("images of a ranking", images.to_string(), "give 3 to 9")
            }
            Self::Scores { best } if !(2..=10).contains(&best) => {
                refused("the best score", best.to_string(), "give 2 to 10")
            }
            _ => Ok(()),
        }
    }

    /// Refuses answers of another kind, or about another number of images.
    pub(crate) fn accepts(self, answer: &Answer) -> Result<(), RatingError> {
        let accepted = match (self, answer) {
            (_, Answer::Skip) | (Self::Pairs, Answer::Better(_)) | (Self::Labels, Answer::Mark(_)) => return Ok(()),
            (Self::Ranking { images }, Answer::Order(ranks)) if ranks.len() == images && !ranks.contains(&0) => {
                return Ok(());
            }
            (Self::Scores { best }, Answer::Score(score)) if (1..=best).contains(score) => return Ok(()),
            (Self::Pairs, _) => "say which image is better, or that they tie".into(),
            (Self::Ranking { images }, _) => format!("give {images} ranks, from 1, which is the best"),
            (Self::Labels, _) => "say good or bad".into(),
            (Self::Scores { best }, _) => format!("give a whole number, 1 to {best}"),
        };
        Err(RatingError::Answer { answer: format!("{answer:?}").chars().take(80).collect(), accepted })
    }
}

/// Images of one prompt that are judged together, by their places in the pool.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    /// The places, all different and of one prompt. A chooser's order is free: the desk shuffles sides.
    pub images: Vec<usize>,
}

impl Question {
    /// Returns whether images exist, differ, are as many as the mode asks for, and have one prompt.
    pub(crate) fn is_valid(&self, pool: &Pool, mode: Mode) -> bool {
        let all = pool.images().len();
        self.images.len() == mode.size()
            && self.images.iter().enumerate().all(|(index, place)| {
                *place < all
                    && pool.prompt_of(*place) == pool.prompt_of(self.images[0])
                    && !self.images[..index].contains(place)
            })
    }

    /// Returns what is equal for questions about the same images.
    pub(crate) fn subject(&self) -> Subject {
        let mut images = self.images.clone();
        images.sort_unstable();
        Subject(images)
    }
}

/// The images of a question, whatever their order.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Subject(pub(crate) Vec<usize>);

/// What a rater says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Which of two images is better, in the order in which they were shown.
    Better(Winner),
    /// The rank of each image in the order in which they were shown; 1 is the best, equal ranks are ties.
    Order(Vec<u32>),
    /// What an image is called.
    Mark(Mark),
    /// A score, from 1.
    Score(u32),
    /// Nothing: the question is passed over.
    Skip,
}

/// Returns the decision that is written for an answer, which fits the mode.
pub(crate) fn decision(pool: &Pool, mode: Mode, question: &Question, answer: &Answer) -> Decision {
    let image = |index: usize| pool.images()[question.images[index]].image.clone();
    let prompt = pool.images()[question.images[0]].prompt.clone();
    match mode {
        Mode::Pairs => {
            let outcome = if let Answer::Better(winner) = answer { Some(*winner) } else { None };
            Decision::Pair { prompt, a: image(0), b: image(1), outcome }
        }
        Mode::Ranking { .. } => {
            let images = (0..question.images.len()).map(image).collect();
            let outcome = if let Answer::Order(ranks) = answer { Some(ranks.clone()) } else { None };
            Decision::Ranking { prompt, images, outcome }
        }
        Mode::Labels => {
            let outcome = if let Answer::Mark(mark) = answer { Some(*mark) } else { None };
            Decision::Label { prompt, image: image(0), outcome }
        }
        Mode::Scores { .. } => {
            let outcome = if let Answer::Score(score) = answer { Some(f64::from(*score)) } else { None };
            Decision::Score { prompt, image: image(0), outcome }
        }
    }
}
