//! What keeps evaluations from being compared. Messages read after "failed to".

use std::path::PathBuf;

use moa_pareto::ParetoError;
use moa_store::StoreError;

/// Why evaluations cannot be analysed.
#[derive(Debug, thiserror::Error)]
pub enum AnalysisError {
    /// Evaluations do not fit each other.
    #[error("compare evaluations: {0}")]
    Compare(#[from] ParetoError),
    /// Gains cannot be counted.
    #[error("compare with the base: it is not evaluated on these prompts yet (let the sweep end first)")]
    NoBase,
    /// Columns of one name are over other prompts.
    #[error("compare `{column}` of two points: they are evaluated on different prompts")]
    OtherPrompts {
        /// The reward or judge.
        column: String,
    },
    /// A file of attacks cannot be used.
    #[error("read the attacks in {}: {reason}; remove it, and `moa attack` makes it again", path.display())]
    Attacks {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The results of phases cannot be read.
    #[error("read the phases: {reason}")]
    Phases {
        /// What is wrong.
        reason: String,
    },
    /// No results were given.
    #[error("compare results: name at least two folders of results")]
    NothingToCompare,
    /// A sweep has not come to its end.
    #[error(
        "compare {}: its sweep is not complete, {evaluated} of {runs} adapters are evaluated; the same `moa sweep` resumes it",
        folder.display()
    )]
    Incomplete {
        /// The results folder.
        folder: PathBuf,
        /// Adapters that are evaluated.
        evaluated: usize,
        /// Adapters of the experiment.
        runs: usize,
    },
    /// Two sweeps differ in what they must share.
    #[error("compare {0}")]
    Incomparable(Box<Mismatch>),
    /// Two folders hold the same sweep.
    #[error(
        "compare {} with {}: both hold the same experiment with `seed: {seed}` and `evaluation.seed: {evaluation_seed}`, and would \
         count as two seeds of it; leave one of them out",
        one.display(),
        other.display()
    )]
    SameSeeds {
        /// The first folder.
        one: PathBuf,
        /// The second folder.
        other: PathBuf,
        /// The seed of both.
        seed: u64,
        /// The seed of the evaluation noise of both.
        evaluation_seed: u64,
    },
    /// The baseline is none of the experiments.
    #[error("compare with `{name}`: the experiments are {}", known.join(", "))]
    UnknownExperiment {
        /// The name given.
        name: String,
        /// The experiments' names.
        known: Vec<String>,
    },
    /// The stored scale of the hypervolume cannot be used.
    #[error("read {}: {reason}; remove the file, and the next `moa sweep` of the folder makes it again", path.display())]
    Scale {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The cards of an explanation cannot be used.
    #[error("read {}: {reason}; the same `moa explain` makes it again", path.display())]
    Cards {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Constraints of a search exclude each other.
    #[error("keep all constraints: {objective} must be at least {least} and at most {most}, and no value is both")]
    Contradiction {
        /// What they are about.
        objective: String,
        /// The lower bound.
        least: f64,
        /// The upper bound.
        most: f64,
    },
    /// The scale of the hypervolume cannot be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What keeps two sweeps from being compared.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} with {}: they differ in {field}, which is `{there}` in the first and `{here}` in the second; compare {needed}",
    one.display(),
    other.display()
)]
pub struct Mismatch {
    /// The first folder.
    pub one: PathBuf,
    /// The second folder.
    pub other: PathBuf,
    /// The file and the field.
    pub field: String,
    /// The value in the first.
    pub there: String,
    /// The value in the second.
    pub here: String,
    /// What can be compared.
    pub needed: &'static str,
}
