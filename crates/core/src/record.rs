//! What is kept of a run: per-epoch metrics, evaluations, and the state of the run itself.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Weighting;

/// The name of a run inside its experiment; also its folder's name: lower-case letters, digits, `-`, `_` and `.`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RunId(pub String);

impl RunId {
    /// The id of the base model's evaluation.
    pub const BASE: &'static str = "base";

    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a point of the front is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PointKind {
    /// The base model without an adapter.
    Base,
    /// A trained adapter.
    Trained,
    /// A merge of trained adapters.
    Soup,
    /// Trained adapters whose predictions are mixed at every step.
    Blend,
}

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// Planned, no epoch finished yet.
    Planned,
    /// At least one epoch finished and kept.
    Training,
    /// All epochs finished; not evaluated yet.
    Trained,
    /// Evaluated on the held-out prompts.
    Evaluated,
}

/// One weighting of the experiment and how far its adapter has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// The run's name.
    pub id: RunId,
    /// Its point on the simplex.
    pub weighting: Weighting,
    /// How far it has come.
    pub state: RunState,
    /// Epochs finished.
    pub epochs_done: u32,
    /// Epochs planned.
    pub epochs: u32,
    /// Findings that a reader of the results must know, e.g. suspected reward hacking.
    pub warnings: Vec<String>,
}

/// The metrics of one run after one epoch, by standard names (`reward/<name>/mean`, `approx_kl`, `clip_fraction`,
/// `ratio_mean`, `grad_norm` …).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// The run.
    pub run: RunId,
    /// The epoch, counted from 1.
    pub epoch: u32,
    /// Seconds of wall time that the epoch took, shared evenly among the runs trained together. Not part of the result:
    /// it differs between repetitions.
    pub seconds: f64,
    /// Metric values by name, all finite.
    pub metrics: BTreeMap<String, f64>,
}

/// The scores of one reward or judge on the evaluation prompts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScoreColumn {
    /// The reward's or judge's name.
    pub name: String,
    /// The mean score of each prompt's pictures, in the order of the prompts. The prompt is the unit of resampling.
    pub prompt_means: Vec<f64>,
}

impl ScoreColumn {
    /// Returns the mean over prompts.
    pub fn mean(&self) -> f64 {
        self.prompt_means.iter().sum::<f64>() / self.prompt_means.len().max(1) as f64
    }
}

/// The evaluation of the base, an adapter, a soup or a blend on held-out prompts with fixed seeds, paired across points.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvaluationRecord {
    /// What was evaluated.
    pub id: RunId,
    /// Its kind.
    pub kind: PointKind,
    /// Its weighting: of the training for a trained adapter, the mean of its adapters' for a soup or blend (of corners, the
    /// shares themselves), none for the base.
    pub weighting: Option<Weighting>,
    /// Pictures drawn for each prompt.
    pub pictures_per_prompt: u32,
    /// One column per reward, in the experiment's order.
    pub rewards: Vec<ScoreColumn>,
    /// One column per judge; judges are reported and never trained on.
    pub judges: Vec<ScoreColumn>,
}

impl EvaluationRecord {
    /// Returns the mean of each reward, in the experiment's order.
    pub fn reward_means(&self) -> Vec<f64> {
        self.rewards.iter().map(ScoreColumn::mean).collect()
    }
}
