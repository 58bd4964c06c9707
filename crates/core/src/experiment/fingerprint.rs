//! What a run's numbers depend on: the one definition of "the same run".

use std::collections::BTreeMap;

use serde_json::Value;

use super::{ExperimentSpec, ProbePrompts, acting_guidance, is_guided, moved};
use crate::{NoiseKey, RunId, Weighting};

/// The version of the keys below. Raise it where the numbers of all runs change: runs of another version are not gone on with.
const VERSION: &str = "1";

/// Fields that came later, and the value at which they change nothing: there they are left out.
const ADDED: &[(&str, &str)] = &[
    ("feedback", "null"),
    ("adversary", "null"),
    ("online", "null"),
    ("continual.onto", "\"Same\""),
    ("continual.replay", "0.0"),
    ("continual.tie", "\"Base\""),
    ("continual.importance", "0.0"),
    ("continual.average", "0.0"),
];

/// Everything in an experiment that a run's training depends on, as facts: key and value, one a line.
///
/// A fact's key is a field's path in the experiment file of version 1. What only other runs, evaluations or reports depend on has none:
/// weightings of others, soups, how long is trained. Lists of prompts stand as a hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    facts: BTreeMap<String, String>,
}

/// A fact in which two runs differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherFact {
    /// The field's path, e.g. `optimiser.learning_rate`.
    pub field: String,
    /// Its value in the first run; nothing where that has no such field.
    pub there: Option<String>,
    /// Its value in the second.
    pub here: Option<String>,
}

impl ExperimentSpec {
    /// Returns what the training of a run depends on.
    ///
    /// - `prompts`: the experiment's own, to train on and held out
    pub fn fingerprint(&self, run: &RunId, weighting: &Weighting, prompts: [&[String]; 2]) -> Fingerprint {
        let mut all = serde_json::to_value(self).unwrap_or(Value::Null);
        // The base is what its files are: see `with`.
        let others = [
            "name",
            "base",
            "prompts",
            "weightings",
            "rounds",
            "adapters",
            "soups",
            "blends",
            "phases",
            "hypervolume",
            "evaluation",
        ];
        for field in others {
            all.as_object_mut().and_then(|fields| fields.remove(field));
        }
        // The adapter that is gone on from is what its factors are: see `from`.
        all.get_mut("continual").and_then(Value::as_object_mut).and_then(|fields| fields.remove("from"));
        // What arrives is not known beforehand; the receipt says what did.
        for field in ["inbox", "waits_for", "reference", "images_per_prompt", "on_alarm", "states"] {
            all.get_mut("online").and_then(Value::as_object_mut).and_then(|fields| fields.remove(field));
        }
        if let Some(follow) = all.pointer_mut("/feedback/from/Follow").and_then(Value::as_object_mut) {
            follow.remove("file");
        }
        // How long is trained, and how the work is cut.
        for field in ["epochs", "micro_batch", "gradient_checkpointing"] {
            let training = all.get_mut("training").and_then(Value::as_object_mut);
            training.and_then(|fields| fields.remove(field));
        }
        let mut facts = BTreeMap::new();
        collect("", &all, &mut facts);
        facts.insert("version".into(), VERSION.into());
        if !is_guided(self.sampler.guidance) {
            facts.insert("sampler.guidance".into(), format!("{:?}", acting_guidance(self.sampler.guidance)));
        }
        facts.insert("run".into(), run.to_string());
        facts.insert("weighting".into(), format!("{:?}", weighting.shares()));
        let [train, held_out] = prompts.map(hash);
        facts.insert("prompts.train".into(), train);
        // Probes draw as the evaluation does.
        let (probe, evaluation) = (&self.training.probe, &self.evaluation);
        if probe.every > 0 {
            facts.insert("evaluation.steps".into(), evaluation.steps.to_string());
            facts.insert("evaluation.guidance".into(), format!("{:?}", acting_guidance(evaluation.guidance)));
            if probe.of == ProbePrompts::HeldOut {
                facts.insert("prompts.held_out".into(), held_out);
            }
        }
        Fingerprint { facts }
    }
}

impl Fingerprint {
    /// Adds the adapter from which a run continues, by its hash.
    #[must_use]
    pub fn from(mut self, adapter: &str) -> Self {
        self.facts.insert("from".into(), adapter.to_owned());
        self
    }

    /// Adds the prompts of earlier phases that training returns to.
    #[must_use]
    pub fn replaying(mut self, prompts: &[String]) -> Self {
        self.facts.insert("prompts.replayed".into(), hash(prompts));
        self
    }

    /// Adds what else a run is made with, e.g. the hash of the base model.
    #[must_use]
    pub fn with(mut self, inputs: &BTreeMap<String, String>) -> Self {
        self.facts.extend(inputs.iter().map(|(name, hash)| (format!("input.{name}"), hash.clone())));
        self
    }

    /// Returns the facts as text, `key = value` a line, in the order of the keys.
    pub fn text(&self) -> String {
        let lines: Vec<String> = self.facts.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
        lines.concat()
    }

    /// Reads what [`Fingerprint::text`] wrote; lines that say nothing are left out.
    pub fn read(text: &str) -> Self {
        let facts = text.lines().filter_map(|line| line.split_once(" = "));
        Self { facts: facts.map(|(key, value)| (key.to_owned(), value.to_owned())).collect() }
    }

    /// Returns a short name for all facts together, in hexadecimal.
    pub fn digest(&self) -> String {
        let key = NoiseKey::new(0).named(&self.text());
        format!("{:016x}{:016x}", key.bits(0), key.bits(1))
    }

