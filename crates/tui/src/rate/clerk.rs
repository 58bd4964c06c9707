//! Who sits at the desk for the UI, and writes what the rater says.

use moa_rating::{Answer, Desk, Mode, Progress, RatingError, Seat, Ticket};

/// Images that are prepared, with those of the question that is shown.
const IMAGES_AHEAD: usize = 12;

/// What is asked of the desk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Take the seat of the rater of this name.
    Sit(String),
    /// Write an answer to the ticket of this id, with its tags.
    Answer(String, Answer, Vec<String>),
    /// Take the last answer back.
    Undo,
    /// See how far all raters are.
    Look,
}

/// What came of an order.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// The order.
    pub order: Order,
    /// Whether there was something to do, or why it was refused; nothing was written then.
    pub result: Result<bool, String>,
    /// What the rater holds now; nothing before a seat is taken.
    pub held: Option<Held>,
}

/// What a rater holds, and how far rating is.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// The rater's name.
    pub who: String,
    /// The questions, the one to be shown first.
    pub questions: Vec<Asked>,
    /// How far rating is.
    pub progress: Progress,
}

/// A question as the rater sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The ticket's id.
    pub id: String,
    /// What was to be drawn.
    pub prompt: String,
    /// The places of the images in the pool, as they are shown.
    pub images: Vec<usize>,
}

/// Holds the rater's seat.
#[derive(Debug)]
pub struct Clerk {
    desk: Desk,
    seat: Option<Seat>,
    tickets: Vec<Ticket>,
}

impl Clerk {
    /// Returns a clerk at a desk, before a rater is named.
    pub fn new(desk: Desk) -> Self {
        Self { desk, seat: None, tickets: Vec::new() }
    }

    /// Does what is ordered; an answer is on the disk when this returns.
    pub fn serve(&mut self, order: Order) -> Reply {
        let result = self.done(&order).map_err(|error| said(&error));
        let (result, held) = match self.held() {
            Ok(held) => (result, held),
            Err(error) => (result.and(Err(said(&error))), None),
        };
        Reply { order, result, held }
    }

    fn done(&mut self, order: &Order) -> Result<bool, RatingError> {
        if let Order::Sit(who) = order {
            self.seat = Some(self.desk.seat(who)?);
            return Ok(true);
        }
        let Some(seat) = &self.seat else { return Ok(false) };
        match order {
            Order::Answer(id, answer, tags) => {
                let ticket = self.tickets.iter().find(|ticket| ticket.id == *id);
                let ticket = ticket.ok_or_else(|| RatingError::UnknownQuestion { id: id.clone() })?;
                seat.answer(ticket, answer, tags).map(|()| true)
            }
            Order::Undo => seat.undo().map(|undone| undone.is_some()),
            Order::Sit(_) | Order::Look => Ok(true),
        }
    }

    fn held(&mut self) -> Result<Option<Held>, RatingError> {
        let Some(seat) = &self.seat else { return Ok(None) };
        self.tickets = seat.ahead(ahead(self.desk.options().mode))?;
        let pool = self.desk.pool();
        let asked = |ticket: &Ticket| Asked {
            id: ticket.id.clone(),
            prompt: ticket.question.images.first().map_or(String::new(), |place| pool.images()[*place].prompt.clone()),
            images: ticket.question.images.clone(),
        };
        let questions = self.tickets.iter().map(asked).collect();
        Ok(Some(Held { who: seat.who().to_owned(), questions, progress: self.desk.progress() }))
    }
}

/// Returns how many questions are held.
fn ahead(mode: Mode) -> usize {
    (IMAGES_AHEAD / mode.size()).clamp(2, 4)
}

/// Says why the desk refused, without a word on what drew an image.
pub(super) fn said(error: &RatingError) -> String {
    match error {
        RatingError::Image { problem, .. } => problem.clone(),
        RatingError::Preferences(error) => format!("failed to {error}"),
        other => other.to_string(),
    }
}
