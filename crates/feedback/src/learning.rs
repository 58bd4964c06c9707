//! What was learned so far, for raters to read. It is computed in a thread of its own: questions do not wait for it.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread;

use moa_preference_model::{
    FitSettings, Judgements, LearningCurve, Pool, Resampling, Target, Validation, ValidationSettings, between_raters,
    learning_curve, self_consistency, validate,
};
use moa_rating::Learned;

/// Answers before the first validation: an accuracy of fewer is a guess.
const FIRST: usize = 30;
/// Answers grow by this factor between two validations, each of which fits thirty models.
const GROWTH: f64 = 1.3;
/// Answers of a validation at most: its thirty models would take minutes.
const MOST: usize = 3000;
/// The target of the labels still needed: this share of what there is to gain over chance.
const TARGET: f64 = 0.9;
/// Resamples of the intervals.
const RESAMPLES: usize = 400;

/// How good a model of so many answers is.
#[derive(Clone, Debug)]
struct Found {
    answers: usize,
    validation: Validation,
    curve: Option<LearningCurve>,
}

/// What was learned, and what is being found out.
#[derive(Debug, Default)]
pub(crate) struct Learning {
    found: Option<Found>,
    /// The answers at which a validation was last begun.
    begun: usize,
    running: Option<Receiver<Option<Found>>>,
}

impl Learning {
    /// Begins a validation, if there are many more answers than at the last.
    pub(crate) fn consider(&mut self, pool: &Arc<Pool>, judgements: &Judgements, fit: FitSettings) {
        self.collect();
        let answers = judgements.len();
        let due = answers >= FIRST && answers as f64 >= GROWTH * self.begun as f64;
        // After undoes that left few, what was found is about other answers.
        let is_stale = (answers as f64) < 0.7 * self.begun as f64 && answers >= FIRST;
        if self.running.is_some() || !(due || is_stale) || (answers > MOST && self.found.is_some() && !is_stale) {
            return;
        }
        self.begun = answers;
        let (sender, receiver) = channel();
        let (pool, judgements) = (Arc::clone(pool), judgements.clone());
        let work = move || {
            // Nobody waits where the desk was closed.
            let _ = sender.send(find(&pool, &judgements, &fit));
        };
        if thread::Builder::new().name("validation".into()).spawn(work).is_ok() {
            self.running = Some(receiver);
        }
    }

    fn collect(&mut self) {
        let Some(running) = &self.running else { return };
        match running.try_recv() {
            Ok(found) => {
                self.found = found.or(self.found.take());
                self.running = None;
            }
            Err(TryRecvError::Disconnected) => self.running = None,
            Err(TryRecvError::Empty) => {}
        }
    }

    /// Waits for a validation that runs.
    pub(crate) fn wait(&mut self) {
        if let Some(running) = self.running.take()
            && let Ok(found) = running.recv()
        {
            self.found = found.or(self.found.take());
        }
    }

    /// Returns it in words.
    pub(crate) fn words(&mut self, judgements: &Judgements) -> Learned {
        self.collect();
        let mut figures = Vec::new();
        let percent = |value: f64| format!("{:.0} %", 100.0 * value);
        let mut text = match &self.found {
            _ if judgements.is_empty() => String::new(),
            None if judgements.len() < FIRST => {
                format!("After {FIRST} answers it is tested how well they can be predicted.")
            }
            None => "It is being tested how well the answers can be predicted.".to_owned(),
            Some(Found { answers, validation, curve }) => {
                let accuracy = validation.accuracy;
                let range = format!("{:.0} to {:.0} %", 100.0 * accuracy.low, 100.0 * accuracy.high);
                figures.push(("predicted".to_owned(), format!("{} ({range})", percent(accuracy.value))));
                let mut text = format!(
                    "After {answers} answers, {} of the decisions on other prompts are predicted ({range}; chance is 50 %).",
                    percent(accuracy.value)
                );
                if let Some(curve) = curve {
                    let (words, figure) = still_needed(curve, *answers, judgements.len());
                    figures.push(("answers still needed".to_owned(), figure));
                    text.push(' ');
                    text.push_str(&words);
                }
                text
            }
        };
        let (shared, agreed) = between_raters(judgements)
            .iter()
            .fold((0, 0), |(shared, agreed), pair| (shared + pair.shared, agreed + pair.agreed));
        if shared > 0 {
            let share = percent(agreed as f64 / shared as f64);
            figures.push(("raters agree".to_owned(), format!("{share} of {shared}")));
            if !text.is_empty() {
                text.push(' ');
            }
            let said = format!("Raters agree in {share} of the {shared} comparisons that two of them made.");
            text.push_str(&said);
        }
        let (repeats, same) = self_consistency(judgements)
            .iter()
            .fold((0, 0), |(repeats, same), rater| (repeats + rater.repeats, same + rater.agreed));
        if repeats > 0 {
            figures.push((
                "same answer again".to_owned(),
                format!("{} of {repeats}", percent(same as f64 / repeats as f64)),
            ));
        }
        Learned { text, figures }
    }
}

/// Returns how many answers are still needed, in a sentence and in short.
fn still_needed(curve: &LearningCurve, then: usize, now: usize) -> (String, String) {
    let since = now.saturating_sub(then) as f64;
    let still = curve.still_needed();
    let rest = |count: f64| round((count - since).max(0.0));
    let (least, middle, most) = (rest(still.low), rest(still.value), rest(still.high));
    let target = format!("{:.0} %", 100.0 * curve.target);
    if middle == Some(0) {
        return (
            format!("More answers will hardly change that: {target} is most of what can be reached."),
            "few".into(),
        );
    }
    let Some(middle) = middle else {
        return ("So far it does not grow with the answers.".into(), "unknown".into());
    };
    let least = least.unwrap_or(middle);
    let range = most.map_or_else(|| format!("{least} or more"), |most| format!("{least} to {most}"));
    (format!("About {middle} more ({range}) should bring it to {target}."), format!("{middle} ({range})"))
}

/// Rounds a count to two digits; none where it is beyond all patience.
fn round(count: f64) -> Option<u64> {
    if count.is_nan() || count >= 1e6 {
        return None;
    }
    let scale = 10_f64.powf((count.max(1.0).log10().floor() - 1.0).max(0.0));
    Some(((count / scale).round() * scale) as u64)
}

/// Validates a model of these answers; none where they do not allow it, such as answers on one prompt alone.
fn find(pool: &Pool, judgements: &Judgements, fit: &FitSettings) -> Option<Found> {
    let resampling = Resampling { resamples: RESAMPLES, ..Resampling::default() };
    let settings = ValidationSettings { resampling, ..ValidationSettings::default() };
    let validation = validate(pool, judgements, fit, &settings).ok()?;
    // Too few answers for a curve are no failure.
    let curve = learning_curve(pool, judgements, fit, &settings, Target::OfLimit(TARGET)).ok();
    Some(Found { answers: judgements.len(), validation, curve })
}
