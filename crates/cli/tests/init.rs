//! `moa init` and `moa check`.

mod support;

use std::fs;

use support::{Desk, shipped};

#[test]
fn init_writes_a_file_that_check_accepts_and_never_replaces_one_unasked() {
    let desk = Desk::new();
    desk.moa(["init", "my.ron"]).success();
    let text = fs::read_to_string(desk.path("my.ron")).unwrap();
    assert!(text.contains("// "), "it is commented");
    assert!(desk.moa(["check", "my.ron"]).success().contains("my.ron is a valid experiment"));

    desk.write("my.ron", "(rewards: [(kind: Safety)])");
    desk.moa(["init", "my.ron"]).refusal(1, &["my.ron exists", "--force"]);
    assert_eq!(fs::read_to_string(desk.path("my.ron")).unwrap(), "(rewards: [(kind: Safety)])");
    desk.moa(["init", "my.ron", "--force", "--quiet"]).success();
    assert_eq!(fs::read_to_string(desk.path("my.ron")).unwrap(), text);
}

#[test]
fn shipped_experiments_are_sound() {
    let desk = Desk::new();
    for name in ["pareto.ron", "soup-vs-trained.ron", "quick.ron", "miniature.ron"] {
        let plan = desk.moa(["check", shipped(name).to_str().unwrap()]).success();
        assert!(plan.contains("valid experiment") && plan.contains("time  "), "{plan}");
    }
}

/// The example of Stable Diffusion is sound but for the models, which are fetched apart.
#[test]
fn the_experiment_with_stable_diffusion_says_what_is_missing() {
    let desk = Desk::new();
    let shipped = shipped("stable-diffusion.ron");
    let check = |file: &str| {
        let mut command = desk.command(["check", file]);
        support::Outcome::of(command.env("HF_HUB_CACHE", desk.path("hub")).output().unwrap())
    };
    let model = "stable-diffusion-v1-5/stable-diffusion-v1-5";
    let words = [&format!("the base hf:{model} is not in "), &*format!("`hf download {model}`")];
    check(shipped.to_str().unwrap()).refusal(2, &words);

    // With a base at hand, what is missing next.
    let base = support::fixture("diffusion", "pipeline_sd1").canonicalize().unwrap();
    let text = fs::read_to_string(&shipped).unwrap().replacen(&format!("hf:{model}"), base.to_str().unwrap(), 1);
    desk.write("experiments/own.ron", &text);
    fs::copy(shipped.with_extension("txt"), desk.path("experiments/stable-diffusion.txt")).unwrap();
    check("experiments/own.ron").refusal(2, &["precision Bf16 is not one of device `flex`"]);
    desk.write("experiments/own.ron", text.replacen("precision: Bf16", "precision: F32", 1));
    let words = [
        "reward `clip_score`: hf:openai/clip-vit-large-patch14 is not in ",
        "`hf download openai/clip-vit-large-patch14`",
    ];
    check("experiments/own.ron").refusal(2, &words);
}

#[test]
fn pretraining_goes_on_from_its_checkpoint_to_the_same_model() {
    let desk = Desk::new();
    let spec = |steps: u32| {
        format!("(target: Detector, seed: 1, steps: {steps}, batch: 2, learning_rate: 1e-3, checkpoint_every: 1)")
    };
    desk.write("short.ron", spec(2));
    desk.moa(["pretrain", "short.ron", "--out", "whole"]).success();
    assert!(desk.path("whole/model.safetensors").is_file());
    let kept = fs::read(desk.path("whole/model.safetensors")).unwrap();
    // All steps are in the checkpoint: the same command finds nothing to do.
    desk.moa(["pretrain", "short.ron", "--out", "whole"]).success();
    assert_eq!(fs::read(desk.path("whole/model.safetensors")).unwrap(), kept);
    desk.write("other.ron", spec(2).replace("Detector", "JudgeDetector"));
    let refused = |name: &str, words: &[&str]| {
        let common = ["whole/checkpoint.safetensors", "remove it to start again", "--out"];
        desk.moa(["pretrain", name, "--out", "whole"]).refusal(1, &[words, &common].concat());
    };
    refused("other.ron", &["of the target Detector, not JudgeDetector"]);
    // A file as checkpoints were before they had a header.
    let header = br#"{"__metadata__":{"step":"2"}}"#;
    let earlier = [&(header.len() as u64).to_le_bytes()[..], header].concat();
    desk.write("whole/checkpoint.safetensors", &earlier);
    refused("short.ron", &["of version 1, this moa reads version 2", "resume with the version of moa that wrote it"]);
    assert_eq!(fs::read(desk.path("whole/checkpoint.safetensors")).unwrap(), earlier);
    assert_eq!(fs::read(desk.path("whole/model.safetensors")).unwrap(), kept);
}

#[test]
fn pretraining_that_is_interrupted_comes_to_the_same_model() {
    let desk = Desk::new();
    let spec = "(target: Detector, seed: 1, steps: 3, batch: 2, learning_rate: 1e-3, checkpoint_every: 2)";
    desk.write("three.ron", spec);
    desk.moa(["pretrain", "three.ron", "--out", "whole"]).success();
    let model = fs::read(desk.path("whole/model.safetensors")).unwrap();
    // The last checkpoint is that of step 2: the model of step 3 is trained once more, from it.
    fs::remove_file(desk.path("whole/model.safetensors")).unwrap();
    let again = desk.moa(["pretrain", "three.ron", "--out", "whole"]);
    assert!(again.stderr.contains("going on from its checkpoint"), "{}", again.stderr);
    again.success();
    assert_eq!(fs::read(desk.path("whole/model.safetensors")).unwrap(), model);
}
