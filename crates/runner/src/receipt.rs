//! The receipt: what results were made with.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::RunnerError;

/// The format of receipts that this version writes.
const FORMAT: u32 = 1;

/// What results were made with: the same receipt, experiment and device give the same results.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The receipt's format.
    pub format: u32,
    /// The version of moa that began the sweep.
    pub moa: String,
    /// The experiment's name.
    pub experiment: String,
    /// The seed of everything random in training.
    pub seed: u64,
    /// The device that the sweep began on, by name.
    pub device: String,
    /// SHA-256 of everything that went in, in hexadecimal, by name: `experiment`, `prompts.train`, `prompts.held_out`,
    /// `base` and whatever else the models are made of.
    pub sha256: BTreeMap<String, String>,
}

impl Receipt {
    /// Returns the receipt of an experiment.
    pub(crate) fn new(experiment: &str, seed: u64, device: &str, sha256: BTreeMap<String, String>) -> Self {
        Self {
            format: FORMAT,
            moa: env!("CARGO_PKG_VERSION").into(),
            experiment: experiment.into(),
            seed,
            device: device.into(),
            sha256,
        }
    }

    /// Reads a receipt; there may be none yet.
    ///
    /// # Errors
    /// Names the file when it is unreadable or of a newer format.
    pub fn read(path: &Path) -> Result<Option<Self>, RunnerError> {
        let unreadable = |reason: String| RunnerError::Read { path: path.to_path_buf(), reason };
        let text = match std::fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(error.to_string())),
        };
        let receipt: Self = serde_json::from_slice(&text)
            .map_err(|error| unreadable(format!("no receipt ({error}): restore the file, or remove the folder")))?;
        if receipt.format > FORMAT {
            return Err(unreadable(format!(
                "it has format {}, and this moa reads formats up to {FORMAT}: use a newer moa",
                receipt.format
            )));
        }
        Ok(Some(receipt))
    }

    /// Returns the receipt as a file.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        let mut text = serde_json::to_vec_pretty(self).unwrap_or_default();
        text.push(b'\n');
        text
    }
}

/// Returns the SHA-256 of some bytes, in hexadecimal.
pub fn sha256(bytes: impl AsRef<[u8]>) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_the_standard() {
        assert_eq!(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn a_receipt_reads_back_and_a_damaged_one_is_named() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("receipt.json");
        assert_eq!(Receipt::read(&path).unwrap(), None);
        let receipt = Receipt::new("quick", 7, "flex", BTreeMap::from([("base".into(), sha256("x"))]));
        std::fs::write(&path, receipt.to_json()).unwrap();
        assert_eq!(Receipt::read(&path).unwrap(), Some(receipt));
        std::fs::write(&path, "{").unwrap();
        assert!(Receipt::read(&path).unwrap_err().to_string().contains("receipt.json"));
    }
}
