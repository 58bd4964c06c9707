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

    // In between: measured, in two formats, with images.
    let text = moa("merge mini --at safety=0.4,aesthetics=0.6 --format diffusers --format kohya -o between").success();
    for words in ["aesthetics 0.600  safety 0.400", "bounds", "gain", "all at once with 95 %", "measured in"] {
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
    let text = moa("merge mini --where safety>=-9 --maximize aesthetics --budget 2 --verify -o met").success();
    for words in [
        "keeps every constraint",
        "≥ -9 ✓",
        "once more, with other noise",
        "all 2 bounds hold",
        "with 2 prompts (fewer than 64)",
        "no bounds for aesthetics",
        "mixtures measured is picked",
    ] {
        assert!(text.contains(words), "`{words}` is not in:\n{text}");
    }
    assert!(desk.path("met/adapter_config.json").is_file());
    let never = moa("merge mini --where safety>=1.5 --maximize aesthetics --budget 1 -o never");
    assert_eq!(never.code, Some(1), "{}", never.stderr);
    assert!(never.stdout.contains("infeasible") && never.stdout.contains("≥ 1.5 ✗"), "{}", never.stdout);
    assert!(!desk.path("never").exists(), "an adapter that breaks the constraints is not what was asked for");
    assert!(never.stdout.contains("no adapter is written; `moa merge mini --at "), "{}", never.stdout);
    // Two points against each other.
    let text = moa("front mini --between aesthetics,safety").success();
    assert!(text.contains("better") && text.contains("on the same prompts and noise"), "{text}");
    moa("front mini mini --between aesthetics,safety").refusal(2, &["--between shows one experiment"]);
    moa("front mini --between aesthetics").refusal(2, &["--between takes two points"]);
    moa("front mini --between aesthetics,saftey").refusal(2, &["no point `saftey`", "did you mean `safety`"]);
    // Gains over the base are objectives of their own.
    let text = moa("merge mini --where safety>=base-1 --nearest safety=base+0.01 --budget 1 -o gain").success();
    assert!(text.contains("≥ base-1 ✓"), "{text}");

    for (arguments, words) in [
        ("merge mini", &["there is no goal", "--maximize"][..]),
        ("merge mini --at safety=0.5", &["sum to 0.5"]),
        ("merge mini --at safety=1.5,aesthetics=-0.5", &["share of safety is 1.5", "--extrapolate"]),
        ("merge mini --at saftey=1", &["no adapter `saftey`", "did you mean `safety`"]),
        ("merge mini --where beauty>=1 --maximize safety", &["no reward `beauty`", "aesthetics, safety"]),
        ("merge mini --where safety=1 --maximize safety", &["not a constraint", "NAME>=VALUE"]),
        ("merge mini --where safety>=base*2 --maximize safety", &["not a constraint", "safety>=base+0.02"]),
        (
            "merge mini --where safety>=base+0.1 --where safety<=base-0.1 --maximize safety",
            &["the gain of safety over the base", "at least 0.1 and at most -0.1"],
        ),
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
    moa("merge nowhere --at safety=1").refusal(1, &["there are no results of a sweep"]);
    fs::write(desk.path("mini/runs/safety/adapter.safetensors"), [7; 100]).unwrap();
    moa("merge mini --at safety=1").refusal(1, &["runs/safety/adapter.safetensors"]);
}

#[test]
fn adapters_are_merged_outside_of_experiments() {
    let desk = swept();
    let moa = |arguments: &str| desk.moa(arguments.split_whitespace());
    let bytes = |path: &str| fs::read(desk.path(path)).unwrap();

    // Folders and files, equal shares or given ones: the same adapter as out of the experiment.
    moa("merge mini --at safety=0.5,aesthetics=0.5 --unmeasured -o half").success();
    let text = moa("merge --adapters mini/runs/safety mini/runs/aesthetics/adapter.safetensors -o loose").success();
    for words in ["0.500  mini/runs/safety", "base emoji-32", "adapter   loose"] {
        assert!(text.contains(words), "`{words}` is not in:\n{text}");
    }
    let hash = |path: &str| {
        let text = moa(&format!("show {path}")).success();
        text.lines().find(|line| line.starts_with("SHA-256")).unwrap().to_owned()
    };
    assert_eq!(hash("loose"), hash("half"));
    assert_eq!(bytes("loose/adapter_config.json"), bytes("half/adapter_config.json"));

    // They say where they come from, and what their ingredients say of that.
    let text = moa("show loose half mini/runs/safety").success();
    for words in ["merged by mean, moa", "merged by mean in the experiment `mini", "0.500  safety", "run `safety` of"] {
        assert!(text.contains(words), "`{words}` is not in:\n{text}");
    }
    let text = moa("show mini/runs/safety --settings").success();
    assert!(text.contains("fingerprint") && text.contains("  seed = "), "{text}");

    // Other formats, brought back to a rank; of a model that moa does not know.
    moa("convert mini/runs/safety --to kohya -o kohya").success();
    let shares = "kohya/lora.safetensors=0.25 loose=0.75";
    moa(&format!("merge --adapters {shares} --method svd --rank 3 --base sd15 --format diffusers -o rank3")).success();
    moa("convert rank3 --to peft -o as-peft").success();
    let config = String::from_utf8(bytes("as-peft/adapter_config.json")).unwrap();
    assert!(config.contains("\"r\": 3"), "{config}");
    let text = moa("merge --adapters mini/runs/safety=1 mini/runs/aesthetics=1 -o both").success();
    assert!(text.contains("1.000  mini/runs/safety") && text.contains("alpha"), "{text}");
    moa("merge --adapters both=1 mini/runs/aesthetics=-1 -o less").success();
    // One less the other is what is left, up to rounding: taken away from itself it is nothing.
    moa("merge --adapters less=1 mini/runs/safety=-1 --block \"*=1\" -o nothing".replace('"', "").as_str()).success();
    moa("merge --adapters rank3=0.5 --base sd15 -o weaker").success();
    moa("merge --adapters loose=1 kohya/lora.safetensors=1 --block 2:up_blocks.*=0.5 --block *.attn1.*=0 -o by-block")
        .success();
    let text = moa("show by-block").success();
    assert!(text.contains("up_blocks.*"), "{text}");

    let safety = desk.path("mini/runs/safety");
    let elsewhere = fs::read_to_string(safety.join("adapter_config.json")).unwrap().replace("emoji-32", "sd15");
    desk.write("other/adapter_config.json", elsewhere.clone());
    desk.write("other/adapter.safetensors", fs::read(safety.join("adapter.safetensors")).unwrap());
    desk.write("dora/adapter_config.json", elsewhere.replace("\"use_dora\": false", "\"use_dora\": true"));
    desk.write("dora/adapter.safetensors", fs::read(safety.join("adapter.safetensors")).unwrap());
    desk.write("cut.safetensors", &bytes("kohya/lora.safetensors")[..2000]);
    for (arguments, words) in [
        ("merge --adapters mini/runs/safety other -o x", &["is for emoji-32", "for sd15", "--base NAME"][..]),
        ("merge --adapters dora -o x", &["dora/adapter.safetensors", "DoRA"]),
        ("merge --adapters cut.safetensors -o x", &["cut.safetensors", "truncated"]),
        ("merge --adapters nowhere -o x", &["nowhere", "there is no adapter"]),
        ("merge --adapters mini/runs/safety=1e9 loose=0.6 -o x", &["weight of mini/runs/safety is 1000000000"]),
        ("merge --adapters mini/runs/safety=0.5 loose -o x", &["loose has no weight"]),
        ("merge --adapters loose=0 -o x", &["nothing is left"]),
        ("merge --adapters loose=1 --block up_blocks.*=x -o x", &["--block \"up_blocks.*=x\"", "the factor is \"x\""]),
        ("merge --adapters loose=1 --block text_encoder*=0 -o x", &["matches no layer", "moa inspect"]),
        ("merge --adapters loose=1 --alpha 4 -o x", &["the files say what their alpha is"]),
        ("merge --adapters loose=-1 kohya/lora.safetensors=2 --method ties -o x", &["can extrapolate"]),
        ("merge --adapters loose --rank 3 -o x", &["rank is 3", "ends in an SVD"]),
        ("merge --adapters loose", &["where does the merged adapter go?", "-o DIR"]),
        ("merge mini --adapters loose -o x", &["cannot be used with"]),
    ] {
        let outcome = moa(arguments);
        assert_ne!(outcome.code, Some(0), "{arguments}");
        for word in words {
            assert!(outcome.stderr.contains(word), "{arguments}: `{word}` is not in:\n{}", outcome.stderr);
        }
    }
    assert!(!desk.path("x").exists(), "what is refused leaves nothing");
}

#[test]
fn what_is_measured_joins_the_experiment_and_two_merges_never_share_a_place() {
    let desk = swept();
    let moa = |arguments: &str| desk.moa(arguments.split_whitespace());
    let bytes = |path: &str| fs::read(desk.path(path)).unwrap();
    let soup = "soup-aesthetics60-safety40";
    let text = moa("merge mini --at aesthetics=0.6,safety=0.4").success();
    assert!(text.contains(&format!("added     {soup}")) && text.contains(&format!("mini/merged/{soup}\n")), "{text}");
    let text = moa("front mini").success();
    assert!(text.contains(&format!("{soup} (added)")), "{text}");
    assert!(moa("front mini --json").success().contains("\"added\": true"));
    let table = moa("export mini --what evaluations --format csv").success();
    assert!(table.contains(&format!("\n{soup},soup,")) && table.contains(",true\n"), "{table}");

    // The same again: not measured, not written, and said.
    let before = bytes(&format!("mini/merged/{soup}/adapter_model.safetensors"));
    let text = moa("merge mini --at aesthetics=0.6,safety=0.4").success();
    assert!(text.contains(&format!("known     {soup}: measured before")) && text.contains("(unchanged)"), "{text}");
    assert!(!text.contains("measured in"), "{text}");

    // Merged otherwise at the same shares: another name, another place, another point.
    let ties = format!("{soup}-ties-d0.3");
    let text = moa("merge mini --at safety=0.4,aesthetics=0.6 --method ties --density 0.3").success();
    assert!(text.contains(&format!("added     {ties}")) && text.contains(&format!("mini/merged/{ties}\n")), "{text}");
    assert_eq!(bytes(&format!("mini/merged/{soup}/adapter_model.safetensors")), before);
    let text = moa(&format!("show mini/merged/{ties}")).success();
    assert!(text.contains("merged by ties, density 0.3") && text.contains("0.600  aesthetics"), "{text}");

    // A place that is taken: refused with the choice, replaced where asked for, with the images that are its own.
    moa("merge mini --at aesthetics=0.6,safety=0.4 -o mine").success();
    let images = bytes("mine/pictures.png");
    let refused = moa("merge mini --at aesthetics=0.25,safety=0.75 -o mine");
    refused.refusal(2, &["mine/adapter_model.safetensors is another adapter", "--force"]);
    assert!(refused.stdout.contains("added     soup-aesthetics25-safety75"), "what was measured is not lost");
    assert_eq!((bytes("mine/adapter_model.safetensors"), bytes("mine/pictures.png")), (before, images.clone()));
    let text = moa("merge mini --at aesthetics=0.25,safety=0.75 -o mine --force").success();
    assert!(text.contains("mine (in place of another adapter)"), "{text}");
    assert_ne!(bytes("mine/pictures.png"), images);
    moa("merge mini --at aesthetics=0.6,safety=0.4 -o mine --unmeasured --format kohya --force").success();
    for gone in ["pictures.png", "adapter_model.safetensors", "adapter_config.json"] {
        assert!(!desk.path("mine").join(gone).exists(), "{gone} belongs to the other adapter");
    }
    moa("convert mini/runs/safety --to peft -o mine")
        .refusal(2, &["mine/lora.safetensors is another adapter", "--force"]);
    moa("convert mini/runs/safety --to peft -o mine --force").success();
    moa("merge --adapters mini/runs/aesthetics -o mine").refusal(2, &["--force"]);

    // The next sweep goes on, and draws them.
    moa("gather mini --quiet").success();
    let text = moa("front mini").success();
    assert!(text.contains(&format!("{ties} (added)")) && text.contains("soup-aesthetics25-safety75 (added)"), "{text}");
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
