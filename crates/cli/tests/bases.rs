//! Base models from folders and from the hub's cache, through the real binary: a pipeline that diffusers saved.

mod support;

use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use support::{Desk, copy, fixture};

const EXPERIMENT: &str = r#"(
    base: "BASE",
    prompts: (
        train: List(["a red apple", "a horse"]),
        held_out: List(["a dog", "a tree by night"]),
    ),
    rewards: [(kind: Colourfulness), (kind: Contrast)],
    weightings: [Corners],
    sampler: (kind: Ddim(eta: 1.0), steps: 3, guidance: 2.0),
    lora: (rank: 2, targets: ["to_q", "to_v"]),
    training: (epochs: 1, prompts_per_epoch: 2, images_per_prompt: 2, method: PolicyGradient(train_steps: 1), micro_batch: 8),
    evaluation: (images_per_prompt: 2, steps: 2, resamples: 100, grid_prompts: 2),
)"#;

fn pipeline(name: &str) -> PathBuf {
    fixture("diffusion", name)
}

/// A sweep over a folder beside the experiment file, from another folder, and what comes after it.
#[test]
fn a_folder_is_a_base_for_every_command() {
    let desk = Desk::new();
    copy(&pipeline("pipeline_sd2"), &desk.path("experiments/models/sd"));
    desk.write("experiments/own.ron", EXPERIMENT.replace("BASE", "models/sd"));
    let plan = desk.moa(["check", "experiments/own.ron", "--quiet"]).success();
    assert!(plan.contains("valid experiment"), "{plan}");
    desk.moa(["sweep", "experiments/own.ron", "--quiet"]).success();
    let results = desk.path("results/own");
    let receipt: Value = serde_json::from_slice(&fs::read(results.join("receipt.json")).unwrap()).unwrap();
    let hashes = receipt["sha256"].as_object().or(receipt["models"].as_object()).unwrap();
    assert!(hashes.contains_key("base") && !hashes.contains_key("judge-clip"), "{receipt}");

    // The copy beside the results names the folder from anywhere.
    let spec = fs::read_to_string(results.join("experiment.ron")).unwrap();
    let base = desk.path("experiments/models/sd");
    assert!(
        spec.contains(&format!("{:?}", base.canonicalize().unwrap_or(base.clone())))
            || spec.contains(&format!("{base:?}")),
        "{spec}"
    );
    let config = fs::read_to_string(results.join("runs/contrast/adapter_config.json")).unwrap();
    assert!(config.contains("experiments/models/sd"), "{config}");

    let at = ["merge", "results/own", "--at", "contrast=0.5,colourfulness=0.5", "--out", "soup"];
    desk.moa(at).success();
    desk.moa(["sample", "soup", "--base", "experiments/models/sd", "--prompt", "a horse", "-n", "2", "--quiet"])
        .success();
    assert!(desk.path("sample.png").is_file());
    let kohya = ["convert", "soup", "--to", "kohya", "--base", "experiments/models/sd", "--out", "kohya"];
    desk.moa(kohya).success();
    let wrong = desk.moa(["sample", "soup", "--prompt", "a horse"]);
    wrong.refusal(1, &["does not fit the base model emoji-32", "--base"]);

    desk.moa(["export-model", "--base", "experiments/models/sd", "--out", "copy", "--quiet"]).success();
    for file in ["model_index.json", "unet/config.json", "vae/diffusion_pytorch_model.fp16.safetensors"] {
        let [own, copied] =
            ["experiments/models/sd", "copy"].map(|folder| fs::read(desk.path(folder).join(file)).unwrap());
        assert!(own == copied, "{file} differs");
    }
    assert!(!desk.path("copy/io.safetensors").exists(), "it is no part of a pipeline");
}

#[test]
fn the_hubs_downloads_are_bases_by_name() {
    let desk = Desk::new();
    let snapshot = "hub/models--ann--tiny/snapshots/0123abc";
    copy(&pipeline("pipeline_sd2"), &desk.path(snapshot));
    desk.write("hub/models--ann--tiny/refs/main", "0123abc");
    let draw = |base: &str| {
        let mut command =
            desk.command(["sample", "--base", base, "--prompt", "a horse", "-n", "1", "--steps", "2", "--quiet"]);
        support::Outcome::of(command.env("HF_HUB_CACHE", desk.path("hub")).output().unwrap())
    };
    draw("hf:ann/tiny").success();
    draw("hf:ann/other").refusal(2, &["the base hf:ann/other is not in ", "hf download ann/other"]);
    draw("hf:ann/tiny@v2").refusal(2, &["revision v2 is not in"]);
}

