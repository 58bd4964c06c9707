//! Rewards, weightings, prompts and norms that change: an experiment in phases, and how one goes on from the other.

use serde::{Deserialize, Serialize};

use super::bounds::{Bounds, MOST_PHASES};
use super::finding::{Fault, Finding};
use super::validate::{check_name, check_number};
use super::{ConstraintSpec, ExperimentSpec, MethodSpec, PromptsSpec, RewardSpec, WeightingsSpec};

/// A part of the training: what holds in it in place of what the experiment says. The i-th weighting of a phase goes on from the adapter of
/// the i-th of the phase before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhaseSpec {
    /// Its name, which with its number names its results folder. No default.
    pub name: String,
    /// The epoch after which it ends, counted over the whole training. Default, for the last phase alone: `training.epochs`.
    #[serde(default)]
    pub until: Option<u32>,
    /// Its objectives. Default: the experiment's.
    #[serde(default)]
    pub rewards: Option<Vec<RewardSpec>>,
    /// Its weightings, as many as every other phase has. Default: the experiment's.
    #[serde(default)]
    pub weightings: Option<Vec<WeightingsSpec>>,
    /// Its training and held-out prompts. Default: the experiment's.
    #[serde(default)]
    pub prompts: Option<PromptsSpec>,
    /// The means that its runs must keep up. Default: the experiment's.
    #[serde(default)]
    pub constraints: Option<Vec<ConstraintSpec>>,
}

/// How a phase goes on from the one before, and what it does against forgetting.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ContinualSpec {
    /// What is trained. Default: `Same`.
    pub onto: Onto,
    /// The share of each epoch's prompts that are taken from earlier phases' training prompts, 0 to less than 1. Their images are scored by
    /// the phase's own rewards; with `tie: Last` they are not rewarded, and only tied to what the adapter of the phase before predicts there
    /// (dark experience replay; Buzzega et al., 2004.07211). Default: 0.
    pub replay: f64,
    /// What `training.kl` ties predictions to. Default: `Base`.
    pub tie: Tie,
    /// λ of elastic weight consolidation (Kirkpatrick et al., 1612.00796): ½·λ·Σ F·(θ − θ*)² is added to the loss, with θ* the adapter of the
    /// phase before and F the mean squared gradient of each of its weights in the phases before, scaled to a mean of 1. Default: 0.
    pub importance: f64,
    /// d of a moving average between phases: at the end of a phase θ becomes d·old + (1 − d)·new, 0 to less than 1. Default: 0.
    pub average: f64,
    /// The results folder that is gone on from, relative to the experiment's own. moa writes it into the experiments of phases.
    pub from: Option<String>,
}

/// What a phase trains.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Onto {
    /// The adapter of the phase before itself.
    #[default]
    Same,
    /// A new adapter on top of the old one, which is frozen; the result is both, with the sum of their ranks.
    Stacked,
    /// A new adapter over the base alone, which is then souped with the old one.
    Souped {
        /// The old adapter's share, more than 0, less than 1. Default: 0.5.
        #[serde(default = "half")]
        old: f64,
    },
}

fn half() -> f64 {
    0.5
}

impl Onto {
    /// Returns its name in experiment files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Same => "Same",
            Self::Stacked => "Stacked",
            Self::Souped { .. } => "Souped",
        }
    }
}

/// What predictions are tied to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Tie {
    /// Those of the base.
    #[default]
    Base,
    /// Those of the adapter of the phase before (learning without forgetting; Li & Hoiem, 1606.09282).
    Last,
}

/// `continual.replay`.
pub(super) const REPLAY: Bounds = Bounds::Below(0.0, 1.0);
/// `continual.importance`.
pub(super) const IMPORTANCE: Bounds = Bounds::Closed(0.0, 1e9);
/// `continual.average`.
pub(super) const AVERAGE: Bounds = Bounds::Below(0.0, 1.0);
/// `continual.onto.old`.
pub(super) const OLD: Bounds = Bounds::Open(0.0, 1.0);
/// `phases[].until`.
pub(super) const UNTIL: Bounds = Bounds::Whole(1, 100_000);

