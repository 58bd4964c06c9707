//! A running average of named tensors.

use burn::tensor::Device;

use crate::{Named, StateError, StateReader, StateWriter};

/// An exponential moving average: often better than the last step, as it is less noisy.
#[derive(Clone)]
pub struct Average<const D: usize> {
    tensors: Named<D>,
}

const PART: &str = "average";

impl<const D: usize> Average<D> {
    /// Returns the average of one value: itself.
    pub fn of(tensors: &Named<D>) -> Self {
        Self { tensors: tensors.clone() }
    }

    /// Moves the average of the given tensors, m ← decay·m + (1 − decay)·x; the others stay.
    pub fn follow(&mut self, tensors: &Named<D>, decay: f64) {
        for (name, average) in &mut self.tensors {
            if let Some(tensor) = tensors.get(name) {
                *average = average.clone() * decay + tensor.clone() * (1.0 - decay);
            }
        }
    }

    /// Returns the decay of the `step`-th of the values that an average follows, counted from 1, that leaves nothing of what it started from:
    /// the average is then the mean of what it followed, by weights that fall by `decay` with age (the bias correction of Adam, 1412.6980).
    pub fn unbiased(decay: f64, step: u32) -> f64 {
        let after = 1.0 - decay.powf(f64::from(step));
        (after - (1.0 - decay)) / after
    }

    /// Returns the averaged tensors.
    pub fn tensors(&self) -> &Named<D> {
        &self.tensors
    }

    /// Adds the average to a file.
    pub fn save(&self, file: &mut StateWriter) {
        file.add_all(PART, &self.tensors);
    }

    /// Takes an average of tensors like `like` from a file.
    ///
    /// # Errors
    /// Refuses an average that is incomplete or of another shape.
    pub fn load(file: &StateReader<'_>, like: &Named<D>, device: &Device) -> Result<Self, StateError> {
        Ok(Self { tensors: file.all(PART, like, device)? })
    }
}
