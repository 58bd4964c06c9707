//! Models that are missing, damaged or of another kind than asked for: one message each, which names the file and has a hint.

mod support;

use std::fs;
use std::path::Path;

use support::{Desk, Outcome, copy, fixture};

const EXPERIMENT: &str = r#"(
    base: "models/pipeline_sd1",
    prompts: (train: List(["a red apple"]), held_out: List(["a dog"])),
    rewards: [
        (kind: ClipScore(model: "models/disk_clip")),
        (name: "rating", kind: LaionAesthetics(clip: "models/disk_clip", head: "models/disk_heads/mlp.pth")),
        (name: "safe", kind: SafetyChecker(model: "models/disk_checker")),
        (name: "class", kind: Onnx(model: "models/onnx/classifier.onnx", output: "logits", index: 1)),
    ],
    sampler: (kind: Ddim(eta: 1.0), steps: 3),
    training: (prompts_per_epoch: 1, images_per_prompt: 2, method: PolicyGradient(train_steps: 1)),
    evaluation: (images_per_prompt: 2, steps: 2, resamples: 100),
)
"#;

fn desk() -> Desk {
    let desk = Desk::new();
    for name in ["pipeline_sd1", "lora_sd1"] {
        copy(&fixture("diffusion", name), &desk.path("models").join(name));
    }
    for name in ["disk_clip", "disk_heads", "disk_checker", "onnx"] {
        copy(&fixture("reward", name), &desk.path("models").join(name));
    }
    fs::create_dir(desk.path("hub")).unwrap();
    desk
}

fn moa(desk: &Desk, words: &[&str]) -> Outcome {
    Outcome::of(desk.command(words).env("HF_HUB_CACHE", desk.path("hub")).output().unwrap())
}

#[test]
fn experiments_that_name_other_models_are_refused() {
    let desk = desk();
    for (from, to, code, words) in [
        (
            "models/pipeline_sd1",
            "models/nowhere",
            2,
            &["models/nowhere`, and there is no such folder", "hf:org/name"][..],
        ),
        ("models/pipeline_sd1", "hf:org/sd", 2, &["the base hf:org/sd is not in", "`hf download org/sd`"]),
        ("models/pipeline_sd1", "models/disk_clip", 1, &["models/disk_clip: there is no model_index.json"]),
        ("models/pipeline_sd1", "models/lora_sd1/lora.safetensors", 1, &["lora.safetensors: it has `lora_unet_"]),
        ("models/disk_clip", "models/pipeline_sd1", 2, &["`clip_score`", "it is a whole pipeline", "CLIPModel"]),
        (
            "models/disk_clip",
            "models/pipeline_sd1/text_encoder",
            2,
            &["`clip_score`", "clip_text_model", "moa reads clip"],
        ),
        ("models/disk_clip", "hf:org/clip", 2, &["`clip_score`", "hf:org/clip is not in", "`hf download org/clip`"]),
        ("models/disk_checker", "models/pipeline_sd1", 2, &["`safe`", "the pipeline has no safety_checker"]),
        ("models/disk_checker", "models/disk_clip", 2, &["`safe`", "`concept_embeds`", "StableDiffusionSafetyChecker"]),
        ("mlp.pth", "wide.pth", 2, &["`rating`", "wide.pth", "the head takes 20 numbers", "have 16"]),
        ("mlp.pth", "nowhere.pth", 2, &["`rating`", "nowhere.pth: there is no such file", "experiment file"]),
        ("classifier.onnx", "nowhere.onnx", 1, &["`class`", "nowhere.onnx cannot be read", "experiment file"]),
        ("index: 1", "index: 9", 1, &["`class`", "gives 4 numbers an image", "`index` is 9, give 0 to 3"]),
        ("\"logits\"", "\"logit\"", 1, &["`class`", "has no output `logit`", "`logits`"]),
        ("Ddim(eta: 1.0)", "FlowSde(noise: 0.7)", 2, &["sampler.kind is FlowSde", "use Ddim"]),
        ("steps: 3),", "steps: 3), lora: (targets: [\"to_z\"]),", 2, &["lora.targets [\"to_z\"]", "to_out.0"]),
    ] {
        let text = EXPERIMENT.replacen(from, to, 1);
        assert_ne!(text, EXPERIMENT, "{from}");
        desk.write("bad.ron", text);
        moa(&desk, &["check", "bad.ron", "--quiet"]).refusal(code, words);
    }
    desk.write("good.ron", EXPERIMENT);
    moa(&desk, &["check", "good.ron", "--quiet"]).success();
}

fn edit(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{from}");
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}