    /// Returns the first fact that another run has otherwise.
    pub fn difference(&self, other: &Self) -> Option<OtherFact> {
        let keys = self.facts.keys().chain(other.facts.keys());
        let differing = |key: &&String| self.facts.get(*key) != other.facts.get(*key);
        let field = keys.filter(differing).min()?;
        let name_of_today =
            |key: &str| moved::RENAMED.iter().find(|(_, old)| *old == key).map_or(key, |(new, _)| *new).to_owned();
        Some(OtherFact {
            field: name_of_today(field),
            there: self.facts.get(field).cloned(),
            here: other.facts.get(field).cloned(),
        })
    }
}

/// Collects the leaves of a value by their paths.
fn collect(path: &str, value: &Value, facts: &mut BTreeMap<String, String>) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            fields.iter().for_each(|(key, value)| collect(&below(key), value, facts));
        }
        Value::Array(list) if !list.is_empty() => {
            (0..).zip(list).for_each(|(place, value): (usize, _)| collect(&format!("{path}[{place}]"), value, facts));
        }
        leaf => {
            let text = leaf.to_string();
            if ADDED.iter().any(|(field, default)| *field == path && *default == text) {
                return;
            }
            let key = moved::RENAMED.iter().find(|(field, _)| *field == path).map_or(path, |(_, key)| *key);
            facts.insert(key.to_owned(), text);
        }
    }
}

fn hash(prompts: &[String]) -> String {
    let key = prompts.iter().fold(NoiseKey::new(0).named("prompts"), |key, prompt| key.named(prompt));
    format!("{} prompts, {:016x}", prompts.len(), key.bits(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::{MethodSpec, NftSpec, SoupsSpec, WeightingsSpec};

    fn prompts() -> [Vec<String>; 2] {
        [vec!["a cat".to_owned(), "a dog".into()], vec!["a bee".to_owned()]]
    }

    fn of(spec: &ExperimentSpec) -> Fingerprint {
        let [train, held_out] = prompts();
        spec.fingerprint(&RunId("safety".into()), &Weighting::corner(2, 4), [&train, &held_out])
    }

    fn changed(change: impl FnOnce(&mut ExperimentSpec)) -> Option<String> {
        let there = ExperimentSpec::default();
        let mut here = there.clone();
        change(&mut here);
        of(&there).difference(&of(&here)).map(|other| other.field)
    }

    /// The facts of version 1. When this fails, runs of earlier builds are no longer recognised, and cannot be resumed: name the field in
    /// `moved::RENAMED`, or the value at which it changes nothing in `ADDED`. A new version is for numbers that truly change.
    #[test]
    fn the_facts_of_version_1_stand() {
        let mut spec = ExperimentSpec { seed: 7, ..ExperimentSpec::default() };
        spec.training.method = MethodSpec::Nft(NftSpec::default());
        spec.optimiser.ema = Some(0.9);
        let golden = include_str!("fingerprint/version-1.txt");
        assert_eq!(of(&spec).text(), golden);
        assert_eq!(of(&spec).digest(), "3cd3d9e3c43ce56c64f52e228b7aa061");
        assert_eq!(Fingerprint::read(golden), of(&spec));
    }

    #[test]
    fn differences_have_the_fields_names_of_today() {
        assert_eq!(changed(|spec| spec.training.images_per_prompt = 3).unwrap(), "training.images_per_prompt");
    }

    #[test]
    fn what_other_runs_or_reports_depend_on_is_no_part_of_a_run() {
        assert_eq!(changed(|spec| spec.weightings.push(WeightingsSpec::Lattice { divisions: 3 })), None);
        assert_eq!(changed(|spec| spec.soups = vec![SoupsSpec::AtWeightings; 3]), None);
        assert_eq!(changed(|spec| spec.rounds = 3), None);
        assert_eq!(changed(|spec| spec.training.epochs = 999), None);
        assert_eq!(changed(|spec| spec.training.micro_batch = 1), None);
        assert_eq!(changed(|spec| spec.evaluation.seed = 1), None);
        assert_eq!(changed(|spec| spec.evaluation.resamples = 7), None);
        assert_eq!(changed(|spec| spec.name = Some("x".into())), None);
        assert_eq!(changed(|spec| spec.sampler.guidance = 0.0), None, "1 or less is no guidance");
        assert_eq!(changed(|spec| spec.evaluation.guidance = 0.5), None, "1 or less is no guidance");
        assert_eq!(changed(|spec| spec.hypervolume.best.extend([("safety".into(), 0.9)])), None);
    }

    #[test]
    fn what_training_depends_on_is_named() {
        assert_eq!(changed(|spec| spec.optimiser.learning_rate = 0.25).as_deref(), Some("optimiser.learning_rate"));
        assert_eq!(changed(|spec| spec.evaluation.steps = 11).as_deref(), Some("evaluation.steps"), "probes draw so");
        assert_eq!(changed(|spec| spec.sampler.guidance = 1.5).as_deref(), Some("sampler.guidance"));
        assert_eq!(changed(|spec| spec.evaluation.guidance = 1.5).as_deref(), Some("evaluation.guidance"));
        let mut quiet = ExperimentSpec::default();
        quiet.training.probe.every = 0;
        let mut other = quiet.clone();
        other.evaluation.steps = 11;
        assert_eq!(of(&quiet), of(&other), "without probes nothing is drawn so");
        assert_eq!(changed(|spec| spec.rewards.truncate(3)).as_deref(), Some("rewards[3].beside"));
        let spec = ExperimentSpec::default();
        let [train, held_out] = prompts();
        let other = spec.fingerprint(&RunId("safety".into()), &Weighting::corner(2, 4), [&held_out, &train]);
        let difference = of(&spec).difference(&other).unwrap();
        assert_eq!(difference.field, "prompts.train");
        assert!(difference.there.unwrap().starts_with("2 prompts"));
    }
}
