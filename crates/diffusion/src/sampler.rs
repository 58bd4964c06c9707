//! Sampling: from noise to samples through a list of [`StepRule`]s, and what the log-probability of a sample needs.

use burn::tensor::Tensor;
use moa_core::NoiseKey;
use moa_device::from_host;

use crate::context::TextContext;
use crate::denoiser::Denoiser;
use crate::pipeline::Pipeline;
use crate::schedule::StepRule;

/// The conditions that a batch of rows is sampled under.
#[derive(Clone)]
pub struct Conditions {
    /// What every row is conditioned on.
    pub context: TextContext,
    /// What stands for no prompt, one row ([`Pipeline::unconditional`]), and the strength of classifier-free guidance (Ho &
    /// Salimans, 2207.12598), or of the guidance that a model embeds ([`Pipeline::guided`]); `None` samples without, or with the
    /// strength that such a model has by itself.
    pub guidance: Option<(TextContext, f32)>,
}

/// What one step did.
pub struct Step {
    /// The sample after the step, `[rows, c, h, w]`.
    pub next: Tensor<4>,
    /// The step's mean, `[rows, c, h, w]`.
    pub mean: Tensor<4>,
    /// The model's output, `[rows, c, h, w]`.
    pub output: Tensor<4>,
    /// What the next step takes as `previous`, `[rows, c, h, w]` (see [`StepRule::kept`]): most often the model's output.
    pub kept: Tensor<4>,
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

/// Predicts noise or velocity, with guidance where the conditions ask for it.
///
/// # Shapes
/// - `x`: `[rows, c, h, w]`; with a bank of K adapters, rows belong to adapters in order
/// - `timesteps`: one per row, in the schedule's unit
/// - returns `[rows, c, h, w]`
pub fn predict<'a>(
    pipeline: &Pipeline,
    denoiser: impl Into<Denoiser<'a>>,
    x: Tensor<4>,
    timesteps: &[f32],
    conditions: &Conditions,
) -> Tensor<4> {
    let denoiser = denoiser.into();
    let guided = conditions.guidance.as_ref().and_then(|(_, strength)| pipeline.guided(&conditions.context, *strength));
    if let Some(context) = guided {
        return denoiser.predict(pipeline, x, timesteps, &context);
    }
    let output = denoiser.predict(pipeline, x.clone(), timesteps, &conditions.context);
    let Some((empty, strength)) = &conditions.guidance else { return output };
    let unconditional = denoiser.predict(pipeline, x, timesteps, &empty.expand(timesteps.len()));
    unconditional.clone() + (output - unconditional) * *strength
}

/// Takes one step: draws the next sample, or scores one that was drawn before. Rolling out and re-scoring go through
/// this one function, so that the ratio of their probabilities is 1 until an adapter has changed.
///
/// # Shapes
/// - `x`: `[rows, c, h, w]`; with a bank of K adapters, rows belong to adapters in order
/// - `previous`: the [`Step::kept`] of the step before, `[rows, c, h, w]`; `None` before the first step. Rules of one step pass it
///   over
///
/// # Panics
/// When the rule needs what the step before kept, and it is not given: no schedule's first rule does.
pub fn step<'a>(
    pipeline: &Pipeline,
    denoiser: impl Into<Denoiser<'a>>,
    rule: &StepRule,
    x: Tensor<4>,
    conditions: &Conditions,
    previous: Option<&Tensor<4>>,
    next: Next<'_>,
) -> Step {
    let [rows, ..] = x.dims();
    let output = predict(pipeline, denoiser, x.clone(), &vec![rule.timestep; rows], conditions);
    advance(rule, x, output, previous, next)
}

/// Takes one step on what the model has predicted: the arithmetic of [`step`], which says what the others are.
///
/// # Shapes
/// - `output`: the prediction, `[rows, c, h, w]`
///
/// # Panics
/// As [`step`].
pub fn advance(rule: &StepRule, x: Tensor<4>, output: Tensor<4>, previous: Option<&Tensor<4>>, next: Next<'_>) -> Step {
    let [rows, ..] = x.dims();
    let kept = match rule.kept {
        [0.0, 1.0] => output.clone(),
        [sample, model] => x.clone() * sample + output.clone() * model,
    };
    let mut mean = x * rule.sample + output.clone() * rule.output;
    if rule.previous != 0.0 {
        let previous = previous.unwrap_or_else(|| panic!("a second-order step needs what the step before kept"));
        mean = mean + previous.clone() * rule.previous;
    }
    let next = match next {
        Next::Draw(noise) if rule.std > 0.0 => mean.clone() + noise() * rule.std,
        Next::Draw(_) => mean.clone(),
        Next::Score(next) => next.clone(),
    };
    let difference = next.clone() - mean.clone();
    let squared_distance = difference.clone().powi_scalar(2).reshape([rows as i64, -1]).mean_dim(1).reshape([rows]);
    Step { next, mean, output, kept, squared_distance }
}

/// Returns noise for rows that each have a key of their own, `[rows, c, h, w]`.
pub fn keyed_noise(pipeline: &Pipeline, keys: &[NoiseKey]) -> Tensor<4> {
    let [channels, height, width] = pipeline.latent_shape();
    let size = channels * height * width;
    let mut values = vec![0.0; keys.len() * size];
    for (key, row) in keys.iter().zip(values.chunks_mut(size)) {
        key.fill_normal(row);
    }
    from_host(values, [keys.len(), channels, height, width], pipeline.device())
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
    let mut previous = None;
    for (index, rule) in rules.iter().enumerate() {
        let noise = || keyed_noise(pipeline, &keys.iter().map(|key| key.with(1 + index as u64)).collect::<Vec<_>>());
        let taken = step(pipeline, denoiser, rule, x, conditions, previous.as_ref(), Next::Draw(&noise));
        (x, previous) = (taken.next, Some(taken.kept));
    }
    x
}
