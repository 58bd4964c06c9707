//! The guard: what is done with a run whose reward rises at a probe while a judge that watches it falls.
//!
//! The test is that of the report, [`Watcher`], of one run at a time: a decision depends neither on what is trained beside a run, nor on how
//! long it is to be trained. So the guard does not separate a mixture's own damage from that of its other rewards, as the report does.

use moa_analysis::{Watched, Watcher, bootstrap_of_look, harmless_prompts};
use moa_core::experiment::{ExperimentSpec, Guard};
use moa_core::{RunId, Weighting};

use crate::TrainError;
use crate::factors::Factors;
use crate::probe::Columns;

/// How a run ended before its time.
pub(crate) struct Ending {
    /// The epoch after which it ended.
    pub(crate) after: u32,
    /// The epoch whose adapter is kept: that of the last sound probe, 0 for the adapter before training.
    pub(crate) kept: u32,
    /// The adapter.
    pub(crate) factors: Factors,
}

/// What is done with a run after a probe.
#[derive(Debug, PartialEq)]
pub(crate) enum Verdict {
    /// It continues, and its adapter is one to which it may go back.
    Sound,
    /// It ends, and why.
    End(String),
    /// It goes back to its last sound adapter, with this weight of the distance to the base from there on, and why.
    Tighten {
        /// The new weight.
        tie: f32,
        /// What was found.
        why: String,
    },
}

/// Returns what is done with every run, in their order.
///
/// - `looks`, `ties`: what a probe found of each run, and the weight of its distance to the base
///
/// # Errors
/// Fails where the columns do not fit one another.
pub(crate) fn verdicts(
    spec: &ExperimentSpec,
    runs: &[(RunId, Weighting)],
    looks: &[Columns],
    base: &Columns,
    prompts: &[String],
    ties: &[f32],
) -> Result<Vec<Verdict>, TrainError> {
    let training = &spec.training;
    if training.guard == Guard::Off {
        return Ok(runs.iter().map(|_| Verdict::Sound).collect());
    }
    let bootstrap = bootstrap_of_look(spec.seed);
    let harmless = harmless_prompts(prompts);
    let watcher = Watcher { rewards: &spec.rewards, harmless: &harmless, bootstrap };
    let verdict = |(((_, weighting), look), tie): ((&(RunId, Weighting), &Columns), &f32)| {
        let findings = watcher.findings(watched(base, &[]), &[watched(look, weighting.shares())])?;
        let Some(first) = findings.iter().flatten().next() else { return Ok(Verdict::Sound) };
        let why = first.to_string();
        Ok(match training.guard {
            Guard::Tighten { factor, from } => {
                Verdict::Tighten { tie: (f64::from(*tie) * factor).max(from) as f32, why }
            }
            Guard::Off | Guard::Stop => Verdict::End(why),
        })
    };
    runs.iter().zip(looks).zip(ties).map(verdict).collect()
}

fn watched<'a>(columns: &'a Columns, shares: &'a [f64]) -> Watched<'a> {
    Watched { shares, rewards: &columns.rewards, judges: &columns.judges }
}

#[cfg(test)]
mod tests {
    use moa_core::experiment::RewardKind;
    use moa_core::{NoiseKey, ScoreColumn};

    use super::*;

    const PROMPTS: usize = 48;

    fn columns(seed: u64, reward: f64, judge: f64) -> Columns {
        let column = |name: &str, shift: f64| {
            let (prompt, own) = (NoiseKey::new(1).named(name), NoiseKey::new(seed).named(name));
            let noise = prompt.normal(PROMPTS).into_iter().zip(own.normal(PROMPTS));
            ScoreColumn::of_all(name, noise.map(|(p, o)| 0.5 + shift + f64::from(0.2 * p + 0.02 * o)).collect())
        };
        Columns::new(
            vec![column("aesthetics", reward)],
            vec![column("attributes", judge), column("clip_alignment", 0.0)],
        )
    }

    fn verdict(guard: Guard, look: &Columns, tie: f32) -> Verdict {
        let mut spec = ExperimentSpec { rewards: vec![RewardKind::Aesthetics.into()], ..ExperimentSpec::default() };
        spec.training.guard = guard;
        let runs = [(RunId("aesthetics".into()), Weighting::corner(0, 1))];
        let prompts = vec![String::new(); PROMPTS];
        let looks = std::slice::from_ref(look);
        verdicts(&spec, &runs, looks, &columns(0, 0.0, 0.0), &prompts, &[tie]).expect("they fit").remove(0)
    }

    #[test]
    fn a_run_ends_or_is_tied_when_its_judge_falls_while_its_reward_rises() {
        let hacked = columns(7, 0.1, -0.1);
        assert_eq!(verdict(Guard::Off, &hacked, 0.0), Verdict::Sound);
        let Verdict::End(why) = verdict(Guard::Stop, &hacked, 0.0) else { panic!("it goes on") };
        assert!(why.contains("aesthetics rises") && why.contains("attributes falls"), "{why}");
        let guard = Guard::Tighten { factor: 3.0, from: 0.1 };
        for (before, after) in [(0.0, 0.1), (0.2, 0.6)] {
            let Verdict::Tighten { tie, .. } = verdict(guard, &hacked, before) else { panic!("it goes on") };
            assert!((tie - after).abs() < 1e-6, "{tie}");
        }
    }

    #[test]
    fn sound_runs_go_on() {
        // Where the reward must not rise it falls a little: in one of twenty draws noise alone would lift it.
        for (reward, judge) in [(0.1, 0.0), (0.1, 0.1), (-0.02, -0.1), (0.0, 0.0)] {
            assert_eq!(verdict(Guard::Stop, &columns(3, reward, judge), 0.0), Verdict::Sound, "{reward} {judge}");
        }
    }
}
