//! The trainer: an epoch of policy gradient for every adapter of a bank at once.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use burn::tensor::{Tensor, TensorData};
use moa_adapter::{AdapterBank, BankConfig};
use moa_core::experiment::ExperimentSpec;
use moa_core::{NoiseKey, RunId, Weighting};
use moa_diffusion::sampler::{Next, step};
use moa_diffusion::{Pipeline, StepRule, TextContext};
use moa_reward::{Pictures, Scorer};

use crate::batches::{in_order, slices};
use crate::checkpoint::{Checkpoint, restore};
use crate::optimiser::{BankOptimiser, FactorName, Factors, trained, with_factors};
use crate::plan::{stochastic_steps, targeted};
use crate::rollout::{TextStates, Trajectory, by_member, roll_out};
use crate::selection::{TrainingSlice, select};
use crate::surrogate::{SurrogateStats, clipped};
use crate::{Advantages, TrainError, advantages, clip_range};

/// The largest deviation of a probability ratio from 1 before the first update of an epoch.
const RATIO_TOLERANCE: f64 = 1e-5;

/// What a trainer works with.
pub struct TrainerSetup<'a> {
    /// The base model.
    pub pipeline: &'a Pipeline,
    /// The rewards, in the experiment's order.
    pub scorer: &'a Scorer,
    /// The training prompts.
    pub prompts: &'a [String],
    /// The experiment.
    pub spec: &'a ExperimentSpec,
    /// The runs trained together.
    pub runs: &'a [(RunId, Weighting)],
    /// Threads that work on micro-batches; results do not depend on it.
    pub workers: usize,
}

/// The metrics of one run's epoch, by standard names.
pub type EpochMetrics = BTreeMap<String, f64>;

/// Trains one adapter per run, all in one batch over the frozen base.
pub struct Trainer<'a> {
    setup: TrainerSetup<'a>,
    rules: Vec<StepRule>,
    contexts: TextContext,
    empty_context: TextContext,
    frame: AdapterBank,
    factors: Factors,
    average: Option<Factors>,
    optimiser: BankOptimiser,
    /// The weight of each run's KL divergence to the base.
    ties: Vec<f32>,
    epoch: u32,
}

/// The samples of one epoch: which prompts, and the noise of every row.
struct EpochBatch {
    prompts: Vec<usize>,
    texts: TextStates,
    slices: Vec<Range<usize>>,
}

/// What an update saw, per adapter.
struct UpdateStats {
    ratios: Vec<Vec<f32>>,
    grad_norms: Vec<f64>,
    kl: Vec<f64>,
}

impl<'a> Trainer<'a> {
    /// Returns a trainer before its first epoch.
    ///
    /// # Errors
    /// Fails when the sampler does not fit the base model, `lora.targets` match no layer, or a prompt cannot be
    /// tokenised.
    pub fn new(setup: TrainerSetup<'a>) -> Result<Self, TrainError> {
        let TrainerSetup { pipeline, spec, runs, .. } = &setup;
        let rules = stochastic_steps(pipeline.schedule(), spec)?;
        let layers = targeted(pipeline.adaptable(), &spec.lora.targets)?;
        let config = BankConfig {
            rank: spec.lora.rank as usize,
            alpha: spec.lora.alpha,
            share_a: spec.lora.share_a,
            seed: spec.seed,
        };
        let frame = AdapterBank::fresh(&config, runs.len(), &layers, pipeline.device());
        let factors = trained(&frame, spec.lora.share_a);
        let average = spec.optimiser.ema.map(|_| factors.clone());
        let optimiser = BankOptimiser::new(&spec.optimiser);
        let contexts = pipeline.encode_prompts(setup.prompts)?;
        let empty_context = pipeline.unconditional()?;
        let ties = runs.iter().map(|(_, weighting)| spec.kl(weighting) as f32).collect();
        Ok(Self { setup, rules, contexts, empty_context, frame, factors, average, optimiser, ties, epoch: 0 })
    }

    /// Whether any run is tied to the base by a KL divergence; it is measured for all then.
    fn is_tied(&self) -> bool {
        self.ties.iter().any(|tie| *tie > 0.0)
    }

    /// Returns the epochs finished.
    pub fn epochs_done(&self) -> u32 {
        self.epoch
    }

