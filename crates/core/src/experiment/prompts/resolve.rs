//! From prompt sources to prompts.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::Path;

use super::split::split;
use super::{Form, PromptSource, Prompts};
use crate::experiment::bounds::{LARGEST_PROMPT_FILE, LONGEST_PROMPT, MOST_PROMPTS};
use crate::experiment::finding::{Finding, Source};
use crate::experiment::read::text_of;
use crate::experiment::{BUILT_IN_BASE, BaseName, ExperimentSpec, SpecError};

/// Prompts of one source, and how many more there were that say the same.
struct Found {
    prompts: Vec<String>,
    duplicates: usize,
}

impl PromptSource {
    /// Returns the prompts, trimmed, in their order. `experiment` is the experiment file, whose folder relative paths
    /// count from; `field` names the source in messages; `sets` knows the sets of the base model by name.
    ///
    /// # Errors
    /// Refuses unknown sets, files that cannot be read, columns that are not there, lists that are empty, blank or overlong
    /// prompts, duplicates in lists, and a split, which is none without prompts to split.
    pub fn resolve(
        &self,
        field: &str,
        experiment: &Path,
        sets: &dyn Fn(&str) -> Option<Vec<String>>,
    ) -> Result<Vec<String>, SpecError> {
        let found = self.find(field, experiment, sets).map_err(|finding| located(experiment, finding))?;
        Ok(found.prompts)
    }

    fn find(
        &self,
        field: &str,
        experiment: &Path,
        sets: &dyn Fn(&str) -> Option<Vec<String>>,
    ) -> Result<Found, Finding> {
        let no_filter = BTreeMap::new();
        let found = match self {
            Self::Set(name) => {
                let prompts = sets(name).ok_or_else(|| {
                    Finding::value(
                        field,
                        format!("Set({name:?})"),
                        "the base model ships no such set: name one that it does",
                    )
                })?;
                Found { prompts, duplicates: 0 }
            }
            Self::List(list) => {
                let prompts = list.iter().map(|prompt| prompt.trim().to_owned()).collect();
                Found { prompts, duplicates: 0 }
            }
            Self::File(path) => in_file(field, experiment, path, None, &no_filter)?,
            Self::Table { file, column, filter } => in_file(field, experiment, file, column.as_deref(), filter)?,
            Self::Split { .. } => return Err(split_alone(field)),
        };
        check_list(field, &found.prompts)?;
        Ok(found)
    }
}

/// Refuses a split where there is nothing to split.
pub(in crate::experiment) fn split_alone(field: &str) -> Finding {
    Finding::state(field, "a split", "only prompts.held_out can be split, from prompts.train: name a file, list or set")
}

/// Reads a file by its ending, without duplicates.
fn in_file(
    field: &str,
    experiment: &Path,
    path: &Path,
    column: Option<&str>,
    filter: &BTreeMap<String, String>,
) -> Result<Found, Finding> {
    let path = experiment.parent().unwrap_or(Path::new("")).join(path);
    let refuse = |problem| Finding::state(field, format!("the file {}", path.display()), problem);
    let text = text_of(&path, LARGEST_PROMPT_FILE).map_err(refuse)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut prompts: Vec<String> = if let Some(form) = Form::of(&path) {
        form.prompts(text, column, filter).map_err(refuse)?
    } else {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines.map(str::to_owned).collect()
    };
    let all = prompts.len();
    let mut seen = HashSet::new();
    prompts.retain(|prompt| seen.insert(as_read(prompt)));
    let duplicates = all - prompts.len();
    Ok(Found { prompts, duplicates })
}

impl ExperimentSpec {
    /// Returns the prompts of the experiment in the file `experiment`, held-out ones cut to `evaluation.prompts`.
    ///
    /// # Errors
    /// Refuses what [`PromptSource::resolve`] does, sets where the base is not the built-in one, whose they are, a prompt that is both trained on and held out (letter case and runs of
    /// blanks aside), and fewer prompts than an epoch or the evaluation asks for.
    pub fn resolve_prompts(
        &self,
        experiment: &Path,
        sets: &dyn Fn(&str) -> Option<Vec<String>>,
    ) -> Result<Prompts, SpecError> {
        self.find_prompts(experiment, sets).map_err(|finding| located(experiment, finding))
    }

