//! A folder with images, and files beside them.

#![allow(dead_code, reason = "each test takes what it needs")]

use std::fs;
use std::path::PathBuf;

use moa_interchange::{Import, Imported, Reasons};
use moa_preferences::{Decision, Preferences, Record, Winner};

pub(crate) struct Folder(pub(crate) tempfile::TempDir);

/// Returns bytes that begin as a JPEG does; different for each name.
pub(crate) fn jpeg(name: &str) -> Vec<u8> {
    [&[0xff, 0xd8, 0xff, 0xe0][..], name.as_bytes()].concat()
}

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    pub(crate) fn images<const N: usize>(&self, names: [&str; N]) -> &Self {
        for name in names {
            self.file(name, jpeg(name));
        }
        self
    }

    pub(crate) fn import(&self, name: &str) -> Import {
        Import::new(self.path(name), self.path("ratings/preferences.jsonl"))
    }

    pub(crate) fn run(&self, name: &str) -> Result<Imported, String> {
        self.import(name).run().map_err(|error| error.to_string())
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        let preferences = Preferences::read(&self.path("ratings/preferences.jsonl")).unwrap();
        preferences.check_images().unwrap();
        preferences.records().cloned().collect()
    }

    pub(crate) fn winners(&self) -> Vec<Option<Winner>> {
        let winner = |record: &Record| match &record.decision {
            Decision::Pair { outcome, .. } => *outcome,
            other => panic!("{other:?}"),
        };
        self.records().iter().map(winner).collect()
    }
}

/// Returns the reasons of an import, one per line.
pub(crate) fn reasons(imported: &Imported) -> String {
    told(&imported.skipped)
}

pub(crate) fn told(reasons: &Reasons) -> String {
    reasons.iter().map(ToString::to_string).map(|reason| reason + "\n").collect()
}
