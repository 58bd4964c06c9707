//! The model card of an adapter: what it is, what it was measured to gain, how to load it. Markdown, with the front matter of the Hugging
//! Face hub.

use std::fmt::Write as _;

use moa_core::experiment::{BaseName, judge_range};
use moa_core::{EvaluationRecord, ExperimentSpec, PointKind};
use moa_pareto::{FEWEST_CLAIMED, FEWEST_PROMPTS, Interval};

use crate::{AnalysisError, Score, bootstrap, scores, suspected_hacking};

/// A line by which a card is known to be moa's.
pub const MARK: &str = "<!-- written by moa -->";

/// What a card says.
#[derive(Clone, Debug, Default)]
pub struct Card {
    /// The adapter's name.
    pub name: String,
    /// The base model, as experiments name it; empty where it is not known.
    pub base: String,
    /// The forms in which the adapter lies beside the card.
    pub files: Vec<CardFile>,
    /// Whether its layers are a transformer's, not a U-Net's.
    pub is_transformer: bool,
    /// The rank of its factors.
    pub rank: usize,
    /// How many layers are adapted.
    pub layers: usize,
    /// The experiment that it comes from, where it comes from one.
    pub experiment: Option<String>,
    /// The adapters that it is made of, with their shares; empty where it was trained, not merged.
    pub parts: Vec<(String, f64)>,
    /// How they were merged.
    pub method: Option<String>,
    /// Further settings, by name.
    pub settings: Vec<(String, String)>,
    /// What it was measured to be worth.
    pub measured: Option<Worth>,
}

/// A form in which an adapter is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CardFile {
    /// `adapter_model.safetensors` and `adapter_config.json`.
    Peft,
    /// `pytorch_lora_weights.safetensors`.
    Diffusers,
    /// `lora.safetensors` with kohya's names.
    Kohya,
}

/// What an adapter was measured to be worth.
#[derive(Clone, Debug, Default)]
pub struct Worth {
    /// How many held-out prompts were drawn.
    pub prompts: usize,
    /// How many images of each.
    pub images: u32,
    /// One per reward, in the experiment's order.
    pub rewards: Vec<Score>,
    /// One per held-out judge.
    pub judges: Vec<Score>,
    /// Rewards that rise while a judge falls, each in a sentence.
    pub suspected: Vec<String>,
    /// Whether hacking is looked for at all: a judge watches one of the rewards, on prompts enough to tell.
    pub is_watched: bool,
}

impl Worth {
    /// Returns what an evaluation says, compared with the base's.
    ///
    /// - `evaluations`: all of the experiment, the base among them; the specialists that mixtures are compared with are looked for there
    ///
    /// # Errors
    /// Fails where scores cannot be resampled, or are over other prompts than the base's.
    pub fn of(
        spec: &ExperimentSpec,
        evaluations: &[EvaluationRecord],
        record: &EvaluationRecord,
    ) -> Result<Self, AnalysisError> {
        let others = evaluations.iter().filter(|other| other.id != record.id);
        let all: Vec<&EvaluationRecord> = others.chain([record]).collect();
        let base = all.iter().find(|other| other.kind == PointKind::Base);
        let bootstrap = bootstrap(spec);
        let range = |name: &str| spec.rewards.iter().find(|reward| reward.name == name)?.kind.range();
        let suspected = suspected_hacking(spec, &all)?.pop().unwrap_or_default();
        let watching = |judge: &str| {
            spec.rewards.iter().any(|reward| reward.kind.judges().iter().any(|watch| watch.judge == judge))
        };
        Ok(Self {
            prompts: record.prompts(),
            images: record.images_per_prompt,
            rewards: scores(&bootstrap, &record.rewards, base.map(|base| &base.rewards[..]), &range)?,
            judges: scores(&bootstrap, &record.judges, base.map(|base| &base.judges[..]), &judge_range)?,
            suspected: suspected.iter().map(ToString::to_string).collect(),
            is_watched: record
                .judges
                .iter()
                .any(|judge| judge.prompt_means.len() >= FEWEST_CLAIMED && watching(&judge.name)),
        })
    }
}