impl ContinualSpec {
    /// Returns the share of the old adapter in what a phase leaves, by soup or moving average; nothing where what was trained stays as it
    /// is.
    pub fn old_share(&self) -> Option<f64> {
        match self.onto {
            Onto::Souped { old } => Some(old),
            Onto::Same | Onto::Stacked => (self.average > 0.0).then_some(self.average),
        }
    }
}

impl ExperimentSpec {
    /// Returns a phase as an experiment of its own, counted from 0; nothing where there is no such phase.
    pub fn phase(&self, index: usize) -> Option<Self> {
        let phase = self.phases.get(index)?;
        let before = index.checked_sub(1);
        let until = |index: usize| self.phases[index].until.unwrap_or(self.training.epochs);
        let mut spec = Self { phases: Vec::new(), ..self.clone() };
        spec.name = self.name.as_ref().map(|name| format!("{name}-{}", self.phase_folder(index)));
        spec.training.epochs = until(index).saturating_sub(before.map_or(0, until));
        spec.continual = match before {
            None => ContinualSpec::default(),
            Some(before) => {
                ContinualSpec { from: Some(format!("../{}", self.phase_folder(before))), ..self.continual.clone() }
            }
        };
        let PhaseSpec { rewards, weightings, prompts, constraints, .. } = phase.clone();
        spec.rewards = rewards.unwrap_or(spec.rewards);
        spec.weightings = weightings.unwrap_or(spec.weightings);
        spec.prompts = prompts.unwrap_or(spec.prompts);
        spec.constraints = constraints.unwrap_or(spec.constraints);
        let names = spec.reward_names();
        for values in [&mut spec.hypervolume.reference, &mut spec.hypervolume.best] {
            values.retain(|name, _| names.contains(name));
        }
        Some(spec)
    }

    /// Returns the name of a phase's results folder, which counts from 1: `2-taste`.
    pub fn phase_folder(&self, index: usize) -> String {
        let name = self.phases.get(index).map_or("", |phase| &phase.name);
        format!("{}-{name}", index + 1)
    }

    /// Checks phases, each as the experiment that it is, and how they go on.
    pub(super) fn check_phases(&self) -> Result<(), Finding> {
        let continual = &self.continual;
        if self.phases.is_empty() {
            let unused = continual.from.is_none() && *continual != ContinualSpec::default();
            return if unused {
                let way_out = "there are no phases to go on from: give phases, or leave continual out";
                Err(Finding::state("continual", "given", way_out))
            } else {
                self.check_continual()
            };
        }
        if self.phases.len() < 2 || self.phases.len() > MOST_PHASES {
            let state = format!("a list of {}", self.phases.len());
            return Err(Finding::state("phases", state, format!("give 2 to {MOST_PHASES} phases, or none")));
        }
        if continual.from.is_some() {
            let way_out = "moa writes it into the experiments of phases: leave it out";
            return Err(Finding::state("continual.from", "given", way_out));
        }
        let with = |field: &str, state: &str, way_out: &str| Err(Finding::state(field, state.to_owned(), way_out));
        if self.rounds > 1 {
            return with("rounds", "more than 1", "phases have one round each: give rounds: 1, or leave phases out");
        }
        let others = [
            ("feedback", self.feedback.is_some()),
            ("adversary", self.adversary.is_some()),
            ("online", self.online.is_some()),
        ];
        for (field, given) in others {
            if given {
                return with(field, "given", "it does not work with phases yet: leave one of them out");
            }
        }
        self.check_ends()?;
        let mut count = None;
        for (index, phase) in self.phases.iter().enumerate() {
            let spec = self.phase(index).unwrap_or_else(|| unreachable!("the phase is one of the list"));
            spec.check().map_err(|finding| phase.located(index, finding))?;
            if spec.next().is_some() {
                let way_out = "Next does not work with phases: give the weightings themselves";
                return Err(phase.located(index, Finding::state("weightings", "with Next", way_out)));
            }
            let own = spec.weightings().len();
            let first = *count.get_or_insert(own);
            if own != first {
                let way_out = format!(
                    "the i-th weighting of a phase goes on from the i-th of the phase before, and the first phase has {first}: give as many"
                );
                return Err(phase.located(index, Finding::state("weightings", format!("a list of {own}"), way_out)));
            }
        }
        Ok(())
    }

