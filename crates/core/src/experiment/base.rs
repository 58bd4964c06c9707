//! What `base` names: the built-in model, a folder, or a model of the hub.

use std::path::{Path, PathBuf};

/// The base model that is built in, and the default.
pub const BUILT_IN_BASE: &str = "emoji-32";

/// What a base's name ends in where it is to read prompts without T5, of which it can do without: `models/sd3@without-t5`.
pub const WITHOUT_T5: &str = "@without-t5";

/// The kinds of names that `base` takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BaseName<'a> {
    /// `emoji-32`.
    BuiltIn,
    /// `hf:org/name`, perhaps `@revision`: a model that the hub's cache holds.
    Hub(&'a str),
    /// Anything else: a folder in diffusers' layout, or a checkpoint in one file.
    Folder(&'a Path),
}

impl<'a> BaseName<'a> {
    /// Tells what a name is of. Whether there is such a model shows when it is opened.
    pub fn of(base: &'a str) -> Self {
        match base {
            BUILT_IN_BASE => Self::BuiltIn,
            _ if base.starts_with("hf:") => Self::Hub(base),
            _ => Self::Folder(Path::new(base)),
        }
    }

    /// Returns the name by which other programs know the model: without `hf:` and revision, as peft writes it.
    pub fn for_others(&self) -> String {
        match self {
            Self::BuiltIn => BUILT_IN_BASE.to_owned(),
            Self::Hub(name) => {
                let name = name.trim_start_matches("hf:");
                name.split_once('@').map_or(name, |(name, _)| name).to_owned()
            }
            Self::Folder(path) => {
                let path = path.display().to_string();
                path.strip_suffix(WITHOUT_T5).map_or(path.clone(), str::to_owned)
            }
        }
    }
}

/// Returns a base with its folder's path from the root, where it is a folder: relative paths count from the folder of the
/// experiment file, as those of prompts do. The copy of an experiment beside its results then names the same folder.
pub(super) fn located(base: &str, experiment: &Path) -> String {
    let BaseName::Folder(folder) = BaseName::of(base.trim()) else { return base.trim().to_owned() };
    let path: PathBuf = experiment.parent().unwrap_or(Path::new("")).join(folder);
    std::path::absolute(&path).unwrap_or(path).components().collect::<PathBuf>().display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart() {
        assert_eq!(BaseName::of("emoji-32"), BaseName::BuiltIn);
        assert_eq!(BaseName::of("hf:a/b@main"), BaseName::Hub("hf:a/b@main"));
        assert_eq!(BaseName::of("models/sd"), BaseName::Folder(Path::new("models/sd")));
        assert_eq!(BaseName::of("hf:a/b@main").for_others(), "a/b");
        assert_eq!(BaseName::of("/models/sd").for_others(), "/models/sd");
        assert_eq!(BaseName::of("/models/sd3@without-t5").for_others(), "/models/sd3");
        assert_eq!(BaseName::of("hf:a/b@without-t5").for_others(), "a/b");
    }

    #[test]
    fn folders_count_from_the_experiment_file() {
        let file = Path::new("/home/ann/experiments/a.ron");
        assert_eq!(located("sd", file), "/home/ann/experiments/sd");
        assert_eq!(located(" /models/sd/ ", file), "/models/sd");
        assert_eq!(located("sd3@without-t5", file), "/home/ann/experiments/sd3@without-t5");
        assert_eq!(located("emoji-32", file), "emoji-32");
        assert_eq!(located("hf:a/b", file), "hf:a/b");
        assert!(Path::new(&located("sd", Path::new("a.ron"))).is_absolute());
    }
}
