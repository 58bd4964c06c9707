//! Pairs that raters decided, with their images.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};

use moa_adapter::AdapterBank;
use moa_core::NoiseKey;
use moa_core::experiment::BaseName;
use moa_diffusion::Conditions;
use moa_diffusion::sampler::sample;
use moa_explain::{ExplainError, Planes, RatedPair};
use moa_preferences::{Drawn, Image, Preferences, PreferencesError};
use moa_runner::Models;

use crate::adapters;
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
    let mut reader = Reader { file, experiment, models, adapters: BTreeMap::new() };
    let rated = |pair: moa_preferences::Pair| {
        let images = [reader.image(&pair.a, &pair.prompt)?, reader.image(&pair.b, &pair.prompt)?];
        Ok(RatedPair { prompt: pair.prompt, images, share: pair.share })
    };
    pairs.into_iter().take(MOST_PAIRS).map(rated).collect()
}

struct Reader<'a> {
    file: &'a Preferences,
    experiment: &'a Experiment,
    models: &'a Models,
    /// Adapters that drew images, by path.
    adapters: BTreeMap<PathBuf, Option<AdapterBank>>,
}

impl Reader<'_> {
    fn image(&mut self, image: &Image, prompt: &str) -> Result<Planes, CliError> {
        match image {
            Image::File(_) => {
                let path = self.file.path_of(image).unwrap_or_default();
                let [height, width] = self.models.pipeline.picture_size();
                Ok(Planes::open(&path, height, width)?)
            }
            Image::Drawn(drawn) => self.drawn(drawn, prompt),
        }
    }

    /// Draws an image again.
    fn drawn(&mut self, drawn: &Drawn, prompt: &str) -> Result<Planes, CliError> {
        let (pipeline, base) = (&self.models.pipeline, &self.experiment.spec.base);
        let folder = self.file.folder();
        let same = drawn.base == BaseName::of(base).for_others()
            || drawn.base == *base
            || folder.join(&drawn.base) == Path::new(base);
        if !same {
            let path = self.file.path().display();
            return Err(CliError::usage(format!(
                "{path}: an image was drawn by the base model {}, and the experiment's is another: {base}",
                drawn.base
            )));
        }
        if let Some(adapter) = &drawn.adapter {
            let path = folder.join(adapter);
            if let Entry::Vacant(entry) = self.adapters.entry(path.clone()) {
                let named = adapters::read_one(&path, &pipeline.adaptable())?;
                entry.insert(AdapterBank::of(&[&named.adapter], pipeline.device()));
            }
        }
        let bank = drawn.adapter.as_ref().and_then(|adapter| self.adapters.get(&folder.join(adapter))?.as_ref());
        let failed = |error: moa_diffusion::ConfigError| CliError::failure(format!("failed to draw an image: {error}"));
        let context = pipeline.encode_prompts(&[prompt]).map_err(failed)?;
        let strength = drawn.guidance as f32;
        let guidance = if (strength - 1.0).abs() < f32::EPSILON {
            None
        } else {
            Some((pipeline.unconditional().map_err(failed)?, strength))
        };
        let rules = pipeline.schedule().deterministic(drawn.steps as usize);
        let [prompt, image] = drawn.place;
        let key = NoiseKey::new(drawn.seed).named(&drawn.noise).with(prompt).with(image);
        let samples = sample(pipeline, bank, &rules, &Conditions { context, guidance }, &[key]);
        let images = Planes::of(pipeline.decode(samples));
        images.into_iter().next().ok_or_else(|| ExplainError::Images("an image was not drawn").into())
    }
}
