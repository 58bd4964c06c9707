//! A run's checkpoint file: the trainer's state behind a hash, so that damage is found before it trains on.

use std::io::ErrorKind;
use std::path::Path;

use moa_store::write_atomically;
use sha2::{Digest, Sha256};

use crate::RunnerError;

/// What the file begins with; the last byte is its format.
const MAGIC: &[u8; 8] = b"moa-ckp\x02";
/// Length of the hash behind it.
const HASH: usize = 32;

/// Writes a trainer's state, whole or not at all.
pub(crate) fn write(path: &Path, state: &[u8]) -> Result<(), RunnerError> {
    let mut bytes = Vec::with_capacity(MAGIC.len() + HASH + state.len());
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&Sha256::digest(state));
    bytes.extend_from_slice(state);
    Ok(write_atomically(path, &bytes)?)
}

/// Reads a trainer's state; there may be none yet.
///
/// # Errors
/// Refuses a file that is not what was written.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, RunnerError> {
    let mut bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(RunnerError::Read { path: path.to_path_buf(), reason: error.to_string() }),
    };
    let refuse = |reason: &str| Err(RunnerError::Checkpoint { path: path.to_path_buf(), reason: reason.to_owned() });
    if bytes.len() < MAGIC.len() + HASH || bytes[..MAGIC.len() - 1] != MAGIC[..MAGIC.len() - 1] {
        return refuse("no checkpoint of moa, or truncated");
    }
    if bytes[..MAGIC.len()] != MAGIC[..] {
        return refuse("of another format than this moa reads");
    }
    let state = bytes.split_off(MAGIC.len() + HASH);
    if bytes[MAGIC.len()..] != Sha256::digest(&state)[..] {
        return refuse("damaged (its hash does not match)");
    }
    Ok(Some(state))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_reads_back_and_any_damage_is_found() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("runs/a/checkpoint.bin");
        assert!(read(&path).unwrap().is_none());
        write(&path, b"state of the trainer").unwrap();
        assert_eq!(read(&path).unwrap().as_deref(), Some(&b"state of the trainer"[..]));
        let good = std::fs::read(&path).unwrap();
        for place in [0, 7, 10, good.len() - 1] {
            let mut bad = good.clone();
            bad[place] ^= 1;
            std::fs::write(&path, bad).unwrap();
            let message = read(&path).unwrap_err().to_string();
            assert!(message.contains("checkpoint.bin") && message.contains("remove it"), "{message}");
        }
        std::fs::write(&path, &good[..good.len() - 1]).unwrap();
        assert!(read(&path).is_err());
        std::fs::write(&path, "").unwrap();
        assert!(read(&path).is_err());
    }
}
