//! Base, adapters, soups and blends on the held-out prompts, each with the same noise: differences between them are paired.

use std::path::{Path, PathBuf};

use burn::tensor::Tensor;
use moa_adapter::{Adapter, AdapterBank};
use moa_core::provenance::Mixture;
use moa_core::{EvaluationRecord, NoiseKey, Phase, PointKind, RunId, ScoreColumn, Weighting};
use moa_diffusion::{Adapted, Blend, StepRule};
use moa_reward::{JudgeColumn, Pictures};
use moa_store::{ImageColumn, ImageScores, Role};
use moa_train::{DrawRequest, TrainError, Workers, draw, draw_blend};

use crate::RunnerError;
use crate::adapters::{hash_in, read_adapter};
use crate::context::Context;
use crate::progress::with_progress;
use crate::recorder::Recorder;
use crate::sheet::{self, Sheet, SheetSize};

/// Something to evaluate.
pub(crate) struct Point {
    pub(crate) id: RunId,
    pub(crate) kind: PointKind,
    pub(crate) weighting: Option<Weighting>,
    pub(crate) model: Model,
    /// Where its files are.
    pub(crate) folder: PathBuf,
    /// What a soup is made of that was added to the experiment; nothing of what it plans.
    pub(crate) added: Option<Mixture>,
}

/// So many characters of a hash tell adapters apart.
const SHORT: usize = 16;

/// What draws a point's images.
pub(crate) enum Model {
    /// The base alone.
    Base,
    /// The base with the adapter in the point's folder, trained or merged.
    Stored,
    /// The base with an adapter.
    Adapter(Adapter),
    /// The base with the adapters in several folders, whose predictions are mixed by shares.
    Blend(Vec<(PathBuf, f64)>),
}

impl Point {
    /// Returns a digest of the adapters that draw its images; an empty one of the base.
    pub(crate) fn adapters(&self) -> Result<String, RunnerError> {
        let of_folder = |folder: &PathBuf| short_hash_in(folder);
        match &self.model {
            Model::Base => Ok(String::new()),
            Model::Adapter(adapter) => digest_of(adapter, &self.id),
            Model::Stored => of_folder(&self.folder),
            Model::Blend(parts) => {
                let parts = parts.iter().map(|(folder, share)| Ok(format!("{}*{share}", of_folder(folder)?)));
                Ok(parts.collect::<Result<Vec<_>, RunnerError>>()?.join("+"))
            }
        }
    }
}

/// What a point's images are worth.
pub(crate) struct Measurement {
    /// The images.
    pub(crate) pictures: Pictures,
    /// Their means by prompt.
    pub(crate) record: EvaluationRecord,
    /// The score of each.
    pub(crate) scores: ImageScores,
}

/// Returns the digest of the adapter in a folder.
pub(crate) fn short_hash_in(folder: &Path) -> Result<String, RunnerError> {
    Ok(hash_in(folder)?[..SHORT].to_owned())
}

/// Returns the digest of an adapter that is not written yet: that of its file.
pub(crate) fn digest_of(adapter: &Adapter, id: &RunId) -> Result<String, RunnerError> {
    let hash = adapter.sha256().map_err(|source| RunnerError::Adapter { run: id.to_string(), source })?;
    Ok(hash[..SHORT].to_owned())
}

/// Evaluates points one at a time, so that no figure depends on what was evaluated beside it.
pub(crate) struct Evaluator<'a> {
    context: Context<'a>,
    rules: Vec<StepRule>,
    size: SheetSize,
    /// Whether points whose images' scores were not kept are evaluated again.
    wants_scores: bool,
    /// Whether a stop ends the point at hand, and not only what follows it.
    stops_at_once: bool,
}

impl<'a> Evaluator<'a> {
    pub(crate) fn new(context: Context<'a>) -> Self {
        let evaluation = &context.spec.evaluation;
        let pipeline = &context.models.pipeline;
        let prompts = context.request.prompts.held_out.len().min(evaluation.grid_prompts as usize);
        let [channels, height, width] = pipeline.latent_shape();
        let blank = pipeline.decode(Tensor::zeros([1, channels, height, width], pipeline.device()));
        let [_, _, height, width] = blank.dims();
        Self {
            rules: pipeline.schedule().evaluation(evaluation.steps as usize),
            size: SheetSize::new(prompts, evaluation.images_per_prompt as usize, (width, height)),
            wants_scores: false,
            stops_at_once: false,
            context,
        }
    }

