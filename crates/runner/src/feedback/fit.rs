//! `moa fit`: from ratings to a reward.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use moa_preference_model::{
    Alpha, Card, Consistency, Features, FitSettings, Judgements, LearningCurve, Origin, Pool, PreferenceModelError,
    Resampling, RewardModel, SpaceSettings, Target, Validation, ValidationSettings, agreement_on_pairs, learning_curve,
    self_consistency, validate,
};
use moa_preferences::{Preferences, file_in};
use moa_reward::disk::preference::MODEL_FILE;
use moa_store::write_atomically;

use super::Look;
use crate::RunnerError;
use crate::preferences::{Album, opened};

/// The card beside a model.
const CARD: &str = "README.md";
/// The share of the accuracy that it tends to at which no further decisions are asked for.
const NEAR: f64 = 0.97;

/// What is to be fitted.
pub struct FitRequest<'a> {
    /// A file of preferences, or the folder that has it.
    pub ratings: &'a Path,
    /// What the reward sees.
    pub look: Look<'a>,
    /// The raters that count; all where there are none.
    pub raters: &'a [String],
    /// What the tags of records that count name; all records count where there is nothing.
    pub tags: &'a [String],
    /// The version of moa.
    pub made_by: String,
}

/// A reward that was fitted, and what it was measured to be worth.
pub struct FittedRatings {
    /// The file of preferences.
    pub file: PathBuf,
    /// The model.
    pub model: RewardModel,
    /// What it belongs to.
    pub origin: Origin,
    /// Prompts with decisions that count.
    pub prompts: usize,
    /// Images with decisions that count.
    pub images: usize,
    /// What it is worth on other prompts; or why nobody knows.
    pub validation: Result<Validation, PreferenceModelError>,
    /// How raters agree, where several judged the same pairs.
    pub agreement: Option<Alpha>,
    /// How each rater agrees with themselves.
    pub consistency: Vec<Consistency>,
    /// How accuracy grew with decisions; or why nobody knows.
    pub curve: Result<LearningCurve, PreferenceModelError>,
    /// What the user should know of the file, a sentence each.
    pub notes: Vec<String>,
}

