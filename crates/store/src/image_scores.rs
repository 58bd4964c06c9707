//! `scores.jsonl`: the score of every single image of an evaluation, in the folder of what was evaluated.
//!
//! The index and the logs keep means by prompt; this file keeps what they were made of. Its one line begins with the checksum of what
//! follows, as lines of logs do, and names the evaluation that it belongs to. It is replaced as a whole.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use moa_core::{PointKind, RunId};
use serde::{Deserialize, Serialize};

use crate::{Layout, RunHistory, StoreError, write_atomically};

/// The format of files that this version writes, and the newest that it reads.
const FORMAT: u32 = 1;

/// The file's name.
const NAME: &str = "scores.jsonl";

/// What a score is by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// A reward of the experiment.
    Reward,
    /// A held-out judge.
    Judge,
}

impl Role {
    /// Returns the role's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reward => "reward",
            Self::Judge => "judge",
        }
    }
}

/// The scores of one reward or judge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImageColumn {
    /// The reward's or judge's name.
    pub name: String,
    /// Which of the two it is.
    pub role: Role,
    /// One per image, those of a prompt together; nothing where a judge has nothing to say.
    pub scores: Vec<Option<f32>>,
}

/// The scores of every image of an evaluation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImageScores {
    /// The images of each prompt. Image `i` of a prompt is drawn from the same noise by every point.
    pub images_per_prompt: u32,
    /// Rewards in the experiment's order, then judges.
    pub columns: Vec<ImageColumn>,
}

/// The file's contents.
#[derive(Serialize, Deserialize)]
struct Kept {
    format: u32,
    /// The digest that the evaluation stands under in the point's log.
    settings: String,
    scores: ImageScores,
}

/// The file's format alone.
#[derive(Deserialize)]
struct Stamp {
    format: u32,
}

impl ImageScores {
    /// Returns where the scores of a point lie, by the point's folder.
    pub fn path(folder: &Path) -> PathBuf {
        folder.join(NAME)
    }

    /// Writes the scores into a point's folder in place of those that were there.
    ///
    /// - `settings`: the digest that the evaluation stands under in the point's log
    ///
    /// # Errors
    /// What the system says; what was there before stays then.
    pub fn write(&self, folder: &Path, settings: &str) -> Result<(), StoreError> {
        let path = Self::path(folder);
        let kept = Kept { format: FORMAT, settings: settings.to_owned(), scores: self.clone() };
        let record = serde_json::to_vec(&kept).map_err(|error| StoreError::write(&path, error.into()))?;
        let mut line = format!("{:08x} ", crc32fast::hash(&record)).into_bytes();
        line.extend_from_slice(&record);
        line.push(b'\n');
        write_atomically(&path, &line)
    }

    /// Reads the scores in a point's folder that belong to an evaluation; nothing where there are none, or those of another evaluation.
    ///
    /// - `settings`: the digest that the evaluation stands under in the point's log
    ///
    /// # Errors
    /// [`StoreError::DamagedScores`] for a file that is not what was written, [`StoreError::Newer`] for one of a newer moa.
    pub fn read(folder: &Path, settings: &str) -> Result<Option<Self>, StoreError> {
        let path = Self::path(folder);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::read(&path, error)),
        };
        let damaged = |reason: String| StoreError::DamagedScores { path: path.clone(), reason };
        let line = bytes.strip_suffix(b"\n").and_then(|line| line.split_at_checked(9));
        let (sum, record) = line.ok_or_else(|| damaged("it is cut off".into()))?;
        let sum = std::str::from_utf8(&sum[..8]).ok().and_then(|sum| u32::from_str_radix(sum, 16).ok());
        if sum != Some(crc32fast::hash(record)) {
            return Err(damaged("its checksum does not match".into()));
        }
        let unreadable = |error: serde_json::Error| damaged(error.to_string());
        let Stamp { format } = serde_json::from_slice(record).map_err(unreadable)?;
        if format > FORMAT {
            return Err(StoreError::Newer { path, found: format, supported: FORMAT });
        }
        let kept: Kept = serde_json::from_slice(record).map_err(unreadable)?;
        Ok((kept.settings == settings).then_some(kept.scores))
    }

    /// Reads the scores of a point's last evaluation; nothing where there is none, or where it was made by a version that kept none.
    ///
    /// # Errors
    /// Those of [`ImageScores::read`] and [`RunHistory::read`].
    pub fn of_point(layout: &Layout, kind: PointKind, id: &RunId) -> Result<Option<Self>, StoreError> {
        let evaluation = RunHistory::read(&layout.log_file(kind, id))?.and_then(|history| history.evaluation);
        let Some((settings, _)) = evaluation else { return Ok(None) };
        Self::read(&layout.point_dir(kind, id), &settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores() -> ImageScores {
        let column = |name: &str, role, scores: &[Option<f32>]| ImageColumn {
            name: name.to_owned(),
            role,
            scores: scores.to_vec(),
        };
        ImageScores {
            images_per_prompt: 2,
            columns: vec![
                column("safety", Role::Reward, &[Some(0.1), Some(1.0 / 3.0), Some(-7.25e-9), Some(1e6)]),
                column("attributes", Role::Judge, &[None, None, Some(0.5), Some(0.25)]),
            ],
        }
    }

    #[test]
    fn scores_read_back_bit_for_bit_for_their_evaluation_alone() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(ImageScores::read(root.path(), "a b").unwrap(), None);
        scores().write(root.path(), "a b").unwrap();
        assert_eq!(ImageScores::read(root.path(), "a b").unwrap(), Some(scores()));
        assert_eq!(ImageScores::read(root.path(), "a c").unwrap(), None, "of other adapters");
    }

    #[test]
    fn damage_and_newer_formats_are_refused_by_name() {
        let root = tempfile::tempdir().unwrap();
        scores().write(root.path(), "a").unwrap();
        let path = ImageScores::path(root.path());
        let whole = fs::read(&path).unwrap();
        let refused = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            ImageScores::read(root.path(), "a").unwrap_err().to_string()
        };
        let mut flipped = whole.clone();
        flipped[40] ^= 1;
        for bytes in [&flipped[..], &whole[..whole.len() - 1], b""] {
            let message = refused(bytes);
            assert!(message.contains(NAME) && message.contains("moa repair"), "{message}");
        }
        let newer = br#"{"format":9}"#;
        let line = [format!("{:08x} ", crc32fast::hash(newer)).as_bytes(), newer, b"\n"].concat();
        let message = refused(&line);
        assert!(message.contains("format 9"), "{message}");
    }
}