    /// Returns the evaluator that evaluates points again whose images' scores were not kept, or not as they were written.
    pub(crate) fn wanting_scores(self, wants_scores: bool) -> Self {
        Self { wants_scores, ..self }
    }

    /// Returns the evaluator whose point at hand ends with [`RunnerError::Stopped`] when a stop is requested.
    pub(crate) fn stopping_at_once(self) -> Self {
        Self { stops_at_once: true, ..self }
    }

    /// Fails where the point at hand is to end.
    fn check_stop(&self) -> Result<(), RunnerError> {
        if self.stops_at_once && self.context.is_stopped() { Err(RunnerError::Stopped) } else { Ok(()) }
    }

    /// Returns whether a point was evaluated before: not where its images or its record are missing.
    ///
    /// - `base`: the base's images; a part of the runs that had none leaves the distance to them to be measured now
    pub(crate) fn is_known(
        &self,
        point: &Point,
        base: Option<&Sheet>,
        recorder: &mut Recorder<'_>,
    ) -> Result<bool, RunnerError> {
        let adapters = point.adapters()?;
        let Some(mut record) = recorder.evaluation(point.kind, &point.id, &adapters)? else { return Ok(false) };
        let Some(sheet) = self.sheet(point)? else { return Ok(false) };
        if self.wants_scores && !recorder.has_scores(point.kind, &point.id, &adapters) {
            return Ok(false);
        }
        if record.distance_to_base.is_none()
            && let Some(distance) = base.and_then(|base| sheet.distance(base))
        {
            record.distance_to_base = Some(distance);
            recorder.evaluated(record, &adapters)?;
        }
        Ok(true)
    }

    /// Returns the images that grids show of a point; nothing where they are missing.
    pub(crate) fn sheet(&self, point: &Point) -> Result<Option<Sheet>, RunnerError> {
        if self.size.columns == 0 {
            return Ok(Some(Sheet { columns: Vec::new() }));
        }
        Sheet::read(&sheet::path(&point.folder), self.size)
    }

    /// Returns how many images are drawn of a point.
    pub(crate) fn pictures(&self) -> usize {
        self.context.request.prompts.held_out.len() * self.context.spec.evaluation.images_per_prompt as usize
    }

    /// Draws, scores and judges a point's images, keeps the first ones, and records the evaluation.
    ///
    /// - `base`: the base's first images; nothing of the base itself
    pub(crate) fn evaluate(
        &self,
        point: &Point,
        base: Option<&Sheet>,
        phase: Phase,
        recorder: &mut Recorder<'_>,
    ) -> Result<(), RunnerError> {
        let measured = with_progress(recorder, phase, |progress| self.measure(point, progress))??;
        let Measurement { pictures, record, scores } = measured;
        self.keep(point, &self.sheet_of(&pictures), record, &scores, base, recorder)?;
        Ok(())
    }

    /// Keeps the first images of a point, the scores of all of them, then its evaluation, and returns that.
    pub(crate) fn keep(
        &self,
        point: &Point,
        sheet: &Sheet,
        mut record: EvaluationRecord,
        scores: &ImageScores,
        base: Option<&Sheet>,
        recorder: &mut Recorder<'_>,
    ) -> Result<EvaluationRecord, RunnerError> {
        record.distance_to_base = base.and_then(|base| sheet.distance(base));
        if self.size.columns > 0 {
            let path = sheet::path(&point.folder);
            sheet.write(&path, self.size)?;
            recorder.wrote(path)?;
        }
        let adapters = point.adapters()?;
        recorder.keep_scores(point.kind, &point.id, scores, &adapters)?;
        // Last: with the record the point counts as evaluated.
        recorder.evaluated(record.clone(), &adapters)?;
        Ok(record)
    }

    /// Returns the images that grids show, of all that were drawn of a point.
    pub(crate) fn sheet_of(&self, pictures: &Pictures) -> Sheet {
        Sheet::of(pictures, self.size)
    }

    /// Draws, scores and judges a point's images.
    pub(crate) fn measure(&self, point: &Point, progress: &(dyn Fn(f64) + Sync)) -> Result<Measurement, RunnerError> {
        let pictures = self.draw(point, progress)?;
        self.check_stop()?;
        let Point { id, kind, weighting, added, .. } = point;
        let (mut record, scores) = scored(&self.context, id, *kind, weighting.clone(), &pictures)?;
        record.added.clone_from(added);
        self.check_stop()?;
        Ok(Measurement { pictures, record, scores })
    }

