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