    /// Returns the adapters as they stand: the moving average where one is kept.
    pub fn bank(&self) -> AdapterBank {
        with_factors(&self.frame, self.average.as_ref().unwrap_or(&self.factors))
    }

    /// Trains one epoch and returns the metrics of every run, in the runs' order.
    ///
    /// `progress` is told the share of the epoch that is finished, from any thread.
    ///
    /// # Errors
    /// See [`TrainError`]; the trainer is as before the epoch then.
    pub fn epoch(&mut self, progress: &(dyn Fn(f64) + Sync)) -> Result<Vec<EpochMetrics>, TrainError> {
        let epoch = self.epoch + 1;
        let batch = self.choose_prompts(epoch);
        let training = &self.setup.spec.training;
        let trained = slices(
            training.trained(batch.texts.group * batch.prompts.len()),
            self.setup.runs.len(),
            training.micro_batch as usize,
        );
        let work = batch.slices.len() * self.rules.len() + trained.len() * 2 * training.train_steps as usize;
        let finished = AtomicUsize::new(0);
        let done = |units: usize| progress((finished.fetch_add(units, Ordering::Relaxed) + units) as f64 / work as f64);

        let trajectories = self.roll_out(epoch, &batch, &done)?;
        let scores = self.score(&batch, &trajectories)?;
        let spec = self.setup.spec;
        let advantages: Vec<Advantages> = scores
            .iter()
            .zip(self.setup.runs)
            .map(|(scores, (_, weighting))| {
                let group = spec.training.pictures_per_prompt as usize;
                advantages(scores, weighting, group, spec.combine, spec.training.advantage_clip)
            })
            .collect();
        let chosen = select(&trajectories, &advantages, &spec.training);
        let mut updates = Vec::new();
        for (index, steps) in self.trained_steps(epoch).iter().enumerate() {
            updates.push(self.update(epoch, index == 0, &batch.texts, &chosen, steps, &done)?);
        }
        if let (Some(average), Some(decay)) = (&mut self.average, spec.optimiser.ema) {
            for (name, factor) in &self.factors {
                average.entry(name.clone()).and_modify(|a| *a = a.clone() * decay + factor.clone() * (1.0 - decay));
            }
        }
        self.epoch = epoch;
        Ok(self.metrics(&scores, &advantages, &updates))
    }

    /// Returns everything that the next epoch depends on, as bytes.
    ///
    /// # Errors
    /// Fails when the state cannot be serialised.
    pub fn checkpoint(&self) -> Result<Vec<u8>, TrainError> {
        let digest = self.digest();
        Checkpoint {
            epoch: self.epoch,
            digest: &digest,
            factors: &self.factors,
            average: self.average.as_ref(),
            optimiser: &self.optimiser,
        }
        .write()
    }

    /// Goes back to a checkpoint of the same experiment; what follows is bit-identical to never having stopped.
    ///
    /// # Errors
    /// Refuses checkpoints that are unreadable or of another experiment.
    pub fn restore(&mut self, bytes: &[u8]) -> Result<(), TrainError> {
        let digest = self.digest();
        let restored = restore(bytes, &digest, &self.factors, &mut self.optimiser, self.setup.pipeline.device())?;
        self.epoch = restored.epoch;
        self.factors = restored.factors;
        self.average = self.average.as_ref().and(restored.average);
        Ok(())
    }

    /// Names what a checkpoint must belong to: everything that training depends on but the number of epochs.
    fn digest(&self) -> String {
        let default = ExperimentSpec::default();
        let mut spec = self.setup.spec.clone();
        spec.training.epochs = 1;
        (spec.name, spec.evaluation, spec.hypervolume) = (None, default.evaluation, default.hypervolume);
        (spec.soups, spec.blends) = (default.soups, default.blends);
        let runs: Vec<String> = self.setup.runs.iter().map(|(id, w)| format!("{id}={:?}", w.shares())).collect();
        let text = format!("{}\n{}", spec.to_ron(), runs.join("\n"));
        format!("{:016x}", NoiseKey::new(0).named(&text).bits(0))
    }

