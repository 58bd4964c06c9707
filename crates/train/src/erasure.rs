//! A concept erased by fine-tuning, as Erased Stable Diffusion does (ESD, Gandikota et al., 2303.07345): an adapter is taught to predict, asked
//! for the concept, what the base predicts when it is led away from it.

use std::collections::BTreeMap;
use std::ops::Range;

use moa_adapter::{Adapter, AdapterBank};
use moa_core::experiment::is_guided;
use moa_core::{ExperimentSpec, NoiseKey};
use moa_device::{scalar_to_host, to_host};
use moa_diffusion::sampler::{predict, sample};
use moa_diffusion::{Conditions, Pipeline, TextContext};
use moa_optimiser::{AdamW, Average, StateError, StateReader, StateWriter};
use serde::{Deserialize, Serialize};

use crate::TrainError;
use crate::batches::{Workers, in_order, slices};
use crate::factors::{Factors, add, clipped, leaves, member_squares, trained, with_factors};
use crate::sampler::{Sampler, fresh_bank};

/// What is erased, from which base, and how.
#[derive(Clone, Copy)]
pub struct ErasureSetup<'a> {
    /// The base model.
    pub pipeline: &'a Pipeline,
    /// The experiment, whose adapters, optimiser, sampler and seed these are.
    pub spec: &'a ExperimentSpec,
    /// Prompts that name what is erased, e.g. `a knife`.
    pub concepts: &'a [String],
    /// η: how far predictions are led away from a concept; 0 leads them to those without a prompt.
    pub strength: f32,
    /// Threads that train; results do not depend on it.
    pub workers: usize,
}

/// An adapter that learns to do without concepts. At states x_t on the way from noise to an image of a concept c, by the adapter as it stands,
///
/// ε_θ(x_t, c) → ε(x_t, ∅) − η·(ε(x_t, c) − ε(x_t, ∅)),
///
/// where ε is the base. What models of velocity predict is linear in ε at a given x_t and t, so that the same holds of them. Nothing keeps what
/// the base draws of other prompts.
pub struct Erasure<'a> {
    setup: ErasureSetup<'a>,
    workers: Workers,
    sampler: Sampler,
    concepts: TextContext,
    /// In which order they are asked for.
    order: Vec<usize>,
    empty: TextContext,
    frame: AdapterBank,
    factors: Factors,
    average: Option<Average<3>>,
    adamw: AdamW<3>,
    done: u32,
}

/// States of a step.
const ROWS: usize = 8;
/// Slices of them at least, so that threads share them.
const LEAST_SLICES: usize = 2;
const FACTOR: &str = "factor";

/// What a state says of itself.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct About {
    /// Steps taken.
    erased: u32,
    /// All that they depend on.
    facts: BTreeMap<String, String>,
}

impl<'a> Erasure<'a> {
    /// Returns it before the first step.
    ///
    /// # Errors
    /// Fails when nothing is to be erased, when the sampler does not fit the base model, `lora.targets` match no layer, or a concept cannot be
    /// tokenised.
    pub fn new(setup: ErasureSetup<'a>) -> Result<Self, TrainError> {
        let ErasureSetup { pipeline, spec, concepts, workers, .. } = setup;
        if concepts.is_empty() {
            return Err(TrainError::NoConcept);
        }
        let frame = fresh_bank(pipeline, spec, &["erased"], spec.seed)?;
        let factors = trained(&frame, spec.lora.share_a);
        Ok(Self {
            workers: Workers::new(workers),
            sampler: Sampler::new(pipeline.schedule(), spec)?,
            concepts: pipeline.encode_prompts(concepts)?,
            order: NoiseKey::new(spec.seed).named("erasure").named("order").permutation(concepts.len()),
            empty: pipeline.unconditional()?,
            average: spec.optimiser.ema.map(|_| Average::of(&factors)),
            adamw: AdamW::new(&spec.optimiser),
            done: 0,
            frame,
            factors,
            setup,
        })
    }

    /// Returns the steps taken.
    pub fn done(&self) -> u32 {
        self.done
    }

    /// Takes a step of the optimiser, and returns the loss before it: the mean squared distance to what should be predicted.
    ///
    /// # Errors
    /// Fails when the gradient is not finite; the adapter is then as it was before.
    pub fn step(&mut self) -> Result<f64, TrainError> {
        let optimiser = &self.setup.spec.optimiser;
        let most = (self.setup.spec.training.micro_batch as usize).min(ROWS / LEAST_SLICES);
        let parts = in_order(&slices(ROWS, 1, most), &self.workers, |rows| Ok::<_, TrainError>(self.part(rows)))?;
        let (mut loss, mut gradients) = (0.0, Factors::new());
        for (part, own) in parts {
            loss += part;
            add(&mut gradients, own);
        }
        let norms = member_squares(&gradients).map_or_else(Vec::new, to_host);
        let norms: Vec<f64> = norms.into_iter().map(|square| f64::from(square).sqrt()).collect();
        if !norms.iter().all(|norm| norm.is_finite()) {
            return Err(TrainError::ErasureDiverged { step: self.done + 1 });
        }
        self.adamw.step(
            optimiser.learning_rate,
            &mut self.factors,
            clipped(gradients, &norms, optimiser.max_grad_norm),
        );
        self.done += 1;
        if let (Some(average), Some(decay)) = (&mut self.average, optimiser.ema) {
            average.follow(&self.factors, Average::<3>::unbiased(decay, self.done));
        }
        Ok(loss)
    }

