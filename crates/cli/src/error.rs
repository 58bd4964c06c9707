//! What a command ends with when it cannot do what was asked: one message, hints, and an exit code.

use std::process::ExitCode;

use moa_analysis::AnalysisError;
use moa_core::experiment::SpecError;
use moa_preferences::PreferencesError;
use moa_reward::RewardError;
use moa_runner::RunnerError;
use moa_store::StoreError;
use moa_tensorboard::TensorBoardError;
use moa_train::TrainError;
use moa_zoo::ZooError;
use moa_zoo::pretrain::PretrainError;

use crate::notes::note;
use crate::shell;
use crate::suggest::did_you_mean;

/// Why a command ended without its result.
#[derive(Debug)]
pub(crate) struct CliError {
    message: String,
    hints: Vec<String>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Something went wrong.
    Failure,
    /// The command line or an experiment file is invalid.
    Usage,
    /// It is done, and something is to follow.
    Further,
    /// The user stopped it.
    Interrupted,
}

impl CliError {
    /// Returns the error of something that went wrong.
    pub(crate) fn failure(message: impl Into<String>) -> Self {
        Self { message: message.into(), hints: Vec::new(), kind: Kind::Failure }
    }

    /// Returns the error of an invalid request.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { kind: Kind::Usage, ..Self::failure(message) }
    }

    /// Returns the end of a command that its user stopped; `message` says how to resume.
    pub(crate) fn interrupted(message: impl Into<String>) -> Self {
        Self { kind: Kind::Interrupted, ..Self::failure(message) }
    }

    /// Returns the end of a command after which another is to follow, as `message` says.
    pub(crate) fn further(message: impl Into<String>) -> Self {
        Self { kind: Kind::Further, ..Self::failure(message) }
    }

    /// Returns the end of a search for something that is not there, after its answer was printed.
    pub(crate) fn infeasible() -> Self {
        Self::failure("infeasible: the answer above is the nearest that was measured")
    }

    /// Adds a hint.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds a hint, if there is one.
    pub(crate) fn maybe_hint(self, hint: Option<String>) -> Self {
        match hint {
            Some(hint) => self.hint(hint),
            None => self,
        }
    }

    /// Returns what it says, without hints.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// Says it on standard error.
    pub(crate) fn show(&self) {
        match self.kind {
            Kind::Interrupted | Kind::Further => note(&self.message),
            Kind::Failure | Kind::Usage => note(&format!("error: {}", self.message)),
        }
        for hint in &self.hints {
            note(&format!("hint: {hint}"));
        }
    }

    /// Says it, and returns the exit code.
    pub(crate) fn end(&self) -> ExitCode {
        self.show();
        self.exit_code()
    }

    /// Returns the exit code: 1 for failures, 2 for usage, 3 where something is to follow, 130 for interruptions (as shells count SIGINT).
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self.kind {
            Kind::Failure => ExitCode::from(1),
            Kind::Usage => ExitCode::from(2),
            Kind::Further => ExitCode::from(3),
            Kind::Interrupted => ExitCode::from(130),
        }
    }
}

impl From<SpecError> for CliError {
    fn from(error: SpecError) -> Self {
        let hint = match &error {
            // What results hold is nothing that was asked for.
            SpecError::EarlierResults { .. } => return Self::failure(error.to_string()),
            SpecError::Unknown { found, known, .. } => suggestion(found, known.iter().map(String::as_str)),
            SpecError::Invalid { place, field, value, way_out }
                if way_out.contains("in quotes") && place.file.starts_with("--set ") =>
            {
                Some(format!("shells take quotes away: write {}", quoted_setting(field, value)))
            }
            SpecError::Unreadable { .. } => Some("`moa init` writes an experiment file to start from".into()),
            SpecError::Invalid { field, value, .. } if field.starts_with("prompts.") && value.starts_with("Set(") => {
                Some(format!("the base model ships the sets {}", moa_scenes::PROMPT_SETS.join(", ")))
            }
            _ => None,
        };
        Self::usage(error.to_string()).maybe_hint(hint)
    }
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        let hint = match &error {
            StoreError::UnknownChoice { name, choices } => suggestion(name, choices.iter().copied()),
            _ => None,
        };
        Self::failure(format!("failed to {error}")).maybe_hint(hint)
    }
}

impl From<PreferencesError> for CliError {
    fn from(error: PreferencesError) -> Self {
        Self::failure(format!("failed to read judgements: {error}"))
    }
}

impl From<TensorBoardError> for CliError {
    fn from(error: TensorBoardError) -> Self {
        match error {
            TensorBoardError::Store(error) => error.into(),
            TensorBoardError::Analysis(error) => error.into(),
            error @ TensorBoardError::OfSweep { .. } => Self::usage(format!("failed to {error}")),
            error @ TensorBoardError::Write { .. } => Self::failure(format!("failed to {error}")),
        }
    }
}

impl From<RunnerError> for CliError {
    fn from(error: RunnerError) -> Self {
        match error {
            RunnerError::Store(error) => error.into(),
            RunnerError::Train(error) => error.into(),
            RunnerError::Models(error) => error.into(),
            RunnerError::Analysis(error) => error.into(),
            error => Self::failure(format!("failed to {error}")),
        }
    }
}

impl From<AnalysisError> for CliError {
    fn from(error: AnalysisError) -> Self {
        match error {
            AnalysisError::Store(error) => error.into(),
            AnalysisError::UnknownExperiment { ref name, ref known } => {
                let hint = suggestion(name, known.iter().map(String::as_str));
                Self::usage(format!("failed to {error}")).maybe_hint(hint)
            }
            AnalysisError::Incomplete { .. } => {
                Self::failure(format!("failed to {error}")).hint("`--skip-incomplete` leaves such sweeps out")
            }
            error => Self::failure(format!("failed to {error}")),
        }
    }
}

impl From<TrainError> for CliError {
    fn from(error: TrainError) -> Self {
        let message = error.to_string();
        match error {
            TrainError::Sampler { .. } | TrainError::NoTargets { .. } => Self::usage(message),
            _ => Self::failure(format!("failed to train: {message}")),
        }
    }
}

impl From<RewardError> for CliError {
    fn from(error: RewardError) -> Self {
        Self::failure(format!("failed to score: {error}"))
    }
}

impl From<ZooError> for CliError {
    fn from(error: ZooError) -> Self {
        match error {
            ZooError::UnknownBase(_)
            | ZooError::BaseIsFile(_)
            | ZooError::Hub(_)
            | ZooError::Reward(
                RewardError::Reward { .. } | RewardError::EmojiOnly { .. } | RewardError::Prompt { .. },
            ) => Self::usage(error.to_string()),
            error => Self::failure(format!("failed to open models: {error}")),
        }
    }
}

impl From<PretrainError> for CliError {
    fn from(error: PretrainError) -> Self {
        Self::failure(format!("failed to pre-train: {error}"))
    }
}

/// Returns the argument that sets a field to a text, as a shell takes it.
fn quoted_setting(field: &str, text: &str) -> String {
    format!("--set {}", shell::quoted(&format!("{field}={text:?}")))
}

/// Returns "did you mean …?" where a known name is close.
fn suggestion<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    did_you_mean(found, known).map(|name| format!("did you mean `{name}`?"))
}