    /// Chooses the epoch's prompts: a seeded shuffle of the training prompts, walked through before it is redrawn.
    fn choose_prompts(&self, epoch: u32) -> EpochBatch {
        let training = &self.setup.spec.training;
        let (count, wanted) = (self.setup.prompts.len(), training.prompts_per_epoch as usize);
        let key = NoiseKey::new(self.setup.spec.seed).named("prompts");
        let first = (epoch as usize - 1) * wanted;
        let prompts: Vec<usize> = (first..first + wanted)
            .map(|position| key.with((position / count) as u64).permutation(count)[position % count])
            .collect();
        let strength = self.setup.spec.sampler.guidance;
        let guided = (strength - 1.0).abs() > f32::EPSILON;
        let group = training.pictures_per_prompt as usize;
        let texts = TextStates {
            prompts: self.contexts.select(&prompts),
            guidance: guided.then(|| (self.empty_context.clone(), strength)),
            group,
        };
        let slices = slices(wanted * group, self.setup.runs.len(), training.micro_batch as usize);
        EpochBatch { prompts, texts, slices }
    }

    fn roll_out(
        &self,
        epoch: u32,
        batch: &EpochBatch,
        done: &(dyn Fn(usize) + Sync),
    ) -> Result<Vec<Trajectory>, TrainError> {
        let bank = with_factors(&self.frame, &self.factors);
        let key = NoiseKey::new(self.setup.spec.seed).named("rollout");
        let group = batch.texts.group;
        in_order(&batch.slices, self.setup.workers, |slice| {
            let keys: Vec<NoiseKey> = self
                .setup
                .runs
                .iter()
                .flat_map(|(id, _)| {
                    let key = key.named(id.as_str()).with(u64::from(epoch));
                    slice.clone().map(move |s| key.with((s / group) as u64).with((s % group) as u64))
                })
                .collect();
            let trajectory = roll_out(self.setup.pipeline, &bank, &self.rules, &batch.texts, slice, &keys);
            done(self.rules.len());
            Ok(trajectory)
        })
    }

    /// Returns the scores of every run: a column for each reward.
    fn score(&self, batch: &EpochBatch, trajectories: &[Trajectory]) -> Result<Vec<Vec<Vec<f32>>>, TrainError> {
        let samples: Vec<&Tensor<4>> = trajectories.iter().filter_map(|trajectory| trajectory.latents.last()).collect();
        let decode = |latents: &&Tensor<4>| Ok::<_, TrainError>(self.setup.pipeline.decode((*latents).clone()));
        let pictures = in_order(&samples, self.setup.workers, decode)?;
        let group = batch.texts.group;
        let prompts: Vec<String> =
            batch.prompts.iter().flat_map(|p| std::iter::repeat_n(self.setup.prompts[*p].clone(), group)).collect();
        let pictures: Vec<Pictures> = by_member(&pictures, self.setup.runs.len())
            .into_iter()
            .map(|pixels| Pictures::new(pixels, prompts.clone(), group))
            .collect::<Result<_, _>>()?;
        in_order(&pictures, self.setup.workers, |pictures| Ok(self.setup.scorer.score(pictures)?.columns))
    }

    /// Returns the steps trained in this epoch, shared out among its updates. The last step has no noise and no
    /// probability, and is never among them.
    fn trained_steps(&self, epoch: u32) -> Vec<Vec<usize>> {
        let training = &self.setup.spec.training;
        let key = NoiseKey::new(self.setup.spec.seed).named("steps").with(u64::from(epoch));
        let mut steps = key.permutation(self.rules.len() - 1);
        steps.truncate(training.train_steps as usize);
        let share = steps.len().div_ceil(training.updates_per_epoch as usize).max(1);
        steps.chunks(share).map(<[usize]>::to_vec).collect()
    }

