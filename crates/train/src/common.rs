//! What all trainers of an experiment have in common: models, prompts with what they condition on, threads, and what the base draws.

use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

use burn::tensor::Device;
use moa_core::NoiseKey;
use moa_core::experiment::{ExperimentSpec, GAIN_IMAGES, is_guided};
use moa_diffusion::{Pipeline, TextContext};
use moa_reward::{Pictures, Scorer};

use crate::TrainError;
use crate::arrivals::Arrivals;
use crate::batches::Workers;
use crate::contexts::Contexts;
use crate::course::Course;
use crate::gain::{BaseScores, PromptScores};
use crate::probe::{Columns, Probe};
use crate::rollout::TextStates;
use crate::sampler::Sampler;
use crate::stored::Stored;
use crate::trainer::TrainerSetup;

/// A run's samples pass through the denoiser in so many slices at least where the host computes, so that its threads share them.
const LEAST_SLICES: usize = 2;

/// What trainers of one experiment share.
pub(crate) struct Common<'a> {
    pub(crate) pipeline: &'a Pipeline,
    pub(crate) scorer: &'a Scorer,
    pub(crate) spec: &'a ExperimentSpec,
    pub(crate) workers: Workers,
    /// Whether images are scored while others are drawn.
    pub(crate) overlaps: bool,
    pub(crate) sampler: Sampler,
    /// The training prompts.
    pub(crate) prompts: &'a [String],
    /// How many of them, the last ones, are earlier phases'.
    pub(crate) replayed: usize,
    pub(crate) probe: Probe,
    contexts: Contexts<'a>,
    /// What arrived meanwhile: places behind those of `prompts`.
    arrivals: RwLock<Arrivals>,
    empty: TextContext,
    stored: Option<Stored<'a>>,
    /// What the base scores at a probe, once that was asked for.
    base: Mutex<Option<Arc<Columns>>>,
    /// What the base scores on training prompts, as far as epochs were compared with it.
    base_scores: BaseScores,
}

impl<'a> Common<'a> {
    /// # Errors
    /// Fails when the sampler does not fit the base model, or a prompt cannot be tokenised.
    pub(crate) fn new(setup: &TrainerSetup<'a>) -> Result<Self, TrainError> {
        let TrainerSetup { pipeline, scorer, prompts, preferences, spec, workers, overlaps, .. } = *setup;
        Ok(Self {
            sampler: Sampler::new(pipeline.schedule(), spec)?,
            contexts: Contexts::new(pipeline, prompts)?,
            arrivals: RwLock::default(),
            empty: pipeline.unconditional()?,
            stored: preferences.map(|preferences| Stored::new(preferences, pipeline)).transpose()?,
            probe: Probe::new(setup),
            base: Mutex::new(None),
            base_scores: BaseScores::default(),
            workers: Workers::new(workers),
            pipeline,
            scorer,
            spec,
            overlaps,
            prompts,
            replayed: setup.continued.map_or(0, |continued| continued.replayed.min(prompts.len())),
        })
    }

