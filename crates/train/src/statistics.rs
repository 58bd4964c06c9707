//! What an epoch's scores leave to the next: how much rewards vary within prompts, and what is to be expected of a prompt.

mod baseline;
mod spread;

use moa_core::experiment::{Baseline, Spread};
use moa_optimiser::{StateError, StateReader, StateWriter};

pub(crate) use baseline::Baselines;
pub(crate) use spread::Spreads;

use crate::TrainError;
use crate::epoch::RunScores;
use crate::world::World;

/// Decay per epoch of the spreads by which rewards' gradients are divided, where the experiment names none.
const GRADIENT_DECAY: f64 = 0.9;

/// Running statistics of every run's scores.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Statistics {
    pub(crate) spreads: Spreads,
    /// Nothing where images are compared with their own group alone.
    pub(crate) baselines: Option<Baselines>,
}

impl Statistics {
    /// Returns the statistics before anything was scored.
    ///
    /// # Errors
    /// Fails when a prompt cannot be tokenised.
    pub(crate) fn new(world: &World<'_>) -> Result<Self, TrainError> {
        let (members, rewards) = (world.members(), world.spec.rewards.len());
        Ok(Self { spreads: Spreads::new(members, rewards), baselines: Baselines::new(world)? })
    }

    /// Takes an epoch's scores in, `[run][reward][picture]`, in groups of the epoch's `prompts`.
    pub(crate) fn follow(&mut self, world: &World<'_>, prompts: &[usize], scores: &RunScores) {
        let settings = world.spec.training.advantages;
        let decay = match settings.spread {
            Spread::Running { decay } => decay,
            Spread::Group => GRADIENT_DECAY,
        };
        let group = world.spec.training.images_per_prompt as usize;
        self.spreads.follow(scores, group, decay);
        if let (Some(baselines), Baseline::Prompt { decay } | Baseline::Value { decay, .. }) =
            (&mut self.baselines, settings.baseline)
        {
            baselines.follow(prompts, scores, group, decay);
        }
    }

    /// Keeps the runs at `places` alone.
    pub(crate) fn keep(&mut self, places: &[usize]) {
        self.spreads.keep(places);
        if let Some(baselines) = &mut self.baselines {
            baselines.keep(places);
        }
    }

    /// Adds the statistics to a file.
    pub(crate) fn save(&self, file: &mut StateWriter) {
        self.spreads.save(file);
        if let Some(baselines) = &self.baselines {
            baselines.save(file);
        }
    }

    /// Takes statistics of the same runs and rewards from a file.
    pub(crate) fn load(&mut self, file: &StateReader<'_>) -> Result<(), StateError> {
        self.spreads.load(file)?;
        self.baselines.as_mut().map_or(Ok(()), |baselines| baselines.load(file))
    }
}
