//! What is known of each kind of reward beside the formula that computes it: one row per kind.

use super::files::{
    File, clip_and_head, clip_of_feedback, clip_with_texts, fitted, folder_of_checker, folder_of_clip, image_reward,
    no_files,
};
use super::judges::{OF_ALIGNMENT, OF_AVOIDANCE, OF_DIVERSITY, OF_OTHERS, OF_SAFETY};
use super::{RewardKind, Scale, Watch};
use crate::experiment::bounds::{JPEG_QUALITY, MOST_AVOIDED, PESSIMISM};
use crate::experiment::finding::Finding;
use crate::experiment::validate::check_number;

/// What a reward of some kind is computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// The image's pixels alone.
    Pixels,
    /// The CLIP or the detector that are embedded beside `emoji-32`; with other bases, these kinds take its place.
    Emoji { instead: &'static str },
    /// What is judged while it is trained.
    Judgements,
    /// Models on disk.
    Files,
    /// A program, a service or a model of the user's own.
    Outside,
}

/// A kind of reward.
struct Row {
    /// Whether a reward is of this kind.
    is: fn(&RewardKind) -> bool,
    /// The name of a reward that is given none.
    name: &'static str,
    /// How the kind is written in an experiment.
    form: &'static str,
    source: Source,
    /// The scores that count as 0 and as 1 in the hypervolume, in the reward's units.
    scale: [f64; 2],
    /// What scores are measured in; nothing of plain numbers.
    unit: Option<&'static str>,
    /// The judges that should not fall while the reward rises.
    judges: &'static [Watch],
    /// Whether scores have a gradient to the pixels.
    has_gradient: bool,
    /// Whether the images of a prompt are compared with one another.
    compares: bool,
    /// The settings that name folders and files.
    files: fn(&mut RewardKind) -> Vec<File<'_>>,
    /// Refuses impossible settings other than files; takes the path of the reward's kind.
    check: fn(&RewardKind, &str) -> Result<(), Finding>,
}

/// A formula over pixels with a gradient, whose scores are in [0, 1]: what most rows differ from in a few fields.
const FORMULA: Row = Row {
    is: |_| false,
    name: "",
    form: "",
    source: Source::Pixels,
    scale: [0.0, 1.0],
    unit: None,
    judges: OF_OTHERS,
    has_gradient: true,
    compares: false,
    files: no_files,
    check: |_, _| Ok(()),
};

