//! A file of preferences, made ready to be trained on: its images as the denoiser wants them, and what its votes are about.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::Tensor;
use image::imageops::FilterType;
use image::{DynamicImage, ImageReader, RgbImage};
use moa_adapter::{Adapter, AdapterBank};
use moa_core::experiment::{BaseName, DecidedBy, MethodSpec, PreferenceFile};
use moa_core::{ExperimentSpec, NoiseKey};
use moa_device::from_host;
use moa_diffusion::sampler::sample;
use moa_diffusion::{Conditions, Pipeline};
use moa_preferences::{Drawn, Image, Preferences, Scores};
use moa_reward::{Pictures, Scorer};
use moa_train::{StoredPreferences, StoredVote};

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

/// Images of prompts, each once.
#[derive(Default)]
struct Album<'a> {
    places: BTreeMap<(usize, String), usize>,
    images: Vec<(usize, &'a Image)>,
    prompts: Vec<String>,
}

impl<'a> Album<'a> {
    /// Returns the place of a prompt.
    fn prompt(&mut self, prompt: &str) -> usize {
        let known = self.prompts.iter().position(|known| known == prompt);
        known.unwrap_or_else(|| {
            self.prompts.push(prompt.to_owned());
            self.prompts.len() - 1
        })
    }

    /// Returns the place of an image of a prompt.
    fn image(&mut self, prompt: usize, image: &'a Image) -> usize {
        *self.places.entry((prompt, image.key())).or_insert_with(|| {
            self.images.push((prompt, image));
            self.images.len() - 1
        })
    }
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
    let reader = Reader { file: &file, spec, pipeline, adapters: BTreeMap::new() };
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
fn opened(path: &Path) -> Result<Preferences, RunnerError> {
    let file = Preferences::read(path)?;
    file.check_images()?;
    Ok(file)
}

fn unreadable(path: &Path, reason: &dyn std::fmt::Display) -> RunnerError {
    RunnerError::Image { path: path.to_path_buf(), reason: reason.to_string() }
}

/// Turns images into samples.
struct Reader<'a> {
    file: &'a Preferences,
    spec: &'a ExperimentSpec,
    pipeline: &'a Pipeline,
    /// Adapters that drew images, by file.
    adapters: BTreeMap<PathBuf, AdapterBank>,
}

impl Reader<'_> {
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
        let [height, width] = self.pipeline.picture_size();
        let opened = ImageReader::open(&path).and_then(ImageReader::with_guessed_format);
        let decoded = opened.map_err(|error| unreadable(&path, &error))?.decode();
        let pixels = fitted(&decoded.map_err(|error| unreadable(&path, &error))?, width as u32, height as u32);
        let plane = |channel: usize| pixels.pixels().map(move |pixel| f32::from(pixel.0[channel]) / 255.0);
        let values: Vec<f32> = (0..3).flat_map(plane).collect();
        let images = from_host(values, [1, 3, height, width], self.pipeline.device());
        self.pipeline.encode(images).map_err(|error| unreadable(&path, &error))
    }

    /// Draws an image again.
    fn drawn(&mut self, drawn: &Drawn, prompt: &str) -> Result<Tensor<4>, RunnerError> {
        let folder = self.file.folder();
        let refuse = |what: &str, reason: String| unreadable(&folder.join(what), &reason);
        let same = drawn.base == BaseName::of(&self.spec.base).for_others()
            || drawn.base == self.spec.base
            || folder.join(&drawn.base) == Path::new(&self.spec.base);
        if !same {
            let reason = format!(
                "an image was drawn by the base model {}, and the experiment's is another: {}",
                drawn.base, self.spec.base
            );
            return Err(unreadable(self.file.path(), &reason));
        }
        let bank = match &drawn.adapter {
            None => None,
            Some(adapter) => {
                let named = folder.join(adapter);
                let path = if named.is_dir() { named.join("adapter.safetensors") } else { named };
                if !self.adapters.contains_key(&path) {
                    let bytes = fs::read(&path).map_err(|error| refuse(adapter, error.to_string()))?;
                    let config = fs::read_to_string(path.with_file_name("adapter_config.json")).ok();
                    let layers = self.pipeline.adaptable();
                    let (read, _) = Adapter::read_any(&bytes, config.as_deref(), &layers)
                        .map_err(|error| refuse(adapter, error.to_string()))?;
                    let bank = AdapterBank::of(&[&read], self.pipeline.device());
                    let bank = bank.ok_or_else(|| refuse(adapter, "it holds no layer".into()))?;
                    self.adapters.insert(path.clone(), bank);
                }
                self.adapters.get(&path)
            }
        };
        let context = self.pipeline.encode_prompts(&[prompt]).map_err(|error| unreadable(self.file.path(), &error))?;
        let strength = drawn.guidance as f32;
        let guidance = if (strength - 1.0).abs() < f32::EPSILON {
            None
        } else {
            Some((self.pipeline.unconditional().map_err(|error| unreadable(self.file.path(), &error))?, strength))
        };
        let rules = self.pipeline.schedule().deterministic(drawn.steps as usize);
        let [prompt, image] = drawn.place;
        let key = NoiseKey::new(drawn.seed).named(&drawn.noise).with(prompt).with(image);
        Ok(sample(self.pipeline, bank, &rules, &Conditions { context, guidance }, &[key]))
    }
}

/// Returns an image of a size: the largest part of that shape around its middle, resized.
fn fitted(image: &DynamicImage, width: u32, height: u32) -> RgbImage {
    if (image.width(), image.height()) == (width, height) {
        return image.to_rgb8();
    }
    image.resize_to_fill(width, height, FilterType::CatmullRom).to_rgb8()
}