/// Returns the card as a `README.md`.
pub fn card(card: &Card) -> String {
    let mut text = front_matter(card);
    let _ = writeln!(text, "\n{MARK}\n\n# {}\n\n{}", card.name, what_it_is(card));
    text.push_str(&made_of(card));
    if let Some(measured) = &card.measured {
        text.push_str(&gains(measured));
    }
    let _ = write!(text, "\n## How to load it\n{}", loading(card));
    text
}

/// Returns the hub's name of the base, where it has one there.
fn hub_name(base: &str) -> Option<String> {
    matches!(BaseName::of(base), BaseName::Hub(_)).then(|| BaseName::of(base).for_others())
}

fn front_matter(card: &Card) -> String {
    let mut text = "---\n".to_owned();
    if let Some(name) = hub_name(&card.base) {
        let _ = writeln!(text, "base_model: {}\nbase_model_relation: adapter", quoted(&name));
    }
    let is_peft = !card.files.is_empty() && card.files.iter().all(|file| *file == CardFile::Peft);
    let _ = writeln!(text, "library_name: {}", if is_peft { "peft" } else { "diffusers" });
    text.push_str("pipeline_tag: text-to-image\ntags:\n- text-to-image\n- lora\n- moa\n");
    if !card.parts.is_empty() {
        text.push_str("- merge\n");
    }
    text + "---\n"
}

/// Returns a text as YAML takes it whatever is in it.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn what_it_is(card: &Card) -> String {
    let base = match BaseName::of(&card.base) {
        BaseName::BuiltIn => "moa's built-in text-to-image model emoji-32".to_owned(),
        _ if card.base.is_empty() => "a text-to-image model that its files do not name".to_owned(),
        name => format!("`{}`", name.for_others()),
    };
    let from = match (&card.experiment, card.parts.len()) {
        (Some(name), 0) => format!(", trained in the experiment `{name}`"),
        (Some(name), count) => format!(", merged from {count} adapters of the experiment `{name}`"),
        (None, 0) => String::new(),
        (None, count) => format!(", merged from {count} adapters"),
    };
    let layers = if card.layers == 1 { "1 layer".into() } else { format!("{} layers", card.layers) };
    format!("A LoRA adapter of {base}{from}: rank {}, {layers}.", card.rank)
}

fn made_of(card: &Card) -> String {
    let mut text = String::new();
    if !card.parts.is_empty() {
        text.push_str("\n| adapter | share |\n|---|---:|\n");
        for (name, share) in &card.parts {
            let _ = writeln!(text, "| {} | {share:.3} |", cell(name));
        }
    }
    let method = card.method.iter().map(|method| ("merged by".to_owned(), method.clone()));
    let settings: Vec<(String, String)> = method.chain(card.settings.iter().cloned()).collect();
    if !settings.is_empty() {
        text.push_str("\n| setting | value |\n|---|---|\n");
        for (name, value) in settings {
            let _ = writeln!(text, "| {} | {} |", cell(&name), cell(&value));
        }
    }
    text
}

