//! What a version is measured by: its images of the reference and of prompts that arrived.

use moa_adapter::{Adapter, AdapterBank};
use moa_core::{EvaluationRecord, NoiseKey, PointKind, RunId, Weighting};
use moa_device::to_host;
use moa_train::{DrawRequest, TrainError, Workers, draw};

use crate::RunnerError;
use crate::context::Context;
use crate::evaluation::scored;

/// Lists of prompts of which is kept what the base scores: the reference, and what arrived last.
const LISTS: usize = 2;

/// Draws, scores and judges images of lists of prompts, those of one list always from the same noise.
pub(super) struct Measure<'a> {
    context: Context<'a>,
    per_prompt: usize,
    /// What the base scores on the lists of prompts that were asked for last.
    base: Vec<(Vec<String>, EvaluationRecord)>,
}

impl<'a> Measure<'a> {
    pub(super) fn new(context: &Context<'a>, per_prompt: u32) -> Self {
        Self { context: *context, per_prompt: per_prompt as usize, base: Vec::new() }
    }

    /// Measures the base.
    ///
    /// # Errors
    /// Says what cannot be drawn or scored; [`RunnerError::Stopped`] when it was asked to stop.
    pub(super) fn base(&mut self, prompts: &[String]) -> Result<EvaluationRecord, RunnerError> {
        let known = self.base.iter().position(|(known, _)| known == prompts).map(|place| self.base.remove(place));
        let (prompts, record) = if let Some(known) = known {
            known
        } else {
            let base = RunId(RunId::BASE.into());
            (prompts.to_vec(), self.measured(&base, PointKind::Base, None, None, prompts)?)
        };
        self.base.drain(..self.base.len().saturating_sub(LISTS - 1));
        self.base.push((prompts, record.clone()));
        Ok(record)
    }

    /// Measures a run's adapter.
    ///
    /// # Errors
    /// As [`Measure::base`].
    pub(super) fn adapter(
        &self,
        run: &RunId,
        weighting: &Weighting,
        adapter: &Adapter,
        prompts: &[String],
    ) -> Result<EvaluationRecord, RunnerError> {
        self.measured(run, PointKind::Trained, Some(weighting.clone()), Some(adapter), prompts)
    }

    fn measured(
        &self,
        id: &RunId,
        kind: PointKind,
        weighting: Option<Weighting>,
        adapter: Option<&Adapter>,
        prompts: &[String],
    ) -> Result<EvaluationRecord, RunnerError> {
        let Context { models, request, spec } = self.context;
        let pipeline = &models.pipeline;
        let rules = pipeline.schedule().evaluation(spec.evaluation.steps as usize);
        let drawing = DrawRequest {
            prompts,
            per_prompt: self.per_prompt,
            rules: &rules,
            guidance: spec.evaluation.guidance,
            key: NoiseKey::new(spec.evaluation.seed).named("reference"),
            micro_batch: spec.training.micro_batch as usize,
            workers: &Workers::new(request.workers),
            stop: Some(&*request.stop),
        };
        let bank = adapter.and_then(|adapter| AdapterBank::of(&[adapter], pipeline.device()));
        let drawn = draw(pipeline, bank.as_ref(), &drawing, &|_| ()).map_err(|source| match source {
            TrainError::Stopped => RunnerError::Stopped,
            source => RunnerError::Evaluate { point: id.to_string(), source },
        })?;
        let pictures = drawn.first().unwrap_or_else(|| unreachable!("a batch is drawn for the adapter or the base"));
        Ok(scored(&self.context, id, kind, weighting, pictures)?.0)
    }

    /// Returns prompts as the base model reads them, a vector each: the vector that it makes of a whole text, or the mean of the tokens' states.
    ///
    /// # Errors
    /// Fails when a prompt cannot be tokenised.
    pub(super) fn embedded(&self, prompts: &[String]) -> Result<Vec<Vec<f32>>, RunnerError> {
        if prompts.is_empty() {
            return Ok(Vec::new());
        }
        let context = self.context.models.pipeline.encode_prompts(prompts)?;
        let vectors = match context.added {
            Some(added) => added.pooled,
            None => context.states.mean_dim(1).squeeze_dim::<2>(1),
        };
        let [_, width] = vectors.dims();
        Ok(to_host(vectors).chunks(width).map(<[f32]>::to_vec).collect())
    }
}
