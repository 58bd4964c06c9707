//! What the judge is told to look for.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::JudgeError;

/// Bytes of a rubric.
const LARGEST: u64 = 100_000;

/// What the judge is told to look for: a text, such as Markdown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rubric(String);

impl Rubric {
    /// Reads a rubric of at most 100 kB.
    ///
    /// # Errors
    /// Says which file is missing, empty, too large or not UTF-8.
    pub fn read(path: &Path) -> Result<Self, JudgeError> {
        let refused = |problem: String| JudgeError::Rubric { path: PathBuf::from(path), problem };
        let mut bytes = Vec::new();
        let read = std::fs::metadata(path).and_then(|metadata| {
            // A pipe might never end.
            if !metadata.is_file() {
                return Err(std::io::Error::other("this is not a file"));
            }
            File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)
        });
        read.map_err(|error| refused(format!("the rubric cannot be read: {error}")))?;
        if bytes.len() as u64 > LARGEST {
            return Err(refused(format!("the rubric is larger than {} kB: shorten it", LARGEST / 1000)));
        }
        let text = String::from_utf8(bytes).map_err(|_| refused("the rubric is not UTF-8 text".into()))?;
        if text.trim().is_empty() {
            return Err(refused("the rubric is empty: write what the judge should look for".into()));
        }
        Ok(Self(text.trim().to_owned()))
    }

    /// Returns the text.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl Default for Rubric {
    /// Returns moa's own rubric: what the prompt asks for, how well it is drawn, how good it is to look at.
    fn default() -> Self {
        Self(include_str!("rubric.md").trim().to_owned())
    }
}
