//! The whole loop on small checkpoints that diffusers saved, with every kind of reward that people bring: sweep, front, merge,
//! sample, through the real binary.

#![cfg(unix)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;
use support::{Desk, copy, fixture};

const EXPERIMENT: &str = r#"(
    base: "../models/pipeline_sd1",
    prompts: (
        train: List(["a red apple", "an astronaut rides a horse"]),
        held_out: List(["a dog under an old tree", "the sea by night"]),
    ),
    rewards: [
        (kind: ClipScore(model: "../models/disk_clip")),
        (kind: LaionAesthetics(clip: "../models/disk_clip", head: "../models/disk_heads/mlp.pth")),
        (name: "safe", kind: SafetyChecker(model: "../models/disk_checker")),
        (name: "class", kind: Onnx(model: "../models/onnx/classifier.onnx", output: "logits", index: 1, activation: Softmax)),
        (name: "letters", kind: Program(command: ["sh", "letters.sh"], range: [150, 200], retries: 0)),
    ],
    weightings: [Corners, Centre],
    soups: [AtWeightings],
    sampler: (kind: Ddim(eta: 1.0), steps: 3, guidance: 2.0),
    lora: (rank: 2, alpha: 3),
    optimiser: (learning_rate: 0.05),
    training: (epochs: 2, prompts_per_epoch: 2, images_per_prompt: 3, method: PolicyGradient(train_steps: 1), micro_batch: 18),
    evaluation: (images_per_prompt: 2, steps: 2, guidance: 2.0, resamples: 100, grid_prompts: 2),
    hypervolume: (reference: {"laion_aesthetics": -100}, best: {"laion_aesthetics": 100}),
)
"#;
const REWARDS: [&str; 5] = ["clip_score", "laion_aesthetics", "safe", "class", "letters"];

/// A folder with models, experiment and program.
fn desk() -> Desk {
    let desk = Desk::new();
    for name in ["pipeline_sd1", "pipeline_xl", "sd3_pipeline", "lora_sd1", "lora_xl"] {
        copy(&fixture("diffusion", name), &desk.path("models").join(name));
    }
    for name in ["disk_clip", "disk_heads", "disk_checker", "onnx"] {
        copy(&fixture("reward", name), &desk.path("models").join(name));
    }
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs/letters.sh");
    desk.write("experiments/letters.sh", fs::read(program).unwrap());
    desk.write("experiments/own.ron", EXPERIMENT);
    desk
}

/// The experiment with other rewards.
fn with_rewards(rewards: &str) -> String {
    let (before, rest) = EXPERIMENT.split_once("rewards: [").unwrap();
    let (_, rest) = rest.split_once("    weightings").unwrap();
    let (rest, _) = rest.split_once("    hypervolume").unwrap();
    format!("{before}rewards: [{rewards}],\n    weightings{rest})")
}

/// Adapters and evaluations, byte for byte.
fn fingerprint(desk: &Desk, results: &str) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(desk.path(results).join("runs")).unwrap().map(Result::unwrap) {
        let file = entry.path().join("adapter.safetensors");
        if file.is_file() {
            // Behind the header, which says how the run was made: with how many retries, for one.
            let bytes = fs::read(file).unwrap();
            let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
            found.insert(entry.file_name().to_string_lossy().into_owned(), bytes[8 + header..].to_vec());
        }
    }
    let table = desk.moa(["export", results, "--format", "csv", "--what", "evaluations"]).success();
    found.insert("evaluations".into(), table.into_bytes());
    found
}

#[test]
fn a_sweep_of_stable_diffusion_by_rewards_of_every_kind() {
    let desk = desk();
    let plan = desk.moa(["check", "experiments/own.ron"]).success();
    assert!(plan.contains("valid experiment") && plan.contains("6 adapters of 2 epochs"), "{plan}");
    desk.moa(["sweep", "experiments/own.ron", "--quiet"]).success();

    let front = desk.moa(["front", "results/own", "--json"]).success();
    let front: Value = serde_json::from_str(&front).unwrap();
    let points = front["points"].as_array().unwrap();
    // Base, corners, centre, and the soup of the corners at the centre.
    assert_eq!(points.len(), 8, "{front}");
    for point in points {
        for reward in REWARDS {
            assert!(point["rewards"][reward]["mean"].is_number(), "{reward}: {point}");
        }
    }
    let table = desk.moa(["front", "results/own"]).success();
    for reward in REWARDS {
        assert!(table.lines().next().unwrap().contains(reward), "{table}");
    }
    let one = fingerprint(&desk, "results/own");
    let mut runs: Vec<&str> = one.keys().map(String::as_str).collect();
    runs.retain(|name| *name != "evaluations");
    assert_eq!(runs, ["centre", "class", "clip_score", "laion_aesthetics", "letters", "safe"]);
    assert!(one["safe"] != one["letters"] && one["safe"] != one["centre"], "each reward has its own adapter");
    let receipt: Value = serde_json::from_slice(&fs::read(desk.path("results/own/receipt.json")).unwrap()).unwrap();
    for name in ["base", "reward clip_score", "reward laion_aesthetics", "reward safe", "reward class"] {
        assert_eq!(receipt["sha256"][name].as_str().map(str::len), Some(64), "{name}: {receipt}");
    }

    // The same numbers again: from nothing, and with a program that was killed once and is started again.
    desk.write("experiments/misbehave", "dies-once 2\n");
    desk.write("experiments/own.ron", EXPERIMENT.replace("retries: 0", "retries: 1"));
    desk.moa(["sweep", "experiments/own.ron", "--quiet", "--out", "results/again"]).success();
    assert!(desk.path("experiments/died").exists(), "the program was killed");
    let again = fingerprint(&desk, "results/again");
    assert_eq!(one.keys().collect::<Vec<_>>(), again.keys().collect::<Vec<_>>());
    for (name, bytes) in &one {
        assert!(*bytes == again[name], "{name} differs");
    }

    let shares = "safe=0.5,letters=0.5";
    desk.moa(["merge", "results/own", "--at", shares, "--format", "diffusers", "--out", "soup"]).success();
    let base = "models/pipeline_sd1";
    let sample = |adapter: &str, out: &str| {
        let words = ["sample", adapter, "--base", base, "--prompt", "a horse", "-n", "2", "--quiet", "-o", out];
        desk.moa(words).success();
        fs::read(desk.path(out)).unwrap()
    };
    let soup = sample("soup", "soup.png");
    assert!(soup != sample("results/own/runs/safe", "safe.png"));

    // A LoRA that was trained elsewhere, in each form, draws one image.
    let forms = ["adapter_model", "pytorch_lora_weights", "lora"];
    let pictures = forms.map(|form| sample(&format!("models/lora_sd1/{form}.safetensors"), &format!("{form}.png")));
    assert!(pictures.iter().all(|picture| *picture == pictures[0]) && pictures[0] != soup);
}