    /// Draws a point's images.
    pub(crate) fn draw(&self, point: &Point, progress: &(dyn Fn(f64) + Sync)) -> Result<Pictures, RunnerError> {
        let Context { models, request, spec } = self.context;
        let stop = self.stops_at_once.then_some(&*request.stop);
        let request = DrawRequest {
            prompts: &request.prompts.held_out,
            per_prompt: spec.evaluation.images_per_prompt as usize,
            rules: &self.rules,
            guidance: spec.evaluation.guidance,
            key: NoiseKey::new(spec.evaluation.seed).named("evaluation"),
            micro_batch: spec.training.micro_batch as usize,
            workers: &Workers::new(request.workers),
            stop,
        };
        let (pipeline, device) = (&models.pipeline, models.pipeline.device());
        let one = |adapter: Option<&Adapter>| {
            let adapted = pipeline.adapted(adapter);
            let Adapted { pipeline, bank } =
                adapted.map_err(|error| RunnerError::adapting(point.id.as_str(), error))?;
            let drawn = draw(&pipeline, bank.as_ref(), &request, progress).map(|drawn| drawn.into_iter().next());
            Ok::<_, RunnerError>(
                drawn
                    .map(|first| first.unwrap_or_else(|| unreachable!("a batch is drawn for the adapter or the base"))),
            )
        };
        let drawn = match &point.model {
            Model::Base => one(None)?,
            Model::Stored => one(Some(&read_adapter(&point.folder)?))?,
            Model::Adapter(adapter) => one(Some(adapter))?,
            Model::Blend(parts) => {
                let adapters: Vec<Adapter> =
                    parts.iter().map(|(folder, _)| read_adapter(folder)).collect::<Result<_, _>>()?;
                let shares = parts.iter().map(|(_, share)| *share as f32).collect();
                let bank = AdapterBank::of(&adapters.iter().collect::<Vec<_>>(), device);
                let blend = bank.and_then(|bank| Blend::new(bank, shares));
                let blend = blend.ok_or_else(|| RunnerError::Blend { blend: point.id.to_string() })?;
                draw_blend(pipeline, &blend, &request, progress)
            }
        };
        drawn.map_err(|source| match source {
            TrainError::Stopped => RunnerError::Stopped,
            source => RunnerError::Evaluate { point: point.id.to_string(), source },
        })
    }
}

/// Scores and judges images.
///
/// # Errors
/// Says what cannot be scored.
pub(crate) fn scored(
    context: &Context<'_>,
    id: &RunId,
    kind: PointKind,
    weighting: Option<Weighting>,
    pictures: &Pictures,
) -> Result<(EvaluationRecord, ImageScores), RunnerError> {
    let failed = |source| RunnerError::scoring(id.as_str(), source);
    let scorer = &context.models.scorer;
    let pictures = &scorer.brought(pictures);
    let scores = scorer.score(pictures).map_err(failed)?;
    let judged = scorer.judge(pictures).map_err(failed)?;
    let group = pictures.group();
    let rewards = context.spec.reward_names().into_iter().zip(&scores.columns);
    let image_scores = ImageScores {
        images_per_prompt: group as u32,
        columns: rewards
            .clone()
            .map(|(name, scores)| column(name, Role::Reward, scores.iter().copied().map(Some).collect()))
            .chain(judged.iter().map(|judge| column(judge.name.to_owned(), Role::Judge, judge.scores.clone())))
            .collect(),
    };
    let record = EvaluationRecord {
        id: id.clone(),
        kind,
        weighting,
        images_per_prompt: group as u32,
        rewards: rewards.map(|(name, scores)| ScoreColumn::of_images(name, scores, group)).collect(),
        judges: judged.iter().filter_map(|column| judge_column(column, group)).collect(),
        distance_to_base: None,
        added: None,
    };
    Ok((record, image_scores))
}

fn column(name: String, role: Role, scores: Vec<Option<f32>>) -> ImageColumn {
    ImageColumn { name, role, scores }
}

/// Returns a judge's means over the prompts that it can judge, the same ones for every point; nothing when there are none.
fn judge_column(column: &JudgeColumn, group: usize) -> Option<ScoreColumn> {
    ScoreColumn::of_some(column.name, &column.prompt_means(group))
}
