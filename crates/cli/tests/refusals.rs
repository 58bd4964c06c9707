//! Bad input: one clear message each, an exit code that says so, and nothing half-written.

mod support;

use std::fs;

use support::{Desk, shipped};

/// An experiment that would run, but for what is replaced in it.
const MINIATURE: &str = r#"(
    prompts: (
        train: List(["a cat on a red background", "a beer left of an apple on a blue background"]),
        held_out: List(["a dog on a green background"]),
    ),
    rewards: [(kind: Safety), (kind: Colourfulness)],
    weightings: [Corners, List([{"safety": 1, "colourfulness": 1}])],
    lora: (rank: 2),
    sampler: (steps: 3),
    training: (epochs: 1, prompts_per_epoch: 2, images_per_prompt: 2, method: PolicyGradient(train_steps: 1)),
    evaluation: (images_per_prompt: 2, steps: 2, resamples: 100),
)
"#;

#[test]
fn impossible_experiments_are_usage_errors_that_name_place_field_and_way_out() {
    let train = r#"List(["a cat on a red background", "a beer left of an apple on a blue background"])"#;
    for (from, to, words) in [
        ("rewards: [", "rewards [", &["bad.ron:6:"][..]),
        ("(kind: Safety)", "(kind: Saftey)", &["unknown reward kind `Saftey`", "hint: did you mean `Safety`?"]),
        ("lora: (rank: 2)", "lora: (rnak: 2)", &["bad.ron:8:", "unknown field `rnak`", "did you mean `rank`?"]),
        (r#""safety": 1"#, r#""safety": -1"#, &["bad.ron:7:", "weightings[1][0].safety", "-1"]),
        (r#"{"safety": 1, "colourfulness": 1}"#, r#"{"safety": 0}"#, &["sum to 0"]),
        (train, "List([])", &["prompts.train", "give at least one"]),
        (train, r#"Set("emoji-trian")"#, &["prompts.train", "emoji-train, emoji-held-out, emoji-fresh"]),
        (train, r#"File("nowhere.txt")"#, &["prompts.train", "nowhere.txt"]),
        ("rank: 2", "rank: 0", &["bad.ron:8:", "lora.rank is 0", "1 to 1024"]),
        ("epochs: 1", "epochs: 1.5", &["training.epochs", "whole number"]),
        ("lora: (rank: 2)", r#"lora: (rank: 2), base: "sd-9""#, &["/sd-9`, and there is no such folder", "emoji-32"]),
        ("sampler: (steps: 3)", "sampler: (kind: Ddim(eta: 1), steps: 3)", &["sampler.kind", "FlowSde"]),
        ("lora: (rank: 2)", r#"lora: (rank: 2, targets: ["to_z"])"#, &["lora.targets", "to_z"]),
    ] {
        let desk = Desk::new();
        let text = MINIATURE.replacen(from, to, 1);
        assert_ne!(text, MINIATURE, "{from}");
        desk.write("bad.ron", text);
        for command in ["check", "sweep"] {
            desk.moa([command, "bad.ron", "--quiet"]).refusal(2, words);
            assert!(!desk.path("results").join("bad/runs").exists(), "{to}: something was written");
        }
    }
}

#[test]
fn prompts_that_a_reward_cannot_read_are_refused_before_anything_is_drawn() {
    let desk = Desk::new();
    let text = MINIATURE.replace("(kind: Safety)", "(name: \"safety\", kind: Composition)");
    desk.write("bad.ron", text.replace("a dog on a green background", "a red cat on a red background"));
    for command in ["check", "sweep"] {
        desk.moa([command, "bad.ron", "--quiet"])
            .refusal(2, &["prompts.held_out[0]: reward `safety`", "a red cat on a red background"]);
        assert!(!desk.path("results").join("bad/runs").exists(), "something was written");
    }
}

#[test]
fn files_that_are_no_experiments_are_usage_errors() {
    let desk = Desk::new();
    desk.write("empty.ron", "");
    desk.write("bytes.ron", [0xff, 0xfe, 0x00]);
    fs::create_dir(desk.path("folder.ron")).unwrap();
    for (file, words) in [
        ("nowhere.ron", &["nowhere.ron: no such file", "hint: `moa init`"][..]),
        ("empty.ron", &["empty.ron: empty"]),
        ("bytes.ron", &["bytes.ron: not UTF-8"]),
    ] {
        desk.moa(["check", file]).refusal(2, words);
        desk.moa(["sweep", file]).refusal(2, words);
    }
    desk.moa(["check", "folder.ron"]).refusal(2, &["folder.ron: this is a folder"]);
    // A sweep takes folders, too: of experiments.
    desk.moa(["sweep", "folder.ron"]).refusal(2, &["folder.ron: there is no experiment in this folder"]);
    desk.moa(["pretrain", "nowhere.ron"]).refusal(2, &["nowhere.ron"]);
    desk.write("pre.ron", "(target: Denoiser, stepps: 3)");
    desk.moa(["pretrain", "pre.ron"]).refusal(2, &["pre.ron:1:", "stepps"]);
    desk.write("pre.ron", "(target: Denoiser, steps: 3, batch: 0, learning_rate: 1e-3)");
    desk.moa(["pretrain", "pre.ron"]).refusal(2, &["pre.ron: batch is 0"]);
    desk.write("pre.ron", "(target: Denoiser, steps: 3, batch: 2, learning_rate: NaN)");
    desk.moa(["pretrain", "pre.ron"]).refusal(2, &["pre.ron: learning_rate is NaN: give a positive number"]);
    desk.write("pre.ron", "(target: Denoiser, steps: 3, batch: 2, learning_rate: 1e-3)");
    let way_out = ["denoiser builds on it", "captions.ron --out parts/captions"];
    desk.moa(["pretrain", "pre.ron", "--out", "parts/denoiser"]).refusal(1, &way_out);
    fs::create_dir_all(desk.path("parts/captions")).unwrap();
    desk.write("parts/captions/model.safetensors", "torn");
    desk.moa(["pretrain", "pre.ron", "--out", "parts/denoiser"]).refusal(1, &["parts/captions/model.safetensors"]);
}

#[test]
fn results_that_are_not_there_or_damaged_are_failures() {
    let desk = Desk::new();
    fs::create_dir_all(desk.path("empty")).unwrap();
    for arguments in [&["front", "empty"][..], &["front", "nowhere", "--json"], &["export", "empty", "-f", "csv"]] {
        desk.moa(arguments).refusal(1, &["there are no results of a sweep"]);
    }
    desk.write("several/one/experiment.ron", "()");
    desk.write("several/other/experiment.ron", "()");
    for arguments in [&["front", "several"][..], &["report", "several"], &["merge", "several", "--at", "safety=1"]] {
        desk.moa(arguments).refusal(1, &["several is a folder of experiments: one, other", "such as several/one"]);
    }
    desk.moa(["export", "empty", "--format", "xml"]).refusal(2, &["xml", "csv, jsonl, parquet"]);
    for file in ["db", "conf"] {
        desk.write(&format!("broken/metrics.sled/{file}"), [0x5a; 4096]);
    }
    desk.moa(["front", "broken"]).refusal(1, &["broken"]);
}

#[test]
fn places_that_cannot_be_written_are_failures() {
    let desk = Desk::new();
    desk.write("tiny.ron", MINIATURE);
    // A file in the place of a folder refuses every user, root included.
    desk.write("taken", "");
    desk.moa(["sweep", "tiny.ron", "--quiet", "--out", "taken/results"]).refusal(1, &["taken"]);
    desk.moa(["init", "taken/my.ron"]).refusal(1, &["taken"]);
    desk.moa(["sample", "--prompt", "a cat", "-n", "1", "--steps", "1", "-o", "taken/x.png"]).refusal(1, &["taken"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_behind_standard_output_is_a_failure() {
    let desk = Desk::new();
    desk.write("tiny.ron", MINIATURE);
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = desk.command(["check", "tiny.ron"]).stdout(full).output().unwrap();
    support::Outcome::of(output).refusal(1, &["standard output"]);
}

#[cfg(unix)]
#[test]
fn a_reader_that_leaves_is_no_error() {
    let desk = Desk::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = desk.command(["check", shipped("miniature.ron").to_str().unwrap()]).stdout(writer).output().unwrap();
    let outcome = support::Outcome::of(output);
    assert_eq!((outcome.code, &*outcome.stderr), (Some(0), ""));
}

#[test]
fn adapters_that_are_missing_damaged_or_foreign_are_named() {
    let desk = Desk::new();
    fs::create_dir_all(desk.path("none")).unwrap();
    let sample = |path: &str| desk.moa(["sample", path, "--prompt", "a cat", "--count", "1", "--steps", "1"]);
    sample("none").refusal(2, &["none: there is no adapter"]);
    desk.write("torn/adapter.safetensors", [7; 100]);
    desk.write("torn/adapter_config.json", r#"{"r": 2, "lora_alpha": 2}"#);
    sample("torn").refusal(1, &["torn", "no safetensors file"]);
    let header = r#"{"base_model.model.x.lora_A.weight":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]}}"#;
    let length = (header.len() as u64).to_le_bytes();
    desk.write("bare/adapter.safetensors", [&length[..], header.as_bytes(), &[0; 4]].concat());
    sample("bare").refusal(1, &["bare", "layer `base_model.model.x` lacks `its factor up"]);
    desk.moa(["sample", "--prompt", " "]).refusal(2, &["blank"]);
    assert!(!desk.path("sample.png").exists());
}

#[cfg(not(feature = "libtorch"))]
#[test]
fn absent_devices_are_errors_and_nothing_falls_back() {
    let desk = Desk::new();
    let miniature = shipped("miniature.ron");
    for device in ["libtorch", "libtorch:cuda:0"] {
        let outcome = desk.moa(["sweep", miniature.to_str().unwrap(), "--device", device]);
        outcome.refusal(1, &[device, "--features libtorch", "--device flex"]);
    }
    assert!(!desk.path("results").exists());
}
