//! Where an adapter comes from: what moa writes into the header of every adapter file, and reads back.
//!
//! Nothing in it depends on when or where it was made, so that the same adapter has the same bytes.

mod header;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{NoiseKey, RunId};

pub use crate::mixture::{Ingredient, MergeSettings, Mixture};
pub use header::ProvenanceError;

/// Where an adapter comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Provenance {
    /// The version of moa that made it.
    pub moa: String,
    /// The base model that it adapts, as other programs know it; empty where that is not known.
    pub base: String,
    /// The experiment's name; nothing of what was made outside of experiments.
    pub experiment: Option<String>,
    /// How it was made.
    pub made: Made,
}

/// How an adapter was made.
#[derive(Clone, Debug, PartialEq)]
pub enum Made {
    /// It was trained: a run of the experiment.
    Trained(TrainedRun),
    /// Other adapters were merged.
    Merged(Mixture),
    /// Another program made it, and moa wrote it in another format.
    Elsewhere(ForeignFile),
}

/// A run of an experiment, as it was trained.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainedRun {
    /// Its name in the experiment.
    pub run: RunId,
    /// The share of each reward.
    pub weighting: BTreeMap<String, f64>,
    /// The method by which it was trained.
    pub method: String,
    /// The epochs after which training ended.
    pub epochs: u32,
    /// Everything that its training depends on, `key = value` per line: the text of its
    /// [`Fingerprint`](crate::experiment::Fingerprint).
    pub facts: String,
}

impl TrainedRun {
    /// Returns the digest of the facts: runs of equal digests are the same run.
    pub fn fingerprint(&self) -> String {
        crate::experiment::Fingerprint::read(&self.facts).digest()
    }

    /// Returns the facts, by key.
    pub fn settings(&self) -> impl Iterator<Item = (&str, &str)> {
        self.facts.lines().filter_map(|line| line.split_once(" = "))
    }
}

/// A file of another program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForeignFile {
    /// Its name, without folders.
    pub file: String,
    /// The SHA-256 of its factors, in hexadecimal: see `moa_adapter::Adapter::sha256`.
    pub sha256: String,
}

impl Provenance {
    /// Returns the provenance of what this version of moa makes.
    pub fn now(base: impl Into<String>, experiment: Option<String>, made: Made) -> Self {
        Self { moa: env!("CARGO_PKG_VERSION").into(), base: base.into(), experiment, made }
    }

    /// Returns a short name for all of it, in hexadecimal, by which adapters that are merged further say where their ingredients
    /// come from.
    pub fn digest(&self) -> String {
        let words = self.to_header();
        let key =
            words.iter().fold(NoiseKey::new(0).named("provenance"), |key, (name, value)| key.named(name).named(value));
        format!("{:016x}{:016x}", key.bits(0), key.bits(1))
    }
}
