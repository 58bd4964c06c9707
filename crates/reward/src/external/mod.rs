//! Rewards from outside: any program over pipes, any service over HTTP, any ONNX model.
//!
//! `docs/reward-protocol.md` says what programs and services are asked, and what they answer.

mod batches;
mod error;
mod http;
mod onnx;
mod program;
mod protocol;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use moa_core::spec::{RewardKind, RewardSpec};
use sha2::{Digest, Sha256};

pub use error::{ExternalError, Problem};
pub use http::Http;
pub use onnx::Onnx;
pub use program::{Program, kill_programs};
pub use protocol::PROTOCOL;

use crate::RewardError;

/// Returns the SHA-256 of every ONNX file that rewards are made of, in hexadecimal, by `reward NAME`: results of other
/// files are other results. What programs and services do nobody can hash.
///
/// # Errors
/// Says which file cannot be read.
pub fn hashes(rewards: &[RewardSpec]) -> Result<BTreeMap<String, String>, RewardError> {
    let mut hashes = BTreeMap::new();
    for reward in rewards {
        let RewardKind::Onnx(spec) = &reward.kind else { continue };
        let hash = sha256(&spec.model).map_err(|error| onnx::unreadable(&reward.name, &spec.model, &error))?;
        hashes.insert(format!("reward {}", reward.name), hash);
    }
    Ok(hashes)
}

/// Returns a file's SHA-256, in hexadecimal.
fn sha256(file: &Path) -> io::Result<String> {
    let mut file = BufReader::with_capacity(1 << 16, File::open(file)?);
    let mut digest = Sha256::new();
    loop {
        let bytes = file.fill_buf()?;
        if bytes.is_empty() {
            return Ok(digest.finalize().iter().fold(String::new(), |mut text, byte| {
                let _ = write!(text, "{byte:02x}");
                text
            }));
        }
        digest.update(bytes);
        let count = bytes.len();
        file.consume(count);
    }
}
