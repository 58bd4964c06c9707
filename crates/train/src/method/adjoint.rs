//! Adjoint matching (Domingo-Enrich et al., 2409.08861), in the sampler's own steps.
//!
//! Training to E[reward] − KL(trajectories ‖ the base's) is stochastic optimal control. Where a step has the mean μ and the noise s, the
//! best change of its mean is s²·∂(what is to come)/∂x′. The *lean* adjoint takes that derivative along the image's course through
//! the base alone: a is −strength·∂reward/∂x₀ at the end, and (∂μ_base/∂x)ᵀa a step before. What a step changes is fitted to it:
//! ‖(μ − μ_base)/s + s·a‖².

use std::sync::Arc;

use burn::tensor::Tensor;
use moa_adapter::AdapterBank;
use moa_core::experiment::{AdjointSpec, Precision};
use moa_core::metric;
use moa_diffusion::sampler::{Next, advance, predict};
use moa_diffusion::{Conditions, StepRule};

use super::differentiable::{coefficients, gradients};
use super::policy_gradient::trained_steps;
use super::{Gathered, Loss, Method, Pass, by_step, mean_squares};
use crate::TrainError;
use crate::anchor::Anchor;
use crate::batches::in_order;
use crate::clock::Part;
use crate::epoch::Epoch;
use crate::factors::Factors;
use crate::report::Report;
use crate::rollout::{Keep, Trajectory, finished};
use crate::statistics::Statistics;
use crate::trainer::EpochMetrics;
use crate::world::World;

/// The method.
pub(crate) struct AdjointMatching {
    pub(crate) spec: AdjointSpec,
}

impl Method for AdjointMatching {
    fn gather(&self, epoch: &Epoch<'_>, policy: &Factors, statistics: &mut Statistics) -> Result<Gathered, TrainError> {
        let AdjointSpec { train_steps, updates_per_epoch, strength } = self.spec;
        let world = epoch.world;
        let rules = world.sampler.rules();
        let trajectories = epoch.roll_out(&world.bank(policy), rules, Keep { from: 0, means: false })?;
        let samples = finished(&trajectories);
        let pictures = epoch.pictures(&samples)?;
        let scores = epoch.score(&pictures, statistics)?;
        let objective = coefficients(epoch, &scores, statistics, &|_| true);
        let ends = gradients(epoch, &samples, &pictures, &objective)?;
        let ends = ends.into_iter().map(|gradient| gradient * -strength);
        let pairs: Vec<(Trajectory, Tensor<4>)> = trajectories.into_iter().zip(ends).collect();
        let back = |(trajectory, end): &(Trajectory, Tensor<4>)| {
            let conditions = epoch.texts.conditions(&epoch.rows(&trajectory.slice));
            let course = Course::back(world, rules, trajectory, conditions, end.clone());
            epoch.meter.trained(end.dims()[0] * rules.len());
            Ok::<_, TrainError>(Arc::new(course))
        };
        let courses = epoch.clock.time(Part::Rollout, || in_order(&pairs, &world.workers, back))?;
        let steps = trained_steps(epoch, rules, train_steps);
        let updates = by_step(&steps, updates_per_epoch, &courses, |course, index, steps| {
            let weight = 1.0 / (epoch.samples() * steps) as f32;
            Box::new(AdjointPass { course: course.clone(), rule: rules[index], index, weight })
        });
        Ok(Gathered { metrics: vec![EpochMetrics::new(); world.members()], scores, updates })
    }
}

/// The course of some images, and what the rewards make of it.
struct Course {
    conditions: Conditions,
    /// The sample before each step, each `[rows, c, h, w]`.
    latents: Vec<Tensor<4>>,
    /// What the base predicts from it, each `[rows, c, h, w]`.
    base: Vec<Tensor<4>>,
    /// The adjoint after each step, each `[rows, c, h, w]`.
    adjoints: Vec<Tensor<4>>,
}

