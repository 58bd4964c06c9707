//! Metrics have long names and many values: the store keeps each name once, under a number.

use std::collections::HashMap;
use std::path::Path;

use moa_core::{EpochRecord, RunId};
use sled::Tree;

use crate::StoreError;
use crate::codec::StoredEpoch;
use crate::database::{decode_error, sled_error};

/// The names of metrics, by number and by name.
#[derive(Debug, Default)]
pub(crate) struct Names {
    by_number: Vec<String>,
    by_name: HashMap<String, u32>,
}

impl Names {
    /// Returns the names in `tree`. The store's path is shown in errors.
    pub(crate) fn load(tree: &Tree, shown: &Path) -> Result<Self, StoreError> {
        let mut names = Self::default();
        for (number, entry) in (0..).zip(tree.iter()) {
            let (key, name) = entry.map_err(|error| sled_error(shown, error))?;
            let name = String::from_utf8(name.to_vec()).ok().filter(|_| key.as_ref() == u32::to_be_bytes(number));
            names.add(name.ok_or_else(|| StoreError::damaged(shown, "the names of metrics are malformed"))?);
        }
        Ok(names)
    }

    /// Returns an epoch as it is stored; new names are added to `tree`.
    pub(crate) fn encode(&mut self, epoch: &EpochRecord, tree: &Tree) -> sled::Result<Vec<u8>> {
        let mut metrics = Vec::with_capacity(epoch.metrics.len());
        for (name, value) in &epoch.metrics {
            let number = if let Some(number) = self.by_name.get(name) {
                *number
            } else {
                tree.insert((self.by_number.len() as u32).to_be_bytes(), name.as_str())?;
                self.add(name.clone())
            };
            metrics.push((number, *value));
        }
        Ok(StoredEpoch { seconds: epoch.seconds, metrics }.encode())
    }

    /// Returns a stored epoch as it was.
    pub(crate) fn decode(&self, key: &[u8], value: &[u8], shown: &Path) -> Result<EpochRecord, StoreError> {
        let (run, epoch) = parse_epoch_key(key).ok_or_else(|| StoreError::damaged(shown, "a key is malformed"))?;
        let stored = StoredEpoch::decode(value).map_err(|error| decode_error(shown, error))?;
        let named = |(number, value): (u32, f64)| Some((self.by_number.get(number as usize)?.clone(), value));
        let metrics = stored.metrics.into_iter().map(named).collect::<Option<_>>();
        let metrics = metrics.ok_or_else(|| StoreError::damaged(shown, "a metric has no name"))?;
        Ok(EpochRecord { run, epoch, seconds: stored.seconds, metrics })
    }

    fn add(&mut self, name: String) -> u32 {
        let number = self.by_number.len() as u32;
        self.by_name.insert(name.clone(), number);
        self.by_number.push(name);
        number
    }
}

/// Returns the key of an epoch: run id, a zero byte (which no id holds), epoch. Keys sort by run, then epoch.
pub(crate) fn epoch_key(run: &RunId, epoch: u32) -> Vec<u8> {
    let mut key = epoch_prefix(run);
    key.extend_from_slice(&epoch.to_be_bytes());
    key
}

/// Returns what the keys of all epochs of a run begin with.
pub(crate) fn epoch_prefix(run: &RunId) -> Vec<u8> {
    let mut key = run.as_str().as_bytes().to_vec();
    key.push(0);
    key
}

fn parse_epoch_key(key: &[u8]) -> Option<(RunId, u32)> {
    let (id, epoch) = key.split_last_chunk::<4>()?;
    let (zero, id) = id.split_last()?;
    let id = String::from_utf8(id.to_vec()).ok().filter(|_| *zero == 0)?;
    Some((RunId(id), u32::from_be_bytes(*epoch)))
}
