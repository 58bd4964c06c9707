//! A look at the adapters while they are trained: the same prompts from the same noise by base and adapters, drawn as in evaluation.

use std::f64::consts::GOLDEN_RATIO;

use moa_adapter::AdapterBank;
use moa_core::experiment::ProbePrompts;
use moa_core::metric;
use moa_core::{NoiseKey, ScoreColumn};
use moa_diffusion::StepRule;
use moa_reward::Pictures;

use crate::TrainError;
use crate::draw::{DrawRequest, draw};
use crate::trainer::{EpochMetrics, TrainerSetup};
use crate::world::World;

/// What one model scores at a probe.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Columns {
    /// One per reward, in the experiment's order.
    pub(crate) rewards: Vec<ScoreColumn>,
    /// One per judge that can judge any of the prompts.
    pub(crate) judges: Vec<ScoreColumn>,
}

impl Columns {
    pub(crate) fn new(rewards: Vec<ScoreColumn>, judges: Vec<ScoreColumn>) -> Self {
        Self { rewards, judges }
    }

    /// Returns the mean differences to the base, by metric.
    pub(crate) fn gains(&self, base: &Self) -> EpochMetrics {
        let gain = |own: &ScoreColumn, others: &[ScoreColumn]| {
            let other = others.iter().find(|other| other.name == own.name && other.pairs_with(own))?;
            Some(own.mean() - other.mean())
        };
        let rewards =
            self.rewards.iter().filter_map(|own| Some((metric::reward_gain(&own.name), gain(own, &base.rewards)?)));
        let judges =
            self.judges.iter().filter_map(|own| Some((metric::judge_gain(&own.name), gain(own, &base.judges)?)));
        rewards.chain(judges).collect()
    }
}

/// What is drawn, and what the base makes of it.
pub(crate) struct Probe {
    prompts: Vec<String>,
    per_prompt: usize,
    rules: Vec<StepRule>,
    /// Drawn when it is first needed: it is the same again after a restart.
    base: Option<Columns>,
}

impl Probe {
    pub(crate) fn new(setup: &TrainerSetup<'_>) -> Self {
        let spec = setup.spec.training.probe;
        let all = if spec.of == ProbePrompts::Train { setup.prompts } else { setup.held_out };
        let count = (spec.prompts as usize).min(all.len());
        let prompts = spaced(count, all.len()).map(|place| all[place].clone()).collect();
        let rules = setup.pipeline.schedule().deterministic(setup.spec.evaluation.steps as usize);
        Self { prompts, per_prompt: spec.pictures_per_prompt as usize, rules, base: None }
    }

    /// Returns what the base scores.
    pub(crate) fn base(&mut self, world: &World<'_>) -> Result<&Columns, TrainError> {
        if self.base.is_none() {
            let drawn = self.draw(world, None)?;
            let first = drawn.into_iter().next();
            let pictures = first.unwrap_or_else(|| unreachable!("the base draws one batch"));
            self.base = Some(columns(world, &pictures)?);
        }
        Ok(self.base.as_ref().unwrap_or_else(|| unreachable!("it was drawn just now")))
    }

    /// Returns what every adapter of a bank scores.
    ///
    /// # Errors
    /// Fails where a picture cannot be drawn or scored.
    pub(crate) fn look(&self, world: &World<'_>, bank: &AdapterBank) -> Result<Vec<Columns>, TrainError> {
        self.draw(world, Some(bank))?.iter().map(|pictures| columns(world, pictures)).collect()
    }

    /// Returns the prompts.
    pub(crate) fn prompts(&self) -> &[String] {
        &self.prompts
    }

    fn draw(&self, world: &World<'_>, bank: Option<&AdapterBank>) -> Result<Vec<Pictures>, TrainError> {
        let request = DrawRequest {
            prompts: &self.prompts,
            per_prompt: self.per_prompt,
            rules: &self.rules,
            guidance: world.spec.evaluation.guidance,
            key: NoiseKey::new(world.spec.seed).named("probe"),
            micro_batch: world.spec.training.micro_batch as usize,
            workers: world.workers,
        };
        draw(world.pipeline, bank, &request, &|_| ())
    }
}

/// Returns `count` places among `all`, one in each of as many equal parts, and each elsewhere in its part: lists often repeat a pattern,
/// and places at one distance would see one kind of it.
fn spaced(count: usize, all: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |part| {
        let [start, end] = [part, part + 1].map(|part| part * all / count);
        start + ((GOLDEN_RATIO * part as f64).fract() * (end - start) as f64) as usize
    })
}

fn columns(world: &World<'_>, pictures: &Pictures) -> Result<Columns, TrainError> {
    let pictures = &world.scorer.brought(pictures);
    let group = pictures.group();
    let scores = world.scorer.score(pictures)?.columns;
    let judged = world.scorer.judge(pictures)?;
    let rewards = world.spec.reward_names().into_iter().zip(&scores);
    Ok(Columns::new(
        rewards.map(|(name, scores)| ScoreColumn::of_images(name, scores, group)).collect(),
        judged.iter().filter_map(|column| ScoreColumn::of_some(column.name, &column.prompt_means(group))).collect(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probed_prompts_are_different_ones_of_every_kind() {
        for (count, all) in [(1, 1), (3, 3), (16, 768), (16, 17), (24, 96), (64, 100)] {
            let places: Vec<usize> = spaced(count, all).collect();
            assert!(places.windows(2).all(|pair| pair[0] < pair[1]), "{count} of {all}: {places:?}");
            assert!(places.iter().all(|&place| place < all), "{count} of {all}: {places:?}");
        }
        // A list that repeats every 12 places, probed at a distance that is a multiple of it.
        let kinds: std::collections::HashSet<usize> = spaced(16, 768).map(|place| place % 12 / 3).collect();
        assert_eq!(kinds.len(), 4, "each quarter of the pattern is seen");
    }
}
