//! Answers by a formula.

use std::time::Duration;

use moa_feedback::{Errors, PoolFolder, Simulated};
use moa_rating::Desk;
use moa_runner::taste;

use super::Arguments;
use crate::bar::work_with_bar;
use crate::error::CliError;
use crate::global::Global;

/// The share of wrong answers on close pairs, as between people.
const FLIPS: f64 = 0.25;
/// How long a question may take to be chosen.
const PATIENCE: Duration = Duration::from_mins(5);

/// Has so many questions answered.
pub(super) fn attend(
    arguments: &Arguments,
    global: Global,
    folder: &PoolFolder,
    desk: &Desk,
    answers: u32,
) -> Result<(), CliError> {
    let pool = folder.pool();
    let scores = taste(pool.images().iter().map(|image| image.file.as_path()))?;
    let rater = Simulated::new(&pool, scores, Errors::Close(FLIPS), arguments.seed)?;
    let seat = desk.seat("simulated")?;
    let mode = desk.options().mode;
    work_with_bar("answering", global.quiet, |bar| {
        for done in 0..answers {
            // People give the chooser time, and this rater does, too.
            desk.settle(PATIENCE);
            rater.attend(&seat, mode, 1)?;
            bar(f64::from(done + 1) / f64::from(answers));
        }
        Ok(())
    })
}