fn gains(measured: &Worth) -> String {
    let Worth { prompts, images, rewards, judges, suspected, is_watched } = measured;
    let mut text = format!(
        "\n## What it gains\n\nMeasured on {prompts} held-out prompts with {images} images each. Gains are over the base, on the same prompts \
         and noise; intervals are 95 % intervals over prompts. A gain in bold has an interval that excludes 0.\n\n"
    );
    if *prompts < FEWEST_PROMPTS {
        let _ = writeln!(
            text,
            "With fewer than {FEWEST_PROMPTS} prompts, intervals are what a score's range allows, and missing where it has none.\n"
        );
    }
    text.push_str("| reward | mean | 95 % interval | gain | 95 % interval |\n|---|---:|---:|---:|---:|\n");
    text.extend(rewards.iter().map(row));
    if !judges.is_empty() {
        text.push_str("\nHeld-out judges, which nothing was trained on:\n\n");
        text.push_str("| judge | mean | 95 % interval | gain | 95 % interval |\n|---|---:|---:|---:|---:|\n");
        text.extend(judges.iter().map(row));
    }
    text.push_str("\n### Suspected reward hacking\n\n");
    match &suspected[..] {
        [] if *is_watched => text.push_str("None was found: no judge falls while the reward that it watches rises.\n"),
        [] => {
            let _ = writeln!(text, "Not tested: no judge watches these rewards on {FEWEST_CLAIMED} prompts or more.");
        }
        found => text.extend(found.iter().map(|finding| format!("- {finding}\n"))),
    }
    text
}

fn row(score: &Score) -> String {
    let gain = score.difference.map_or("–".to_owned(), |gain| {
        let value = format!("{:+.4}", gain.mean);
        if gain.is_bounded() && (gain.lo > 0.0 || gain.hi < 0.0) { format!("**{value}**") } else { value }
    });
    let ends = |interval: Option<Interval>, form: &dyn Fn(f64) -> String| {
        let known = interval.filter(Interval::is_bounded);
        known.map_or("–".to_owned(), |known| format!("{} to {}", form(known.lo), form(known.hi)))
    };
    let name = cell(&score.name);
    let mean = ends(Some(score.mean), &|value| format!("{value:.3}"));
    let difference = ends(score.difference, &|value| format!("{value:+.4}"));
    format!("| {name} | {:.3} | {mean} | {gain} | {difference} |\n", score.mean.mean)
}

/// Returns a text as a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ")
}

/// Returns how the adapter is used; `FOLDER` stands for where the card lies.
fn loading(card: &Card) -> String {
    let is_built_in = BaseName::of(&card.base) == BaseName::BuiltIn;
    let mut text = "\n`FOLDER` is where this file lies.\n".to_owned();
    if is_built_in {
        text.push_str(
            "\nThe base is built into moa:\n\n```sh\nmoa sample FOLDER --prompt \"a cat on a red background\"\nmoa export-model -o emoji-32   # \
             the base, for diffusers and peft\n```\n",
        );
    }
    for file in &card.files {
        match file {
            CardFile::Peft => text.push_str(&python(card, is_built_in, CardFile::Peft)),
            CardFile::Diffusers => text.push_str(&python(card, is_built_in, CardFile::Diffusers)),
            CardFile::Kohya => text.push_str(&interface("lora.safetensors", "ComfyUI and A1111")),
        }
        if *file == CardFile::Diffusers && !is_built_in {
            text.push_str(&interface("pytorch_lora_weights.safetensors", "ComfyUI"));
        }
    }
    text
}

fn interface(file: &str, programs: &str) -> String {
    format!(
        "\n{programs}: copy `{file}` into the folder of LoRAs (ComfyUI: `models/loras`), and load it with strength 1.\n"
    )
}