/// Every kind, in the order in which messages list them.
static ROWS: &[Row] = &[
    Row {
        is: |kind| matches!(kind, RewardKind::Aesthetics),
        name: "aesthetics",
        form: "Aesthetics",
        source: Source::Emoji { instead: "LaionAesthetics(clip: \"…\", head: \"…\")" },
        ..FORMULA
    },
    Row {
        is: |kind| matches!(kind, RewardKind::Alignment),
        name: "alignment",
        form: "Alignment",
        source: Source::Emoji { instead: "ClipScore(model: \"…\") or PickScore(model: \"…\")" },
        judges: OF_ALIGNMENT,
        ..FORMULA
    },
    Row {
        is: |kind| matches!(kind, RewardKind::Composition),
        name: "composition",
        form: "Composition",
        source: Source::Emoji { instead: "ClipScore(model: \"…\") or a program of your own" },
        judges: OF_ALIGNMENT,
        ..FORMULA
    },
    Row {
        is: |kind| matches!(kind, RewardKind::Safety),
        name: "safety",
        form: "Safety",
        source: Source::Emoji { instead: "SafetyChecker(model: \"…\")" },
        judges: OF_SAFETY,
        ..FORMULA
    },
    Row {
        is: |kind| matches!(kind, RewardKind::Avoid { .. }),
        name: "avoid",
        form: "Avoid(objects: [\"mushroom\"])",
        source: Source::Emoji { instead: "a program of your own" },
        judges: OF_AVOIDANCE,
        check: check_objects,
        ..FORMULA
    },
    Row {
        is: |kind| matches!(kind, RewardKind::Diversity),
        name: "diversity",
        form: "Diversity",
        source: Source::Emoji { instead: "ClipDiversity(model: \"…\")" },
        judges: OF_DIVERSITY,
        compares: true,
        ..FORMULA
    },
    Row {
        is: |kind| matches!(kind, RewardKind::Colourfulness),
        name: "colourfulness",
        form: "Colourfulness",
        ..FORMULA
    },
    Row { is: |kind| matches!(kind, RewardKind::Contrast), name: "contrast", form: "Contrast", ..FORMULA },
    Row { is: |kind| matches!(kind, RewardKind::Harmony), name: "harmony", form: "Harmony", ..FORMULA },
    Row {
        is: |kind| matches!(kind, RewardKind::Compressibility { .. }),
        name: "compressibility",
        form: "Compressibility(quality: 95)",
        scale: [-4.0, 0.0],
        unit: Some("kB"),
        has_gradient: false,
        check: check_quality,
        ..FORMULA
    },
    Row {
        is: |kind| matches!(kind, RewardKind::Incompressibility { .. }),
        name: "incompressibility",
        form: "Incompressibility(quality: 95)",
        scale: [0.0, 4.0],
        unit: Some("kB"),
        has_gradient: false,
        check: check_quality,
        ..FORMULA
    },
    Row {
        is: |kind| matches!(kind, RewardKind::ClipScore { .. }),
        name: "clip_score",
        form: "ClipScore(model: \"…\")",
        source: Source::Files,
        scale: [0.0, 50.0],
        files: clip_with_texts,
        judges: OF_ALIGNMENT,
        ..FORMULA
    },
    Row {
        is: |kind| matches!(kind, RewardKind::LaionAesthetics { .. }),
        name: "laion_aesthetics",
        form: "LaionAesthetics(clip: \"…\", head: \"…\")",
        source: Source::Files,
        scale: [1.0, 10.0],
        files: clip_and_head,
        ..FORMULA
    },
    Row {
        is: |kind| matches!(kind, RewardKind::PickScore { .. }),
        name: "pick_score",
        form: "PickScore(model: \"…\")",
        source: Source::Files,
        scale: [0.0, 30.0],
        files: clip_with_texts,
        judges: OF_ALIGNMENT,
        ..FORMULA
    },
    Row {
        is: |kind| matches!(kind, RewardKind::SafetyChecker { .. }),
        name: "safety_checker",
        form: "SafetyChecker(model: \"…\")",
        source: Source::Files,
        // Differences of cosines.
        scale: [-0.1, 0.2],
        judges: OF_SAFETY,
        files: folder_of_checker,
        ..FORMULA
    },
    Row {
        is: |kind| matches!(kind, RewardKind::ClipDiversity { .. }),
        name: "clip_diversity",
        form: "ClipDiversity(model: \"…\")",
        source: Source::Files,
        judges: OF_DIVERSITY,
        compares: true,
        files: folder_of_clip,
        ..FORMULA
    },
    Row {
        is: |kind| matches!(kind, RewardKind::Hps { .. }),
        name: "hps",
        form: "Hps(model: \"…\")",
        source: Source::Files,
        // HPSv2.1's tables go from 20 to 35.
        scale: [15.0, 35.0],
        files: clip_with_texts,
        judges: OF_ALIGNMENT,
        ..FORMULA
    },
    Row {
        is: |kind| matches!(kind, RewardKind::ImageReward { .. }),
        name: "image_reward",
        form: "ImageReward(model: \"…\")",
        source: Source::Files,
        // In standard deviations of the scores that it was standardised on.
        scale: [-2.0, 2.0],
        files: image_reward,
        judges: OF_ALIGNMENT,
        ..FORMULA
    },
    Row {
        is: |kind| matches!(kind, RewardKind::GenEval),
        name: "gen_eval",
        form: "GenEval",
        source: Source::Emoji { instead: "a program of your own, such as docs/examples/flow_grpo_bridge.py" },
        judges: OF_ALIGNMENT,
        has_gradient: false,
        ..FORMULA
    },
    Row {
        is: |kind| matches!(kind, RewardKind::Preference { .. }),
        name: "preference",
        form: "Preference(model: \"…\")",
        source: Source::Files,
        // Logits, around 0 where it was fitted; pessimism lowers them.
        scale: [-5.0, 5.0],
        files: fitted,
        check: check_pessimism,
        ..FORMULA
    },
    Row {
        is: |kind| matches!(kind, RewardKind::Feedback { .. }),
        name: "feedback",
        form: "Feedback(pessimism: 1)",
        source: Source::Judgements,
        scale: [-5.0, 5.0],
        files: clip_of_feedback,
        check: check_pessimism,
        ..FORMULA
    },
    Row { is: |kind| matches!(kind, RewardKind::Taste), name: "taste", form: "Taste", has_gradient: false, ..FORMULA },
    Row {
        is: |kind| matches!(kind, RewardKind::Program(_)),
        name: "program",
        form: "Program(command: [\"python\", \"score.py\"])",
        source: Source::Outside,
        has_gradient: false,
        check: check_outside,
        ..FORMULA
    },
    Row {
        is: |kind| matches!(kind, RewardKind::Http(_)),
        name: "http",
        form: "Http(url: \"http://127.0.0.1:8000/score\")",
        source: Source::Outside,
        has_gradient: false,
        check: check_outside,
        ..FORMULA
    },
    Row {
        is: |kind| matches!(kind, RewardKind::Onnx(_)),
        name: "onnx",
        form: "Onnx(model: \"scorer.onnx\")",
        source: Source::Outside,
        has_gradient: false,
        check: check_outside,
        ..FORMULA
    },
    Row {
        is: |kind| matches!(kind, RewardKind::AiScore(_)),
        name: "ai_score",
        form: "AiScore(model: \"qwen2.5-vl\")",
        source: Source::Outside,
        has_gradient: false,
        check: check_outside,
        ..FORMULA
    },
];

