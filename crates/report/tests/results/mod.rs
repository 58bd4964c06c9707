//! Results of a small experiment, in a folder of their own.

use std::collections::BTreeMap;

use moa_core::experiment::{PromptSource, RewardKind};
use moa_core::{
    EpochRecord, EvaluationRecord, ExperimentSpec, NoiseKey, PointKind, RunId, RunRecord, RunState, ScoreColumn,
    Weighting, metric,
};
use moa_store::{Layout, PICTURES, Remarks, Snapshot};
use tempfile::TempDir;

/// An experiment with its results: base, a corner for each reward, and, of two, the soup between them.
pub(crate) struct Results {
    _folder: TempDir,
    pub(crate) layout: Layout,
    pub(crate) snapshot: Snapshot,
    pub(crate) spec: ExperimentSpec,
}

impl Results {
    pub(crate) fn new(rewards: &[&str], prompts: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let kinds = [RewardKind::Aesthetics, RewardKind::Safety];
        let mut spec = ExperimentSpec {
            rewards: kinds.into_iter().take(rewards.len()).map(Into::into).collect(),
            ..ExperimentSpec::default()
        };
        spec.name = Some("my".into());
        spec.weightings = vec![moa_core::experiment::WeightingsSpec::Corners];
        spec.evaluation.resamples = 200;
        spec.evaluation.grid_prompts = 2;
        spec.evaluation.images_per_prompt = 1;
        let mut results =
            Self { layout: Layout::new(folder.path()), _folder: folder, snapshot: Snapshot::default(), spec };
        results.prompts("prompt");
        let count = rewards.len();
        results.add(rewards, prompts, RunId::BASE, PointKind::Base, None);
        for (place, name) in rewards.iter().enumerate() {
            results.add(rewards, prompts, name, PointKind::Trained, Some(Weighting::corner(place, count)));
        }
        if count > 1 {
            spec_soup(&mut results.spec, rewards);
            let centre = Weighting::new(vec![1.0; count]).unwrap();
            results.add(rewards, prompts, "soup-centre", PointKind::Soup, Some(centre));
        }
        results
    }

    /// Lists held-out prompts that begin with a text.
    pub(crate) fn prompts(&mut self, begin: &str) {
        self.spec.prompts.held_out = PromptSource::List((0..96).map(|number| format!("{begin} {number}")).collect());
    }

    pub(crate) fn note(&self, text: &str) {
        let mut remarks = Remarks::read(&self.layout).unwrap();
        remarks.note(text);
        remarks.write(&self.layout).unwrap();
    }

    /// Writes images of every point: noise, as that is as large as images get.
    pub(crate) fn images(&self) {
        for point in &self.snapshot.evaluations {
            let folder = self.layout.point_dir(point.kind, &point.id);
            std::fs::create_dir_all(&folder).unwrap();
            let bits = NoiseKey::new(1).named(point.id.as_str());
            let pixels = (0..64 * 32 * 3).map(|place| bits.with(place).bits(0) as u8).collect();
            image::RgbImage::from_raw(64, 32, pixels).unwrap().save(folder.join(PICTURES)).unwrap();
        }
    }

    fn add(&mut self, rewards: &[&str], prompts: usize, id: &str, kind: PointKind, weighting: Option<Weighting>) {
        let id = RunId(id.into());
        let column = |(reward, name): (usize, &&str)| {
            let share = weighting.as_ref().map_or(0.0, |weighting| weighting.shares()[reward]);
            let noise = NoiseKey::new(reward as u64);
            let (hard, own) = (noise.normal(prompts), noise.named(id.as_str()).normal(prompts));
            let means = hard.iter().zip(own).map(|(hard, own)| 0.5 + f64::from(0.1 * hard + 0.01 * own) + 0.1 * share);
            ScoreColumn::of_all(*name, means.collect())
        };
        self.snapshot.evaluations.push(EvaluationRecord {
            id: id.clone(),
            kind,
            weighting: weighting.clone(),
            images_per_prompt: 1,
            rewards: rewards.iter().enumerate().map(column).collect(),
            judges: Vec::new(),
            distance_to_base: None,
            added: None,
        });
        let Some(weighting) = weighting.filter(|_| kind == PointKind::Trained) else { return };
        let epoch = |epoch: u32| EpochRecord {
            run: id.clone(),
            epoch,
            seconds: 1.0,
            metrics: rewards
                .iter()
                .map(|name| (metric::reward_gain(name), 0.01 * f64::from(epoch)))
                .collect::<BTreeMap<_, _>>(),
        };
        self.snapshot.epochs.insert(id.clone(), vec![epoch(1), epoch(2)]);
        let run = RunRecord::planned(id, weighting, 2);
        // Of a single reward the sweep is taken to be under way.
        let state = if rewards.len() > 1 { RunState::Evaluated } else { RunState::Training };
        self.snapshot.runs.push(RunRecord { state, epochs_done: 2, ..run });
    }
}

/// Asks for the soup of all corners alike.
fn spec_soup(spec: &mut ExperimentSpec, rewards: &[&str]) {
    let equal = rewards.iter().map(|name| ((*name).to_owned(), 1.0)).collect();
    spec.soups = vec![moa_core::experiment::SoupsSpec::List(vec![equal])];
}
