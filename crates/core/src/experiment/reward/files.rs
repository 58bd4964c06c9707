//! The files that rewards are read from.

use std::path::Path;

use super::RewardKind;
use crate::experiment::BaseName;
use crate::experiment::finding::Finding;

impl RewardKind {
    /// Returns whether the reward is made for the pictures of `emoji-32` and embedded beside it.
    pub fn knows_emoji_only(&self) -> bool {
        matches!(self, Self::Aesthetics | Self::Alignment | Self::Safety | Self::Diversity)
    }

    /// Returns the folders and files that the reward is read from, by field.
    fn files(&mut self) -> Vec<(&'static str, &mut String)> {
        match self {
            Self::ClipScore { model, processor } | Self::PickScore { model, processor } => {
                [("model", model)].into_iter().chain(processor.as_mut().map(|folder| ("processor", folder))).collect()
            }
            Self::LaionAesthetics { clip, head } => vec![("clip", clip), ("head", head)],
            Self::SafetyChecker { model } | Self::ClipDiversity { model } => vec![("model", model)],
            _ => Vec::new(),
        }
    }

    /// Makes paths absolute, which mean the same from everywhere; relative ones count from `folder`. Models of the hub keep their
    /// names.
    pub(in crate::experiment) fn anchor(&mut self, folder: &Path) {
        match self {
            Self::Program(program) => program.anchor(folder),
            Self::Onnx(onnx) => onnx.anchor(folder),
            _ => {
                for (_, file) in
                    self.files().into_iter().filter(|(_, file)| !matches!(BaseName::of(file), BaseName::Hub(_)))
                {
                    *file = folder.join(&*file).display().to_string();
                }
            }
        }
    }

    /// Refuses files without a name; `field` is the reward kind's.
    pub(in crate::experiment) fn check_files(&self, field: &str) -> Result<(), Finding> {
        match self.clone().files().iter().find(|(_, file)| file.trim().is_empty()) {
            None => Ok(()),
            Some((name, file)) => {
                let way_out =
                    "name a folder or file, counted from this file's folder, or a model of the hub: \"hf:org/name\"";
                Err(Finding::value(format!("{field}.{name}"), format!("{file:?}"), way_out))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::ExperimentSpec;

    const TEXT: &str = r#"(rewards: [
        (kind: PickScore(model: "models/pick", processor: "hf:org/name")),
        (kind: LaionAesthetics(clip: "/models/clip", head: "head.pth")),
        (kind: Contrast),
    ])"#;

    #[test]
    fn files_count_from_the_experiments_folder_and_names_of_the_hub_stay() {
        let spec = ExperimentSpec::from_ron(TEXT, "x.ron").unwrap();
        let anchored = |kind: &RewardKind, folder: &str| {
            let mut kind = kind.clone();
            kind.anchor(Path::new(folder));
            kind
        };
        let pick =
            RewardKind::PickScore { model: "/experiments/models/pick".into(), processor: Some("hf:org/name".into()) };
        let laion = RewardKind::LaionAesthetics { clip: "/models/clip".into(), head: "/experiments/head.pth".into() };
        assert_eq!(anchored(&spec.rewards[0].kind, "/experiments"), pick);
        assert_eq!(anchored(&spec.rewards[1].kind, "/experiments"), laion);
        assert_eq!(anchored(&pick, "/elsewhere"), pick);
    }

    #[test]
    fn a_file_without_a_name_is_refused_with_its_field() {
        let error = ExperimentSpec::from_ron(&TEXT.replace("head.pth", " "), "x.ron").unwrap_err().to_string();
        assert!(error.contains("x.ron:3") && error.contains("rewards[1].kind.head"), "{error}");
        let error = ExperimentSpec::from_ron("(rewards: [(kind: ClipScore)])", "x.ron").unwrap_err().to_string();
        assert!(error.contains("ClipScore(model: \"…\")"), "{error}");
        let error =
            ExperimentSpec::from_ron("(rewards: [(kind: ClipScore(model: 3))])", "x.ron").unwrap_err().to_string();
        assert!(error.contains("hf:org/name"), "{error}");
    }
}