/// Why ratings cannot be fitted.
#[derive(Debug, thiserror::Error)]
pub enum FitError {
    /// The file or its images cannot be read.
    #[error(transparent)]
    Runner(#[from] RunnerError),
    /// The file cannot be read.
    #[error(transparent)]
    Preferences(#[from] moa_preferences::PreferencesError),
    /// The decisions determine nothing.
    #[error("{}: {source}", path.display())]
    Model {
        /// The file of preferences.
        path: PathBuf,
        /// What is wrong.
        source: PreferenceModelError,
    },
    /// Nothing is left of the decisions.
    #[error("{}: no decision {what}: {there}", path.display())]
    Nothing {
        /// The file of preferences.
        path: PathBuf,
        /// What was asked for.
        what: String,
        /// What there is.
        there: String,
    },
}

/// Fits a reward to ratings and validates it on prompts that it was not fitted to. `progress` is told the share that is done, by part.
///
/// # Errors
/// Says which line, image or value is wrong; or that too little was judged.
pub fn fit(request: &FitRequest<'_>, progress: &dyn Fn(FitPart, f64)) -> Result<FittedRatings, FitError> {
    let path = file_in(request.ratings);
    let file = opened_or_refused(&path)?;
    let records: Vec<_> = file.counted().filter(|record| counts(request, record)).collect();
    if records.is_empty() {
        return Err(nothing_left(request, &file, path));
    }
    let mut album = Album::default();
    for record in &records {
        let Some(prompt) = record.decision.prompt() else { continue };
        let prompt = album.prompt(prompt);
        record.decision.images().into_iter().for_each(|image| _ = album.image(prompt, image));
    }
    let refused = |source| FitError::Model { path: path.clone(), source };
    let values = request.look.at_album(&file, &album, &|share| progress(FitPart::Looking, share))?;
    let features = Features::new(request.look.clip.features.width(), values).map_err(refused)?;
    let pool = Pool::new(&features, &SpaceSettings::default()).map_err(refused)?;
    let judgements = Judgements::from_records(records, |prompt, image| album.find(prompt, image));
    progress(FitPart::Fitting, 0.0);
    let settings = FitSettings::default();
    let model = RewardModel::fit(&pool, &judgements, &settings).map_err(refused)?;
    progress(FitPart::Fitting, 0.2);
    let validating = ValidationSettings::default();
    let validation = validate(&pool, &judgements, &settings, &validating);
    progress(FitPart::Fitting, 0.5);
    let curve = learning_curve(&pool, &judgements, &settings, &validating, Target::OfLimit(NEAR));
    progress(FitPart::Fitting, 1.0);
    let bytes = fs::read(&path).map_err(|error| RunnerError::Read { path: path.clone(), reason: error.to_string() })?;
    let clip = request.look.clip;
    Ok(FittedRatings {
        origin: Origin {
            embedding: clip.name.clone(),
            embedding_sha256: clip.sha256.clone(),
            ratings_sha256: crate::sha256(&bytes),
            made_by: request.made_by.clone(),
        },
        prompts: judgements.prompts.len(),
        images: album.images.len(),
        agreement: agreement_on_pairs(&judgements, &Resampling::default()),
        consistency: self_consistency(&judgements),
        notes: file.notes(),
        file: path,
        model,
        validation,
        curve,
    })
}

/// A part of a fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FitPart {
    /// Images are embedded.
    Looking,
    /// The model is fitted and validated.
    Fitting,
}

impl FittedRatings {
    /// Writes the model and its card into a folder, and returns the files.
    ///
    /// # Errors
    /// Says which file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<Vec<PathBuf>, RunnerError> {
        let failed = |path: &Path, reason: String| RunnerError::Write { path: path.to_owned(), reason };
        fs::create_dir_all(folder).map_err(|error| failed(folder, error.to_string()))?;
        let (model, card) = (folder.join(MODEL_FILE), folder.join(CARD));
        self.model.write(&self.origin, &model).map_err(|error| failed(&model, error.to_string()))?;
        let name = folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy().into_owned();
        write_atomically(&card, self.card(&name).as_bytes())?;
        Ok(vec![model, card])
    }

    /// Returns the card, Markdown.
    pub fn card(&self, name: &str) -> String {
        let card = Card {
            name,
            validation: self.validation.as_ref().ok(),
            agreement: self.agreement.as_ref(),
            consistency: &self.consistency,
            curve: self.curve.as_ref().ok(),
        };
        card.markdown(&self.model, &self.origin)
    }
}

/// Reads a file of preferences whose images are all there.
fn opened_or_refused(path: &Path) -> Result<Preferences, FitError> {
    opened(path).map_err(|error| match error {
        RunnerError::Preferences(source) => FitError::Preferences(source),
        other => FitError::Runner(other),
    })
}

fn counts(request: &FitRequest<'_>, record: &moa_preferences::Record) -> bool {
    (request.raters.is_empty() || request.raters.contains(&record.who))
        && (request.tags.is_empty() || record.tags.iter().any(|tag| request.tags.contains(tag)))
}

/// Says that nothing is left, and what there is.
fn nothing_left(request: &FitRequest<'_>, file: &Preferences, path: PathBuf) -> FitError {
    let listed = |names: BTreeSet<&str>| {
        let names: Vec<&str> = names.into_iter().take(12).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    };
    let raters = listed(file.counted().map(|record| record.who.as_str()).collect());
    let tags = listed(file.counted().flat_map(|record| record.tags.iter().map(String::as_str)).collect());
    let asked = [("by ", request.raters), ("tagged ", request.tags)];
    let asked: Vec<String> = asked
        .iter()
        .filter(|(_, list)| !list.is_empty())
        .map(|(word, list)| format!("{word}{}", list.join(" or ")))
        .collect();
    let what = if asked.is_empty() { "counts".to_owned() } else { asked.join(" and ") };
    FitError::Nothing { path, what, there: format!("its raters are {raters}; its tags {tags}") }
}