    fn update(
        &mut self,
        epoch: u32,
        first: bool,
        texts: &TextStates,
        slices: &[TrainingSlice],
        steps: &[usize],
        done: &(dyn Fn(usize) + Sync),
    ) -> Result<UpdateStats, TrainError> {
        let members = self.setup.runs.len();
        let parts = in_order(slices, self.setup.workers, |slice| {
            let part = self.gradients(texts, slice, steps);
            done(2 * steps.len());
            Ok::<_, TrainError>(part)
        })?;
        let mut gradients = Factors::new();
        let mut stats =
            UpdateStats { ratios: vec![Vec::new(); members], grad_norms: Vec::new(), kl: vec![0.0; members] };
        for part in parts {
            for (name, gradient) in part.gradients {
                let sum = match gradients.remove(&name) {
                    Some(sum) => sum + gradient,
                    None => gradient,
                };
                gradients.insert(name, sum);
            }
            for (surrogate, kl) in part.steps {
                let share = surrogate.ratios.len() / members;
                for (member, ratios) in surrogate.ratios.chunks(share).enumerate() {
                    stats.ratios[member].extend_from_slice(ratios);
                }
                for (member, kl) in kl.chunks(share).enumerate() {
                    stats.kl[member] += kl.iter().map(|kl| f64::from(*kl)).sum::<f64>();
                }
            }
        }
        for (kl, ratios) in stats.kl.iter_mut().zip(&stats.ratios) {
            *kl /= ratios.len() as f64;
        }
        if first {
            let all = SurrogateStats { ratios: stats.ratios.concat() };
            let deviation = all.deviation();
            if deviation > RATIO_TOLERANCE || all.ratios.iter().any(|ratio| !ratio.is_finite()) {
                return Err(TrainError::RatioOff { deviation });
            }
        }
        let (factors, norms) = self.optimiser.update(&self.factors, &gradients);
        if let Some(member) = norms.iter().position(|norm| !norm.is_finite()) {
            return Err(TrainError::Diverged { run: self.setup.runs[member].0.clone(), epoch });
        }
        self.factors = factors;
        stats.grad_norms = norms;
        Ok(stats)
    }

    /// Returns the gradient of the surrogate (and of the KL to the base) for one slice of samples, summed over steps.
    fn gradients(&self, texts: &TextStates, slice: &TrainingSlice, steps: &[usize]) -> PartialGradients {
        let training = &self.setup.spec.training;
        let pipeline = self.setup.pipeline;
        let count = slice.samples.len();
        let samples = (training.prompts_per_epoch * training.pictures_per_prompt) as usize;
        let weight = 1.0 / (samples * steps.len()) as f32;
        let range = clip_range(training.clip, pipeline.latent_dims());
        let conditions = texts.conditions(&slice.samples);
        let share = count / self.ties.len();
        let tie: Vec<f32> = self.ties.iter().flat_map(|tie| std::iter::repeat_n(*tie, share)).collect();
        let tie = Tensor::<1>::from_data(TensorData::new(tie, [count]), &slice.latents[0].device());
        let mut sum = PartialGradients { gradients: Factors::new(), steps: Vec::new() };
        for index in steps {
            let rule = &self.rules[*index];
            let leaves: Factors =
                self.factors.iter().map(|(name, f)| (name.clone(), f.clone().autodiff().require_grad())).collect();
            let bank = with_factors(&self.frame, &leaves);
            let (x, next) = (slice.latents[*index].clone(), slice.latents[*index + 1].clone());
            let taken = step(pipeline, Some(&bank), rule, x.clone(), &conditions, None, Next::Score(&next));
            let old = slice.distances[*index].clone();
            let (mut loss, stats) = clipped(taken.squared_distance, old, rule.std, slice.advantages.clone(), range);
            let mut kl_values = Vec::new();
            if self.is_tied() {
                let base = step(pipeline, None, rule, x, &conditions, None, Next::Score(&next)).output;
                let scale = rule.output * rule.output / (2.0 * rule.std * rule.std);
                let kl = (taken.output - base).powi_scalar(2).reshape([count as i64, -1]).mean_dim(1).reshape([count])
                    * scale;
                kl_values = kl.clone().inner().into_data().convert::<f32>().try_into_vec().unwrap_or_default();
                loss = loss + kl * tie.clone();
            }
            let mut gradients = (loss.sum() * weight).backward();
            for (name, leaf) in leaves {
                let Some(gradient) = leaf.grad_remove(&mut gradients) else { continue };
                let total = match sum.gradients.remove(&name) {
                    Some(total) => total + gradient,
                    None => gradient,
                };
                sum.gradients.insert(name, total);
            }
            sum.steps.push((stats, kl_values));
        }
        sum
    }