    /// Returns what some rows of the step at hand add to its loss and to its gradient.
    fn part(&self, rows: &Range<usize>) -> (f64, Factors) {
        let ErasureSetup { pipeline, spec, strength, .. } = self.setup;
        let key = NoiseKey::new(spec.seed).named("erasure").with(u64::from(self.done));
        let rules = self.sampler.rules();
        // All rows of a step are as far on their way.
        let at = ((key.named("state").uniform(0) * rules.len() as f64) as usize).min(rules.len() - 1);
        let keys: Vec<NoiseKey> = rows.clone().map(|row| key.named("image").with(row as u64)).collect();
        let first = self.done as usize * ROWS;
        let asked: Vec<usize> = rows.clone().map(|row| self.order[(first + row) % self.order.len()]).collect();
        let context = self.concepts.select(&asked);

        let guidance = is_guided(spec.sampler.guidance).then(|| (self.empty.clone(), spec.sampler.guidance));
        let conditions = Conditions { context: context.clone(), guidance };
        let bank = with_factors(&self.frame, &self.factors);
        let x = sample(pipeline, Some(&bank), &rules[..at], &conditions, &keys);

        let timesteps = vec![rules[at].timestep; rows.len()];
        let alone = |context: TextContext| Conditions { context, guidance: None };
        let of_base = |context| predict(pipeline, None, x.clone(), &timesteps, &alone(context));
        let (named, empty) = (of_base(context.clone()), of_base(self.empty.expand(rows.len())));
        let target = empty.clone() - (named - empty) * strength;

        let own = leaves(&self.factors);
        let bank = with_factors(&self.frame, &own);
        let output = predict(pipeline, Some(&bank), x, &timesteps, &alone(context));
        let loss = (output - target).powi_scalar(2).mean() * (rows.len() as f32 / ROWS as f32);
        let mut graph = loss.clone().backward();
        let gradients = own.into_iter().filter_map(|(name, leaf)| Some((name, leaf.grad_remove(&mut graph)?)));
        (f64::from(scalar_to_host(loss)), gradients.collect())
    }

    /// Returns the adapter: the running mean where the experiment keeps one.
    pub fn adapter(&self) -> Adapter {
        let factors = self.average.as_ref().map_or(&self.factors, Average::tensors);
        with_factors(&self.frame, factors).adapter(0)
    }

    /// Returns everything that the next step depends on, as bytes; `facts` say what that is the state of, and are read by
    /// [`Erasure::facts_of`].
    ///
    /// # Errors
    /// Fails when the state cannot be serialised.
    pub fn state(&self, facts: &BTreeMap<String, String>) -> Result<Vec<u8>, TrainError> {
        let mut file = StateWriter::default();
        file.add_all(FACTOR, &self.factors);
        self.adamw.save(&mut file);
        if let Some(average) = &self.average {
            average.save(&mut file);
        }
        file.finish(&About { erased: self.done, facts: facts.clone() }).map_err(TrainError::ErasureState)
    }

    /// Returns what a state says that it is of.
    ///
    /// # Errors
    /// Refuses what is no state of an erasure, or a damaged one.
    pub fn facts_of(bytes: &[u8]) -> Result<BTreeMap<String, String>, TrainError> {
        let about: Result<About, StateError> = StateReader::open(bytes).and_then(|file| file.about());
        Ok(about.map_err(TrainError::ErasureState)?.facts)
    }

    /// Goes back to a state of the same facts; what follows is bit-identical to never having stopped.
    ///
    /// # Errors
    /// Refuses states that are unreadable or of other shapes; this is then as it was before.
    pub fn restore(&mut self, bytes: &[u8]) -> Result<(), TrainError> {
        self.load(bytes).map_err(TrainError::ErasureState)
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        let device = self.setup.pipeline.device();
        let file = StateReader::open(bytes)?;
        let about: About = file.about()?;
        let factors = file.all(FACTOR, &self.factors, device)?;
        let average = self.average.as_ref().map(|_| Average::load(&file, &self.factors, device)).transpose()?;
        let mut adamw = AdamW::new(&self.setup.spec.optimiser);
        adamw.load(&file, &self.factors, device)?;
        (self.factors, self.average, self.adamw, self.done) = (factors, average, adamw, about.erased);
        Ok(())
    }
}
