//! What training works in: models, prompts, the experiment, and the runs that are trained together.

use burn::tensor::Device;
use moa_adapter::{AdapterBank, BankConfig};
use moa_core::experiment::ExperimentSpec;
use moa_core::{NoiseKey, RunId, Weighting};
use moa_diffusion::{Pipeline, TextContext};
use moa_reward::Scorer;

use crate::TrainError;
use crate::factors::{Factors, with_factors};
use crate::rollout::TextStates;
use crate::sampler::{Sampler, targeted};
use crate::stored::Stored;
use crate::trainer::TrainerSetup;

/// What every part of training needs.
pub(crate) struct World<'a> {
    pub(crate) pipeline: &'a Pipeline,
    pub(crate) scorer: &'a Scorer,
    pub(crate) spec: &'a ExperimentSpec,
    pub(crate) workers: usize,
    /// Whether pictures are scored while others are drawn.
    pub(crate) overlaps: bool,
    pub(crate) sampler: Sampler,
    /// The runs that are still trained.
    pub(crate) runs: Vec<(RunId, Weighting)>,
    /// The weight of each one's distance to the base.
    pub(crate) ties: Vec<f32>,
    /// The training prompts.
    pub(crate) prompts: &'a [String],
    contexts: TextContext,
    empty: TextContext,
    stored: Option<Stored<'a>>,
    /// What is not trained of the bank: a shared A, ranks, scale; of the runs that are still trained.
    frame: AdapterBank,
    /// The same of all runs.
    whole: AdapterBank,
}

impl<'a> World<'a> {
    /// # Errors
    /// Fails when the sampler does not fit the base model, `lora.targets` match no layer, or a prompt cannot be
    /// tokenised.
    pub(crate) fn new(setup: &TrainerSetup<'a>) -> Result<Self, TrainError> {
        let TrainerSetup { pipeline, scorer, prompts, spec, runs, workers, overlaps, .. } = *setup;
        let layers = targeted(pipeline.adaptable(), &spec.lora.targets)?;
        let config = BankConfig {
            rank: spec.lora.rank as usize,
            alpha: spec.lora.alpha,
            share_a: spec.lora.share_a,
            seed: spec.seed,
        };
        let names: Vec<&str> = runs.iter().map(|(id, _)| id.as_str()).collect();
        let frame = AdapterBank::fresh(&config, &names, &layers, pipeline.device());
        let mut world = Self {
            pipeline,
            scorer,
            spec,
            workers,
            overlaps,
            sampler: Sampler::new(pipeline.schedule(), spec)?,
            runs: runs.to_vec(),
            ties: runs.iter().map(|(_, weighting)| spec.kl(weighting) as f32).collect(),
            prompts,
            contexts: pipeline.encode_prompts(prompts)?,
            empty: pipeline.unconditional()?,
            stored: None,
            whole: frame.clone(),
            frame,
        };
        world.stored = setup.preferences.map(|preferences| Stored::new(preferences, &world)).transpose()?;
        Ok(world)
    }

    /// Returns the stored preferences of an experiment that trains on such.
    pub(crate) fn stored(&self) -> &Stored<'a> {
        self.stored
            .as_ref()
            .unwrap_or_else(|| unreachable!("an experiment that names a file of preferences is given them"))
    }

    /// Returns what the training prompts condition on.
    pub(crate) fn contexts(&self) -> &TextContext {
        &self.contexts
    }

    /// Returns how many runs are trained.
    pub(crate) fn members(&self) -> usize {
        self.runs.len()
    }

    pub(crate) fn device(&self) -> &Device {
        self.pipeline.device()
    }

    /// Returns the bank before training.
    pub(crate) fn frame(&self) -> &AdapterBank {
        &self.frame
    }

    /// Returns the bank before training of all runs, those that have ended too.
    pub(crate) fn whole_frame(&self) -> &AdapterBank {
        &self.whole
    }

    /// Returns the bank with trained factors.
    pub(crate) fn bank(&self, factors: &Factors) -> AdapterBank {
        with_factors(&self.frame, factors)
    }

    /// Returns the key of a kind of noise.
    pub(crate) fn key(&self, name: &str) -> NoiseKey {
        NoiseKey::new(self.spec.seed).named(name)
    }

    /// Returns what rows are conditioned on, for groups of pictures of these prompts.
    pub(crate) fn texts(&self, prompts: &[usize]) -> TextStates {
        let strength = self.spec.sampler.guidance;
        let guided = (strength - 1.0).abs() > f32::EPSILON;
        TextStates {
            prompts: self.contexts.select(prompts),
            guidance: guided.then(|| (self.empty.clone(), strength)),
            group: self.spec.training.pictures_per_prompt as usize,
        }
    }

    /// Goes on with the runs at `places` alone.
    pub(crate) fn keep(&mut self, places: &[usize]) {
        self.runs = places.iter().map(|place| self.runs[*place].clone()).collect();
        self.ties = places.iter().map(|place| self.ties[*place]).collect();
        if !places.is_empty() {
            self.frame = self.frame.select(places);
        }
    }
}
