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
    assert!(desk.moa(["check", "my.ron"]).success().contains("my.ron is a sound experiment"));

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
        assert!(plan.contains("sound experiment") && plan.contains("about"), "{plan}");
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
    desk.write("experiments/own.ron", text);
    fs::copy(shipped.with_extension("txt"), desk.path("experiments/stable-diffusion.txt")).unwrap();
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
        format!("(target: Attributes, seed: 1, steps: {steps}, batch: 2, learning_rate: 1e-3, checkpoint_every: 1)")
    };
    desk.write("short.ron", spec(2));
    desk.moa(["pretrain", "short.ron", "--out", "whole"]).success();
    assert!(desk.path("whole/model.safetensors").is_file());
    let kept = fs::read(desk.path("whole/model.safetensors")).unwrap();
    // All steps are in the checkpoint: the same command finds nothing to do.
    desk.moa(["pretrain", "short.ron", "--out", "whole"]).success();
    assert_eq!(fs::read(desk.path("whole/model.safetensors")).unwrap(), kept);
    desk.write("other.ron", spec(2).replace("Attributes", "Clip"));
    desk.moa(["pretrain", "other.ron", "--out", "whole"]).refusal(1, &["checkpoint"]);
}
