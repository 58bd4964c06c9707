//! Adapters that are given, not trained: points of the front beside base and runs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::ExperimentSpec;
use super::design::is_reserved;
use super::finding::Finding;
use crate::RunId;

/// The most adapters that are given.
const MOST: usize = 1000;
/// What files of adapters are called everywhere: such an adapter has its folder's name.
const USUAL: [&str; 4] = ["adapter", "adapter_model", "pytorch_lora_weights", "lora"];

impl ExperimentSpec {
    /// Returns the adapters that are given, by their names in the experiment: those of their files (of files that are called as all are, of
    /// their folders) in lower case, with `-` for what cannot stand in the name of a run.
    pub fn given(&self) -> Vec<(RunId, &Path)> {
        self.adapters
            .iter()
            .map(|path| (RunId(name_of(path)), &path[..]))
            .map(|(id, path)| (id, Path::new(path)))
            .collect()
    }

    /// Returns the names of all that soups can be made of: runs, then adapters that are given.
    pub(super) fn check_given(&self) -> Result<(), Finding> {
        if self.adapters.len() > MOST {
            let state = format!("a list of {}", self.adapters.len());
            return Err(Finding::state("adapters", state, format!("give at most {MOST}")));
        }
        let runs: BTreeSet<String> = self.weightings().into_iter().map(|(id, _)| id.0).collect();
        let mut seen: BTreeSet<String> = BTreeSet::new();
        for (index, path) in self.adapters.iter().enumerate() {
            let (field, value) = (format!("adapters[{index}]"), format!("{path:?}"));
            let name = name_of(path);
            if path.trim().is_empty() {
                return Err(Finding::value(field, value, "name a LoRA's file or folder"));
            }
            if name.is_empty() {
                return Err(Finding::value(
                    field,
                    value,
                    "its name holds no letter from a to z and no digit: rename it",
                ));
            }
            if is_reserved(&name) || runs.contains(&name) {
                let hint = format!("it would be called `{name}`, which another point of the front is: rename the file");
                return Err(Finding::value(field, value, hint));
            }
            if !seen.insert(name.clone()) {
                let hint = format!("another adapter is called `{name}`, too: rename one of the files");
                return Err(Finding::value(field, value, hint));
            }
        }
        Ok(())
    }
}

/// Returns the name of the adapter in a file or folder.
fn name_of(path: &str) -> String {
    let path = Path::new(path);
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let of_folder = || path.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    let is_file = path.extension().is_some_and(|ending| ending == "safetensors");
    let name = match (is_file, USUAL.contains(&&stem[..])) {
        (true, true) => of_folder().unwrap_or(stem),
        (true, false) => stem,
        (false, _) => path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
    };
    let letter = |letter: char| if letter.is_ascii_alphanumeric() || "_.".contains(letter) { letter } else { '-' };
    let plain: String = name.to_lowercase().chars().map(letter).take(LONGEST).collect();
    plain.trim_matches(['-', '.']).to_owned()
}

/// The longest name, in characters.
const LONGEST: usize = 60;

/// Returns where an adapter is, counted from the experiment file's folder.
pub(super) fn located(path: &str, folder: &Path) -> String {
    let path: PathBuf = folder.join(path);
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adapters_have_the_names_of_their_files_or_folders() {
        for (path, name) in [
            ("loras/Style v2.safetensors", "style-v2"),
            ("runs/safety/adapter.safetensors", "safety"),
            ("peft/adapter_model.safetensors", "peft"),
            ("results/my/soups/soup-a", "soup-a"),
            ("v1.5_detail.safetensors", "v1.5_detail"),
            ("!.safetensors", ""),
        ] {
            assert_eq!(name_of(path), name, "{path}");
        }
    }

    #[test]
    fn names_that_are_taken_are_refused() {
        let with = |adapters: &[&str]| {
            let adapters = adapters.iter().map(|path| (*path).to_owned()).collect();
            ExperimentSpec { adapters, ..ExperimentSpec::default() }.check_given().map_err(|error| format!("{error:?}"))
        };
        assert!(with(&["a.safetensors", "b/adapter.safetensors"]).is_ok());
        for (wrong, word) in [
            (&["a.safetensors", "x/a.safetensors"][..], "another adapter is called `a`"),
            (&["safety.safetensors"], "another point"),
            (&["base.safetensors"], "another point"),
            (&[" "], "name a LoRA"),
        ] {
            let error = with(wrong).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }
}
