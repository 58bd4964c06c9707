//! Merging through the real binary, on a miniature sweep: at given shares, for a trade-off, and into other formats.

mod support;

use std::fs;

use support::{Desk, shipped};

/// A desk with the finished miniature sweep: the corners `aesthetics` and `safety`.
fn swept() -> Desk {
    let desk = Desk::new();
    desk.moa(["sweep", shipped("miniature.ron").to_str().unwrap(), "--quiet", "--out", "mini"]).success();
    desk
}

#[test]
fn merges_at_shares_for_trade_offs_and_refusals() {
    let desk = swept();
    let moa = |arguments: &str| desk.moa(arguments.split_whitespace());

    // At a corner: that adapter, bit for bit.
    let text = moa("merge mini --at safety=1 --unmeasured -o corner").success();
    assert!(text.contains("safety 1.000"), "{text}");
    let bytes = |path: &str| fs::read(desk.path(path)).unwrap();
    assert_eq!(bytes("corner/adapter_model.safetensors"), bytes("mini/runs/safety/adapter.safetensors"));
    assert!(!desk.path("corner/pictures.png").exists(), "nothing was drawn");

    // In between: measured, in two formats, with pictures.
    let text = moa("merge mini --at safety=0.4,aesthetics=0.6 --format diffusers --format kohya -o between").success();
    for words in ["aesthetics 0.600  safety 0.400", "95 % interval", "against the base", "measured in"] {
        assert!(text.contains(words), "`{words}` is not in:\n{text}");
    }
    for file in ["pytorch_lora_weights.safetensors", "lora.safetensors", "pictures.png"] {
        assert!(desk.path("between").join(file).is_file(), "{file} is missing");
    }

    // Every format leads back to the same adapter.
    moa("convert between/lora.safetensors --to peft -o from-kohya").success();
    moa("convert between/pytorch_lora_weights.safetensors --to peft -o from-diffusers").success();
    moa("merge mini --at safety=0.4,aesthetics=0.6 --unmeasured -o as-peft").success();
    let expected = bytes("as-peft/adapter_model.safetensors");
    assert_eq!(bytes("from-kohya/adapter_model.safetensors"), expected);
    assert_eq!(bytes("from-diffusers/adapter_model.safetensors"), expected);
    moa("sample from-kohya --prompt cat --count 1 --steps 1 -o one.png").success();

    // A trade-off that everything meets, and one that nothing can.
    let text = moa("merge mini --where safety>=0.01 --maximize aesthetics --budget 2 --verify -o met").success();
    for words in ["keeps every constraint", "≥ 0.01 ✓", "other held-out prompts"] {
        assert!(text.contains(words), "`{words}` is not in:\n{text}");
    }
    assert!(desk.path("met/adapter_config.json").is_file());
    let never = moa("merge mini --where safety>=1.5 --maximize aesthetics --budget 1 -o never");
    assert_eq!(never.code, Some(1), "{}", never.stderr);
    assert!(never.stdout.contains("infeasible") && never.stdout.contains("≥ 1.5 ✗"), "{}", never.stdout);
    assert!(desk.path("never/adapter_model.safetensors").is_file(), "the nearest is written all the same");

    for (arguments, words) in [
        ("merge mini", &["there is no goal", "--maximize"][..]),
        ("merge mini --at safety=0.5", &["sum to 0.5"]),
        ("merge mini --at safety=1.5,aesthetics=-0.5", &["share of safety is 1.5", "--extrapolate"]),
        ("merge mini --at saftey=1", &["no adapter `saftey`", "did you mean `safety`"]),
        ("merge mini --where beauty>=1 --maximize safety", &["no reward `beauty`", "aesthetics, safety"]),
        ("merge mini --where safety=1 --maximize safety", &["no constraint", "NAME>=VALUE"]),
        ("merge mini --where safety>=0.9 --where safety<=0.1 --maximize safety", &["at least 0.9 and at most 0.1"]),
        ("merge mini --at safety=1 --method ties --density 0", &["density is 0"]),
        ("merge mini --of nobody --at nobody=1", &["no run `nobody`"]),
        ("merge mini --at safety=2,aesthetics=-1 --extrapolate 9", &["--extrapolate is 9"]),
    ] {
        let outcome = moa(arguments);
        assert_ne!(outcome.code, Some(0), "{arguments}");
        for word in words {
            assert!(outcome.stderr.contains(word), "{arguments}: `{word}` is not in:\n{}", outcome.stderr);
        }
    }
    moa("merge nowhere --at safety=1").refusal(1, &["no sweep has left results there"]);
    fs::write(desk.path("mini/runs/safety/adapter.safetensors"), [7; 100]).unwrap();
    moa("merge mini --at safety=1").refusal(1, &["runs/safety/adapter.safetensors"]);
}

#[test]
fn the_base_model_is_exported_in_the_layout_of_diffusers() {
    let desk = Desk::new();
    desk.moa(["export-model", "-o", "model"]).success();
    for file in [
        "model_index.json",
        "scheduler/scheduler_config.json",
        "text_encoder/config.json",
        "text_encoder/model.safetensors",
        "tokenizer/tokenizer.json",
        "unet/config.json",
        "unet/diffusion_pytorch_model.safetensors",
    ] {
        assert!(desk.path("model").join(file).is_file(), "{file} is missing");
    }
    desk.moa(["export-model", "--base", "sd", "-o", "model"]).refusal(2, &["sd", "emoji-32"]);
}