    /// Returns the experiment's phases, each as an experiment of its own with its prompts; none of an experiment without phases.
    ///
    /// # Errors
    /// As [`ExperimentSpec::resolve_prompts`], of each phase; refuses a prompt that one phase trains on and another is evaluated on.
    pub fn resolve_phases(
        &self,
        experiment: &Path,
        sets: &dyn Fn(&str) -> Option<Vec<String>>,
    ) -> Result<Vec<(Self, Prompts)>, SpecError> {
        self.find_phases(experiment, sets).map_err(|finding| located(experiment, finding))
    }

    fn find_phases(
        &self,
        experiment: &Path,
        sets: &dyn Fn(&str) -> Option<Vec<String>>,
    ) -> Result<Vec<(Self, Prompts)>, Finding> {
        let mut phases = Vec::new();
        for (index, phase) in self.phases.iter().enumerate() {
            let Some(spec) = self.phase(index) else { continue };
            let prompts = spec.find_prompts(experiment, sets).map_err(|finding| phase.located(index, finding))?;
            phases.push((spec, prompts));
        }
        for (index, (_, own)) in phases.iter().enumerate() {
            let held_out: HashSet<String> = own.held_out.iter().map(|prompt| as_read(prompt)).collect();
            for (other, (_, theirs)) in phases.iter().enumerate() {
                if let Some(both) = theirs.train.iter().find(|prompt| held_out.contains(&as_read(prompt))) {
                    let state =
                        format!("a list with {both:?}, which the phase `{}` trains on", self.phases[other].name);
                    let way_out =
                        "the adapters of all phases are evaluated on it: hold out prompts that no phase trains on";
                    let finding = Finding::state("prompts.held_out", state, way_out);
                    return Err(self.phases[index].located(index, finding));
                }
            }
        }
        Ok(phases)
    }

    fn find_prompts(&self, experiment: &Path, sets: &dyn Fn(&str) -> Option<Vec<String>>) -> Result<Prompts, Finding> {
        if BaseName::of(&self.base) != BaseName::BuiltIn {
            for (field, source) in
                [("prompts.train", &self.prompts.train), ("prompts.held_out", &self.prompts.held_out)]
            {
                if let PromptSource::Set(name) = source {
                    let way_out = format!(
                        "the sets are {BUILT_IN_BASE}'s own, and base is another model: give prompts of your own, such as \
                         prompts: (train: File(\"prompts.txt\"), held_out: Split(share: 0.2))"
                    );
                    return Err(Finding::state(field, format!("the set {name:?}"), way_out));
                }
            }
        }
        let train = self.prompts.train.find("prompts.train", experiment, sets)?;
        let PromptSource::Split { share, seed } = self.prompts.held_out else {
            let held_out = self.prompts.held_out.find("prompts.held_out", experiment, sets)?;
            let duplicates = train.duplicates + held_out.duplicates;
            return self.enough(train.prompts, held_out.prompts, duplicates);
        };
        if train.prompts.len() < 2 {
            let way_out = "prompts.train has 1, which cannot be split: give at least 2";
            return Err(Finding::state("prompts.held_out", "a split", way_out));
        }
        let [kept, held_out] = split(train.prompts, share, seed);
        self.enough(kept, held_out, train.duplicates)
    }

    /// Checks the two lists beside each other and beside what epochs and evaluation ask for.
    fn enough(&self, train: Vec<String>, mut held_out: Vec<String>, duplicates: usize) -> Result<Prompts, Finding> {
        let trained: HashSet<String> = train.iter().map(|prompt| as_read(prompt)).collect();
        if let Some(both) = held_out.iter().find(|prompt| trained.contains(&as_read(prompt))) {
            let state = format!("a list with {both:?}, which is in prompts.train too");
            return Err(Finding::state("prompts.held_out", state, "hold it out or train on it, not both"));
        }
        let wanted = self.training.prompts_per_epoch;
        // Without runs nothing is trained on them.
        let trains = !self.weightings.is_empty();
        if trains && wanted as usize > train.len() {
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
        Ok(Prompts { train, held_out, duplicates })
    }
}

/// Returns the prompt as text encoders read it: letter case and runs of blanks do not matter.
pub fn as_read(prompt: &str) -> String {
    prompt.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Points at the field in the experiment file as far as that can still be read.
fn located(experiment: &Path, finding: Finding) -> SpecError {
    let text = fs::read_to_string(experiment).unwrap_or_default();
    Source::new(&experiment.display().to_string(), &text).error(finding)
}

/// Refuses lists that are empty or huge, and prompts that are blank, overlong or given twice.
pub(in crate::experiment) fn check_list(field: &str, prompts: &[String]) -> Result<(), Finding> {
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