impl Course {
    /// Goes back along a trajectory from the adjoint at its end, `[rows, c, h, w]`.
    fn back(
        world: &World<'_>,
        rules: &[StepRule],
        trajectory: &Trajectory,
        conditions: Conditions,
        end: Tensor<4>,
    ) -> Self {
        let mut adjoint = end;
        let (mut base, mut adjoints) = (Vec::new(), Vec::new());
        for (rule, x) in rules.iter().zip(&trajectory.latents).rev() {
            adjoints.push(adjoint.clone());
            let timesteps = vec![rule.timestep; x.dims()[0]];
            let model = |x: Tensor<4>| predict(world.pipeline, None, x, &timesteps, &conditions);
            // On its way through a base in F16 it is as large as that can hold; rows do not touch each other.
            let size = (world.pipeline.precision() == Precision::F16).then(|| largest(&adjoint));
            let scaled = size.clone().map_or(adjoint.clone(), |size| adjoint / size);
            let (output, before) = adjoint_before(rule, x, &model, scaled);
            base.push(output);
            adjoint = size.map_or(before.clone(), |size| before * size);
        }
        base.reverse();
        adjoints.reverse();
        Self { conditions, latents: trajectory.latents.clone(), base, adjoints }
    }
}

/// Returns each row's largest magnitude, above 0, `[rows, 1, 1, 1]`.
fn largest(x: &Tensor<4>) -> Tensor<4> {
    let [rows, ..] = x.dims();
    let flat: Tensor<2> = x.clone().abs().reshape([rows as i64, -1]);
    flat.max_dim(1).clamp_min(f32::MIN_POSITIVE).reshape([rows, 1, 1, 1])
}

/// Returns what a model predicts from `x`, and (∂μ/∂x)ᵀ·a with μ the mean of the step from there, both `[rows, c, h, w]`.
pub(super) fn adjoint_before(
    rule: &StepRule,
    x: &Tensor<4>,
    model: &dyn Fn(Tensor<4>) -> Tensor<4>,
    adjoint: Tensor<4>,
) -> (Tensor<4>, Tensor<4>) {
    let leaf = x.clone().autodiff().require_grad();
    let output = model(leaf.clone());
    let mean = advance(rule, leaf.clone(), output.clone(), None, Next::Score(&leaf)).mean;
    let mut graph = (mean * Tensor::from_inner(adjoint)).sum().backward();
    let before = leaf.grad_remove(&mut graph).unwrap_or_else(|| unreachable!("the mean depends on the sample"));
    (output.inner(), before)
}

/// One step of some images, fitted to its adjoint.
struct AdjointPass {
    course: Arc<Course>,
    rule: StepRule,
    /// The step's place.
    index: usize,
    /// What a row weighs: 1 / (images · steps).
    weight: f32,
}

impl Pass for AdjointPass {
    fn rows(&self) -> usize {
        self.course.latents[self.index].dims()[0]
    }

    fn loss(&self, world: &World<'_>, bank: &AdapterBank) -> Loss {
        let Self { course, rule, index, weight } = self;
        let timesteps = vec![rule.timestep; self.rows()];
        let new = predict(world.pipeline, Some(bank), course.latents[*index].clone(), &timesteps, &course.conditions);
        let base = course.base[*index].clone();
        let row = matched(rule, new.clone(), base.clone(), course.adjoints[*index].clone());
        let mut reports = vec![Report::all(metric::LOSS, &row)];
        let mut total = row.sum() * *weight;
        if let Some(anchor) = Anchor::known(world, &new, &base) {
            total = total + anchor.penalty(*weight);
            reports.push(anchor.report(1.0));
        }
        Loss { total, reports }
    }
}

/// Returns each row's mean over dimensions of ((μ − μ_base)/s + s·a)², with μ = … + c·prediction, `[rows]`.
///
/// # Shapes
/// The predictions `new` (with autodiff) and `base`, and the adjoint after the step: `[rows, c, h, w]`
pub(super) fn matched(rule: &StepRule, new: Tensor<4>, base: Tensor<4>, adjoint: Tensor<4>) -> Tensor<1> {
    let change = (new - Tensor::from_inner(base)) * (rule.output / rule.std);
    mean_squares(change + Tensor::from_inner(adjoint * rule.std))
}
