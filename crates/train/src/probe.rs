//! A look at the adapters while they are trained: the same prompts from the same noise by base and adapters, drawn as in evaluation.

use moa_adapter::AdapterBank;
use moa_core::NoiseKey;
use moa_core::experiment::ProbePrompts;
use moa_core::metric;
use moa_diffusion::StepRule;
use moa_reward::Pictures;

use crate::TrainError;
use crate::draw::{DrawRequest, draw};
use crate::trainer::{EpochMetrics, TrainerSetup};
use crate::world::World;

/// What one model scores at a probe, and what it gains over the base.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Columns {
    /// By reward, in the experiment's order: the mean of each prompt's pictures.
    pub(crate) rewards: Vec<(String, Vec<f64>)>,
    /// By judge: the same, of the prompts that it can judge.
    pub(crate) judges: Vec<(String, Vec<Option<f64>>)>,
    /// By metric: the mean difference to the base.
    gains: EpochMetrics,
}

impl Columns {
    /// Returns the gains over the base by metric; none of the base's own.
    pub(crate) fn gains(&self) -> EpochMetrics {
        self.gains.clone()
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
        let prompts = (0..count).map(|place| all[place * all.len() / count].clone()).collect();
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
    pub(crate) fn look(&mut self, world: &World<'_>, bank: &AdapterBank) -> Result<Vec<Columns>, TrainError> {
        let base = self.base(world)?.clone();
        let mut looks = Vec::new();
        for pictures in self.draw(world, Some(bank))? {
            let mut found = columns(world, &pictures)?;
            let mean = |pairs: Vec<f64>| pairs.iter().sum::<f64>() / pairs.len().max(1) as f64;
            for ((name, own), (_, other)) in found.rewards.iter().zip(&base.rewards) {
                let gain = mean(own.iter().zip(other).map(|(own, other)| own - other).collect());
                found.gains.insert(metric::reward_gain(name), gain);
            }
            for ((name, own), (_, other)) in found.judges.iter().zip(&base.judges) {
                let gain = mean(own.iter().zip(other).filter_map(|(own, other)| Some((*own)? - (*other)?)).collect());
                found.gains.insert(metric::judge_gain(name), gain);
            }
            looks.push(found);
        }
        Ok(looks)
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

fn columns(world: &World<'_>, pictures: &Pictures) -> Result<Columns, TrainError> {
    let group = pictures.group();
    let means = |scores: &Vec<f32>| -> Vec<f64> {
        let mean = |scores: &[f32]| scores.iter().map(|score| f64::from(*score)).sum::<f64>() / scores.len() as f64;
        scores.chunks(group).map(mean).collect()
    };
    let scores = world.scorer.score(pictures)?.columns;
    let judged = world.scorer.judge(pictures)?;
    Ok(Columns {
        rewards: world.spec.reward_names().into_iter().zip(scores.iter().map(means)).collect(),
        judges: judged.iter().map(|column| (column.name.to_owned(), column.prompt_means(group))).collect(),
        gains: EpochMetrics::new(),
    })
}
