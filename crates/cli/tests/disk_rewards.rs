//! Rewards that are read from files, through the real binary: paths count from the experiment file, results know what they
//! were scored by, and changed files are told.

mod support;

use std::fs;

use serde_json::Value;
use support::{Desk, copy, fixture};

const EXPERIMENT: &str = r#"(
    prompts: (
        train: List(["a cat on a red background", "a beer left of an apple on a blue background"]),
        held_out: List(["a dog on a green background"]),
    ),
    rewards: [
        (kind: ClipScore(model: "../models/disk_clip")),
        (name: "rating", kind: LaionAesthetics(clip: "hf:org/clip", head: "../models/disk_heads/mlp.pth")),
        (name: "safe", kind: SafetyChecker(model: "../models/disk_checker")),
    ],
    weightings: [Centre],
    lora: (rank: 2),
    sampler: (steps: 3),
    training: (epochs: 1, prompts_per_epoch: 2, images_per_prompt: 2, method: PolicyGradient(train_steps: 1)),
    evaluation: (images_per_prompt: 2, steps: 2, resamples: 100, grid_prompts: 1),
)
"#;

/// A folder with the models, a hub's cache and the experiment.
fn desk() -> Desk {
    let desk = Desk::new();
    for name in ["disk_clip", "disk_heads", "disk_checker"] {
        copy(&fixture("reward", name), &desk.path("models").join(name));
    }
    copy(&fixture("reward", "disk_clip"), &desk.path("hub/models--org--clip/snapshots/abc"));
    desk.write("experiments/own.ron", EXPERIMENT);
    desk
}

#[test]
fn a_sweep_by_rewards_from_files() {
    let desk = desk();
    let moa = |arguments: &[&str]| {
        let output = desk.command(arguments).env("HF_HUB_CACHE", desk.path("hub")).output().unwrap();
        support::Outcome::of(output)
    };
    let table = moa(&["sweep", "experiments/own.ron", "--quiet"]).success();
    for word in ["clip_score", "rating", "safe"] {
        assert!(table.contains(word), "{word}: {table}");
    }
    let receipt: Value = serde_json::from_slice(&fs::read(desk.path("results/own/receipt.json")).unwrap()).unwrap();
    for name in ["base", "reward clip_score", "reward rating", "reward safe"] {
        assert_eq!(receipt["sha256"][name].as_str().map(str::len), Some(64), "{name}: {receipt}");
    }
    // The kept experiment means the same from everywhere.
    let kept = fs::read_to_string(desk.path("results/own/experiment.ron")).unwrap();
    assert!(!kept.contains("\"../models") && kept.contains("hf:org/clip"), "{kept}");
    moa(&["check", "results/own/experiment.ron"]).success();

    fs::copy(desk.path("models/disk_heads/linear.pth"), desk.path("models/disk_heads/mlp.pth")).unwrap();
    moa(&["sweep", "experiments/own.ron", "--quiet"]).refusal(1, &["another `reward rating`", "--out"]);
}

#[test]
fn rewards_whose_files_cannot_be_used_are_usage_errors() {
    for (from, to, words) in [
        ("../models/disk_clip", "models/disk_clip", &["reward `clip_score`", "no such folder", "experiment file"][..]),
        ("mlp.pth", "foreign.pth", &["reward `rating`", "foreign.pth", "could run any program", "safetensors"]),
        ("hf:org/clip", "hf:org/other", &["reward `rating`", "hf:org/other is not in", "hf download org/other"]),
        ("hf:org/clip", " ", &["own.ron:8:", "rewards[1].kind.clip", "hf:org/name"]),
        ("SafetyChecker(model", "SafetyChecker(path", &["own.ron:9:", "unknown field `path`"]),
    ] {
        let desk = desk();
        let text = EXPERIMENT.replacen(from, to, 1);
        assert_ne!(text, EXPERIMENT, "{from}");
        desk.write("experiments/own.ron", text);
        let mut command = desk.command(["check", "experiments/own.ron"]);
        support::Outcome::of(command.env("HF_HUB_CACHE", desk.path("hub")).output().unwrap()).refusal(2, words);
    }
}