#[test]
fn a_trade_off_of_stable_diffusion_is_found() {
    let desk = desk();
    let text = with_rewards(r#"(kind: ClipScore(model: "../models/disk_clip")), (kind: Colourfulness)"#);
    desk.write("experiments/two.ron", text.replace("[Corners, Centre]", "[Corners]").replace("[AtWeightings]", "[]"));
    desk.moa(["sweep", "experiments/two.ron", "--quiet"]).success();
    let wanted = ["--where", "clip_score>=-100", "--maximize", "colourfulness", "--out", "mine"];
    let answer = desk.moa(["merge", "results/two"].into_iter().chain(wanted)).success();
    assert!(answer.contains("keeps every constraint"), "{answer}");
    let words = ["sample", "mine", "--base", "models/pipeline_sd1", "--prompt", "a dog", "-n", "1", "--quiet"];
    desk.moa(words).success();
}

/// Whatever goes wrong in a program, it is one message, and what was done before is kept.
#[test]
fn programs_that_fail_in_the_middle_stop_the_sweep_with_one_message() {
    for (behaviour, settings, words) in [
        ("dies 4", "retries: 0", &["reward `letters`", "`sh letters.sh`", "signal: 9", "stderr", "out of memory"][..]),
        ("dies 1", "retries: 1", &["reward `letters`", "signal: 9", "2 times in a row", "out of memory"]),
        ("nan", "retries: 0", &["reward `letters`", "null", "image 0", "finite number"]),
        ("too-few", "retries: 0", &["reward `letters`", "gave 1 scores for", "one for each image"]),
        ("hangs", "retries: 0, timeout_seconds: 1", &["reward `letters`", "no answer within 1 s", "`timeout_seconds`"]),
    ] {
        let desk = desk();
        desk.write("experiments/misbehave", format!("{behaviour}\n"));
        desk.write("experiments/own.ron", EXPERIMENT.replace("retries: 0", settings));
        desk.moa(["sweep", "experiments/own.ron", "--quiet"]).refusal(1, words);
        // Once the program is mended, the same command ends the sweep.
        if behaviour == "dies 4" {
            fs::remove_file(desk.path("experiments/misbehave")).unwrap();
            desk.moa(["sweep", "experiments/own.ron", "--quiet"]).success();
        }
    }
}

/// Stable Diffusion XL and 3, by rewards that need no model.
#[test]
fn sweeps_of_larger_families() {
    let desk = desk();
    let text = with_rewards("(kind: Colourfulness), (kind: Compressibility())");
    let flow = text.replace("Ddim(eta: 1.0)", "FlowSde(noise: 0.7)");
    for (name, base, text) in [("xl", "pipeline_xl", text), ("sd3", "sd3_pipeline", flow)] {
        let file = format!("experiments/{name}.ron");
        desk.write(&file, text.replace("pipeline_sd1", base));
        desk.moa(["sweep", &file, "--quiet"]).success();
        let results = format!("results/{name}");
        let table = desk.moa(["front", &results]).success();
        assert!(table.contains("colourfulness") && table.contains("compressibility"), "{table}");
        desk.moa(["merge", &results, "--at", "colourfulness=0.3,compressibility=0.7", "--out", name]).success();
        let base = format!("models/{base}");
        let sample = ["sample", name, &format!("{results}/runs/centre"), "--base", &base, "--prompt", "a horse"];
        desk.moa(sample.into_iter().chain(["-n", "1", "--quiet"])).success();
    }
    let kohya = ["sample", "models/lora_xl/lora.safetensors", "--base", "models/pipeline_xl", "--prompt", "a horse"];
    desk.moa(kohya.into_iter().chain(["-n", "1", "--quiet"])).success();
    // An adapter of another family, by name.
    let foreign = ["sample", "models/lora_xl", "--base", "models/pipeline_sd1", "--prompt", "a horse"];
    desk.moa(foreign).refusal(1, &["models/lora_xl", "does not fit", "models/pipeline_sd1"]);
}
