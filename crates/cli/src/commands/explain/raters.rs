//! Pairs that raters decided, with their images.

use std::path::Path;

use moa_explain::{ExplainError, Planes, RatedPair};
use moa_preferences::{Image, Preferences, PreferencesError};
use moa_runner::{Models, PreferenceImages};

use crate::error::CliError;
use crate::experiment::Experiment;
use crate::output::warn;

/// Pairs that are compared at most, the first ones of the file.
const MOST_PAIRS: usize = 2000;

/// Reads a file of preferences, and checks that its images are there.
///
/// # Errors
/// Says which line and field is wrong, or which image is missing.
pub(super) fn open(path: &Path) -> Result<Preferences, CliError> {
    let refuse = |error: PreferencesError| CliError::usage(format!("failed to read judgements: {error}"));
    let file = Preferences::read(path).map_err(refuse)?;
    file.check_images().map_err(refuse)?;
    Ok(file)
}

/// Returns the pairs with their images at the base's size.
///
/// # Errors
/// Says which image cannot be read or drawn.
pub(super) fn read(file: &Preferences, experiment: &Experiment, models: &Models) -> Result<Vec<RatedPair>, CliError> {
    let pairs = file.pairs(&[]).map_err(|error| CliError::usage(format!("failed to read judgements: {error}")))?;
    if pairs.len() > MOST_PAIRS {
        warn(&format!("of {} pairs of images the first {MOST_PAIRS} are compared", pairs.len()));
    }
    let mut images = PreferenceImages::new(file, &experiment.spec, &models.pipeline);
    let mut planes = |image: &Image, prompt: &str| {
        let drawn = Planes::of(images.pixels(image, prompt)?);
        drawn.into_iter().next().ok_or_else(|| CliError::from(ExplainError::Images("an image was not drawn")))
    };
    let rated = |pair: moa_preferences::Pair| {
        let images = [planes(&pair.a, &pair.prompt)?, planes(&pair.b, &pair.prompt)?];
        Ok(RatedPair { prompt: pair.prompt, images, share: pair.share })
    };
    pairs.into_iter().take(MOST_PAIRS).map(rated).collect()
}
