//! Reading and writing experiment files.

use std::path::Path;

use ron::extensions::Extensions;
use ron::ser::PrettyConfig;

use super::{ExperimentSpec, Place, SpecError};

fn options() -> ron::Options {
    ron::Options::default().with_default_extension(Extensions::IMPLICIT_SOME)
}

impl ExperimentSpec {
    /// Reads an experiment file; the file's stem names the experiment where the file does not.
    pub fn load(path: &Path) -> Result<Self, SpecError> {
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|error| SpecError::Unreadable { file: file.clone(), problem: error.to_string() })?;
        let mut spec = Self::from_ron(&text, &file)?;
        if spec.name.is_none() {
            spec.name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        }
        Ok(spec)
    }

    /// Parses and validates the text of an experiment file; `file` is its name in messages.
    pub fn from_ron(text: &str, file: &str) -> Result<Self, SpecError> {
        options().from_str(text).map_err(|error| SpecError::Malformed {
            place: Place { file: file.into(), position: Some((error.span.start.line, error.span.start.col)) },
            problem: error.code.to_string(),
        })
    }

    /// Returns the experiment as RON with every field written.
    pub fn to_ron(&self) -> String {
        options().to_string_pretty(self, PrettyConfig::new()).expect("plain data serialises")
    }
}
