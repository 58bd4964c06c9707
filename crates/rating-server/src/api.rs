//! The calls of the page. Each is answered with everything that the page shows.

use hyper::StatusCode;
use moa_preferences::{Mark, Winner};
use moa_rating::{Answer, Desk, Mode, Progress, Question, RatingError, Ticket};
use serde::{Deserialize, Serialize};

use crate::reply::{Refusal, Reply, reply};

/// Questions that a page holds: the one that it shows, and those whose images it prepares.
const AHEAD: usize = 4;

/// What every call says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    who: String,
    /// Which of the rater's windows this is.
    window: String,
    /// The questions that the window holds, in case the server was started again.
    #[serde(default)]
    held: Vec<Asked>,
    #[serde(default)]
    answer: Option<Given>,
    /// The answer to take back.
    #[serde(default)]
    undo: Option<String>,
}

/// A question by its images' ids.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    id: String,
    images: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    id: String,
    images: Vec<String>,
    outcome: Outcome,
    #[serde(default)]
    tags: Vec<String>,
}

#[derive(Deserialize)]
enum Outcome {
    A,
    B,
    Tie,
    Skip,
    Good,
    Bad,
    Ranks(Vec<u32>),
    Score(u32),
}

/// What the page shows.
#[derive(Serialize)]
struct State<'a> {
    title: &'a str,
    mode: &'static str,
    /// Images of a question, or the best score.
    size: usize,
    best: u32,
    questions: Vec<Shown<'a>>,
    /// The rater's last answer, which an undo takes back.
    last: Option<String>,
    tags: &'a [String],
    progress: Counts,
}

#[derive(Serialize)]
struct Shown<'a> {
    id: String,
    prompt: &'a str,
    images: Vec<&'a str>,
}

#[derive(Serialize)]
struct Counts {
    answered: usize,
    goal: Option<usize>,
    raters: Vec<Rater>,
    /// The share of other raters' votes on the same images that agree, and how many there are.
    between: Option<f64>,
    compared: u64,
    learned: String,
    figures: Vec<(String, String)>,
}

#[derive(Serialize)]
struct Rater {
    name: String,
    present: bool,
    answered: usize,
    skipped: usize,
    per_minute: Option<f64>,
    itself: Option<f64>,
    repeats: u64,
}

/// Answers a call of the page.
pub(crate) fn answer(desk: &Desk, title: &str, call: &str, body: &[u8]) -> Result<Reply, Refusal> {
    let bad = |reason: String| Refusal::new(StatusCode::BAD_REQUEST, reason);
    let parsed: Call =
        serde_json::from_slice(body).map_err(|error| bad(format!("the request is not understood: {error}")))?;
    if parsed.window.is_empty() || parsed.window.len() > 64 || parsed.held.len() > 16 {
        return Err(bad("the request is not understood: window or held".into()));
    }
    let (who, window) = (&*parsed.who, &*parsed.window);
    let ticket = |id: &str, images: &[String]| -> Result<Ticket, RatingError> {
        let images = images.iter().map(|image| desk.pool().place(image)).collect::<Result<_, _>>()?;
        Ok(Ticket { id: id.to_owned(), question: Question { images } })
    };
    match call {
        "state" => {}
        "answer" => {
            let given = parsed.answer.ok_or_else(|| bad("answer is missing".into()))?;
            let ticket = ticket(&given.id, &given.images).map_err(|error| refusal(&error))?;
            desk.answer(who, window, &ticket, &given.outcome.into(), &given.tags).map_err(|error| refusal(&error))?;
        }
        "undo" => {
            desk.undo(who, window, parsed.undo.as_deref()).map_err(|error| refusal(&error))?;
        }
        "leave" => {
            desk.leave(who, window);
            return Ok(reply("application/json", "{}"));
        }
        _ => return Err(Refusal::new(StatusCode::NOT_FOUND, "there is no such call")),
    }
    // What this desk cannot know of is asked again or not at all. The first goes in front, and so comes last.
    for held in parsed.held.iter().rev() {
        if let Ok(ticket) = ticket(&held.id, &held.images) {
            let _ = desk.adopt(who, window, &ticket);
        }
    }
    let tickets = desk.tickets(who, window, AHEAD).map_err(|error| refusal(&error))?;
    let (mode, best) = match desk.options().mode {
        Mode::Pairs => ("pairs", 0),
        Mode::Ranking { .. } => ("ranking", 0),
        Mode::Labels => ("labels", 0),
        Mode::Scores { best } => ("scores", best),
    };
    let pool = desk.pool();
    let shown = |ticket: Ticket| Shown {
        id: ticket.id,
        prompt: ticket.question.images.first().map_or("", |place| &*pool.images()[*place].prompt),
        images: ticket.question.images.iter().map(|place| pool.id(*place)).collect(),
    };
    let state = State {
        title,
        mode,
        size: desk.options().mode.size(),
        best,
        questions: tickets.into_iter().map(shown).collect(),
        last: desk.last(who),
        tags: &desk.options().tags,
        progress: counts(desk.progress()),
    };
    let json = serde_json::to_string(&state);
    let json = json.map_err(|error| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    Ok(reply("application/json", json))
}

fn counts(progress: Progress) -> Counts {
    let rater = |rater: moa_rating::RaterProgress| Rater {
        name: rater.name,
        present: rater.present,
        answered: rater.answered,
        skipped: rater.skipped,
        per_minute: rater.per_minute,
        itself: rater.itself.share(),
        repeats: rater.itself.of,
    };
    Counts {
        answered: progress.answered,
        goal: progress.goal,
        raters: progress.raters.into_iter().map(rater).collect(),
        between: progress.between.share(),
        compared: progress.between.of,
        learned: progress.learned.text,
        figures: progress.learned.figures,
    }
}

impl From<Outcome> for Answer {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::A => Self::Better(Winner::A),
            Outcome::B => Self::Better(Winner::B),
            Outcome::Tie => Self::Better(Winner::Tie),
            Outcome::Skip => Self::Skip,
            Outcome::Good => Self::Mark(Mark::Good),
            Outcome::Bad => Self::Mark(Mark::Bad),
            Outcome::Ranks(ranks) => Self::Order(ranks),
            Outcome::Score(score) => Self::Score(score),
        }
    }
}

/// Returns the reply to what the desk refuses. A full disk may have room again: the page tries on.
fn refusal(error: &RatingError) -> Refusal {
    let status = match error {
        RatingError::UnknownQuestion { .. } | RatingError::UnknownImage { .. } => StatusCode::NOT_FOUND,
        RatingError::NotLast { .. } => StatusCode::CONFLICT,
        RatingError::Preferences(moa_preferences::PreferencesError::Write { .. }) => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    };
    Refusal::new(status, error.to_string())
}
