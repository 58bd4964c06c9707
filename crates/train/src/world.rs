//! What a trainer works in: what all trainers have in common, and the runs that it trains together.

use std::ops::Deref;
use std::sync::Arc;

use moa_adapter::{AdapterBank, BankConfig};
use moa_core::{RunId, Weighting};

use crate::TrainError;
use crate::adversaries::Adversaries;
use crate::common::Common;
use crate::factors::{Factors, with_factors};
use crate::sampler::targeted;

/// What every part of a training needs.
pub(crate) struct World<'a> {
    common: Arc<Common<'a>>,
    /// The runs that are still trained.
    pub(crate) runs: Vec<(RunId, Weighting)>,
    /// What an adversary found on them.
    pub(crate) adversaries: Option<Adversaries>,
    /// The weight of each one's distance to the base.
    pub(crate) ties: Vec<f32>,
    /// What is not trained of the bank: a shared A, ranks, scale; of the runs that are still trained.
    frame: AdapterBank,
    /// The same of all runs.
    whole: AdapterBank,
}

impl<'a> Deref for World<'a> {
    type Target = Common<'a>;

    fn deref(&self) -> &Self::Target {
        &self.common
    }
}

impl<'a> World<'a> {
    /// # Errors
    /// Fails when `lora.targets` match no layer.
    pub(crate) fn new(common: Arc<Common<'a>>, runs: &[(RunId, Weighting)]) -> Result<Self, TrainError> {
        let (spec, pipeline) = (common.spec, common.pipeline);
        let layers = targeted(pipeline.adaptable(), &spec.lora.targets)?;
        let config = BankConfig {
            rank: spec.lora.rank as usize,
            alpha: spec.lora.alpha,
            share_a: spec.lora.share_a,
            seed: spec.seed,
        };
        let names: Vec<&str> = runs.iter().map(|(id, _)| id.as_str()).collect();
        let frame = AdapterBank::fresh(&config, &names, &layers, pipeline.device());
        Ok(Self {
            runs: runs.to_vec(),
            adversaries: None,
            ties: runs.iter().map(|(_, weighting)| spec.kl(weighting) as f32).collect(),
            whole: frame.clone(),
            frame,
            common,
        })
    }

    /// Returns how many runs are trained.
    pub(crate) fn members(&self) -> usize {
        self.runs.len()
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

    /// Goes on with the runs at `places` alone.
    pub(crate) fn keep(&mut self, places: &[usize]) {
        self.runs = places.iter().map(|place| self.runs[*place].clone()).collect();
        self.ties = places.iter().map(|place| self.ties[*place]).collect();
        if !places.is_empty() {
            self.frame = self.frame.select(places);
        }
    }
}
