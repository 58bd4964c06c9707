//! The user's own notes on an experiment, and its tags: one small file in the results folder.

use serde::{Deserialize, Serialize};

use crate::tasks::{read_json, write_json};
use crate::{Layout, StoreError, unix_now};

/// The format of the file that this version writes, and the newest that it reads.
const FORMAT: u32 = 1;

/// The user's notes and tags.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remarks {
    /// The file's format.
    format: u32,
    /// The notes, in the order in which they were written.
    pub notes: Vec<Remark>,
    /// The tags, in alphabetical order, each once.
    pub tags: Vec<String>,
}

/// One note.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remark {
    /// What it says.
    pub text: String,
    /// When it was written, in seconds since 1970.
    pub written: u64,
}

impl Remarks {
    /// Reads the remarks of a results folder; there are none before the first was written.
    ///
    /// # Errors
    /// Names the file that is unreadable, damaged, or of a newer moa.
    pub fn read(layout: &Layout) -> Result<Self, StoreError> {
        let kept = read_json(&layout.remarks_file(), FORMAT, "record of notes and tags")?;
        Ok(kept.unwrap_or(Self { format: FORMAT, notes: Vec::new(), tags: Vec::new() }))
    }

    /// Writes the remarks, whole or not at all.
    ///
    /// # Errors
    /// Names the file when it cannot be written; the remarks before are untouched then.
    pub fn write(&self, layout: &Layout) -> Result<(), StoreError> {
        write_json(&layout.remarks_file(), self)
    }

    /// Adds a note.
    pub fn note(&mut self, text: &str) {
        self.notes.push(Remark { text: text.to_owned(), written: unix_now() });
    }

    /// Adds a tag; one that is there already stays once.
    pub fn tag(&mut self, tag: &str) {
        if let Err(place) = self.tags.binary_search_by(|known| known.as_str().cmp(tag)) {
            self.tags.insert(place, tag.to_owned());
        }
    }

    /// Takes a tag away, and returns whether it was there.
    pub fn untag(&mut self, tag: &str) -> bool {
        let before = self.tags.len();
        self.tags.retain(|known| known != tag);
        self.tags.len() < before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remarks_read_back_and_tags_are_kept_once() {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::new(root.path());
        let mut remarks = Remarks::read(&layout).unwrap();
        assert!(remarks.notes.is_empty() && remarks.tags.is_empty());
        remarks.note("with the new prompts; \"quoted\"\nand more");
        for tag in &["b", "a", "b"] {
            remarks.tag(tag);
        }
        remarks.write(&layout).unwrap();
        let mut kept = Remarks::read(&layout).unwrap();
        assert_eq!(kept, remarks);
        assert_eq!(kept.tags, ["a", "b"]);
        assert!(kept.untag("a") && !kept.untag("a"));
        std::fs::write(layout.remarks_file(), "{\"format\": 9}").unwrap();
        let error = Remarks::read(&layout).unwrap_err().to_string();
        assert!(error.contains("remarks.json") && error.contains("format 9"), "{error}");
    }
}
