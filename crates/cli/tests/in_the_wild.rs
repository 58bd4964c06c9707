//! LoRAs as people have them, through the real binary: drawn, merged, converted, and points of an experiment.

mod support;

use std::fs;

use moa_adapter::contents::Contents;
use serde_json::Value;
use support::{Desk, copy, fixture};

/// A desk with a small Stable Diffusion 1 and adapters of every kind for it.
fn desk() -> Desk {
    let desk = Desk::new();
    copy(&fixture("diffusion", "pipeline_sd1"), &desk.path("sd1"));
    copy(&fixture("diffusion", "kinds"), &desk.path("loras"));
    desk
}

const EXPERIMENT: &str = r#"(
    base: "sd1",
    prompts: (train: List(["a red apple", "a horse"]), held_out: List(["a dog", "a tree by night"])),
    rewards: [(kind: Colourfulness), (kind: Contrast)],
    weightings: [WEIGHTINGS],
    adapters: ["loras/kohya-sd1.safetensors", "loras/loha.safetensors", "loras/dora.safetensors"],
    soups: [List([MIXTURES])],
    sampler: (kind: Ddim(eta: 1.0), steps: 3, guidance: 2.0),
    lora: (rank: 2, targets: ["to_q", "to_v"]),
    training: (epochs: 1, prompts_per_epoch: 2, images_per_prompt: 2, method: PolicyGradient(train_steps: 1), micro_batch: 8),
    evaluation: (images_per_prompt: 2, steps: 2, resamples: 100, grid_prompts: 2),
)"#;

