//! `moa explain` as a user types it.

mod support;

use std::fs;

use serde_json::Value;
use support::{Desk, shipped};

const EXPERIMENT: &str = r#"(
    rewards: [(kind: Safety), (kind: Contrast), (name: "small", kind: Compressibility())],
    prompts: (held_out: List(["a <b>cat</b>", "a knife on a red background", "a dog left of an apple on a blue background"])),
)"#;

#[test]
fn an_experiment_that_has_not_run_gets_cards_in_files_and_on_the_terminal() {
    let desk = Desk::new();
    fs::write(desk.path("mine.ron"), EXPERIMENT).unwrap();
    let outcome = desk.moa(["explain", "mine.ron", "--images", "6", "--maps", "2", "-o", "cards"]);
    for text in ["safety, over 6 images of 3 prompts by base", "edit ", "agrees with", "It does not read the prompt"] {
        assert!(outcome.stdout.contains(text), "{text}: {}", outcome.stdout);
    }
    outcome.success();
    let json: Value = serde_json::from_str(&fs::read_to_string(desk.path("cards/card.json")).unwrap()).unwrap();
    let cards = json["cards"].as_array().unwrap();
    assert_eq!(cards.len(), 3);
    assert_eq!(cards[2]["has_gradient"], false);
    let map = cards[0]["region"]["maps"][0]["map"].as_str().unwrap();
    assert!(fs::read(desk.path("cards").join(map)).unwrap().starts_with(b"\x89PNG"));

    // The page loads nothing, runs nothing, and shows prompts as texts.
    let html = fs::read_to_string(desk.path("cards/card.html")).unwrap();
    assert!(
        html.contains("default-src 'none'; img-src data:") && !html.contains("<script") && !html.contains("<b>cat")
    );
    assert!(html.contains("a &lt;b&gt;cat&lt;/b&gt;") && html.contains("data:image/png;base64,"));
    assert!(!html.contains("http://") && !html.contains("https://"));
}

#[test]
fn the_results_keep_the_cards_and_the_report_shows_them() {
    let desk = Desk::new();
    desk.moa(["sweep", shipped("miniature.ron").to_str().unwrap(), "--out", "results/mini", "--quiet"]).success();
    let first = "results/mini/runs/safety";
    let options = ["--images", "8", "--maps", "2", "--json", "--quiet", "--reward", "safety", "--adapter", first];
    let outcome = desk.moa(["explain", "results/mini"].into_iter().chain(options));
    let json: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!((json["drawn_by"].as_str(), json["cards"].as_array().map(Vec::len)), (Some("safety"), Some(1)));
    outcome.success();
    desk.moa(["report", "results/mini", "--soups", "0", "-o", "mini.html", "--quiet"]).success();
    let html = fs::read_to_string(desk.path("mini.html")).unwrap();
    assert!(html.contains("id=\"rewards\"") && html.contains("Rewards explained") && html.contains("Where it looks"));

    // Damaged cards are no reason for a report without them.
    fs::write(desk.path("results/mini/explain/card.json"), "{").unwrap();
    let outcome = desk.moa(["report", "results/mini", "--soups", "0", "-o", "mini.html"]);
    assert!(outcome.stderr.contains("card.json") && outcome.stderr.contains("moa explain"), "{}", outcome.stderr);
    outcome.failure();
}

#[test]
fn what_cannot_be_explained_is_one_clear_message() {
    let desk = Desk::new();
    fs::write(desk.path("mine.ron"), EXPERIMENT).unwrap();
    fs::write(desk.path("few.txt"), "a cat\n").unwrap();
    fs::create_dir(desk.path("empty")).unwrap();
    fs::write(desk.path("broken.jsonl"), "{\"version\": 1}\n").unwrap();
    for (arguments, wanted) in [
        (&["mine.ron", "--reward", "saftey"][..], &["no such reward", "did you mean `safety`?"][..]),
        (&["mine.ron", "--images", "0"], &["--images"]),
        (&["mine.ron", "--images", "9999999999"], &["--images"]),
        (&["mine.ron", "--concepts", "few.txt"], &["few.txt", "fewer than two phrases"]),
        (&["mine.ron", "--concepts", "absent.txt"], &["absent.txt"]),
        (&["mine.ron", "--pairs", "broken.jsonl"], &["broken.jsonl"]),
        (&["mine.ron", "--pairs", "absent.jsonl"], &["absent.jsonl"]),
        (&["mine.ron", "--adapter", "nowhere"], &["nowhere"]),
        (&["mine.ron", "-o", "few.txt"], &["few.txt: it is a file"]),
        (&["absent.ron"], &["absent.ron"]),
        (&["absent"], &["absent is not there"]),
        (&["empty"], &["empty holds no experiment's results"]),
    ] {
        let outcome = desk.moa(["explain"].iter().chain(arguments));
        for text in wanted {
            assert!(outcome.stderr.contains(text), "{arguments:?}: {}", outcome.stderr);
        }
        assert!(!outcome.stderr.contains("panicked"), "{}", outcome.stderr);
        outcome.failure();
    }
}