#[test]
fn bases_that_are_damaged_are_refused() {
    type Damage = fn(&Path);
    let cases: [(&str, Damage, &[&str]); 9] = [
        (
            "pipeline_xl",
            |base| fs::remove_file(base.join("unet/diffusion_pytorch_model-00002-of-00003.safetensors")).unwrap(),
            &["1 of 3 shards are missing: diffusion_pytorch_model-00002-of-00003.safetensors", "fetch"],
        ),
        (
            "pipeline_sd1",
            |base| fs::remove_file(base.join("unet/diffusion_pytorch_model.safetensors")).unwrap(),
            &["unet: it has neither diffusion_pytorch_model.safetensors nor", "fetch the whole folder"],
        ),
        (
            "pipeline_sd1",
            |base| {
                let weights = base.join("unet/diffusion_pytorch_model.safetensors");
                fs::rename(&weights, weights.with_extension("bin")).unwrap();
            },
            &["unet: it has diffusion_pytorch_model.bin, a pickle", "safe_serialization=True"],
        ),
        (
            "pipeline_sd1",
            |base| {
                let file = base.join("text_encoder/model.safetensors");
                let bytes = fs::read(&file).unwrap();
                fs::write(file, &bytes[..bytes.len() - 100]).unwrap();
            },
            &["text_encoder/model.safetensors: it has 76268 bytes, and its header promises 76368", "fetch"],
        ),
        (
            "pipeline_sd1",
            |base| edit(&base.join("unet/config.json"), "\n    8\n", "\n    16\n"),
            &["unet/diffusion_pytorch_model.safetensors: tensor `", "has shape [8, ", "but the config implies [16, "],
        ),
        (
            "pipeline_sd1",
            |base| edit(&base.join("unet/config.json"), "\"CrossAttnDownBlock2D\"", "\"AttnDownBlock2D\""),
            &["unet/config.json: `down_block_types` is AttnDownBlock2D", "CrossAttnDownBlock2D are known"],
        ),
        (
            "pipeline_sd1",
            |base| edit(&base.join("model_index.json"), "StableDiffusionPipeline", "SomePipeline"),
            &["model_index.json: `_class_name` is SomePipeline", "FluxPipeline are known"],
        ),
        (
            "pipeline_sd1",
            |base| fs::remove_dir_all(base.join("tokenizer")).unwrap(),
            &["tokenizer holds no CLIP tokenizer", "from the model's repository"],
        ),
        (
            "pipeline_sd1",
            |base| edit(&base.join("tokenizer/vocab.json"), "{", "{\"zzz</w>\": 49000, "),
            &["`zzz</w>` with id 49000", "`vocab_size` is 590", "the tokenizer that came with the text encoder"],
        ),
    ];
    for (name, damage, words) in cases {
        let desk = Desk::new();
        copy(&fixture("diffusion", name), &desk.path("base"));
        damage(&desk.path("base"));
        let outcome = moa(&desk, &["sample", "--base", "base", "--prompt", "a horse", "-n", "1", "--steps", "1"]);
        outcome.refusal(1, &[&["the base model base: "], words].concat());
        assert!(!desk.path("sample.png").exists(), "{words:?}");
    }
}

#[test]
fn files_that_are_no_adapters_of_the_base_are_refused() {
    let desk = desk();
    copy(&fixture("diffusion", "lora_xl"), &desk.path("models/lora_xl"));
    copy(&fixture("diffusion", "lora_sd3"), &desk.path("models/lora_sd3"));
    copy(&fixture("diffusion", "sd3_pipeline"), &desk.path("models/sd3_pipeline"));
    let weights = "models/pipeline_sd1/unet/diffusion_pytorch_model.safetensors";
    for (adapter, code, words) in [
        ("models/lora_xl", 1, &["models/lora_xl", "does not fit", "models/pipeline_sd1", "--base"][..]),
        (
            "models/lora_xl/lora.safetensors",
            1,
            &["lora_xl/lora.safetensors does not fit", "which the base does not have"],
        ),
        ("models/lora_sd3", 1, &["changes `transformer_blocks.0.", "which the base does not have", "--base"]),
        ("models/pipeline_sd1", 2, &["models/pipeline_sd1: there is no adapter", "adapter.safetensors"]),
        (weights, 1, &[weights, "a whole model's weights", "not an adapter"]),
    ] {
        let sample = ["sample", adapter, "--base", "models/pipeline_sd1", "--prompt", "a horse"];
        moa(&desk, &sample).refusal(code, words);
    }
    let kohya = ["convert", "models/lora_sd3", "--base", "models/sd3_pipeline", "--to", "kohya", "--out", "kohya"];
    moa(&desk, &kohya).success();
    let file = fs::read(desk.path("kohya/lora.safetensors")).unwrap();
    let header = String::from_utf8_lossy(&file);
    assert!(header.contains("lora_unet_joint_blocks_0_x_block_attn_qkv.lora_up.weight"), "the original's fused names");
}