fn check_quality(kind: &RewardKind, field: &str) -> Result<(), Finding> {
    match kind {
        RewardKind::Compressibility { quality } | RewardKind::Incompressibility { quality } => {
            check_number(format!("{field}.quality"), JPEG_QUALITY, (*quality).into())
        }
        _ => Ok(()),
    }
}

fn check_objects(kind: &RewardKind, field: &str) -> Result<(), Finding> {
    let RewardKind::Avoid { objects } = kind else { return Ok(()) };
    let field = format!("{field}.objects");
    if objects.is_empty() || objects.len() > MOST_AVOIDED {
        let way_out = format!("name 1 to {MOST_AVOIDED} objects that are not to be shown, e.g. [\"mushroom\"]");
        return Err(Finding::state(field, format!("a list of {}", objects.len()), way_out));
    }
    for (index, object) in objects.iter().enumerate() {
        let field = format!("{field}[{index}]");
        if object.trim().is_empty() {
            return Err(Finding::value(field, format!("{object:?}"), "name an object, e.g. \"mushroom\""));
        }
        if objects[..index].contains(object) {
            return Err(Finding::value(field, format!("{object:?}"), "it is named already: name each object once"));
        }
    }
    Ok(())
}

fn check_pessimism(kind: &RewardKind, field: &str) -> Result<(), Finding> {
    match kind {
        RewardKind::Preference { pessimism, .. } | RewardKind::Feedback { pessimism, .. } => {
            check_number(format!("{field}.pessimism"), PESSIMISM, *pessimism)
        }
        _ => Ok(()),
    }
}

fn check_outside(kind: &RewardKind, field: &str) -> Result<(), Finding> {
    match kind {
        RewardKind::Program(program) => program.check(field),
        RewardKind::Http(http) => http.check(field),
        RewardKind::Onnx(onnx) => onnx.check(field),
        RewardKind::AiScore(ai) => ai.check(field),
        _ => Ok(()),
    }
}

