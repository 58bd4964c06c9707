//! What a reader of the results must know of a file, one sentence each.

use std::cmp::Ordering;

use crate::votes::Vote;
use crate::{Decision, Preferences, Rater, Scores};

/// Lines that are named.
const NAMED: usize = 5;

impl Preferences {
    /// Returns what is no error but should be known: torn lines, what is left out, contradictions, repeats.
    pub fn notes(&self) -> Vec<String> {
        [self.of_lines(), self.of_decisions(), self.of_votes(), self.of_raters(), self.of_scores()].concat()
    }

    fn of_lines(&self) -> Vec<String> {
        let (be, lost) = if self.torn.len() == 1 { ("line is", "decision is") } else { ("lines are", "decisions are") };
        let (torn, places) = (grouped(self.torn.len()), lines(&self.torn));
        let repeated = counted(self.repeated, "record stands", "records stand");
        noted([
            (self.torn.len(), format!("{torn} {be} incomplete ({places}), as after a kill: the {lost} lost")),
            (self.repeated, format!("{repeated} again with the same id: each counts once")),
        ])
    }

    fn of_decisions(&self) -> Vec<String> {
        let decisions = self.kept.iter().filter(|kept| !matches!(kept.record.decision, Decision::Undo { .. }));
        let (mut all, mut skipped, mut undone) = (0, 0, 0);
        for kept in decisions {
            all += 1;
            undone += usize::from(kept.undone);
            skipped += usize::from(!kept.undone && kept.record.decision.is_skipped());
        }
        let be = if skipped == 1 { "is" } else { "are" };
        let decisions = counted(all, "decision", "decisions");
        let left_out = format!("{} {be} skipped and {} undone", grouped(skipped), grouped(undone));
        noted([(skipped + undone, format!("of {decisions} {left_out}: they are left out"))])
    }

    fn of_votes(&self) -> Vec<String> {
        let pairs: Vec<_> = self.votes_on_pairs(&[]).into_iter().map(|pair| pair.votes).collect();
        let images: Vec<_> = self.votes_on_images(Scores::LeftOut, &[]).into_iter().map(|image| image.votes).collect();
        let ties = !pairs.is_empty() && pairs.iter().flatten().all(|vote| (vote.share - 0.5).abs() < 0.25);
        let mut notes = of_contradictions(&pairs, "pair", "pairs");
        notes.extend(of_contradictions(&images, "labelled image", "labelled images"));
        notes.extend(ties.then(|| "every vote on a pair is a tie: nothing is preferred".into()));
        notes
    }

    fn of_raters(&self) -> Vec<String> {
        let raters = self.raters();
        let agreed: usize = raters.iter().map(|rater| rater.agreed).sum();
        let repeat = counted(agreed, "vote repeats", "votes repeat");
        let repeat =
            format!("{repeat} what the same rater said of the same images before: each counts as one more vote");
        let of_rater = |rater: Rater| {
            let (repeats, agreed) = (times(rater.repeats), times(rater.agreed));
            (rater.repeats, format!("{} voted again {repeats}, and as the first time {agreed}", rater.name))
        };
        noted(std::iter::once((agreed, repeat)).chain(raters.into_iter().map(of_rater)))
    }

    fn of_scores(&self) -> Vec<String> {
        let medians = self.medians();
        let is_median = |who: &str, score: f64| {
            medians.get(who).is_some_and(|median| score.partial_cmp(median).is_some_and(Ordering::is_eq))
        };
        let equal = self.counted().filter(|record| match record.decision {
            Decision::Score { outcome: Some(score), .. } => is_median(&record.who, score),
            _ => false,
        });
        let equal = equal.count();
        let scores = counted(equal, "score is", "scores are");
        noted([(
            equal,
            format!("{scores} equal to their rater's median: as labels they count half for good and half for bad"),
        )])
    }
}

/// Returns the sentences of what there is at least one of.
fn noted(notes: impl IntoIterator<Item = (usize, String)>) -> Vec<String> {
    notes.into_iter().filter(|(count, _)| *count > 0).map(|(_, note)| note).collect()
}

fn of_contradictions(votes: &[Vec<Vote<'_>>], one: &str, many: &str) -> Vec<String> {
    let weightless = votes.iter().filter(|votes| weight(votes) == 0.0).count();
    let contradicted = votes.iter().filter(|votes| are_contradicted(votes)).count();
    let all = counted(votes.len(), one, many);
    let (are, have) = (if contradicted == 1 { "is" } else { "are" }, if weightless == 1 { "has" } else { "have" });
    noted([
        (
            contradicted,
            format!("{} of {all} {are} contradicted: each counts with its share of votes", grouped(contradicted)),
        ),
        (weightless, format!("{} of {all} {have} only votes of weight 0: they are left out", grouped(weightless))),
    ])
}

fn weight(votes: &[Vote<'_>]) -> f64 {
    votes.iter().map(|vote| vote.record.weight).sum()
}

/// Returns whether votes that count are for both sides; a tie contradicts neither.
fn are_contradicted(votes: &[Vote<'_>]) -> bool {
    let any = |test: fn(f64) -> bool| votes.iter().any(|vote| vote.record.weight > 0.0 && test(vote.share));
    any(|share| share > 0.75) && any(|share| share < 0.25)
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{} {}", grouped(count), if count == 1 { one } else { many })
}

fn times(count: usize) -> String {
    counted(count, "time", "times")
}

fn lines(lines: &[usize]) -> String {
    let named: Vec<String> = lines.iter().take(NAMED).map(usize::to_string).collect();
    let dots = if lines.len() > NAMED { " …" } else { "" };
    format!("line{} {}{dots}", if lines.len() == 1 { "" } else { "s" }, named.join(", "))
}

/// Returns a number with commas between thousands.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
