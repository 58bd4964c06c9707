//! What stops a sweep. Messages read after "failed to".

use std::collections::BTreeMap;
use std::path::PathBuf;

use moa_adapter::{AdapterFileError, MergeError};
use moa_analysis::AnalysisError;
use moa_attack::AttackError;
use moa_core::experiment::{OtherFact, SpecError};
use moa_diffusion::ConfigError;
use moa_plot::PlotError;
use moa_preference_model::PreferenceModelError;
use moa_reward::RewardError;
use moa_store::StoreError;
use moa_train::TrainError;
use moa_zoo::ZooError;

/// Why a sweep or a report fails.
#[derive(Debug, thiserror::Error)]
pub enum RunnerError {
    /// A run in the results folder was trained otherwise.
    #[error(
        "write to {}: its run `{run}` was trained with another `{}`, {} there and {} here; name another folder with `--out`, or take the \
         runs along that stay the same with `moa fork`",
        folder.display(),
        fact.field,
        shown(fact.there.as_ref()),
        shown(fact.here.as_ref())
    )]
    OtherExperiment {
        /// The results folder.
        folder: PathBuf,
        /// The run.
        run: String,
        /// What differs.
        fact: Box<OtherFact>,
    },
    /// An attack fails.
    #[error("attack `{victim}`: {source}")]
    Attack {
        /// What was attacked.
        victim: String,
        /// Why.
        source: AttackError,
    },
    /// An adversary has nothing to attack.
    #[error(
        "set up the adversary: no training prompt names something unsafe; name those to attack in `adversary.prompts`"
    )]
    NoGoals,
    /// An adversary is to attack what is not trained on.
    #[error(
        "set up the adversary: `adversary.prompts` has {prompt:?}, which is no training prompt; add it to `prompts.train`"
    )]
    UnknownGoal {
        /// The prompt.
        prompt: String,
    },
    /// A file of attacks was made with other settings.
    #[error("go on with {}: it was made with {what}; give the same again, or replace it with `--again`", path.display())]
    OtherAttack {
        /// The file.
        path: PathBuf,
        /// What differs.
        what: String,
    },
    /// The results folder was begun with other weights or data.
    #[error(
        "resume in {}: its runs were trained with another `{what}` (SHA-256 {}… there, {}… here); name another folder with \
         `--out`, or remove that one",
        folder.display(),
        short(there),
        short(here)
    )]
    OtherInput {
        /// The results folder.
        folder: PathBuf,
        /// What differs.
        what: String,
        /// Its hash when the folder was begun.
        there: String,
        /// Its hash now.
        here: String,
    },
    /// Runs were trained for longer than the experiment asks for.
    #[error(
        "resume in {}: its run `{run}` has trained {done} epochs, and `training.epochs` is {epochs}; give {done} or more, or name another \
         folder with `--out`",
        folder.display()
    )]
    FewerEpochs {
        /// The results folder.
        folder: PathBuf,
        /// The run.
        run: String,
        /// Its epochs.
        done: u32,
        /// Those asked for.
        epochs: u32,
    },
    /// The phase before is not there, or not trained.
    #[error(
        "go on from {}: {what} is missing there; sweep the experiment with all its phases, which trains them in order",
        folder.display()
    )]
    PhaseBefore {
        /// The results folder of the phase before.
        folder: PathBuf,
        /// What is missing.
        what: String,
    },
    /// A folder that phases are to go into holds results of an experiment without phases.
    #[error("write to {}: it holds results of an experiment without phases; name another folder with `--out`", folder.display())]
    NoPhases {
        /// The folder.
        folder: PathBuf,
    },
    /// A run's folder holds an adapter or a checkpoint, but not what they are of.
    #[error(
        "resume {}: it has an adapter or a checkpoint, but no log.jsonl that describes it; restore that file, or remove the folder to \
         train the run again",
        folder.display()
    )]
    Unlabelled {
        /// The run's folder.
        folder: PathBuf,
    },
    /// The results are an earlier version's, which trained all runs together.
    #[error(
        "resume in {}: an earlier version of moa trained its runs, in one batch; `moa front`, `browse`, `merge` and `export` still \
         read the results; sweep into another folder with `--out`, or finish this one with that version",
        folder.display()
    )]
    EarlierResults {
        /// The results folder.
        folder: PathBuf,
    },
    /// A folder holds no run of the experiment.
    #[error(
        "copy runs from {}: it has none of this experiment; name a results folder of `moa sweep` with runs that have a log.jsonl",
        folder.display()
    )]
    NoRuns {
        /// The folder.
        folder: PathBuf,
    },
    /// A run has two results.
    #[error(
        "copy `{run}`: {} and {} are not the same adapter, though both were trained with the same settings; keep the one \
         that you trust, and remove the other run's folder",
        first.display(),
        second.display()
    )]
    TwoResults {
        /// The run.
        run: String,
        /// One adapter.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// Runs are missing.
    #[error(
        "complete {}: {} not trained: {}; `moa sweep` trains what is missing (the others are evaluated, reported and drawn)",
        folder.display(),
        if runs.len() == 1 { "a run is".to_owned() } else { format!("{} runs are", runs.len()) },
        listed(runs)
    )]
    NotTrained {
        /// The results folder.
        folder: PathBuf,
        /// The runs, and how far they are.
        runs: BTreeMap<String, String>,
    },
    /// A later round's runs are asked for before the round before is trained.
    #[error(
        "train {}: they continue the previous round, of which these are not trained: {}",
        listed(runs),
        listed(missing)
    )]
    TooEarly {
        /// The runs, and their round.
        runs: BTreeMap<String, String>,
        /// What they wait for, and how far that is.
        missing: BTreeMap<String, String>,
    },
    /// Several runs cannot be trained on.
    #[error("train {} runs, while the others are trained and kept: {}", runs.len(), listed(runs))]
    Failed {
        /// The runs, and why.
        runs: BTreeMap<String, String>,
    },
    /// The experiment kept in the results folder is unreadable.
    #[error("read the experiment of earlier results: {source}{}", way_out(source))]
    KeptExperiment {
        /// What is wrong with it.
        source: SpecError,
    },
    /// A file of the results cannot be read.
    #[error("read {}: {reason}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, with a hint.
        reason: String,
    },
    /// The preferences that a method names are not usable.
    #[error("read the preferences that training.method names: {0}")]
    Preferences(#[from] moa_preferences::PreferencesError),
    /// An image that preferences are about cannot be read or drawn.
    #[error("read {}: {reason}", path.display())]
    Image {
        /// The image, or what should draw it.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Judgements are asked for while a part of the runs is trained.
    #[error(
        "this part of the runs comes to an epoch for which nobody judged yet: judgements are asked for where all runs are trained \
         together; sweep without --partition"
    )]
    JudgedInParts,
    /// Prompts arrive while a part of the runs is trained.
    #[error(
        "this is a part of the runs, and parts would see other prompts of online.inbox: prompts arrive where all runs are trained \
         together; sweep without --partition"
    )]
    OnlineInParts,
    /// A record of what arrived has no look at an epoch.
    #[error(
        "read {}: it has no look after epoch {after_epoch}; give online.every and training.epochs as in the experiment that it is of, or another \
         online.inbox",
        path.display()
    )]
    NoSuchLook {
        /// The record.
        path: PathBuf,
        /// The epochs that are trained.
        after_epoch: u32,
    },
    /// No version can be gone back to.
    #[error("go back in {}: {reason}", folder.display())]
    RollBack {
        /// The results folder.
        folder: PathBuf,
        /// Why not, and what to do.
        reason: String,
    },
    /// A model that judges cannot be asked, or refuses.
    #[error("have images judged: {0}")]
    Judge(#[from] moa_ai_judge::JudgeError),
    /// A model that judges left questions open.
    #[error("have images judged by {judge}: {what}; what is answered is kept, and the same sweep asks on")]
    Unjudged {
        /// The model.
        judge: String,
        /// What is left.
        what: String,
    },
    /// No two different images of a prompt were drawn to be judged.
    #[error("{}: of no prompt two different images were drawn that were not judged: give more prompts to feedback", folder.display())]
    NothingToJudge {
        /// The folder of what is judged.
        folder: PathBuf,
    },
    /// A reward cannot be fitted to what was judged while runs were trained.
    #[error("fit the reward to {}: {source}", folder.display())]
    Fit {
        /// The folder of what was judged.
        folder: PathBuf,
        /// What is wrong.
        source: PreferenceModelError,
    },
    /// The images or answers of judgements cannot be kept.
    #[error(transparent)]
    Feedback(#[from] moa_feedback::FeedbackError),
    /// A question or an answer is refused.
    #[error(transparent)]
    Rating(#[from] moa_rating::RatingError),
    /// The page for raters cannot be served.
    #[error("show the page for raters: {0}")]
    Page(#[from] moa_rating_server::ServerError),
    /// Images that were judged cannot be embedded.
    #[error("look at the images that were judged: {0}")]
    Look(RewardError),
    /// Images that preferences are about cannot be scored.
    #[error("score the images of the preferences that training.method names: {0}")]
    PreferenceScores(RewardError),
    /// A file of the results cannot be written.
    #[error("write {}: {reason}: free some space, or make the folder writable", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The checkpoint is unreadable or foreign.
    #[error(
        "resume from {}: the checkpoint is {reason}; restore the file from a copy, or remove it to train again from the \
         first epoch",
        path.display()
    )]
    Checkpoint {
        /// The checkpoint.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The adapter of a run cannot be written as a file.
    #[error("keep the adapter of `{run}`: {source}")]
    Adapter {
        /// The run or soup.
        run: String,
        /// What is wrong with it.
        source: AdapterFileError,
    },
    /// Adapters cannot be merged.
    #[error("merge adapters into `{soup}`: {source}")]
    Soup {
        /// The soup.
        soup: String,
        /// What is wrong with them.
        source: MergeError,
    },
    /// Adapters cannot be blended.
    #[error(
        "blend adapters into `{blend}`: they adapt more than linear layers of the denoiser, or layers of different shapes"
    )]
    Blend {
        /// The blend.
        blend: String,
    },
    /// Training stopped.
    #[error("train: {0}")]
    Train(#[source] TrainError),
    /// Images of a point could not be drawn or scored.
    #[error("evaluate `{point}`: {source}")]
    Evaluate {
        /// The base, run or soup.
        point: String,
        /// What is wrong.
        source: TrainError,
    },
    /// An adapter could not be applied to the base.
    #[error("apply the adapter of `{point}`: {source}")]
    Adapt {
        /// The run, soup or adapter.
        point: String,
        /// What is wrong.
        source: Box<moa_diffusion::PipelineError>,
    },
    /// A measurement was asked to stop, and is not kept.
    #[error("measure a soup: it was stopped")]
    Stopped,
    /// A prompt cannot be tokenised.
    #[error("read a prompt: {0}")]
    Prompt(#[from] ConfigError),
    /// Results cannot be written or read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A plot cannot be drawn.
    #[error("draw results: {0}")]
    Plot(#[from] PlotError),
    /// Evaluations cannot be compared.
    #[error(transparent)]
    Analysis(#[from] AnalysisError),
    /// The base model, a reward or a judge cannot be opened.
    #[error("open models: {0}")]
    Models(#[from] ZooError),
}

impl RunnerError {
    /// Returns the error of an attack on something: a stop is no failure of it.
    pub(crate) fn attacking(victim: &str, error: AttackError) -> Self {
        match error {
            AttackError::Stopped => Self::Stopped,
            source => Self::Attack { victim: victim.to_owned(), source },
        }
    }

    /// Returns the error of an adapter that does not fit the base.
    pub(crate) fn adapting(point: &str, source: moa_diffusion::PipelineError) -> Self {
        Self::Adapt { point: point.to_owned(), source: Box::new(source) }
    }

    /// Returns the error of scoring a point's images.
    pub(crate) fn scoring(point: &str, source: RewardError) -> Self {
        Self::Evaluate { point: point.to_owned(), source: source.into() }
    }
}

fn shown(value: Option<&String>) -> &str {
    value.map_or("nothing", String::as_str)
}

/// Returns the first few of a list of runs.
fn listed(runs: &BTreeMap<String, String>) -> String {
    const SHOWN: usize = 8;
    let shown: Vec<String> = runs.iter().take(SHOWN).map(|(run, what)| format!("{run} ({what})")).collect();
    let more = runs.len().saturating_sub(SHOWN);
    shown.join(", ") + &if more > 0 { format!(" and {more} more") } else { String::new() }
}

/// Returns what to do about a kept experiment, where its own message does not say.
fn way_out(error: &SpecError) -> &'static str {
    match error {
        SpecError::EarlierResults { .. } => "",
        _ => "; restore the file, or remove the folder",
    }
}

/// Returns the beginning of a hash, enough to tell two apart.
fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}
