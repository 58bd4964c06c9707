//! A file of preferences, made ready to be trained on: its images as the denoiser wants them, and what its votes are about.

mod album;
mod images;

use std::fs;
use std::path::Path;

use burn::tensor::Tensor;
use moa_core::ExperimentSpec;
use moa_core::experiment::{BaseName, DecidedBy, MethodSpec, PreferenceFile};
use moa_diffusion::Pipeline;
use moa_preferences::{Drawn, Image, Preferences, Scores};
use moa_reward::{Pictures, Scorer};
use moa_train::{StoredPreferences, StoredVote};

pub(crate) use self::album::Album;
pub(crate) use self::images::{Redrawing, decoded, fitted, pixels_of, unreadable};
use crate::{Models, RunnerError};

/// Images that are encoded or scored at once.
const AT_ONCE: usize = 16;

/// Preferences, and what their reader should know.
pub(crate) struct ReadPreferences {
    /// What is trained on.
    pub(crate) stored: StoredPreferences,
    /// One sentence each: how many votes contradict each other, say.
    pub(crate) notes: Vec<String>,
    /// The SHA-256 of the file, in hexadecimal: with the images' hashes in it, that of everything.
    pub(crate) sha256: String,
}

/// Reads the preferences that an experiment's method names; nothing where it names none.
///
/// # Errors
/// Says which file, line and field is wrong, or which image cannot be read or drawn.
pub(crate) fn read(spec: &ExperimentSpec, models: &Models) -> Result<Option<ReadPreferences>, RunnerError> {
    let Some(PreferenceFile { path, decided_by }) = spec.training.method.preferences() else { return Ok(None) };
    let Models { pipeline, scorer, .. } = models;
    let file = opened(path)?;
    let names = spec.reward_names();
    let about =
        |tags: &[String]| names.iter().enumerate().filter(|(_, name)| tags.contains(name)).map(|(i, _)| i).collect();
    let mut votes = Vec::new();
    let (pairs, labels);
    let mut album = Album::default();
    if matches!(spec.training.method, MethodSpec::Dpo(_)) {
        pairs = file.pairs(&names)?;
        for pair in &pairs {
            let prompt = album.prompt(&pair.prompt);
            let pictures = vec![album.image(prompt, &pair.a), album.image(prompt, &pair.b)];
            votes.push(StoredVote {
                prompt,
                pictures,
                share: pair.share,
                weight: pair.weight,
                rewards: about(&pair.tags),
            });
        }
    } else {
        labels = file.labels(Scores::AgainstMedian, &names)?;
        for label in &labels {
            let prompt = album.prompt(&label.prompt);
            let pictures = vec![album.image(prompt, &label.image)];
            votes.push(StoredVote {
                prompt,
                pictures,
                share: label.share,
                weight: label.weight,
                rewards: about(&label.tags),
            });
        }
    }
    let reader = PreferenceImages::new(&file, spec, pipeline);
    let (samples, scores) = reader.read(&album, (*decided_by == DecidedBy::Rewards).then_some(scorer))?;
    let bytes = fs::read(path).map_err(|error| unreadable(path, &error))?;
    let sha256 = crate::sha256(&bytes);
    let mut notes = file.notes();
    if *decided_by == DecidedBy::Outcome && names.len() > 1 && votes.iter().all(|vote| vote.rewards.is_empty()) {
        notes.push(
            "no record has a reward's name among its tags: all weightings train on the same votes, and constraints cannot steer; tag them, or \
             give decided_by: Rewards"
                .into(),
        );
    }
    let stored = StoredPreferences { samples, scores, prompts: album.prompts, votes };
    Ok(Some(ReadPreferences { stored, notes, sha256 }))
}

/// Checks the preferences that an experiment's method names, as far as that takes no model.
///
/// # Errors
/// Says which file, line and field is wrong.
pub fn check_preferences(spec: &ExperimentSpec) -> Result<(), RunnerError> {
    let Some(PreferenceFile { path, .. }) = spec.training.method.preferences() else { return Ok(()) };
    let file = opened(path)?;
    if matches!(spec.training.method, MethodSpec::Dpo(_)) {
        file.pairs(&[])?;
    } else {
        file.labels(Scores::AgainstMedian, &[])?;
    }
    Ok(())
}

