//! What goes in and what comes out: the UI takes messages and makes requests, and waits for neither.

use std::path::PathBuf;
use std::time::SystemTime;

use moa_analysis::explanation::Explanation;
use moa_analysis::{Comparison, Forecast, Paired};
use moa_core::{EvaluationRecord, ExperimentSpec, PointKind, RunEvent, RunId};
use moa_pareto::{Constraint, Goal, Interval};
use moa_store::{ImageScores, Layout};
use ratatui::crossterm::event::Event;

use crate::experiment::Experiment;
use crate::figures::{Figures, Point};
use crate::library::Entry;
use crate::picture::{Drawn, PictureKey, Rgb, Sheet};

/// Something that the UI is told.
pub enum Message {
    /// A key, a click, a new size.
    Input(Event),
    /// It is this late.
    Tick(SystemTime),
    /// What lies in the results folder.
    Library(Vec<Entry>),
    /// News of the experiment in a folder.
    News(PathBuf, News),
    /// An answer of the worker.
    Reply(Reply),
    /// A model of what soups gain.
    Forecast(PathBuf, Option<Box<Forecast>>),
    /// The images of a point; nothing where there are none, with the reason.
    Sheet(PathBuf, RunId, Result<Sheet, String>),
    /// The scores of a point's single images; nothing where none were kept, the reason where they cannot be read.
    Scores(PathBuf, RunId, Result<Option<ImageScores>, String>),
    /// The report cards of the rewards; nothing where there are none, the reason where they cannot be read.
    Cards(PathBuf, Result<Option<Box<Explanation>>, String>),
    /// Hypervolumes of the training images by epoch.
    Volumes(PathBuf, Vec<(u32, f64)>),
    /// What the second of two points has more than the first, by reward; the reason where they cannot be compared.
    Paired(PathBuf, [RunId; 2], Result<Vec<Paired>, String>),
    /// An image as the terminal takes it.
    Encoded(PictureKey, Box<Drawn>),
    /// The worker is gone, for this reason; requests to it are lost.
    WorkerGone(String),
    /// The sweep that this process runs has ended.
    SweepEnded(Result<(), String>),
    /// The process is asked to end.
    Stop,
}

/// What is new of an experiment.
pub enum News {
    /// A sweep has not written anything yet.
    Waiting,
    /// The whole experiment, and what its evaluations add up to at once.
    Opened(Box<Experiment>, Box<Figures>),
    /// Single events.
    Events(Vec<RunEvent>),
    /// It cannot be read, for this reason.
    Failed(String),
}

/// A file layout of adapters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaveFormat {
    /// peft's.
    Peft,
    /// diffusers' and `ComfyUI`'s.
    Diffusers,
    /// kohya's, for `ComfyUI`, A1111 and Forge.
    Kohya,
}

impl SaveFormat {
    /// All of them.
    pub(crate) const ALL: [(Self, &'static str, &'static str); 3] = [
        (Self::Peft, "peft", "adapter_model.safetensors and adapter_config.json"),
        (Self::Diffusers, "diffusers", "and ComfyUI: pytorch_lora_weights.safetensors"),
        (Self::Kohya, "kohya", "ComfyUI, A1111 and Forge: lora.safetensors"),
    ];
}

/// Something for a thread or the worker to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Follow the experiment in this folder, and no other.
    Follow(PathBuf),
    /// Fit a model of what soups gain, to the shares and gains of what was measured.
    Fit(PathBuf, Vec<(Vec<f64>, Vec<Interval>)>),
    /// Read the images of a point: the file, and its columns and rows.
    ReadSheet(PathBuf, RunId, PathBuf, (u32, u32)),
    /// Read the scores of a point's single images.
    ReadScores(Layout, PointKind, RunId),
    /// Read the report cards of the rewards.
    ReadCards(Layout),
    /// Work out what the second of two points has more than the first.
    Pair(PathBuf, Box<(ExperimentSpec, [EvaluationRecord; 2])>),
    /// Work out hypervolumes by epoch: points of every epoch on the experiment's scale.
    Volumes(PathBuf, Vec<(u32, Vec<Vec<f64>>)>),
    /// Bring an image into the terminal's form: columns and rows of cells.
    Encode(PictureKey, Rgb, (u16, u16)),
    /// The worker's.
    Work(Work),
}

/// Something that needs models: asked of the worker.
#[derive(Clone, Debug, PartialEq)]
pub enum Work {
    /// Work out the figures of the experiment in this folder, from its evaluations.
    Figures(PathBuf, Vec<EvaluationRecord>),
    /// Draw images of a soup, coarsely first; a later request takes this one's place.
    Preview(PathBuf, Vec<f64>),
    /// Forget about the preview that is being drawn.
    CancelPreview,
    /// Measure a soup on the held-out prompts.
    Evaluate(PathBuf, Vec<f64>),
    /// Look for a soup that keeps constraints.
    Solve(PathBuf, Vec<Constraint>, Goal),
    /// Stop measuring or looking.
    CancelMeasuring,
    /// Write a soup's adapter.
    Save(PathBuf, Vec<f64>, SaveFormat),
    /// Compare the experiments in these folders.
    Compare(Vec<PathBuf>),
}

/// What the worker answers.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// The figures of the experiment in this folder.
    Figures(PathBuf, Box<Figures>),
    /// Images of a soup, one for each prompt, and whether better ones follow.
    Preview {
        /// The experiment.
        root: PathBuf,
        /// The soup's shares.
        shares: Vec<f64>,
        /// One for each prompt.
        pictures: Vec<Rgb>,
        /// Whether these are the first, coarse ones.
        coarse: bool,
    },
    /// A measurement has progressed.
    Measuring {
        /// What is measured.
        label: String,
        /// The share that is finished, 0 to 1.
        fraction: f64,
    },
    /// A soup was measured.
    Measured {
        /// The experiment.
        root: PathBuf,
        /// The soup.
        point: Box<Point>,
        /// Its images.
        sheet: Sheet,
    },
    /// A search has ended.
    Solved {
        /// The experiment.
        root: PathBuf,
        /// The best shares.
        shares: Vec<f64>,
        /// Whether they keep all constraints.
        met: bool,
        /// What was found, in a sentence.
        verdict: String,
    },
    /// An adapter was written there.
    Saved(PathBuf),
    /// The experiments in these folders against each other; the reason where they cannot be compared.
    Compared(Vec<PathBuf>, Result<Box<Comparison>, String>),
    /// The measurement was stopped.
    Stopped,
    /// Something did not work: what was asked for, and the reason.
    Failed {
        /// The experiment.
        root: PathBuf,
        /// What was asked for.
        what: Asked,
        /// Why not.
        reason: String,
    },
}

/// What a request was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The figures.
    Figures,
    /// A preview.
    Preview,
    /// A measurement or a search.
    Measurement,
    /// An adapter's files.
    Save,
}
