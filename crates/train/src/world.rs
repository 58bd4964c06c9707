//! What a trainer works in: what all trainers have in common, and the runs that it trains together.

use std::ops::Deref;
use std::sync::Arc;

use burn::tensor::Device;
use moa_adapter::{Adapter, AdapterBank};
use moa_core::experiment::{Onto, Tie};
use moa_core::{NoiseKey, RunId, Weighting};

use crate::adversaries::Adversaries;
use crate::common::Common;
use crate::continued::Continued;
use crate::factors::{Factors, with_factors};
use crate::sampler::fresh_bank;
use crate::{TrainError, TrainerSetup};

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
    /// The adapters of the phase before, where they are stacked on or predictions are tied to them; of the runs that are still trained.
    last: Option<AdapterBank>,
    /// The same of all runs.
    whole_last: Option<AdapterBank>,
}

impl<'a> Deref for World<'a> {
    type Target = Common<'a>;

    fn deref(&self) -> &Self::Target {
        &self.common
    }
}

impl<'a> World<'a> {
    /// # Errors
    /// Fails when `lora.targets` match no layer, or others than those of the phase before.
    pub(crate) fn new(common: Arc<Common<'a>>, setup: &TrainerSetup<'_>) -> Result<Self, TrainError> {
        let (spec, pipeline, runs) = (common.spec, common.pipeline, setup.runs);
        let continual = &spec.continual;
        let needs_last = continual.onto == Onto::Stacked || continual.tie == Tie::Last;
        let last = setup.continued.filter(|_| needs_last).map(|continued| last(continued, runs, pipeline.device()));
        let last = last.transpose()?;
        // What is stacked on an adapter of the same A would be a part of that.
        let seed = match &last {
            Some(last) if continual.onto == Onto::Stacked => {
                let rank = last.layers().values().next().map_or(0, |layer| layer.b.dims()[1]);
                NoiseKey::new(spec.seed).named("stacked").with(rank as u64).bits(0)
            }
            _ => spec.seed,
        };
        let names: Vec<&str> = runs.iter().map(|(id, _)| id.as_str()).collect();
        let frame = fresh_bank(pipeline, spec, &names, seed)?;
        if let (Some(last), Some((run, _))) = (&last, runs.first())
            && frame.stacked_on(last).is_none()
        {
            return Err(TrainError::OtherLayers { run: run.clone() });
        }
        Ok(Self {
            whole_last: last.clone(),
            last,
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

    /// Returns the bank with trained factors, on top of the adapters that they are stacked on.
    pub(crate) fn bank(&self, factors: &Factors) -> AdapterBank {
        self.stacked(with_factors(&self.frame, factors), self.last.as_ref())
    }

    /// Returns a bank of all runs on top of the adapters that they are stacked on.
    pub(crate) fn whole(&self, bank: AdapterBank) -> AdapterBank {
        self.stacked(bank, self.whole_last.as_ref())
    }

    fn stacked(&self, bank: AdapterBank, last: Option<&AdapterBank>) -> AdapterBank {
        let last = last.filter(|_| self.spec.continual.onto == Onto::Stacked);
        last.and_then(|last| bank.stacked_on(last)).unwrap_or(bank)
    }

    /// Returns the adapters that predictions of the runs at `places` are tied to; nothing where that is the base.
    pub(crate) fn tied_to(&self, places: &[usize]) -> Option<AdapterBank> {
        let last = self.last.as_ref().filter(|_| self.spec.continual.tie == Tie::Last);
        last.map(|last| last.select(places))
    }

    /// Goes on with the runs at `places` alone.
    pub(crate) fn keep(&mut self, places: &[usize]) {
        self.runs = places.iter().map(|place| self.runs[*place].clone()).collect();
        self.ties = places.iter().map(|place| self.ties[*place]).collect();
        if !places.is_empty() {
            self.frame = self.frame.select(places);
            self.last = self.last.as_ref().map(|last| last.select(places));
        }
    }
}

/// Returns the adapters that runs go on from, in their order.
fn last(continued: &Continued, runs: &[(RunId, Weighting)], device: &Device) -> Result<AdapterBank, TrainError> {
    let adapter = |(run, _): &(RunId, Weighting)| {
        let last = continued.last.get(run).ok_or_else(|| TrainError::OtherLayers { run: run.clone() })?;
        Ok::<&Adapter, TrainError>(&last.adapter)
    };
    let adapters = runs.iter().map(adapter).collect::<Result<Vec<_>, _>>()?;
    AdapterBank::of(&adapters, device).ok_or(TrainError::Start)
}
