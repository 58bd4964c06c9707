//! What a pass over some rows of one adapter carries along.

use moa_kernels::Workspace;

use super::linear::{GradientPlaces, Merged};

/// A forward or a backward pass over a part of the batch: rows of one adapter.
pub(super) struct Pass<'a> {
    /// Rows of the part.
    pub(super) rows: usize,
    /// The adapter, by layer number; `None` passes through the base.
    pub(super) adapter: Option<&'a [Option<Merged>]>,
    /// Text states, `[texts, tokens, width]`: images of one prompt share theirs, unless the gradient of every row's is wanted.
    pub(super) texts: &'a [f32],
    /// How many they are.
    pub(super) text_count: usize,
    /// Which of them each row has.
    pub(super) text_of: &'a [usize],
    /// Activations that the backward pass needs, last one last; `None` keeps none.
    pub(super) tape: Option<Vec<Vec<f32>>>,
    /// Where layers' gradients go in `gradients`, by layer number.
    pub(super) places: &'a [GradientPlaces],
    /// The gradients of one adapter's factors, summed over the part's rows.
    pub(super) gradients: Vec<f32>,
    /// The gradient of the texts, where it is wanted.
    pub(super) text_gradient: Option<Vec<f32>>,
    /// Buffers.
    pub(super) workspace: &'a mut Workspace,
}

impl<'a> Pass<'a> {
    /// Returns the merged layer of the adapter.
    pub(super) fn merged(&self, id: Option<usize>) -> Option<&'a Merged> {
        self.adapter?.get(id?)?.as_ref()
    }

    /// Keeps an activation for the backward pass, or its buffer for the next.
    pub(super) fn keep(&mut self, buffer: Vec<f32>) {
        match &mut self.tape {
            Some(tape) => tape.push(buffer),
            None => self.workspace.give(buffer),
        }
    }

    /// Keeps a copy of an activation for the backward pass.
    pub(super) fn keep_copy(&mut self, values: &[f32]) {
        if let Some(tape) = &mut self.tape {
            tape.push(self.workspace.copy(values));
        }
    }

    /// Returns the activation that was kept last.
    pub(super) fn kept(&mut self) -> Vec<f32> {
        let last = self.tape.as_mut().and_then(Vec::pop);
        last.unwrap_or_else(|| unreachable!("the backward pass takes what the forward pass kept, in reverse"))
    }
}

/// Adds values one by one.
pub(super) fn add_onto(out: &mut [f32], values: &[f32]) {
    out.iter_mut().zip(values).for_each(|(out, value)| *out += value);
}
