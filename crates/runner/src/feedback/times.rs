//! What was fitted while an experiment was trained: the folder `feedback` of its results.
//!
//! ```text
//! feedback/
//!   images/, pool.json, preferences.jsonl   what is judged, as in every folder of ratings
//!   questions-1.json                        the pairs that are asked at a time, before they are
//!   ratings-1.jsonl                         what had come in by a time, where judgements are collected elsewhere
//!   model-1.safetensors                     what was fitted after they were
//!   times.json                              every time: the model with its hash, and what it was fitted to
//! ```

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use moa_preference_model::RewardModel;
use moa_store::{Layout, write_atomically};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::RunnerError;

/// The folder in an experiment's results.
const FOLDER: &str = "feedback";
const TIMES: &str = "times.json";
/// The version of `times.json`.
const VERSION: u32 = 1;

/// A time at which raters were asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    /// The epochs that were trained before.
    pub(crate) after_epoch: u32,
    /// The file of the model that was fitted then.
    pub(crate) model: String,
    /// Its SHA-256.
    pub(crate) sha256: String,
    /// All judgements that it is fitted to.
    pub(crate) judgements: u64,
    /// The images that could be asked about.
    pub(crate) images: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TimesFile {
    version: u32,
    times: Vec<Asked>,
}

/// The folder with what was judged and fitted.
#[derive(Clone, Debug)]
pub(crate) struct Times {
    folder: PathBuf,
    all: Vec<Asked>,
}

impl Times {
    /// Reads what was fitted so far; nothing where nothing was.
    pub(crate) fn read(layout: &Layout) -> Result<Self, RunnerError> {
        let folder = layout.root().join(FOLDER);
        let path = folder.join(TIMES);
        let file: Option<TimesFile> = read_json(&path)?;
        match file {
            Some(file) if file.version != VERSION => Err(RunnerError::Read {
                path,
                reason: format!(
                    "its version is {}, and this moa reads {VERSION}: use the moa that wrote it",
                    file.version
                ),
            }),
            file => Ok(Self { folder, all: file.map(|file| file.times).unwrap_or_default() }),
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns how often was asked.
    pub(crate) fn count(&self) -> u32 {
        self.all.len() as u32
    }

    /// Returns the model of a time, counted from 0; nothing where it was not asked yet.
    pub(crate) fn model(&self, time: u32) -> Result<Option<RewardModel>, RunnerError> {
        let Some(asked) = self.all.get(time as usize) else { return Ok(None) };
        let path = self.folder.join(&asked.model);
        let failed = |reason: String| RunnerError::Read { path: path.clone(), reason };
        let bytes = fs::read(&path).map_err(|error| failed(error.to_string()))?;
        if crate::sha256(&bytes) != asked.sha256 {
            let way_out = "it has changed since runs were trained on it: restore it, or sweep into another folder";
            return Err(failed(way_out.into()));
        }
        let (model, _) = RewardModel::from_bytes(&bytes, &path).map_err(|error| failed(error.to_string()))?;
        Ok(Some(model))
    }

    /// Returns the hash of the last model, which evaluations depend on.
    pub(crate) fn last_hash(&self) -> Option<&str> {
        self.all.last().map(|asked| asked.sha256.as_str())
    }

    /// Returns the hash of each model, by its file.
    pub(crate) fn hashes(&self) -> impl Iterator<Item = (String, String)> {
        self.all.iter().map(|asked| (format!("{FOLDER}/{}", asked.model), asked.sha256.clone()))
    }

    /// Returns the file of a time's model, as `times.json` names it.
    pub(crate) fn model_file(time: u32) -> String {
        format!("model-{}.safetensors", time + 1)
    }

    /// Adds a time, whose model is written.
    pub(crate) fn add(&mut self, asked: Asked) -> Result<(), RunnerError> {
        self.all.push(asked);
        let file = TimesFile { version: VERSION, times: self.all.clone() };
        write_json(&self.folder.join(TIMES), &file)
    }

    /// Returns the pairs that are asked at a time, by the ids of their images; nothing before they were chosen.
    pub(crate) fn questions(&self, time: u32) -> Result<Option<Vec<[String; 2]>>, RunnerError> {
        read_json(&self.questions_file(time))
    }

    /// Keeps the pairs that are asked at a time, before they are asked.
    pub(crate) fn keep_questions(&self, time: u32, questions: &[[String; 2]]) -> Result<(), RunnerError> {
        write_json(&self.questions_file(time), &questions)
    }

    fn questions_file(&self, time: u32) -> PathBuf {
        self.folder.join(format!("questions-{}.json", time + 1))
    }
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, RunnerError> {
    let failed = |reason: String| RunnerError::Read { path: path.to_owned(), reason };
    match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(error.to_string())),
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| failed(format!("{error}: restore the file from a copy, or sweep into another folder"))),
    }
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), RunnerError> {
    let failed = |reason: String| RunnerError::Write { path: path.to_owned(), reason };
    let mut text = serde_json::to_vec_pretty(value).map_err(|error| failed(error.to_string()))?;
    text.push(b'\n');
    Ok(write_atomically(path, &text)?)
}
