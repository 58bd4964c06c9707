//! Evaluations of one phase's adapters on another phase's prompts and rewards: a file each, replaced as a whole, beside the scores of the
//! images.

use std::io::ErrorKind;
use std::path::Path;

use moa_core::EvaluationRecord;
use serde::{Deserialize, Serialize};

use crate::{ImageScores, StoreError, write_atomically};

/// The format of files that this version writes, and the newest that it reads.
const FORMAT: u32 = 1;

/// The file's name.
const NAME: &str = "evaluation.json";

/// An evaluation of another phase's adapter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AcrossRecord {
    format: u32,
    /// The digest of what the evaluation depends on, the adapter too.
    pub settings: String,
    /// What was found.
    pub record: EvaluationRecord,
}

impl AcrossRecord {
    /// Writes an evaluation into a folder: the scores of the images first, then the record, with which it counts as made.
    ///
    /// # Errors
    /// What the system says; what was there before stays then.
    pub fn write(
        folder: &Path,
        settings: &str,
        record: &EvaluationRecord,
        scores: &ImageScores,
    ) -> Result<(), StoreError> {
        scores.write(folder, settings)?;
        let path = folder.join(NAME);
        let kept = Self { format: FORMAT, settings: settings.to_owned(), record: record.clone() };
        let mut text = serde_json::to_vec(&kept).map_err(|error| StoreError::write(&path, error.into()))?;
        text.push(b'\n');
        write_atomically(&path, &text)
    }

    /// Reads the evaluation in a folder; nothing where there is none.
    ///
    /// # Errors
    /// [`StoreError::DamagedScores`] for a file that is not what was written, [`StoreError::Newer`] for one of a newer moa.
    pub fn read(folder: &Path) -> Result<Option<Self>, StoreError> {
        let path = folder.join(NAME);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::read(&path, error)),
        };
        let damaged =
            |error: serde_json::Error| StoreError::DamagedScores { path: path.clone(), reason: error.to_string() };
        let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(damaged)?;
        let found = value.get("format").and_then(serde_json::Value::as_u64).unwrap_or_default();
        if found > u64::from(FORMAT) {
            return Err(StoreError::Newer { path, found: u32::try_from(found).unwrap_or(u32::MAX), supported: FORMAT });
        }
        serde_json::from_value(value).map(Some).map_err(damaged)
    }
}

#[cfg(test)]
mod tests {
    use moa_core::{PointKind, RunId, ScoreColumn};

    use super::*;

    #[test]
    fn evaluations_read_back_and_damage_is_named() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(AcrossRecord::read(root.path()).unwrap(), None);
        let record = EvaluationRecord {
            id: RunId("safety".into()),
            kind: PointKind::Trained,
            weighting: None,
            images_per_prompt: 2,
            rewards: vec![ScoreColumn::of_all("safety", vec![1.0 / 3.0, 0.1])],
            judges: Vec::new(),
            distance_to_base: None,
            added: None,
        };
        let scores = ImageScores { images_per_prompt: 2, columns: Vec::new() };
        AcrossRecord::write(root.path(), "a b", &record, &scores).unwrap();
        let kept = AcrossRecord::read(root.path()).unwrap().unwrap();
        assert_eq!((kept.settings.as_str(), kept.record), ("a b", record));
        assert_eq!(ImageScores::read(root.path(), "a b").unwrap(), Some(scores));
        std::fs::write(root.path().join(NAME), "{\"format\": 9}").unwrap();
        assert!(AcrossRecord::read(root.path()).unwrap_err().to_string().contains("format 9"));
        std::fs::write(root.path().join(NAME), "{").unwrap();
        assert!(AcrossRecord::read(root.path()).unwrap_err().to_string().contains(NAME));
    }
}
