//! How records become bytes: one version byte, then the record.
//!
//! Epochs are the bulk (a metric takes 12 bytes, its name being a number); the rest is JSON.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::FORMAT;

/// Why bytes are no record.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum DecodeError {
    /// A newer version wrote them.
    Newer(u32),
    /// They make no sense.
    Damaged(String),
}

/// An epoch's values; metrics are named by their numbers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StoredEpoch {
    pub(crate) seconds: f64,
    pub(crate) metrics: Vec<(u32, f64)>,
}

fn versioned(body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1 + body.len());
    bytes.push(FORMAT as u8);
    bytes.extend_from_slice(body);
    bytes
}

fn body(bytes: &[u8]) -> Result<&[u8], DecodeError> {
    match bytes.split_first() {
        Some((&version, body)) if u32::from(version) == FORMAT => Ok(body),
        Some((&version, _)) if u32::from(version) > FORMAT => Err(DecodeError::Newer(version.into())),
        Some((version, _)) => Err(DecodeError::Damaged(format!("a record has format {version}"))),
        None => Err(DecodeError::Damaged("a record is empty".to_owned())),
    }
}

/// Returns a record as bytes.
pub(crate) fn encode<T: Serialize>(record: &T) -> Vec<u8> {
    // Invariant: the records have text keys only and their numbers were found finite, so JSON can say all of them.
    versioned(&serde_json::to_vec(record).expect("records are representable in JSON"))
}

/// Returns the record that [`encode`] wrote.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    serde_json::from_slice(body(bytes)?)
        .map_err(|error| DecodeError::Damaged(format!("a record is malformed: {error}")))
}

impl StoredEpoch {
    /// Returns the epoch as bytes: seconds, then number and value of each metric, little-endian.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(8 + 12 * self.metrics.len());
        bytes.extend_from_slice(&self.seconds.to_le_bytes());
        for (name, value) in &self.metrics {
            bytes.extend_from_slice(&name.to_le_bytes());
            bytes.extend_from_slice(&value.to_le_bytes());
        }
        versioned(&bytes)
    }

    /// Returns the epoch that [`StoredEpoch::encode`] wrote.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let odd = || DecodeError::Damaged("an epoch has an odd length".to_owned());
        let (seconds, rest) = body(bytes)?.split_first_chunk::<8>().ok_or_else(odd)?;
        let (chunks, rest) = rest.as_chunks::<12>();
        if !rest.is_empty() {
            return Err(odd());
        }
        let metric = |chunk: &[u8; 12]| {
            let [a, b, c, d, value @ ..] = *chunk;
            (u32::from_le_bytes([a, b, c, d]), f64::from_le_bytes(value))
        };
        Ok(Self { seconds: f64::from_le_bytes(*seconds), metrics: chunks.iter().map(metric).collect() })
    }
}

#[cfg(test)]
mod tests {
    use moa_core::{PointKind, RunId, RunRecord, RunState, Weighting};

    use super::*;

    #[test]
    fn epochs_keep_every_bit() {
        let epoch =
            StoredEpoch { seconds: 0.1 + 0.2, metrics: vec![(0, -0.0), (7, f64::MIN_POSITIVE), (3, 1.0 / 3.0)] };
        let back = StoredEpoch::decode(&epoch.encode()).unwrap();
        assert_eq!(back, epoch);
        assert!(back.metrics[0].1.is_sign_negative());
    }

    #[test]
    fn newer_short_and_empty_records_are_told_apart() {
        let mut bytes = StoredEpoch { seconds: 1.0, metrics: vec![(1, 2.0)] }.encode();
        assert!(matches!(StoredEpoch::decode(&bytes[..bytes.len() - 1]), Err(DecodeError::Damaged(_))));
        bytes[0] = 9;
        assert_eq!(StoredEpoch::decode(&bytes), Err(DecodeError::Newer(9)));
        assert!(matches!(StoredEpoch::decode(&[]), Err(DecodeError::Damaged(_))));
    }

    /// The bytes of format 1: when this fails, a record of `moa-core` changed in a way that old stores cannot follow.
    /// Give new fields `#[serde(default)]`, or raise the format and convert.
    #[test]
    fn records_of_format_1_are_still_read() {
        let json = r#"{"id":"centre","weighting":[0.25,0.75],"state":"trained","epochs_done":3,"epochs":3,"warnings":["a\nb ü"]}"#;
        let record: RunRecord = decode(&[&[1], json.as_bytes()].concat()).unwrap();
        let expected = RunRecord {
            id: RunId("centre".to_owned()),
            weighting: Weighting::new(vec![0.25, 0.75]).unwrap(),
            state: RunState::Trained,
            epochs_done: 3,
            epochs: 3,
            warnings: vec!["a\nb ü".to_owned()],
        };
        assert_eq!(record, expected);
        let json = r#"{"id":"base","kind":"base","weighting":null,"pictures_per_prompt":4,"rewards":[{"name":"safety","prompt_means":[0.1]}],"judges":[]}"#;
        let record: moa_core::EvaluationRecord = decode(&[&[1], json.as_bytes()].concat()).unwrap();
        assert_eq!((record.kind, record.rewards[0].prompt_means[0]), (PointKind::Base, 0.1));
        assert_eq!(record.rewards[0].prompts, None, "columns did not say which prompts they have");
        let json = serde_json::to_string(&record).unwrap();
        assert!(!json.contains("prompts\":"), "columns of all prompts are written as before: {json}");
    }
}
