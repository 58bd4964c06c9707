//! Sampling: from noise to samples through a list of [`StepRule`]s, and the log-probability of what was sampled.

use burn::tensor::{Tensor, TensorData};
use moa_core::NoiseKey;

use crate::context::TextContext;
use crate::denoiser::Denoiser;
use crate::pipeline::Pipeline;
use crate::schedule::{StepRule, mean_log_prob};

/// The conditions that a batch of rows is sampled under.
#[derive(Clone)]
pub struct Conditions {
    /// What every row is conditioned on.
    pub context: TextContext,
    /// What stands for no prompt, one row ([`Pipeline::unconditional`]), and the strength of classifier-free guidance (Ho &
    /// Salimans, 2207.12598); `None` samples without.
    pub guidance: Option<(TextContext, f32)>,
}

/// What one step did.
pub struct Step {
    /// The sample after the step, `[rows, c, h, w]`.
    pub next: Tensor<4>,
    /// The model's output, `[rows, c, h, w]`.
    pub output: Tensor<4>,
    /// Mean squared distance of `next` to the step's mean, per row, `[rows]`: what the log-probability needs.
    pub squared_distance: Tensor<1>,
}

/// Where the next sample of a step comes from.
#[derive(Clone, Copy)]
pub enum Next<'a> {
    /// It is drawn: noise of the step's shape, unused by deterministic steps.
    Draw(&'a dyn Fn() -> Tensor<4>),
    /// It was drawn before, and the step scores it.
    Score(&'a Tensor<4>),
}

/// Takes one step: draws the next sample, or scores one that was drawn before. Rolling out and re-scoring go through
/// this one function, so that the ratio of their probabilities is 1 until an adapter has changed.
///
/// # Shapes
/// - `x`: `[rows, c, h, w]`; with a bank of K adapters, rows belong to adapters in order
pub fn step<'a>(
    pipeline: &Pipeline,
    denoiser: impl Into<Denoiser<'a>>,
    rule: &StepRule,
    x: Tensor<4>,
    conditions: &Conditions,
    next: Next<'_>,
) -> Step {
    let denoiser = denoiser.into();
    let [rows, ..] = x.dims();
    let timesteps = vec![rule.timestep; rows];
    let mut output = denoiser.predict(pipeline, x.clone(), &timesteps, &conditions.context);
    if let Some((empty, strength)) = &conditions.guidance {
        let unconditional = denoiser.predict(pipeline, x.clone(), &timesteps, &empty.expand(rows));
        output = unconditional.clone() + (output - unconditional) * *strength;
    }
    let mean = x * rule.sample + output.clone() * rule.output;
    let next = match next {
        Next::Draw(noise) if rule.std > 0.0 => mean.clone() + noise() * rule.std,
        Next::Draw(_) => mean.clone(),
        Next::Score(next) => next.clone(),
    };
    let difference = next.clone() - mean;
    let squared_distance = difference.clone().powi_scalar(2).reshape([rows as i64, -1]).mean_dim(1).reshape([rows]);
    Step { next, output, squared_distance }
}

/// Returns each row's mean log-probability under a step, from [`Step::squared_distance`].
pub fn log_probs(squared_distance: Tensor<1>, std: f32) -> Tensor<1> {
    squared_distance * (-0.5 / (std * std)) + mean_log_prob(0.0, std)
}

/// Returns noise for rows that each have a key of their own, `[rows, c, h, w]`.
pub fn keyed_noise(pipeline: &Pipeline, keys: &[NoiseKey]) -> Tensor<4> {
    let [channels, height, width] = pipeline.latent_shape();
    let size = channels * height * width;
    let mut values = vec![0.0; keys.len() * size];
    for (key, row) in keys.iter().zip(values.chunks_mut(size)) {
        key.fill_normal(row);
    }
    Tensor::from_data(TensorData::new(values, [keys.len(), channels, height, width]), pipeline.device())
}

/// Samples one row per key and returns the finished samples, `[rows, c, h, w]`. Stochastic steps draw from
/// `key.with(step)`.
pub fn sample<'a>(
    pipeline: &Pipeline,
    denoiser: impl Into<Denoiser<'a>>,
    rules: &[StepRule],
    conditions: &Conditions,
    keys: &[NoiseKey],
) -> Tensor<4> {
    let denoiser = denoiser.into();
    let mut x = keyed_noise(pipeline, keys);
    for (index, rule) in rules.iter().enumerate() {
        let noise = || keyed_noise(pipeline, &keys.iter().map(|key| key.with(1 + index as u64)).collect::<Vec<_>>());
        x = step(pipeline, denoiser, rule, x, conditions, Next::Draw(&noise)).next;
    }
    x
}