    fn metrics(
        &self,
        scores: &[Vec<Vec<f32>>],
        advantages: &[Advantages],
        updates: &[UpdateStats],
    ) -> Vec<EpochMetrics> {
        let training = &self.setup.spec.training;
        let range = clip_range(training.clip, self.setup.pipeline.latent_dims());
        let names = self.setup.spec.reward_names();
        (0..self.setup.runs.len())
            .map(|member| {
                let mut metrics = EpochMetrics::new();
                for (name, column) in names.iter().zip(&scores[member]) {
                    let (mean, deviation) = moments(column);
                    metrics.insert(format!("reward/{name}/mean"), mean);
                    metrics.insert(format!("reward/{name}/std"), deviation);
                }
                let ratios: Vec<f64> =
                    updates.iter().flat_map(|u| u.ratios[member].iter().map(|ratio| f64::from(*ratio))).collect();
                let mean = |value: &dyn Fn(f64) -> f64| {
                    ratios.iter().map(|ratio| value(*ratio)).sum::<f64>() / ratios.len().max(1) as f64
                };
                metrics.insert("ratio_mean".into(), mean(&|ratio| ratio));
                metrics.insert("approx_kl".into(), mean(&|ratio| ratio - 1.0 - ratio.ln()));
                metrics.insert("clip_fraction".into(), mean(&|ratio| f64::from((ratio - 1.0).abs() > range)));
                let average = |value: &dyn Fn(&UpdateStats) -> f64| {
                    updates.iter().map(value).sum::<f64>() / updates.len().max(1) as f64
                };
                metrics.insert("grad_norm".into(), average(&|update| update.grad_norms[member]));
                if self.is_tied() {
                    metrics.insert("kl_to_base".into(), average(&|update| update.kl[member]));
                }
                metrics.insert("silent_groups".into(), advantages[member].silent_groups);
                metrics
            })
            .collect()
    }
}

/// The gradients of one slice, and what its steps saw: ratios, and the KL of each row where it is measured.
struct PartialGradients {
    gradients: BTreeMap<FactorName, Tensor<3>>,
    steps: Vec<(SurrogateStats, Vec<f32>)>,
}

fn moments(values: &[f32]) -> (f64, f64) {
    let count = values.len().max(1) as f64;
    let mean = values.iter().map(|v| f64::from(*v)).sum::<f64>() / count;
    let variance = values.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / count;
    (mean, variance.sqrt())
}

#[cfg(test)]
#[path = "../tests/toy/mod.rs"]
mod toy;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_makes_good_pictures_likelier_and_bad_ones_less_likely() {
        let mut spec = toy::spec();
        spec.training.pictures_per_prompt = 8;
        spec.training.micro_batch = 1000;
        let (pipeline, scorer, prompts, runs) = (toy::pipeline(), toy::scorer(&spec), toy::prompts(), toy::runs());
        let setup = TrainerSetup {
            pipeline: &pipeline,
            scorer: &scorer,
            prompts: &prompts,
            spec: &spec,
            runs: &runs,
            workers: 1,
        };
        let mut trainer = Trainer::new(setup).expect("trainer");
        let batch = trainer.choose_prompts(1);
        let trajectories = trainer.roll_out(1, &batch, &|_| ()).expect("rollout");
        let scores = trainer.score(&batch, &trajectories).expect("scores");
        let advantages: Vec<Advantages> = scores
            .iter()
            .zip(&runs)
            .map(|(scores, (_, weighting))| advantages(scores, weighting, 8, spec.combine, 5.0))
            .collect();
        let chosen = select(&trajectories, &advantages, &spec.training);
        let mut update =
            |first| trainer.update(1, first, &batch.texts, &chosen, &[0], &|_| ()).expect("an update").ratios;
        update(true);
        let ratios = update(false);
        for (member, (id, _)) in runs.iter().enumerate() {
            let gain: f32 =
                ratios[member].iter().zip(&advantages[member].values).map(|(ratio, a)| (ratio - 1.0) * a).sum();
            assert!(gain > 0.0, "{id}: {gain}");
            assert!(ratios[member].iter().any(|ratio| (ratio - 1.0).abs() > 1e-6), "{id} has moved");
        }
    }
}
