//! A look at the adapters while they are trained: the same prompts from the same noise by base and adapters, drawn as in evaluation.

use std::f64::consts::GOLDEN_RATIO;

use moa_adapter::AdapterBank;
use moa_core::ScoreColumn;
use moa_core::experiment::ProbePrompts;
use moa_core::metric;
use moa_diffusion::StepRule;
use moa_reward::Pictures;

use crate::TrainError;
use crate::common::Common;
use crate::draw::{DrawRequest, draw};
use crate::trainer::{EpochMetrics, TrainerSetup};

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

/// What is drawn.
pub(crate) struct Probe {
    prompts: Vec<String>,
    per_prompt: usize,
    rules: Vec<StepRule>,
}

impl Probe {
    pub(crate) fn new(setup: &TrainerSetup<'_>) -> Self {
        let spec = setup.spec.training.probe;
        // Those of earlier phases are other phases' to look at.
        let own =
            setup.prompts.len() - setup.continued.map_or(0, |continued| continued.replayed.min(setup.prompts.len()));
        let all = if spec.of == ProbePrompts::Train { &setup.prompts[..own] } else { setup.held_out };
        let count = (spec.prompts as usize).min(all.len());
        let prompts = spaced(count, all.len()).map(|place| all[place].clone()).collect();
        let rules = setup.pipeline.schedule().evaluation(setup.spec.evaluation.steps as usize);
        Self { prompts, per_prompt: spec.images_per_prompt as usize, rules }
    }

    /// Returns what every adapter of a bank scores; without a bank, what the base does.
    ///
    /// # Errors
    /// Fails where an image cannot be drawn or scored.
    pub(crate) fn look(&self, common: &Common<'_>, bank: Option<&AdapterBank>) -> Result<Vec<Columns>, TrainError> {
        let request = DrawRequest {
            prompts: &self.prompts,
            per_prompt: self.per_prompt,
            rules: &self.rules,
            guidance: common.spec.evaluation.guidance,
            key: common.key("probe"),
            micro_batch: common.spec.training.micro_batch as usize,
            workers: &common.workers,
            stop: None,
        };
        let drawn = draw(common.pipeline, bank, &request, &|_| ())?;
        drawn.iter().map(|pictures| columns(common, pictures)).collect()
    }

    /// Returns the prompts.
    pub(crate) fn prompts(&self) -> &[String] {
        &self.prompts
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

fn columns(common: &Common<'_>, pictures: &Pictures) -> Result<Columns, TrainError> {
    let pictures = &common.scorer.brought(pictures);
    let group = pictures.group();
    let scores = common.scorer.score(pictures)?.columns;
    let judged = common.scorer.judge(pictures)?;
    let rewards = common.spec.reward_names().into_iter().zip(&scores);
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
