//! How each field is written, for messages about values of the wrong form.

use super::bounds::{Bounds, METHOD, PHASES, bounds_of};
use super::method;
use super::reward::forms;

const FIELDS: &str = "give fields in parentheses";
const TEXT: &str = "give a text in quotes";
/// The settings of rewards that are texts.
const TEXTS_OF_KINDS: [&str; 8] = [
    "rewards[].kind.command[]",
    "rewards[].kind.folder",
    "rewards[].kind.url",
    "rewards[].kind.input",
    "rewards[].kind.output",
    "rewards[].kind.rubric",
    "rewards[].kind.address",
    "rewards[].kind.key",
];

/// Returns what to write at `path`; nothing where the path is none of an experiment's.
pub(super) fn way_out(path: &str) -> Option<String> {
    let path = without_indices(path);
    // A phase's rewards are written as the experiment's.
    let path = match path.strip_prefix(PHASES) {
        Some(field) if !matches!(field, "until" | "name") => field.to_owned(),
        _ => path,
    };
    if let Some(bounds) = bounds_of(&path) {
        let sort = if matches!(bounds, Bounds::Whole(..)) { "whole number" } else { "number" };
        return Some(format!("give a {sort}, {bounds}"));
    }
    let form = match path.as_str() {
        "" => "give the experiment's fields in parentheses: (rewards: [(kind: Safety)])",
        "precision" => "give F32, Tf32, Bf16 or F16",
        "training.gradient_checkpointing" => "give true, false or None",
        "name"
        | "base"
        | "rewards[].name"
        | "lora.targets[]"
        | "constraints[].reward"
        | "phases[].name"
        | "continual.from"
        | "online.inbox"
        | "rewards[].kind.objects[]" => TEXT,
        "seed" | "evaluation.seed" | "prompts.held_out.seed" => "give a whole number, 0 to 18446744073709551615",
        "prompts" => "give (train: …, held_out: …)",
        "prompts.train" => {
            "give Set(\"name\"), List([\"a prompt\", \"another\"]), File(\"prompts.txt\") or Table(file: \"prompts.csv\")"
        }
        "prompts.held_out" => {
            "give Set(\"name\"), List([\"a prompt\", \"another\"]), File(\"prompts.txt\"), Table(file: \"prompts.csv\") or \
             Split(share: 0.1)"
        }
        "prompts.train.where" | "prompts.held_out.where" => "give values by column: {\"Category\": \"Animals\"}",
        "rewards" => "give a list such as [(kind: Safety), (kind: Alignment)]",
        "rewards[]" => "give (kind: …), and a name in front if you like: (name: \"safe\", kind: Safety)",
        "rewards[].kind" => return Some(forms()),
        "rewards[].kind.model" | "rewards[].kind.clip" => {
            "give the model's folder, counted from this file's, or \"hf:org/name\""
        }
        "rewards[].kind.processor" => "give the folder with tokenizer and image processor, or \"hf:org/name\"",
        "rewards[].kind.head" => {
            "give the head's .pth or .safetensors file, counted from this file's folder, or \"hf:org/name/file\""
        }
        "rewards[].kind.command" => "give the program and its arguments as a list of texts: [\"python\", \"score.py\"]",
        "rewards[].kind.size" | "rewards[].kind.resize" => "give height and width: [224, 224]",
        "rewards[].kind.mean" | "rewards[].kind.std" => "give one number each for red, green and blue: [0.5, 0.5, 0.5]",
        "rewards[].kind.range" => "give the scores that count as 0 and as 1: [0, 10]",
        "rewards[].kind.layout" => "give Nchw or Nhwc",
        "rewards[].kind.channels" => "give Rgb or Bgr",
        "rewards[].kind.reduce" | "rewards[].kind.reduce[]" => "give a list such as [(axis: 1, of: [2, 5], by: Max)]",
        "rewards[].kind.reduce[].of" => "give a list of what counts, from 0: [2, 5]",
        "rewards[].kind.reduce[].by" => "give Max, Mean or Sum",
        "rewards[].kind.activation" => "give Identity, Sigmoid or Softmax",
        "weightings" => "give a list such as [Corners, Centre]",
        "weightings[]" => {
            "give Corners, Centre, Lattice(divisions: 4), Dirichlet(count: 8), Next(count: 4) or List([{\"safety\": 1}])"
        }
        "weightings[][]" => "give shares by reward name: {\"safety\": 3, \"alignment\": 1}",
        "adapters" => "give a list of LoRAs' files, such as [\"style.safetensors\"], or [] for none",
        "adapters[]" => "give the path of a LoRA's file or folder, counted from this file's folder",
        "soups" => "give a list such as [AtWeightings, Lattice(divisions: 4)], or [] for none",
        "blends" => "give a list such as [AtWeightings], or [] for none",
        "soups[]" | "blends[]" => {
            "give AtWeightings, Lattice(divisions: 4), Lattice(of: All, divisions: 2) or List([{\"safety\": 1}])"
        }
        "soups[].of" | "blends[].of" => "give Corners, All or Given",
        "soups[][]" | "blends[][]" => "give shares by run name: {\"safety\": 3, \"centre\": 1}",
        "combine" => "give Normalised or RawSum",
        "phases" => "give a list such as [(name: \"norms\", until: 10), (name: \"taste\", rewards: [(kind: Harmony)])]",
        "phases[]" => {
            "give (name: \"taste\", until: 20) with the rewards, weightings, prompts or constraints that change"
        }
        "continual.onto" => "give Same, Stacked or Souped(old: 0.5)",
        "continual.tie" => "give Base or Last",
        "rewards[].kind.objects" => "give the objects' names: [\"mushroom\", \"knife\"]",
        "feedback" => {
            "give (from: Human), (from: Ai(model: \"…\")), (from: Follow(file: \"preferences.jsonl\")), (from: Simulated()) or None"
        }
        "feedback.from" => {
            "give Human, Ai(model: \"…\", rubric: \"rubric.md\"), Follow(file: \"ratings/preferences.jsonl\") or Simulated(flips: 0.25)"
        }
        "feedback.ask" => "give Prediction, Bald or Random",
        "adversary" => "give (), (attack: Evolution, every: 10, share: 0.5) or None",
        "adversary.attack" => "give Plain, Paraphrase, Evolution or Gradient",
        "adversary.prompts" => "give a list of training prompts, or [] for those that name something unsafe",
        "adversary.eye" => "give (reward: \"safety\", below: 0.5) or None",
        "online" => "give (inbox: \"inbox.jsonl\"), (inbox: \"inbox.jsonl\", every: 10, share: 0.5) or None",
        "online.on_alarm" => "give Warn, Hold or Stop",
        "scalarisation" => "give Linear, Chebyshev(smoothing: 0.2, ideal: 3) or Unopposed",
        "constraints" | "constraints[]" => "give a list such as [(reward: \"safety\", at_least: Base(plus: 0.05))]",
        "constraints[].at_least" => "give Base(plus: 0.05) or Value(0.8)",
        "sampler"
        | "lora"
        | "optimiser"
        | "training"
        | "training.advantages"
        | "training.probe"
        | "continual"
        | "evaluation"
        | "hypervolume" => FIELDS,
        "sampler.kind" => "give Cps(eta: 0.9), FlowSde(noise: 0.7), Ddim(eta: 1) or Ode(order: 1)",
        "training.method" => {
            "give PolicyGradient(train_steps: 3), Differentiable(through: LastSteps(1)), Mixed(), AdjointMatching(), Nft(levels: 2), Awm(), \
             RewardWeighted(), Dpo(), D3po(), Kto() or Group(); () after the name takes all defaults"
        }
        "training.advantages.baseline" => "give Group, Prompt(decay: 0.9) or Value(ridge: 1, decay: 0.9)",
        "training.advantages.spread" => "give Group or Running(decay: 0.9)",
        "training.probe.of" => "give Train or HeldOut",
        "training.guard" => "give Off, Stop or Tighten(factor: 2, from: 0.1)",
        "lora.share_a"
        | "rewards[].kind.negate"
        | "feedback.waits"
        | "feedback.from.both_orders"
        | "rewards[].kind.both_orders" => "give true or false",
        "lora.targets" => "give a list of texts: [\"to_q\", \"to_v\"]",
        "hypervolume.reference" | "hypervolume.best" => "give values by reward name: {\"safety\": 0.5}",
        _ if path.starts_with(METHOD) => method::form_of(&path[METHOD.len()..])?,
        "adversary.prompts[]" | "adversary.eye.reward" => TEXT,
        _ if path.starts_with("prompts.") || path.starts_with("feedback.from.") || TEXTS_OF_KINDS.contains(&&*path) => {
            TEXT
        }
        _ => return None,
    };
    Some(form.into())
}

/// Returns `weightings[].divisions` for `weightings[3].divisions`.
fn without_indices(path: &str) -> String {
    let mut inside = false;
    path.chars()
        .filter(|&c| {
            inside = match c {
                '[' => true,
                ']' => false,
                _ => inside,
            };
            !(inside && c.is_ascii_digit())
        })
        .collect()
}
