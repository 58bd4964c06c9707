//! Where the fixtures are.

use std::path::{Path, PathBuf};

/// Returns the path of a fixture.
pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// Returns it as experiments name it.
pub(crate) fn name(path: &str) -> String {
    fixture(path).display().to_string()
}