/// Returns a program that draws with the adapter.
fn python(card: &Card, is_built_in: bool, file: CardFile) -> String {
    let part = if card.is_transformer { "transformer" } else { "unet" };
    let mut lines = Vec::new();
    if is_built_in {
        lines.push("from diffusers import UNet2DConditionModel".to_owned());
    } else {
        lines.push("from diffusers import AutoPipelineForText2Image".to_owned());
    }
    if file == CardFile::Peft {
        lines.push("from peft import PeftModel".into());
    }
    lines.push(String::new());
    if is_built_in {
        lines.push("unet = UNet2DConditionModel.from_pretrained(\"emoji-32\", subfolder=\"unet\")".into());
    } else {
        let base = if card.base.is_empty() { "BASE".into() } else { BaseName::of(&card.base).for_others() };
        lines.push(format!("pipeline = AutoPipelineForText2Image.from_pretrained({})", quoted(&base)));
    }
    lines.push(match (file, is_built_in) {
        (CardFile::Peft, true) => "unet = PeftModel.from_pretrained(unet, \"FOLDER\")".into(),
        (CardFile::Peft, false) => format!("pipeline.{part} = PeftModel.from_pretrained(pipeline.{part}, \"FOLDER\")"),
        (_, true) => {
            "unet.load_lora_adapter(\"FOLDER\", weight_name=\"pytorch_lora_weights.safetensors\", prefix=\"unet\")"
                .into()
        }
        (_, false) => "pipeline.load_lora_weights(\"FOLDER\")".into(),
    });
    if !is_built_in {
        lines.push("image = pipeline(\"a photograph of a fox\").images[0]".into());
    }
    format!("\n```python\n{}\n```\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(name: &str, mean: [f64; 3], gain: Option<[f64; 3]>) -> Score {
        let interval = |[mean, lo, hi]: [f64; 3]| Interval { mean, lo, hi };
        Score { name: name.into(), mean: interval(mean), difference: gain.map(interval), in_deviations: None }
    }

    fn merged() -> Card {
        Card {
            name: "soup-a40-b60".into(),
            base: "hf:org/model@main".into(),
            files: vec![CardFile::Peft, CardFile::Diffusers],
            rank: 8,
            layers: 32,
            experiment: Some("my".into()),
            parts: vec![("a".into(), 0.4), ("b|c".into(), 0.6)],
            method: Some("ties, density 0.3".into()),
            measured: Some(Worth {
                prompts: 96,
                images: 4,
                rewards: vec![
                    score("safety", [0.8, 0.7, 0.9], Some([0.02, 0.01, 0.03])),
                    score("vivid", [0.5, 0.4, 0.6], Some([0.02, -0.01, 0.05])),
                ],
                judges: vec![score("second-clip", [0.87, 0.86, 0.88], Some([-0.01, -0.02, -0.005]))],
                suspected: vec!["suspected reward hacking: vivid rises".into()],
                is_watched: true,
            }),
            ..Card::default()
        }
    }

    #[test]
    fn a_card_says_what_was_merged_and_measured_and_marks_what_is_beyond_noise() {
        let text = card(&merged());
        for line in [
            "base_model: \"org/model\"",
            "library_name: diffusers",
            "- merge",
            "| a | 0.400 |",
            "| b\\|c | 0.600 |",
            "| merged by | ties, density 0.3 |",
            "| safety | 0.800 | 0.700 to 0.900 | **+0.0200** | +0.0100 to +0.0300 |",
            "| vivid | 0.500 | 0.400 to 0.600 | +0.0200 | -0.0100 to +0.0500 |",
            "| second-clip | 0.870 | 0.860 to 0.880 | **-0.0100** | -0.0200 to -0.0050 |",
            "- suspected reward hacking: vivid rises",
            "pipeline.unet = PeftModel.from_pretrained(pipeline.unet, \"FOLDER\")",
            "pipeline.load_lora_weights(\"FOLDER\")",
        ] {
            assert!(text.lines().any(|found| found == line), "`{line}` is not in\n{text}");
        }
        assert!(text.starts_with("---\n") && text.contains(MARK), "{text}");
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let plain = Card { name: "x".into(), files: vec![CardFile::Peft], rank: 4, layers: 1, ..Card::default() };
        let text = card(&plain);
        assert!(text.contains("library_name: peft") && text.contains("rank 4, 1 layer."), "{text}");
        for absent in ["base_model", "- merge", "What it gains", "share"] {
            assert!(!text.contains(absent), "`{absent}` is in\n{text}");
        }
        let built_in = card(&Card { base: "emoji-32".into(), ..plain });
        assert!(built_in.contains("moa sample FOLDER") && !built_in.contains("base_model"), "{built_in}");
        let infinite = score("x", [0.5, f64::NEG_INFINITY, f64::INFINITY], None);
        assert_eq!(row(&infinite), "| x | 0.500 | – | – | – |\n");
    }
}