    /// Checks names and ends of phases.
    fn check_ends(&self) -> Result<(), Finding> {
        let (epochs, last) = (self.training.epochs, self.phases.len() - 1);
        let mut before = 0;
        for (index, phase) in self.phases.iter().enumerate() {
            let field = format!("phases[{index}].name");
            check_name(&field, &phase.name)?;
            if let Some(first) = self.phases[..index].iter().position(|other| other.name == phase.name) {
                let way_out = format!("phases[{first}] has that name already: give each phase a name of its own");
                return Err(Finding::value(field, format!("{:?}", phase.name), way_out));
            }
            let field = format!("phases[{index}].until");
            let until = match phase.until {
                None if index < last => {
                    let way_out = "give the epoch after which the phase ends; the last phase alone may leave it out";
                    return Err(Finding::state(field, "left out", way_out));
                }
                None => epochs,
                Some(until) => until,
            };
            check_number(&*field, UNTIL, f64::from(until))?;
            if until <= before {
                let way_out =
                    format!("it counts over the whole training, and the phase before ends after {before}: give more");
                return Err(Finding::value(field, until.to_string(), way_out));
            }
            if until > epochs || index == last && until < epochs {
                let what =
                    if index == last { "the last phase ends with the training" } else { "the training ends before" };
                let way_out = format!("{what}: give training.epochs: {until}, which is {epochs}, or another end");
                return Err(Finding::value(field, until.to_string(), way_out));
            }
            before = until;
        }
        Ok(())
    }

    /// Checks how this experiment goes on from another.
    fn check_continual(&self) -> Result<(), Finding> {
        let ContinualSpec { onto, tie, importance, average, from, .. } = &self.continual;
        if from.is_none() {
            return Ok(());
        }
        if let Onto::Souped { old } = onto {
            check_number("continual.onto.old", OLD, *old)?;
        }
        if !self.lora.share_a && *onto != Onto::Stacked {
            let way_out =
                "adapters that do not share A cannot be gone on from: give lora.share_a: true, or onto: Stacked";
            return Err(Finding::state("continual.onto", format!("{}, and lora.share_a false", onto.name()), way_out));
        }
        for (name, value) in [("importance", *importance), ("average", *average)] {
            if value > 0.0 && *onto != Onto::Same {
                let way_out = format!("it works with onto: Same only, and not with {}: give 0", onto.name());
                return Err(Finding::value(format!("continual.{name}"), format!("{value:?}"), way_out));
            }
        }
        if *tie == Tie::Last {
            if self.kl_weights().all(|kl| kl <= 0.0) {
                let way_out = "nothing is tied: give training.kl, or a reward its kl";
                return Err(Finding::value("continual.tie", "Last", way_out));
            }
            let method = &self.training.method;
            let refers_to_base = matches!(
                method,
                MethodSpec::AdjointMatching(_)
                    | MethodSpec::D3po(_)
                    | MethodSpec::Dpo(_)
                    | MethodSpec::Kto(_)
                    | MethodSpec::Group(_)
            );
            if refers_to_base {
                let way_out = format!(
                    "{} is defined by its difference to the base: give Base, or another training.method",
                    method.name()
                );
                return Err(Finding::value("continual.tie", "Last", way_out));
            }
        }
        Ok(())
    }
}