impl RewardKind {
    fn row(&self) -> &'static Row {
        let found = ROWS.iter().find(|row| (row.is)(self));
        found.unwrap_or_else(|| unreachable!("every kind has a row: a test in this file fails without"))
    }

    /// Returns the name that a reward of this kind has where the experiment gives none.
    pub fn default_name(&self) -> &'static str {
        self.row().name
    }

    /// Returns what scores are measured in; nothing of plain numbers.
    pub fn unit(&self) -> Option<&'static str> {
        self.row().unit
    }

    /// Returns whether scores have a gradient to the pixels, so that differentiable methods can train on them.
    pub fn has_gradient(&self) -> bool {
        self.row().has_gradient
    }

    /// Returns whether the reward compares the images of a prompt with one another.
    pub fn compares(&self) -> bool {
        self.row().compares
    }

    /// Returns, for a reward that is made for the images of `emoji-32` and embedded beside it, the kinds to use with other bases.
    pub fn instead_of_emoji_only(&self) -> Option<&'static str> {
        match self.row().source {
            Source::Emoji { instead } => Some(instead),
            _ => None,
        }
    }

    /// Returns whether the reward may need the CLIP or the detector that are embedded beside `emoji-32`.
    pub fn may_use_embedded(&self) -> bool {
        matches!(self.row().source, Source::Emoji { .. })
            || matches!(self, Self::Preference { .. } | Self::Feedback { .. })
    }

    /// Returns the judges that should not fall while a reward rises.
    pub fn judges(&self) -> &'static [Watch] {
        self.row().judges
    }

    /// Returns the scale of a reward that the experiment gives none: its kind's, or what a reward from outside gives as its
    /// range.
    pub fn scale(&self) -> Scale {
        let range = match self {
            Self::Program(program) => program.range,
            Self::Http(http) => http.range,
            Self::Onnx(onnx) => onnx.range.or(onnx.negate.then_some([-1.0, 0.0])),
            _ => None,
        };
        let [reference, best] = range.unwrap_or(self.row().scale);
        Scale { reference, best }
    }

    /// Returns the settings that name folders and files.
    pub(super) fn files_mut(&mut self) -> Vec<File<'_>> {
        (self.row().files)(self)
    }

    /// Refuses impossible settings; `field` is the path of the reward's kind.
    pub(in crate::experiment) fn check(&self, field: &str) -> Result<(), Finding> {
        self.check_files(field)?;
        (self.row().check)(self, field)
    }
}

/// Returns how every kind is written, for messages.
pub(in crate::experiment) fn forms() -> String {
    let of = |wanted: fn(Source) -> bool| -> Vec<&str> {
        ROWS.iter().filter(|row| wanted(row.source)).map(|row| row.form).collect()
    };
    let own = of(|source| source == Source::Outside);
    let (last, others) = own.split_last().unwrap_or((&"", &[]));
    format!(
        "give {}; one on models: {}; or one of your own: {} or {last}",
        of(|source| matches!(source, Source::Pixels | Source::Emoji { .. } | Source::Judgements)).join(", "),
        of(|source| source == Source::Files).join(", "),
        others.join(", "),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::{ExperimentSpec, template};

    /// The names of all kinds, as serde tells them.
    fn kinds() -> Vec<String> {
        let error = serde_json::from_str::<RewardKind>("\"Nothing\"").unwrap_err().to_string();
        let list = error.split("expected one of ").nth(1).expect("serde lists the variants");
        let names: Vec<String> = list.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        assert!(names.contains(&"Aesthetics".to_owned()) && names.contains(&"Onnx".to_owned()), "{names:?}");
        names
    }

    /// Reads a form as an experiment's.
    fn read(form: &str) -> RewardKind {
        let feedback = if form.starts_with("Feedback") { "(from: Human)" } else { "None" };
        let text = format!("(rewards: [(kind: {form})], feedback: {feedback})");
        let spec = ExperimentSpec::from_ron(&text, "x.ron");
        spec.unwrap_or_else(|error| panic!("{form}: {error}")).rewards.remove(0).kind
    }

    #[test]
    fn every_kind_has_one_row_with_its_form_and_a_name_of_its_own() {
        let named: Vec<&str> = ROWS.iter().map(|row| row.form.split('(').next().unwrap_or_default()).collect();
        let mut kinds = kinds();
        kinds.sort();
        let mut sorted = named.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, kinds);
        for row in ROWS {
            let kind = read(row.form);
            let matching: Vec<&str> = ROWS.iter().filter(|row| (row.is)(&kind)).map(|row| row.form).collect();
            assert_eq!(matching, [row.form]);
            assert_eq!(ROWS.iter().filter(|other| other.name == row.name).count(), 1, "{}", row.name);
            assert!(row.scale[0] < row.scale[1], "{}", row.name);
            assert!(!row.judges.is_empty(), "{}", row.name);
        }
    }

    #[test]
    fn the_template_and_messages_name_every_kind() {
        for name in kinds() {
            assert!(forms().contains(&name), "messages: {name}");
            assert!(template().contains(&name), "template: {name}");
        }
    }

    #[test]
    fn rewards_on_models_name_their_files_and_only_they() {
        for row in ROWS {
            let files = read(row.form).files().len();
            assert_eq!(files > 0, row.source == Source::Files, "{}", row.name);
            let texts = row.form.matches("\"…\"").count();
            assert_eq!(files, texts, "{}: every file of the form is known", row.name);
        }
    }
}