#[test]
fn adapters_of_every_kind_are_drawn_merged_and_converted() {
    let desk = desk();
    let moa = |arguments: &str| desk.moa(arguments.split_whitespace());
    let base = "--base sd1 --prompt x --count 1 --steps 2 --quiet --unlabelled";
    let drawn = |adapter: &str, more: &str| {
        moa(&format!("sample {adapter} {base} {more} -o drawn.png")).success();
        fs::read(desk.path("drawn.png")).unwrap()
    };
    for kind in ["kohya-sd1", "locon", "loha", "lokr", "dora", "full"] {
        let file = format!("loras/{kind}.safetensors");
        let own = drawn(&file, "");
        assert_ne!(own, drawn(&file, "--strength -1"), "{kind}");
        assert_eq!(drawn(&file, "--strength 1"), own, "{kind}");
        moa(&format!("convert {file} --to kohya -o kohya-{kind}")).success();
        drawn(&format!("kohya-{kind}"), "");
    }
    // What a format cannot say is refused by name, or brought to what it can.
    moa("convert loras/full.safetensors --to diffusers --block *.bias=0 --block *norm*=0 -o x")
        .refusal(1, &["difference", "--reduce R"]);
    moa("convert loras/dora.safetensors --to diffusers -o x").refusal(1, &["DoRA magnitude", "--base"]);
    moa("convert loras/kohya-sd1.safetensors --to peft -o x").refusal(1, &["text encoder's", "--block"]);
    moa("convert loras/kohya-sd1.safetensors --to peft --block text_encoder*=0 -o denoiser").success();
    moa("convert loras/full.safetensors --to diffusers --reduce 64 -o x").refusal(1, &["--block \"*.bias=0\""]);
    moa("convert loras/full.safetensors --to diffusers --reduce 64 --block *.bias=0 --block *norm*=0 -o parts")
        .success();
    let reduced = moa("convert loras/dora.safetensors --to diffusers --base sd1 --reduce 64 -o plain");
    assert!(reduced.stderr.contains("brought to rank 64"), "{}", reduced.stderr);
    assert!(reduced.stderr.contains("0.00 % is lost"), "{}", reduced.stderr);
    reduced.success();
    assert!(!desk.path("x").exists());

    // Convolutions have their kernels again, by name or by the base.
    moa("convert loras/loha.safetensors --to diffusers --base sd1 --reduce 64 -o kernels").success();
    let header = fs::read(desk.path("kernels/pytorch_lora_weights.safetensors")).unwrap();
    let header = String::from_utf8_lossy(&header).into_owned();
    let shape = |layer: &str| {
        let rest = header.split_once(&format!("{layer}.lora.down.weight")).map(|(_, rest)| rest).unwrap_or_default();
        rest.split_once("\"shape\":").map(|(_, rest)| rest.split(']').next().unwrap_or_default().to_owned())
    };
    assert!(shape("mid_block.resnets.0.conv1").unwrap().ends_with(",3,3"), "{header}");
    assert!(shape("down_blocks.0.attentions.0.proj_in").unwrap().ends_with(",1,1"), "{header}");

    // Sums of kinds, and what is left of one when it is taken away again.
    let parts = "loras/kohya-sd1.safetensors=1 loras/loha.safetensors=0.7";
    moa(&format!("merge --adapters {parts} --format kohya -o both")).success();
    moa("merge --adapters both=1 loras/loha.safetensors=-0.7 --format kohya -o one").success();
    let read = |path: &str| {
        let bytes = fs::read(desk.path(path)).unwrap();
        Contents::read(&bytes, None).unwrap().adapter().unwrap()
    };
    let (found, wanted) = (read("one/lora.safetensors"), read("loras/kohya-sd1.safetensors"));
    // A layer that LoHa's difference was once added to is one difference now.
    let added = |name: &str| match found.layers.get(name) {
        Some(layer) => layer.delta(),
        None => found.differences[&format!("{name}.weight")].values.clone(),
    };
    for (name, layer) in &wanted.layers {
        let (found, wanted) = (added(name), layer.delta());
        let far = found.iter().zip(&wanted).map(|(one, other)| (one - other).abs()).fold(0.0, f32::max);
        // Both are halves.
        assert!(far < 5e-3, "{name}: {far}");
    }
    moa("merge --adapters loras/dora.safetensors=0.5 loras/locon.safetensors=1 --format kohya -o x")
        .refusal(2, &["adapter 1 is a DoRA", "--base"]);
    moa("merge --adapters loras/dora.safetensors=0.5 loras/locon.safetensors=1 --base sd1 --format kohya -o half")
        .success();
    moa("merge --adapters loras/kohya-sd1.safetensors=1 --block text_encoder*=0 -o unet").success();
    assert!(desk.path("unet/adapter_config.json").is_file(), "peft's format holds a denoiser's adapter");
    moa("merge --adapters loras/kohya-sd1.safetensors=1 --block *=0 -o x").refusal(2, &["nothing is left"]);
    moa("merge --adapters loras/kohya-sd1.safetensors=1,5 -o x").refusal(2, &["the weight of", "1,5"]);
    let refusal = moa("merge --adapters loras/kohya-sd1.safetensors loras/kohya-xl.safetensors --format kohya -o x");
    refusal.refusal(2, &["different base models"]);
    moa("sample loras/kohya-xl.safetensors --base sd1 --prompt x").refusal(1, &["does not fit the base model sd1"]);
}

