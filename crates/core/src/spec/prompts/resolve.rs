//! From prompt sources to prompts.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;

use super::{PromptSource, Prompts};
use crate::spec::bounds::{LARGEST_PROMPT_FILE, LONGEST_PROMPT, MOST_PROMPTS};
use crate::spec::finding::{Finding, Source};
use crate::spec::read::text_of;
use crate::spec::{ExperimentSpec, SpecError};

impl PromptSource {
    /// Returns the prompts, trimmed, in their order. `experiment` is the experiment file, whose folder relative paths
    /// count from; `field` names the source in messages; `sets` knows the sets of the base model by name.
    ///
    /// # Errors
    /// Refuses unknown sets, files that cannot be read, lists that are empty, blank or overlong prompts, and duplicates.
    pub fn resolve(
        &self,
        field: &str,
        experiment: &Path,
        sets: &dyn Fn(&str) -> Option<Vec<String>>,
    ) -> Result<Vec<String>, SpecError> {
        self.prompts(field, experiment, sets).map_err(|finding| located(experiment, finding))
    }

    fn prompts(
        &self,
        field: &str,
        experiment: &Path,
        sets: &dyn Fn(&str) -> Option<Vec<String>>,
    ) -> Result<Vec<String>, Finding> {
        let prompts = match self {
            Self::Set(name) => sets(name).ok_or_else(|| {
                Finding::value(
                    field,
                    format!("Set({name:?})"),
                    "the base model ships no such set: name one that it does",
                )
            })?,
            Self::List(list) => list.iter().map(|prompt| prompt.trim().to_owned()).collect(),
            Self::File(path) => {
                let path = experiment.parent().unwrap_or(Path::new("")).join(path);
                let text = text_of(&path, LARGEST_PROMPT_FILE)
                    .map_err(|problem| Finding::state(field, format!("the file {}", path.display()), problem))?;
                let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
                lines.map(str::to_owned).collect()
            }
        };
        check_list(field, &prompts)?;
        Ok(prompts)
    }
}

impl ExperimentSpec {
    /// Returns the prompts of the experiment in the file `experiment`, held-out ones cut to `evaluation.prompts`.
    ///
    /// # Errors
    /// Refuses what [`PromptSource::resolve`] does, a prompt that is both trained on and held out (letter case and runs of
    /// blanks aside), and fewer prompts than an epoch or the evaluation asks for.
    pub fn resolve_prompts(
        &self,
        experiment: &Path,
        sets: &dyn Fn(&str) -> Option<Vec<String>>,
    ) -> Result<Prompts, SpecError> {
        let train = self.prompts.train.resolve("prompts.train", experiment, sets)?;
        let held_out = self.prompts.held_out.resolve("prompts.held_out", experiment, sets)?;
        self.split(train, held_out).map_err(|finding| located(experiment, finding))
    }

    fn split(&self, train: Vec<String>, mut held_out: Vec<String>) -> Result<Prompts, Finding> {
        let trained: HashSet<String> = train.iter().map(|prompt| as_read(prompt)).collect();
        if let Some(both) = held_out.iter().find(|prompt| trained.contains(&as_read(prompt))) {
            let state = format!("a list with {both:?}, which is in prompts.train too");
            return Err(Finding::state("prompts.held_out", state, "hold it out or train on it, not both"));
        }
        let wanted = self.training.prompts_per_epoch;
        if wanted as usize > train.len() {
            let way_out = format!("prompts.train has {0}: give at most {0}", train.len());
            return Err(Finding::value("training.prompts_per_epoch", wanted.to_string(), way_out));
        }
        if let Some(wanted) = self.evaluation.prompts {
            if wanted as usize > held_out.len() {
                let way_out = format!("prompts.held_out has {0}: give at most {0}", held_out.len());
                return Err(Finding::value("evaluation.prompts", wanted.to_string(), way_out));
            }
            held_out.truncate(wanted as usize);
        }
        Ok(Prompts { train, held_out })
    }
}

/// Returns the prompt as text encoders read it: letter case and runs of blanks do not matter.
fn as_read(prompt: &str) -> String {
    prompt.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Points at the field in the experiment file as far as that can still be read.
fn located(experiment: &Path, finding: Finding) -> SpecError {
    let text = fs::read_to_string(experiment).unwrap_or_default();
    Source::new(&experiment.display().to_string(), &text).error(finding)
}

/// Refuses lists that are empty or huge, and prompts that are blank, overlong or given twice.
pub(in crate::spec) fn check_list(field: &str, prompts: &[String]) -> Result<(), Finding> {
    if prompts.is_empty() {
        return Err(Finding::state(field, "without a prompt", "give at least one"));
    }
    if prompts.len() > MOST_PROMPTS {
        let state = format!("a list of {} prompts", prompts.len());
        return Err(Finding::state(field, state, format!("give at most {MOST_PROMPTS}")));
    }
    let mut seen = HashMap::new();
    for (index, prompt) in prompts.iter().map(|prompt| prompt.trim()).enumerate() {
        if prompt.is_empty() {
            return Err(Finding::value(format!("{field}[{index}]"), "\"\"", "say what to draw"));
        }
        let length = prompt.chars().count();
        if length > LONGEST_PROMPT {
            let state = format!("{length} characters long");
            return Err(Finding::state(format!("{field}[{index}]"), state, format!("give at most {LONGEST_PROMPT}")));
        }
        if let Some(first) = seen.insert(prompt, index) {
            let way_out = format!("it is {field}[{first}] already: give each prompt once");
            return Err(Finding::value(format!("{field}[{index}]"), format!("{prompt:?}"), way_out));
        }
    }
    Ok(())
}
