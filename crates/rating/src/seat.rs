//! One rater at the desk.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Answer, Desk, RatingError, Ticket};

/// A rater at a desk: in the terminal, or a model that judges. What it holds is taken back when it is dropped.
#[derive(Debug)]
pub struct Seat {
    desk: Desk,
    who: String,
    window: String,
}

/// Tells the seats of this process apart.
static SEATS: AtomicU64 = AtomicU64::new(0);

impl Seat {
    pub(crate) fn new(desk: Desk, who: &str) -> Result<Self, RatingError> {
        let window = format!("seat {}", SEATS.fetch_add(1, Ordering::Relaxed));
        desk.tickets(who, &window, 0)?;
        Ok(Self { desk, who: who.trim().to_owned(), window })
    }

    /// Returns the rater's name.
    pub fn who(&self) -> &str {
        &self.who
    }

    /// Returns the next question; the same one until it is answered.
    ///
    /// # Errors
    /// Those of [`Desk::tickets`].
    pub fn next(&self) -> Result<Ticket, RatingError> {
        let first = self.ahead(1)?.into_iter().next();
        first.ok_or(RatingError::PoolTooSmall { images: self.desk.options().mode.size() })
    }

    /// Returns the next questions, so that their images can be prepared.
    ///
    /// # Errors
    /// Those of [`Desk::tickets`].
    pub fn ahead(&self, count: usize) -> Result<Vec<Ticket>, RatingError> {
        self.desk.tickets(&self.who, &self.window, count)
    }

    /// Writes an answer, and waits until it is on the disk.
    ///
    /// # Errors
    /// Those of [`Desk::answer`].
    pub fn answer(&self, ticket: &Ticket, answer: &Answer, tags: &[String]) -> Result<(), RatingError> {
        self.desk.answer(&self.who, &self.window, ticket, answer, tags)
    }

    /// Takes the rater's last answer back; its question comes next. Returns its id, none where there is nothing to undo.
    ///
    /// # Errors
    /// Those of [`Desk::undo`].
    pub fn undo(&self) -> Result<Option<String>, RatingError> {
        self.desk.undo(&self.who, &self.window, None)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.desk.leave(&self.who, &self.window);
    }
}