#[test]
fn adapters_that_are_given_are_points_beside_what_is_trained() {
    let desk = desk();
    let mixtures = r#"{"loha": 1, "dora": 1}, {"contrast": 3, "loha": 1}"#;
    let experiment = EXPERIMENT.replace("WEIGHTINGS", "Corners").replace("MIXTURES", mixtures);
    desk.write("own.ron", &experiment);
    let plan = desk.moa(["check", "own.ron", "--quiet"]).success();
    assert!(plan.contains("3 given adapters"), "{plan}");
    desk.moa(["sweep", "own.ron", "--quiet"]).success();
    let front = || -> Value { serde_json::from_str(&desk.moa(["front", "results/own", "--json"]).success()).unwrap() };
    let points = |front: &Value| -> Vec<(String, String)> {
        let text = |point: &Value, key: &str| point[key].as_str().unwrap().to_owned();
        front["points"].as_array().unwrap().iter().map(|point| (text(point, "kind"), text(point, "id"))).collect()
    };
    let found = points(&front());
    for id in ["kohya-sd1", "loha", "dora"] {
        assert!(found.contains(&("given".into(), id.into())), "{found:?}");
    }
    assert_eq!(found.iter().filter(|(kind, _)| kind == "soup").count(), 2, "{found:?}");
    let table = desk.moa(["front", "results/own"]).success();
    assert!(table.contains("loha (given)"), "{table}");

    // Nothing is done again; a file that is gone is replaced by its copy; another file is another adapter.
    let again = desk.moa(["sweep", "own.ron", "--quiet"]).success();
    assert_eq!(points(&front()), found, "{again}");
    let log = |id: &str| fs::read(desk.path(&format!("results/own/adapters/{id}/log.jsonl"))).unwrap();
    let before = (log("loha"), log("dora"));
    fs::remove_file(desk.path("loras/dora.safetensors")).unwrap();
    fs::copy(desk.path("loras/locon.safetensors"), desk.path("loras/loha.safetensors")).unwrap();
    desk.moa(["sweep", "own.ron", "--quiet"]).success();
    assert_eq!(log("dora"), before.1);
    assert_ne!(log("loha"), before.0, "it is evaluated again");
    desk.moa([
        "merge",
        "results/own",
        "--at",
        "loha=0.5,contrast=0.5",
        "--unmeasured",
        "--format",
        "kohya",
        "-o",
        "mine",
    ])
    .success();

    // What is missing is said before anything is done.
    desk.write(
        "gone.ron",
        experiment.replace("loras/dora.safetensors", "loras/gone.safetensors").replace("\"dora\"", "\"gone\""),
    );
    desk.moa(["check", "gone.ron"]).refusal(1, &["loras/gone.safetensors", "there is no adapter"]);

    for (adapters, words) in [
        (r#""loras/kohya-xl.safetensors""#, &["kohya-xl.safetensors", "does not fit the base model"][..]),
        (r#""sd1/unet/diffusion_pytorch_model.safetensors""#, &["a whole model's weights"]),
        (r#""loras/nothing.safetensors""#, &["nothing.safetensors", "there is no adapter"]),
        (r#""loras/lokr.safetensors", "other/lokr.safetensors""#, &["adapters[1]", "called `lokr`"]),
        (r#""contrast.safetensors""#, &["adapters[0]", "another point of the front"]),
    ] {
        let list = r#""loras/kohya-sd1.safetensors", "loras/loha.safetensors", "loras/dora.safetensors""#;
        let wrong = experiment.replace(list, adapters).replace(mixtures, r#"{"contrast": 1, "colourfulness": 1}"#);
        desk.write("wrong.ron", wrong);
        let outcome = desk.moa(["sweep", "wrong.ron", "--quiet"]);
        assert_ne!(outcome.code, Some(0), "{adapters}");
        for word in words {
            assert!(outcome.stderr.contains(word), "{adapters}: `{word}` is not in:\n{}", outcome.stderr);
        }
    }
}

#[test]
fn a_collection_is_compared_without_training() {
    let desk = desk();
    let experiment = EXPERIMENT.replace("WEIGHTINGS", "").replace("MIXTURES", r#"{"loha": 1, "kohya-sd1": 1}"#);
    desk.write("own.ron", &experiment);
    desk.moa(["check", "own.ron", "--quiet"]).success();
    desk.moa(["sweep", "own.ron", "--quiet"]).success();
    let table = desk.moa(["front", "results/own"]).success();
    for words in ["base (before training)", "kohya-sd1 (given)", "dora (given)", "soup-"] {
        assert!(table.contains(words), "`{words}` is not in:\n{table}");
    }
    desk.moa(["report", "results/own", "--soups", "0"]).success();
}
