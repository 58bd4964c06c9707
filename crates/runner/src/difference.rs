//! What is different between two experiments.

use moa_core::ExperimentSpec;
use serde_json::Value;

/// Longer values are cut in messages.
const LONGEST: usize = 60;

/// The first field in which two experiments differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    /// Its path, e.g. `optimiser.learning_rate`.
    pub(crate) field: String,
    /// Its value in the first experiment.
    pub(crate) there: String,
    /// Its value in the second.
    pub(crate) here: String,
}

/// Returns the first difference that makes results incomparable.
///
/// The experiment's name, how intervals and hypervolume are computed, how many prompts grids show and whether soups and
/// blends are made do not count: they change what is reported of adapters, not the adapters. Neither does how the work is cut, which
/// changes them by rounding alone.
pub(crate) fn first_difference(there: &ExperimentSpec, here: &ExperimentSpec) -> Option<Difference> {
    let value = |spec: &ExperimentSpec| serde_json::to_value(comparable(spec)).unwrap_or(Value::Null);
    walk("", &value(there), &value(here))
}

/// Returns the experiment with everything at its default that only reports depend on.
fn comparable(spec: &ExperimentSpec) -> ExperimentSpec {
    let default = ExperimentSpec::default();
    let mut spec = spec.clone();
    spec.name = None;
    spec.hypervolume = default.hypervolume;
    spec.evaluation.prompts = None;
    spec.evaluation.resamples = default.evaluation.resamples;
    spec.evaluation.grid_prompts = default.evaluation.grid_prompts;
    spec.soups = default.soups;
    spec.blends = default.blends;
    // What changes results by rounding alone may change, so that a sweep that ran out of memory goes on.
    spec.training.micro_batch = default.training.micro_batch;
    spec.training.gradient_checkpointing = default.training.gradient_checkpointing;
    spec
}

fn walk(path: &str, there: &Value, here: &Value) -> Option<Difference> {
    let differ = || {
        let differs = there != here;
        differs.then(|| Difference { field: path.to_owned(), there: shown(there), here: shown(here) })
    };
    match (there, here) {
        (Value::Object(left), Value::Object(right)) => {
            if left.keys().ne(right.keys()) {
                return differ();
            }
            let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
            left.iter().zip(right.values()).find_map(|((key, left), right)| walk(&below(key), left, right))
        }
        (Value::Array(left), Value::Array(right)) => {
            let inner = left.iter().zip(right).enumerate();
            let found = inner.into_iter().find_map(|(i, (left, right))| walk(&format!("{path}[{i}]"), left, right));
            found.or_else(|| {
                let list = |list: &[Value]| format!("a list of {}", list.len());
                (left.len() != right.len()).then(|| Difference {
                    field: path.to_owned(),
                    there: list(left),
                    here: list(right),
                })
            })
        }
        _ => differ(),
    }
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= LONGEST {
        return text;
    }
    text.chars().take(LONGEST).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use moa_core::experiment::{Precision, PromptSource, SamplerKind, SoupsSpec, WeightingsSpec};

    use super::*;

    fn difference(change: impl FnOnce(&mut ExperimentSpec)) -> Option<Difference> {
        let there = ExperimentSpec::default();
        let mut here = there.clone();
        change(&mut here);
        first_difference(&there, &here)
    }

    #[test]
    fn the_field_that_differs_is_named_with_both_values() {
        let found = difference(|spec| spec.optimiser.learning_rate = 0.25).unwrap();
        assert_eq!((&found.field[..], &found.there[..], &found.here[..]), ("optimiser.learning_rate", "0.005", "0.25"));
        let found = difference(|spec| spec.sampler.kind = SamplerKind::Ddim { eta: 1.0 }).unwrap();
        assert_eq!(found.field, "sampler.kind");
        let found = difference(|spec| spec.weightings.push(WeightingsSpec::Lattice { divisions: 2 })).unwrap();
        assert_eq!((&found.field[..], &found.here[..]), ("weightings", "a list of 3"));
    }

    #[test]
    fn a_changed_prompt_is_named_by_its_place() {
        let list = |texts: [&str; 2]| PromptSource::List(texts.map(str::to_owned).to_vec());
        let mut there = ExperimentSpec::default();
        there.prompts.train = list(["a cat", "a dog"]);
        let mut here = there.clone();
        here.prompts.train = list(["a cat", "a bee"]);
        assert_eq!(first_difference(&there, &here).unwrap().field, "prompts.train.List[1]");
    }

    #[test]
    fn what_only_reports_depend_on_may_change() {
        assert_eq!(difference(|_| ()), None);
        assert_eq!(difference(|spec| spec.evaluation.resamples = 10), None);
        assert_eq!(difference(|spec| spec.soups.clear()), None);
        assert_eq!(difference(|spec| spec.blends.push(SoupsSpec::AtWeightings)), None);
        assert_eq!(difference(|spec| spec.hypervolume.best.extend([("safety".into(), 0.9)])), None);
        assert_eq!(difference(|spec| spec.training.micro_batch = 3), None);
        assert_eq!(difference(|spec| spec.training.gradient_checkpointing = Some(true)), None);
        assert!(difference(|spec| spec.evaluation.steps = 11).is_some());
        assert_eq!(difference(|spec| spec.precision = Precision::Bf16).unwrap().field, "precision");
    }
}
