//! The files that rewards are read from.

use std::path::Path;

use super::RewardKind;
use crate::experiment::finding::Finding;
use crate::experiment::{BUILT_IN_BASE, BaseName};

/// What a folder or file that a reward names holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileRole {
    /// A `CLIPModel` whose image half is used.
    Images,
    /// A `CLIPModel` both halves of which are used.
    ImagesAndTexts,
    /// The folder with tokenizer and image processor of the model before it.
    Processor,
    /// A `StableDiffusionSafetyChecker`.
    Checker,
    /// The state dict of a rating head.
    Head,
    /// ImageReward's folder.
    ImageReward,
    /// The folder with the tokenizer of the model before it.
    Tokenizer,
    /// A folder that `moa fit` wrote.
    Fitted,
    /// The CLIP of a fitted reward, both halves of which are used.
    ClipOfFitted,
}

/// A setting that names a folder or file.
pub(super) struct File<'a> {
    /// The setting.
    field: &'static str,
    role: FileRole,
    name: &'a mut String,
}

pub(super) fn no_files(_: &mut RewardKind) -> Vec<File<'_>> {
    Vec::new()
}

pub(super) fn clip_with_texts(kind: &mut RewardKind) -> Vec<File<'_>> {
    let (RewardKind::ClipScore { model, processor }
    | RewardKind::PickScore { model, processor }
    | RewardKind::Hps { model, processor }) = kind
    else {
        return Vec::new();
    };
    let mut files = vec![File { field: "model", role: FileRole::ImagesAndTexts, name: model }];
    files.extend(processor.as_mut().map(|name| File { field: "processor", role: FileRole::Processor, name }));
    files
}

pub(super) fn clip_and_head(kind: &mut RewardKind) -> Vec<File<'_>> {
    let RewardKind::LaionAesthetics { clip, head } = kind else { return Vec::new() };
    vec![
        File { field: "clip", role: FileRole::Images, name: clip },
        File { field: "head", role: FileRole::Head, name: head },
    ]
}

pub(super) fn fitted(kind: &mut RewardKind) -> Vec<File<'_>> {
    let RewardKind::Preference { model, clip, .. } = kind else { return Vec::new() };
    let mut files = vec![File { field: "model", role: FileRole::Fitted, name: model }];
    // The built-in CLIP has no files.
    let clip = clip.as_mut().filter(|name| *name != BUILT_IN_BASE);
    files.extend(clip.map(|name| File { field: "clip", role: FileRole::ClipOfFitted, name }));
    files
}

pub(super) fn clip_of_feedback(kind: &mut RewardKind) -> Vec<File<'_>> {
    match kind {
        RewardKind::Feedback { clip, .. } if clip != BUILT_IN_BASE => {
            vec![File { field: "clip", role: FileRole::ClipOfFitted, name: clip }]
        }
        _ => Vec::new(),
    }
}

pub(super) fn folder_of_clip(kind: &mut RewardKind) -> Vec<File<'_>> {
    let RewardKind::ClipDiversity { model } = kind else { return Vec::new() };
    vec![File { field: "model", role: FileRole::Images, name: model }]
}

pub(super) fn folder_of_checker(kind: &mut RewardKind) -> Vec<File<'_>> {
    let RewardKind::SafetyChecker { model } = kind else { return Vec::new() };
    vec![File { field: "model", role: FileRole::Checker, name: model }]
}

pub(super) fn image_reward(kind: &mut RewardKind) -> Vec<File<'_>> {
    let RewardKind::ImageReward { model, tokenizer } = kind else { return Vec::new() };
    let mut files = vec![File { field: "model", role: FileRole::ImageReward, name: model }];
    files.extend(tokenizer.as_mut().map(|name| File { field: "tokenizer", role: FileRole::Tokenizer, name }));
    files
}

impl RewardKind {
    /// Returns the folders and files that the reward is read from, by name, in the order of its settings; those of models in
    /// ONNX files and of programs are theirs.
    pub fn files(&self) -> Vec<(FileRole, String)> {
        self.clone().files_mut().into_iter().map(|file| (file.role, file.name.clone())).collect()
    }

    /// Makes paths absolute, which mean the same from everywhere; relative ones count from `folder`. Models of the hub keep their
    /// names.
    pub(in crate::experiment) fn anchor(&mut self, folder: &Path) {
        match self {
            Self::Program(program) => program.anchor(folder),
            Self::Onnx(onnx) => onnx.anchor(folder),
            Self::AiScore(ai) => ai.anchor(folder),
            _ => {
                let files = self.files_mut().into_iter();
                for file in files.filter(|file| !matches!(BaseName::of(file.name), BaseName::Hub(_))) {
                    *file.name = folder.join(&*file.name).display().to_string();
                }
            }
        }
    }

    /// Refuses files without a name; `field` is the reward kind's.
    pub(super) fn check_files(&self, field: &str) -> Result<(), Finding> {
        match self.clone().files_mut().iter().find(|file| file.name.trim().is_empty()) {
            None => Ok(()),
            Some(file) => {
                let way_out =
                    "name a folder or file, counted from this file's folder, or a model of the hub: \"hf:org/name\"";
                Err(Finding::value(format!("{field}.{}", file.field), format!("{:?}", file.name), way_out))
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
