//! The tie to the base, or to the adapter of the phase before: how far a trained denoiser's predictions are from that's.

use burn::tensor::{Device, Int, Tensor};
use moa_core::metric;
use moa_device::{from_host, indices_from_host};
use moa_diffusion::Conditions;
use moa_diffusion::sampler::predict;

use crate::report::Report;
use crate::world::World;

/// The distance of each row's prediction to the base's, for rows of runs that are tied.
pub(crate) struct Anchor {
    /// Mean squared differences of predictions, `[tied rows]`, with autodiff.
    pub(crate) squares: Tensor<1>,
    /// The weights of the rows' runs, `[tied rows]`.
    weights: Tensor<1>,
    /// Which rows they are.
    rows: Vec<usize>,
    /// All rows.
    count: usize,
}

impl Anchor {
    /// Measures the distance where any run is tied: no other row passes through the base.
    ///
    /// # Shapes
    /// - `x`, `output`: `[rows, c, h, w]`, rows of the first run first; `timesteps`: one per row
    pub(crate) fn of(
        world: &World<'_>,
        x: &Tensor<4>,
        timesteps: &[f32],
        conditions: &Conditions,
        output: &Tensor<4>,
    ) -> Option<Self> {
        let count = timesteps.len();
        let rows = tied(world, count)?;
        let (x, output, timesteps, conditions) = if rows.len() == count {
            (x.clone(), output.clone(), timesteps.to_vec(), conditions.clone())
        } else {
            let index = || places(&rows, &x.device().without_autodiff());
            let conditions =
                Conditions { context: conditions.context.select(&rows), guidance: conditions.guidance.clone() };
            let timesteps = rows.iter().map(|row| timesteps[*row]).collect();
            (x.clone().select(0, index()), output.clone().select(0, index()), timesteps, conditions)
        };
        let last = world.tied_to(&runs_of(&rows, count / world.members()));
        let base = predict(world.pipeline, last.as_ref(), x.without_autodiff(), &timesteps, &conditions);
        Some(Self::between(output, base, weights(world, &rows, count), rows, count))
    }

    /// Measures the distance where any run is tied, of predictions whose base's are known.
    ///
    /// # Shapes
    /// Both `[rows, c, h, w]`, rows of the first run first; the base's without autodiff
    pub(crate) fn known(world: &World<'_>, output: &Tensor<4>, base: &Tensor<4>) -> Option<Self> {
        let count = output.dims()[0];
        let rows = tied(world, count)?;
        let index = || places(&rows, &base.device());
        let (output, base) = (output.clone().select(0, index()), base.clone().select(0, index()));
        Some(Self::between(output, base, weights(world, &rows, count), rows, count))
    }

    /// Measures the distance of tied rows' predictions to the base's.
    ///
    /// # Shapes
    /// - `output`, `base`: `[tied rows, c, h, w]`; `weights`: `[tied rows]`
    /// - `rows`: which of `count` rows are tied
    pub(crate) fn between(
        output: Tensor<4>,
        base: Tensor<4>,
        weights: Tensor<1>,
        rows: Vec<usize>,
        count: usize,
    ) -> Self {
        let squares = (output - base).powi_scalar(2).reshape([rows.len() as i64, -1]).mean_dim(1).reshape([rows.len()]);
        Self { squares, weights, rows, count }
    }

    /// Counts the distance of every run by a share of its own.
    pub(crate) fn shared(self, shares: &[f32]) -> Self {
        let share = self.count / shares.len();
        let own: Vec<f32> = self.rows.iter().map(|row| shares[row / share]).collect();
        let own = from_host(own, [self.rows.len()], &self.weights.device());
        Self { weights: self.weights * own, ..self }
    }

    /// Returns what the distance adds to a loss that is summed over rows: each row's, times its run's weight and `scale`.
    pub(crate) fn penalty(&self, scale: f32) -> Tensor<1> {
        (self.squares.clone() * self.weights.clone()).sum() * scale
    }

    /// Reports the distances times `scale`, of rows whose run is tied.
    pub(crate) fn report(&self, scale: f32) -> Report {
        Report::some(metric::KL_TO_BASE, &self.squares, self.rows.clone(), self.count)
            .mapped(move |value| value * scale)
    }
}

/// Returns which of `count` rows belong to tied runs, if any do.
fn tied(world: &World<'_>, count: usize) -> Option<Vec<usize>> {
    let share = count / world.members();
    let rows: Vec<usize> = (0..count).filter(|row| world.ties[row / share] > 0.0).collect();
    (!rows.is_empty()).then_some(rows)
}

/// Returns the runs that rows belong to, `share` of each one after the other.
fn runs_of(rows: &[usize], share: usize) -> Vec<usize> {
    let mut runs: Vec<usize> = rows.iter().map(|row| row / share.max(1)).collect();
    runs.dedup();
    runs
}

/// Returns the weights of rows' runs, of `count` rows in all, `[rows]`.
fn weights(world: &World<'_>, rows: &[usize], count: usize) -> Tensor<1> {
    let share = count / world.members();
    let weights: Vec<f32> = rows.iter().map(|row| world.ties[row / share]).collect();
    from_host(weights, [rows.len()], world.device())
}

fn places(rows: &[usize], device: &Device) -> Tensor<1, Int> {
    indices_from_host(rows.iter().map(|row| *row as i64).collect(), device)
}
