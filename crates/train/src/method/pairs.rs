//! Preferences that rewards have about a prompt's images.

use moa_core::experiment::Mix;

use super::forward::Drawn;
use crate::epoch::Epoch;
use crate::selection::{Choice, falling};

/// Returns by run the pairs of its images: the best of a prompt with its worst, the second best with the second worst, and so on, by
/// the mixture of rewards. The two are neighbours, with the share of votes for the first as the first's value. A share of ½ is no
/// preference, and teaches nothing ([`super::implied::preference`]).
pub(super) fn pairs(epoch: &Epoch<'_>, drawn: &Drawn, per_prompt: u32, mix: Mix) -> Vec<Choice> {
    let group = epoch.texts.group;
    let of_run = |run: usize| {
        let advantages = &drawn.advantages[run].values;
        let mut choice = Choice::default();
        for (place, own) in advantages.chunks(group).enumerate() {
            let order = falling(own);
            for rank in 0..(per_prompt as usize).min(group / 2) {
                let [better, worse] = [order[rank], order[group - 1 - rank]].map(|sample| place * group + sample);
                let share = match mix {
                    Mix::Rewards => share(f64::from(advantages[better]), f64::from(advantages[worse])),
                    Mix::Losses => votes(epoch.objective(run), drawn.scores[run].iter(), |column| {
                        share(f64::from(column[better]), f64::from(column[worse]))
                    }),
                };
                choice.samples.extend([better, worse]);
                choice.values.extend([share as f32, 1.0 - share as f32]);
            }
        }
        choice
    };
    (0..drawn.advantages.len()).map(of_run).collect()
}

/// Returns by run the share of votes that call each image good: one whose advantage is above 0, or whose rewards are above their means
/// over the prompt.
pub(super) fn good(epoch: &Epoch<'_>, drawn: &Drawn, mix: Mix) -> Vec<Vec<f32>> {
    let group = epoch.texts.group;
    let of_run = |run: usize| {
        let of_picture = |(sample, advantage): (usize, &f32)| match mix {
            Mix::Rewards => share(f64::from(*advantage), 0.0) as f32,
            Mix::Losses => votes(epoch.objective(run), drawn.scores[run].iter(), |column| {
                let own = &column[sample / group * group..(sample / group + 1) * group];
                let mean = own.iter().map(|score| f64::from(*score)).sum::<f64>() / group as f64;
                share(f64::from(column[sample]), mean)
            }) as f32,
        };
        drawn.advantages[run].values.iter().enumerate().map(of_picture).collect()
    };
    (0..drawn.advantages.len()).map(of_run).collect()
}

/// Returns the vote between two scores: 1 for the first, 0 for the second, ½ where they are equal.
pub(crate) fn share(first: f64, second: f64) -> f64 {
    match first.total_cmp(&second) {
        std::cmp::Ordering::Greater => 1.0,
        std::cmp::Ordering::Equal => 0.5,
        std::cmp::Ordering::Less => 0.0,
    }
}

/// Returns the mean of the rewards' votes, by what each counts; `columns` are what each votes by.
pub(crate) fn votes<T>(objective: &[f64], columns: impl Iterator<Item = T>, vote: impl Fn(T) -> f64) -> f64 {
    let (mut sum, mut all) = (0.0, 0.0);
    for (share, column) in objective.iter().zip(columns).filter(|(share, _)| **share > 0.0) {
        sum += share * vote(column);
        all += share;
    }
    sum / all.max(f64::MIN_POSITIVE)
}
