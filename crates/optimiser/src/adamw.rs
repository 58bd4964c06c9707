//! AdamW (Loshchilov & Hutter, ICLR 2019) over named tensors.

use burn::optim::{self, AdamWConfig, AdamWState, AdaptiveMomentumState, Optimizer};
use burn::tensor::Device;
use moa_core::experiment::OptimiserSpec;

use crate::{Named, StateError, StateReader, StateWriter};

/// AdamW with its moments, by the names of what it has stepped.
#[derive(Clone)]
pub struct AdamW<const D: usize> {
    adamw: optim::AdamW,
    moments: std::collections::BTreeMap<String, AdamWState<D>>,
}

const FIRST: &str = "moment_1";
const SECOND: &str = "moment_2";

impl<const D: usize> AdamW<D> {
    /// Returns the optimiser before its first step. Of the settings it takes decays, ε and weight decay; step size and the bound on
    /// the gradient's norm are its caller's.
    pub fn new(spec: &OptimiserSpec) -> Self {
        let adamw = AdamWConfig::new()
            .with_beta_1(spec.beta1 as f32)
            .with_beta_2(spec.beta2 as f32)
            .with_epsilon(spec.epsilon as f32)
            .with_weight_decay(spec.weight_decay as f32)
            .build();
        Self { adamw, moments: std::collections::BTreeMap::new() }
    }

    /// Takes one step of size `rate` on every tensor that has a gradient; the others stay, and count no step. A gradient of no tensor is
    /// passed over.
    pub fn step(&mut self, rate: f64, tensors: &mut Named<D>, gradients: Named<D>) {
        for (name, gradient) in gradients {
            let Some(tensor) = tensors.get_mut(&name) else { continue };
            let (next, moments) = self.adamw.step(rate, tensor.clone(), gradient, self.moments.remove(&name));
            *tensor = next;
            self.moments.extend(moments.map(|moments| (name, moments)));
        }
    }

    /// Changes every moment as the tensors that it belongs to are changed, e.g. cut.
    pub fn map_moments(&mut self, change: impl Fn(burn::tensor::Tensor<D>) -> burn::tensor::Tensor<D>) {
        for state in self.moments.values_mut() {
            let AdaptiveMomentumState { time, moment_1, moment_2, .. } = state.momentum.clone();
            *state = AdamWState::new(AdaptiveMomentumState::new(time, change(moment_1), change(moment_2)));
        }
    }

    /// Returns by tensor the running mean of its squared gradients, without the bias of the first steps; nothing of tensors that were never
    /// stepped.
    ///
    /// - `beta2`: the decay that the optimiser steps with
    pub fn mean_squares(&self, beta2: f64) -> Named<D> {
        let mean = |(name, state): (&String, &AdamWState<D>)| {
            let momentum = &state.momentum;
            let seen = 1.0 - beta2.powi(i32::try_from(momentum.time).unwrap_or(i32::MAX));
            (name.clone(), momentum.moment_2.clone() / seen)
        };
        self.moments.iter().map(mean).collect()
    }

    /// Adds the moments to a file.
    pub fn save(&self, file: &mut StateWriter) {
        for (name, state) in &self.moments {
            file.add(&format!("{FIRST}/{name}"), &state.momentum.moment_1);
            file.add(&format!("{SECOND}/{name}"), &state.momentum.moment_2);
            file.count(name, state.momentum.time as u64);
        }
    }

    /// Takes the moments of tensors like `like` from a file; those that were never stepped have none.
    ///
    /// # Errors
    /// Refuses moments that are missing or of another shape; the optimiser is as before then.
    pub fn load(&mut self, file: &StateReader<'_>, like: &Named<D>, device: &Device) -> Result<(), StateError> {
        let mut moments = std::collections::BTreeMap::new();
        for (name, own) in like {
            let Some(time) = file.counted(name) else { continue };
            let moment = |part: &str| {
                let name = format!("{part}/{name}");
                file.tensor(&name, own.dims(), device)?.ok_or(StateError::Missing { name })
            };
            let state = AdaptiveMomentumState::new(time as usize, moment(FIRST)?, moment(SECOND)?);
            moments.insert(name.clone(), AdamWState::new(state));
        }
        self.moments = moments;
        Ok(())
    }
}