impl PhaseSpec {
    /// Returns what was found in the phase's own experiment as a finding of the file: at the phase's field where it has that, and in any
    /// case with its name.
    pub(super) fn located(&self, index: usize, finding: Finding) -> Finding {
        let given = [
            ("rewards", self.rewards.is_some()),
            ("weightings", self.weightings.is_some()),
            ("prompts", self.prompts.is_some()),
            ("constraints", self.constraints.is_some()),
        ];
        let root = finding.field.split(['.', '[']).next().unwrap_or_default();
        let own = given.iter().any(|(name, given)| *given && *name == root);
        let field = if own { format!("phases[{index}].{}", finding.field) } else { finding.field };
        let named = |way_out: String| format!("{way_out} (in the phase `{}`)", self.name);
        let fault = match finding.fault {
            Fault::Value { value, way_out } => Fault::Value { value, way_out: named(way_out) },
            Fault::State { state, way_out } => Fault::State { state, way_out: named(way_out) },
            unknown @ Fault::Unknown { .. } => unknown,
        };
        Finding { field, fault }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::RewardKind;
    use crate::{RunId, Weighting};

    fn spec() -> ExperimentSpec {
        let text = r#"(
            name: "all", rewards: [(kind: Safety)], weightings: [Corners], training: (epochs: 30, kl: 0.5),
            hypervolume: (best: {"safety": 0.9}),
            phases: [
                (name: "norms", until: 10),
                (name: "taste", until: 25, rewards: [(kind: Harmony)], weightings: [List([{"harmony": 1}])]),
                (name: "words", rewards: [(kind: Composition)], prompts: (train: List(["a cat", "a dog"]), held_out: List(["a bee"]))),
            ],
            continual: (importance: 2, tie: Last),
        )"#;
        ExperimentSpec::from_ron(text, "all.ron").unwrap()
    }

    #[test]
    fn a_phase_is_an_experiment_with_what_it_changes() {
        let spec = spec();
        let phases: Vec<ExperimentSpec> = (0..3).map(|index| spec.phase(index).unwrap()).collect();
        assert_eq!(spec.phase(3), None);
        assert_eq!(phases.iter().map(|phase| phase.training.epochs).collect::<Vec<_>>(), [10, 15, 5]);
        assert_eq!(phases[1].rewards[0].kind, RewardKind::Harmony);
        assert_eq!(phases[0].rewards, spec.rewards);
        assert_eq!(phases[1].name.as_deref(), Some("all-2-taste"));
        assert_eq!(phases[0].continual, ContinualSpec::default(), "the first goes on from nothing");
        assert_eq!(phases[2].continual.from.as_deref(), Some("../2-taste"));
        assert_eq!((phases[2].continual.importance, phases[2].continual.tie), (2.0, Tie::Last));
        assert!(phases[1].hypervolume.best.is_empty() && !phases[0].hypervolume.best.is_empty());
        // Each reads back as it is kept beside its results.
        for phase in phases {
            assert_eq!(ExperimentSpec::from_ron(&phase.to_ron(), "phase.ron").unwrap(), phase);
        }
    }

    #[test]
    fn facts_of_the_first_phase_are_those_of_an_experiment_without_phases() {
        let spec = spec();
        let prompts = ["a cat".to_owned()];
        let facts = |spec: &ExperimentSpec| {
            spec.fingerprint(&RunId("safety".into()), &Weighting::corner(0, 1), [&prompts, &prompts])
        };
        let plain = ExperimentSpec { phases: Vec::new(), continual: ContinualSpec::default(), ..spec.clone() };
        assert_eq!(facts(&spec.phase(0).unwrap()), facts(&plain));
        let [one, other] = [2.0, 3.0].map(|importance| {
            let continual = ContinualSpec { importance, ..spec.continual.clone() };
            facts(&ExperimentSpec { continual, ..spec.clone() }.phase(1).unwrap())
        });
        assert_eq!(one.difference(&other).unwrap().field, "continual.importance");
        assert!(!one.text().contains("from"), "where results lie is no fact");
    }
}