/// Reads a file of preferences whose images are all there.
pub(crate) fn opened(path: &Path) -> Result<Preferences, RunnerError> {
    let file = Preferences::read(path)?;
    file.check_images()?;
    Ok(file)
}

/// The images that a file of preferences names, as an experiment's base draws such.
pub struct PreferenceImages<'a> {
    file: &'a Preferences,
    spec: &'a ExperimentSpec,
    pipeline: &'a Pipeline,
    /// Adapters that drew images.
    adapters: Redrawing,
}

impl<'a> PreferenceImages<'a> {
    /// Returns the images of a file.
    pub fn new(file: &'a Preferences, spec: &'a ExperimentSpec, pipeline: &'a Pipeline) -> Self {
        Self { file, spec, pipeline, adapters: Redrawing::default() }
    }

    /// Returns an image, `[1, 3, height, width]` in [0, 1]: a file cut to the base's shape around its middle and resized, or an image that
    /// is drawn again.
    ///
    /// # Errors
    /// Says which image cannot be read or drawn.
    pub fn pixels(&mut self, image: &Image, prompt: &str) -> Result<Tensor<4>, RunnerError> {
        match image {
            Image::File(_) => self.of_file(image),
            Image::Drawn(drawn) => Ok(self.pipeline.decode(self.drawn(drawn, prompt)?)),
        }
    }

    /// Returns the samples of an album's images, `[images, c, h, w]`, and their scores, `[reward][image]`, where a scorer is given.
    fn read(mut self, album: &Album<'_>, scorer: Option<&Scorer>) -> Result<(Tensor<4>, Vec<Vec<f32>>), RunnerError> {
        let mut samples = Vec::new();
        let mut scores: Vec<Vec<f32>> = Vec::new();
        for images in album.images.chunks(AT_ONCE) {
            let own: Vec<Tensor<4>> = images
                .iter()
                .map(|(prompt, image)| match image {
                    Image::File(_) => self.encoded(image),
                    Image::Drawn(drawn) => self.drawn(drawn, &album.prompts[*prompt]),
                })
                .collect::<Result<_, _>>()?;
            let own = Tensor::cat(own, 0);
            if let Some(scorer) = scorer {
                let prompts = images.iter().map(|(prompt, _)| album.prompts[*prompt].clone()).collect();
                let pictures = Pictures::new(self.pipeline.decode(own.clone()), prompts, 1)
                    .map_err(RunnerError::PreferenceScores)?;
                let columns = scorer.score(&pictures).map_err(RunnerError::PreferenceScores)?.columns;
                scores.resize(columns.len(), Vec::new());
                scores.iter_mut().zip(columns).for_each(|(all, own)| all.extend(own));
            }
            samples.push(own);
        }
        Ok((Tensor::cat(samples, 0), scores))
    }

    /// Returns the sample of an image file, cut to the model's shape around its middle and resized.
    fn encoded(&self, image: &Image) -> Result<Tensor<4>, RunnerError> {
        let path = self.file.path_of(image).unwrap_or_default();
        self.pipeline.encode(self.of_file(image)?).map_err(|error| unreadable(&path, &error))
    }

    fn of_file(&self, image: &Image) -> Result<Tensor<4>, RunnerError> {
        let path = self.file.path_of(image).unwrap_or_default();
        let [height, width] = self.pipeline.picture_size();
        Ok(pixels_of(&fitted(&decoded(&path)?, width as u32, height as u32), self.pipeline.device()))
    }

    /// Draws an image again.
    fn drawn(&mut self, drawn: &Drawn, prompt: &str) -> Result<Tensor<4>, RunnerError> {
        let same = drawn.base == BaseName::of(&self.spec.base).for_others()
            || drawn.base == self.spec.base
            || self.file.folder().join(&drawn.base) == Path::new(&self.spec.base);
        if !same {
            let reason = format!(
                "an image was drawn by the base model {}, and the experiment's is another: {}",
                drawn.base, self.spec.base
            );
            return Err(unreadable(self.file.path(), &reason));
        }
        self.adapters.draw(self.pipeline, self.file, drawn, prompt)
    }
}