#[test]
fn what_cannot_be_a_base_is_refused_with_the_way_out() {
    let desk = Desk::new();
    copy(&pipeline("pipeline_sd2"), &desk.path("sd"));
    let sets = "rewards: [(kind: Contrast)], sampler: (kind: Ddim(eta: 1.0))";
    desk.write("sets.ron", format!("(base: \"sd\", {sets})"));
    desk.moa(["check", "sets.ron"]).refusal(2, &["prompts.train", "emoji-32's own", "File("]);
    desk.write("typo.ron", format!("(base: \"emoji-33\", {sets})"));
    desk.moa(["check", "typo.ron"]).refusal(2, &["emoji-33`, and there is no such folder", "emoji-32"]);
    let sample = |base: &str| desk.moa(["sample", "--base", base, "--prompt", "a horse"]);
    sample("sd/model_index.json").refusal(2, &["model_index.json`, a file", "name a checkpoint"]);
    sample("sd/io.safetensors").refusal(1, &["io.safetensors: it has `", "single files of Stable Diffusion"]);
    sample("sd/unet").refusal(1, &["sd/unet: there is no model_index.json"]);
    sample("hf:a/b/c").refusal(2, &["hf:a/b/c", "hf:org/name"]);
    fs::remove_file(desk.path("sd/unet/config.json")).unwrap();
    sample("sd").refusal(1, &["the base model sd: the pipeline has no `unet/config.json`"]);
}

/// Stable Diffusion 3: a transformer instead of a U-Net, and a rectified flow instead of discrete diffusion.
#[test]
fn a_pipeline_with_a_transformer_is_a_base_for_every_command() {
    let desk = Desk::new();
    copy(&pipeline("sd3_pipeline"), &desk.path("sd3"));
    let experiment = EXPERIMENT.replace("BASE", "sd3").replace("Ddim(eta: 1.0)", "FlowSde(noise: 0.7)");
    desk.write("own.ron", experiment.replace("\"to_v\"", "\"add_v_proj\", \"ff.net.2\""));
    desk.moa(["check", "own.ron", "--quiet"]).success();
    desk.moa(["sweep", "own.ron", "--quiet"]).success();

    desk.moa(["merge", "results/own", "--at", "contrast=0.5,colourfulness=0.5", "--out", "soup"]).success();
    desk.moa(["sample", "soup", "--base", "sd3", "--prompt", "a horse", "-n", "2", "--quiet"]).success();
    assert!(desk.path("sample.png").is_file());
    desk.moa(["convert", "soup", "--to", "diffusers", "--base", "sd3", "--out", "diffusers"]).success();
    let file = fs::read(desk.path("diffusers/pytorch_lora_weights.safetensors")).unwrap();
    let header = String::from_utf8_lossy(&file);
    let layer = "\"transformer.transformer_blocks.0.attn.add_v_proj.lora_A.weight\"";
    assert!(header.contains(layer), "diffusers' load_lora_weights looks for the denoiser's name");

    // T5 that is there is read, unless the base's name says otherwise; nothing else is known of it here.
    copy(&pipeline("sd3_pipeline"), &desk.path("with"));
    let index = fs::read(desk.path("with/model_index.json")).unwrap();
    let mut index: Value = serde_json::from_slice(&index).unwrap();
    index["text_encoder_3"] = serde_json::json!(["transformers", "T5EncoderModel"]);
    index["tokenizer_3"] = serde_json::json!(["transformers", "T5TokenizerFast"]);
    desk.write("with/model_index.json", index.to_string());
    desk.write("with/text_encoder_3/config.json", "{}");
    let sample = |base: &str, out: &str| {
        desk.moa(["sample", "--base", base, "--prompt", "a horse", "--quiet", "--unlabelled", "--output", out])
    };
    sample("with", "t5.png").refusal(1, &["text_encoder_3"]);
    sample("with@without-t5", "without.png").success();
    sample("sd3", "plain.png").success();
    let [without, plain] = ["without.png", "plain.png"].map(|name| fs::read(desk.path(name)).unwrap());
    assert!(without == plain, "the images are those of a folder without T5");

    desk.moa(["export-model", "--base", "sd3", "--out", "copy", "--quiet"]).success();
    let weights = "transformer/diffusion_pytorch_model.safetensors";
    let [own, copied] = ["sd3", "copy"].map(|folder| fs::read(desk.path(folder).join(weights)).unwrap());
    assert!(own == copied, "{weights} differs");
}
