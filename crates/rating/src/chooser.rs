//! Who chooses what is asked next.

use moa_preferences::Record;

use crate::{Mode, Pool, Question};

/// Chooses questions. It runs in a thread of its own, ahead of the raters, and may take its time: raters who are faster are asked
/// random questions meanwhile.
pub trait Chooser: Send {
    /// Hears of every answer once, in the order of the file, those that were there at the start first; and of answers that are
    /// undone. This should be quick: what takes time belongs into [`Chooser::choose`].
    fn hear(&mut self, pool: &Pool, news: &News);

    /// Returns up to `wanted.count` questions, best first; those that are not valid are passed over. With none, random questions
    /// are asked until there is news.
    fn choose(&mut self, wanted: &Wanted<'_>) -> Vec<Question>;

    /// Returns what was learned so far. It is asked after each choice.
    fn learned(&mut self) -> Learned {
        Learned::default()
    }
}

/// What is wanted of a chooser.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The images.
    pub pool: &'a Pool,
    /// What is asked about them.
    pub mode: Mode,
    /// Questions that were chosen and are not answered yet.
    pub waiting: &'a [Question],
    /// How many questions to return.
    pub count: usize,
}

/// What happened to the file.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// Someone answered, or passed over, a question about images of the pool.
    Answered(Answered),
    /// An answer that was told before does not count any more.
    Undone(Answered),
}

/// A decision about images of the pool.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// The decision as it is in the file. It may be of another kind than what is asked now.
    pub record: std::sync::Arc<Record>,
    /// The places of its images, in its order.
    pub images: Vec<usize>,
}

/// What a chooser learned of the answers so far, for raters to read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Learned {
    /// A sentence or two; empty where there is nothing to say.
    pub text: String,
    /// Figures, such as the accuracy or the labels still needed: their names and values as they are shown.
    pub figures: Vec<(String, String)>,
}