    /// Returns the stored preferences of an experiment that trains on such.
    pub(crate) fn stored(&self) -> &Stored<'a> {
        self.stored
            .as_ref()
            .unwrap_or_else(|| unreachable!("an experiment that names a file of preferences is given them"))
    }

    /// Takes in what arrived so far, all of it: each prompt with the epochs that were trained before.
    ///
    /// # Errors
    /// Fails when a prompt cannot be tokenised.
    pub(crate) fn arrive(&self, arrived: &[(u32, String)]) -> Result<(), TrainError> {
        let mut arrivals = self.arrivals.write().unwrap_or_else(PoisonError::into_inner);
        Ok(arrivals.take(arrived, self.pipeline)?)
    }

    fn arrivals(&self) -> RwLockReadGuard<'_, Arrivals> {
        self.arrivals.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the places of the prompts that arrived and are returned to in an epoch, which counts from 1; one that arrived again is there again.
    pub(crate) fn arrived_by(&self, epoch: u32) -> Vec<usize> {
        let Some(online) = &self.spec.online else { return Vec::new() };
        let places = self.arrivals().known_in(epoch, online.keep as usize);
        places.into_iter().map(|place| self.prompts.len() + place).collect()
    }

    /// Returns the prompt at a place, be it one that arrived.
    pub(crate) fn prompt(&self, place: usize) -> String {
        match place.checked_sub(self.prompts.len()) {
            None => self.prompts[place].clone(),
            Some(arrived) => self.arrivals().prompt(arrived).to_owned(),
        }
    }

    /// Returns what prompts condition on, a row each.
    fn contexts_of(&self, prompts: &[usize]) -> Result<TextContext, TrainError> {
        let own = self.prompts.len();
        if prompts.iter().all(|prompt| *prompt < own) {
            return self.contexts.select(prompts);
        }
        let arrivals = self.arrivals();
        let row = |prompt: &usize| match prompt.checked_sub(own) {
            None => self.contexts.select(&[*prompt]),
            Some(arrived) => Ok(arrivals.context(arrived)),
        };
        let rows = TextContext::cat(prompts.iter().map(row).collect::<Result<_, _>>()?);
        Ok(rows.unwrap_or_else(|| unreachable!("there is one prompt at least")))
    }

    /// Returns what the training prompts condition on that were known beforehand.
    pub(crate) fn contexts(&self) -> &Contexts<'a> {
        &self.contexts
    }

    pub(crate) fn device(&self) -> &Device {
        self.pipeline.device()
    }

    /// Returns the key of a kind of noise.
    pub(crate) fn key(&self, name: &str) -> NoiseKey {
        NoiseKey::new(self.spec.seed).named(name)
    }

    /// Returns how many of a trainer's rows pass through the denoiser together. It depends on the experiment and the kind of device alone,
    /// never on the number of threads.
    pub(crate) fn micro_batch(&self, rows: usize) -> usize {
        let least = if self.overlaps { 1 } else { LEAST_SLICES };
        (self.spec.training.micro_batch as usize).min(rows.div_ceil(least)).max(1)
    }

    /// Returns what rows are conditioned on, for groups of images of these prompts.
    ///
    /// # Errors
    /// Fails when a prompt cannot be tokenised.
    pub(crate) fn texts(&self, prompts: &[usize]) -> Result<TextStates, TrainError> {
        let strength = self.spec.sampler.guidance;
        Ok(TextStates {
            prompts: self.contexts_of(prompts)?,
            guidance: is_guided(strength).then(|| (self.empty.clone(), strength)),
            group: self.spec.training.images_per_prompt as usize,
        })
    }

    /// Returns what the base scores at a probe: drawn when it is first asked for, and the same again after a restart.
    ///
    /// # Errors
    /// Fails where an image cannot be drawn or scored.
    pub(crate) fn probed_base(&self) -> Result<Arc<Columns>, TrainError> {
        let mut base = self.base.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(base) = &*base {
            return Ok(base.clone());
        }
        let drawn = self.probe.look(self, None)?.into_iter().next();
        let columns = Arc::new(drawn.unwrap_or_else(|| unreachable!("the base draws one batch")));
        Ok(base.insert(columns).clone())
    }

    /// Forgets what the base scores.
    pub(crate) fn forget_scores(&self) {
        *self.base.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.base_scores.forget();
    }

    /// Returns what the base scores on training prompts whose images come about on a course: drawn when they are first asked for, and the
    /// same again after a restart.
    ///
    /// # Errors
    /// Fails where an image cannot be drawn or scored.
    pub(crate) fn base_scores(&self, prompts: &[usize], course: &Course) -> Result<Vec<PromptScores>, TrainError> {
        self.base_scores.of(prompts, course, &self.workers, &|prompt| self.scored_base(prompt, course))
    }

    /// Returns the mean scores of the base's images of a training prompt.
    fn scored_base(&self, prompt: usize, course: &Course) -> Result<Vec<f64>, TrainError> {
        let group = GAIN_IMAGES as usize;
        let texts = TextStates { group, ..self.texts(&[prompt])? };
        let samples: Vec<usize> = (0..group).collect();
        let key = self.key("gain").with(prompt as u64);
        let keys: Vec<NoiseKey> = samples.iter().map(|sample| key.with(*sample as u64)).collect();
        let latents = course.of_base(self.pipeline, &texts.conditions(&samples), &keys);
        let texts = vec![self.prompt(prompt); group];
        let scores = self.scorer.score(&Pictures::new(self.pipeline.decode(latents), texts, group)?)?;
        let mean = |column: &Vec<f32>| column.iter().map(|score| f64::from(*score)).sum::<f64>() / column.len() as f64;
        Ok(scores.columns.iter().map(mean).collect())
    }
}
