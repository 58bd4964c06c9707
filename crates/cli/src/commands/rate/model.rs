//! Answers by a model.

use std::sync::atomic::Ordering;

use moa_ai_judge::{Budget, Ended, Judge, JudgeError, Progress, Rubric, Settings};
use moa_rating::Desk;

use super::{Arguments, bar_of_answers};
use crate::error::CliError;
use crate::global::Global;
use crate::interrupt;
use crate::output::{note, say, warn};
use crate::text::whole;

/// Has a model answer until the goal is reached, its budget is spent, or it is interrupted.
pub(super) fn attend(arguments: &Arguments, global: Global, model: &str, desk: &Desk) -> Result<(), CliError> {
    let rubric = arguments.rubric.as_deref().map(Rubric::read).transpose()?.unwrap_or_default();
    let budget = Budget { tokens: arguments.tokens, ..Budget::default() };
    let judge = Judge::new(Settings { rubric, budget, ..Settings::new(model) }, &|name| std::env::var(name).ok())?;
    let flag = judge.stop_flag();
    let _stop = interrupt::catch(move || flag.store(true, Ordering::Relaxed))?;
    let bar = bar_of_answers(arguments.goal, "{eta} left  {msg}", global.quiet);
    let ended = judge.rate(desk, &|progress: &Progress| {
        bar.set_position(desk.progress().answered as u64);
        bar.set_message(format!("{} tokens", whole(progress.tally.tokens)));
        if let Some(problem) = &progress.problem {
            bar.suspend(|| warn(problem));
        }
    });
    bar.finish_and_clear();
    tell(&judge);
    match ended? {
        Ended::Spent(what) => note(&format!("the budget of {what} is spent")),
        Ended::NothingNew => note("there is nothing left that it was not asked"),
        Ended::Goal | Ended::Stopped => {}
    }
    Ok(())
}

/// Says what it did and spent.
fn tell(judge: &Judge) {
    let tally = judge.tally();
    let skipped = if tally.skipped > 0 { format!(", passed over {}", tally.skipped) } else { String::new() };
    say(&format!(
        "{} answered {} of {} questions{skipped}; {} tokens",
        judge.settings().name,
        tally.answered,
        tally.questions,
        whole(tally.tokens)
    ));
    let position = tally.position;
    if position.comparisons > 0 {
        say(&format!(
            "asked in both orders it says the same in {} of {}; of the others it prefers the first {} times, the last {}",
            position.consistent, position.comparisons, position.first, position.second
        ));
    }
}

impl From<JudgeError> for CliError {
    fn from(error: JudgeError) -> Self {
        let hint = match &error {
            JudgeError::Setting { field, .. } if field.starts_with("MOA_AI") => {
                Some("for example MOA_AI_URL=http://127.0.0.1:8000/v1".to_owned())
            }
            _ => None,
        };
        Self::failure(format!("failed to have images judged: {error}")).maybe_hint(hint)
    }
}
