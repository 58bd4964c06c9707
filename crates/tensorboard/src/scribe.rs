//! What is said of each point of a sweep: its hyperparameters, every epoch, its evaluation with images.

use std::fs;

use moa_analysis::{Score, bootstrap, scores};
use moa_core::experiment::judge_range;
use moa_core::{EpochRecord, EvaluationRecord, ExperimentSpec, PointKind, RunId, Weighting};
use moa_store::{Layout, PICTURES};

use crate::TensorBoardError;
use crate::event::{Event, Value};
use crate::hparams::{Settings, ended};
use crate::strips::strips;

/// At most so many images of a prompt are kept in a point's sheet.
const ROWS: usize = 4;
/// Tags are names: prompts are cut to so many characters in them.
const TAG: usize = 80;

/// Tells of the points of an experiment.
pub(crate) struct Scribe {
    spec: ExperimentSpec,
    held_out: Vec<String>,
    layout: Layout,
    settings: Settings,
    base: Option<EvaluationRecord>,
}

impl Scribe {
    pub(crate) fn new(spec: &ExperimentSpec, held_out: &[String], layout: &Layout) -> Self {
        Self {
            settings: Settings::of(spec),
            spec: spec.clone(),
            held_out: held_out.to_vec(),
            layout: layout.clone(),
            base: None,
        }
    }

    /// Takes the base's evaluation, which the others are compared with.
    pub(crate) fn know_base(&mut self, record: &EvaluationRecord) {
        if record.kind == PointKind::Base {
            self.base = Some(record.clone());
        }
    }

    /// Returns what the experiment is about.
    pub(crate) fn experiment(&self, time: f64) -> Event {
        let rewards = self.spec.reward_names();
        let tags: Vec<String> = rewards.iter().flat_map(|name| [mean_tag(name), gain_tag(name)]).collect();
        let name = self.spec.name.as_deref().unwrap_or_default();
        Event { time, step: 0, values: vec![self.settings.experiment(name, time, &tags)] }
    }

    /// Returns what a point is made with.
    pub(crate) fn session(&self, id: &RunId, kind: PointKind, weighting: Option<&Weighting>, time: f64) -> Event {
        Event { time, step: 0, values: vec![self.settings.session(id.as_str(), kind, weighting, time)] }
    }

    /// Returns an epoch: every metric, and the seconds that it took.
    pub(crate) fn epoch(record: &EpochRecord, time: f64) -> Event {
        let metrics = record.metrics.iter().map(|(name, value)| Value::scalar(name, *value));
        let values = metrics.chain([Value::scalar("seconds", record.seconds)]).collect();
        Event { time, step: record.epoch, values }
    }

    /// Returns an evaluation: means and gains over the base of rewards and judges with the ends of their 95 % intervals, where they have
    /// any; then the images of each prompt of the grid.
    ///
    /// - `step`: the epoch that it stands for
    ///
    /// # Errors
    /// Fails where scores cannot be resampled.
    pub(crate) fn evaluation(
        &self,
        record: &EvaluationRecord,
        step: u32,
        time: f64,
    ) -> Result<Vec<Event>, TensorBoardError> {
        let bootstrap = bootstrap(&self.spec);
        let base = self.base.as_ref().filter(|_| record.kind != PointKind::Base);
        let range = |name: &str| self.spec.rewards.iter().find(|reward| reward.name == name)?.kind.range();
        let rewards = scores(&bootstrap, &record.rewards, base.map(|base| &base.rewards[..]), &range)?;
        let judges = scores(&bootstrap, &record.judges, base.map(|base| &base.judges[..]), &judge_range)?;
        let mut values: Vec<Value> = rewards.iter().chain(&judges).flat_map(values_of).collect();
        values.extend(record.distance_to_base.map(|distance| Value::scalar("evaluation/distance_to_base", distance)));
        values.push(ended(time));
        let mut events = vec![Event { time, step, values }];
        // One event for each image: readers take events whole.
        events.extend(self.images(record).into_iter().map(|value| Event { time, step, values: vec![value] }));
        Ok(events)
    }

    /// Returns the images of a point; nothing where its sheet is missing or of another form.
    fn images(&self, record: &EvaluationRecord) -> Vec<Value> {
        let prompts = self.held_out.len().min(self.spec.evaluation.grid_prompts as usize);
        let images = (record.images_per_prompt as usize).min(ROWS);
        let sheet = fs::read(self.layout.point_dir(record.kind, &record.id).join(PICTURES));
        let strips = sheet.ok().and_then(|sheet| strips(&sheet, prompts, images)).unwrap_or_default();
        let named = strips.into_iter().zip(&self.held_out).enumerate();
        named.map(|(place, (strip, prompt))| Value::image(image_tag(place, prompt), strip.size, &strip.png)).collect()
    }
}

/// Returns the tag of a reward's or judge's mean.
fn mean_tag(name: &str) -> String {
    format!("evaluation/{name}/mean")
}

/// Returns the tag of its gain over the base.
fn gain_tag(name: &str) -> String {
    format!("evaluation/{name}/gain")
}

fn image_tag(place: usize, prompt: &str) -> String {
    let short: String = prompt.chars().take(TAG).collect();
    format!("images/{place:02} {short}")
}

fn values_of(score: &Score) -> Vec<Value> {
    let mut values = Vec::new();
    for (tag, interval) in [(mean_tag(&score.name), Some(score.mean)), (gain_tag(&score.name), score.difference)] {
        let Some(interval) = interval else { continue };
        values.push(Value::scalar(&tag, interval.mean));
        if interval.is_bounded() {
            values.push(Value::scalar(format!("{tag}/low"), interval.lo));
            values.push(Value::scalar(format!("{tag}/high"), interval.hi));
        }
    }
    values
}
