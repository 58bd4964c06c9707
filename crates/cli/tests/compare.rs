//! `moa compare` on sweeps of the smallest experiment.

mod support;

use std::fs;

use serde_json::Value;
use support::{Desk, copy, shipped};

/// The smallest experiment with another seed and method.
fn experiment(desk: &Desk, name: &str, seed: u32, method: &str) {
    let text = fs::read_to_string(shipped("miniature.ron")).unwrap();
    let text = text.replacen('(', &format!("(\n    seed: {seed},"), 1);
    let changed = text.replace("PolicyGradient(train_steps: 1)", method);
    desk.write(&format!("{name}.ron"), changed);
    desk.moa(["sweep", &format!("{name}.ron"), "--quiet", "--out", &format!("results/{name}")]).success();
}

#[test]
fn seeds_are_one_row_and_methods_are_compared_in_every_format() {
    let desk = Desk::new();
    experiment(&desk, "ddpo-seed1", 1, "PolicyGradient(train_steps: 1)");
    experiment(&desk, "ddpo-seed2", 2, "PolicyGradient(train_steps: 1)");
    experiment(&desk, "twice", 1, "PolicyGradient(train_steps: 2)");
    let folders = ["results/ddpo-seed1", "results/ddpo-seed2", "results/twice"];
    let compare = |more: &[&str]| desk.moa(["compare"].iter().chain(&folders).chain(more));

    let outcome = compare(&["--baseline", "twice", "--plot", "fronts.svg"]);
    assert!(outcome.stderr.contains("wrote fronts.svg"), "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("warning: the number of seeds differs: 2 in ddpo; 1 in twice"),
        "{}",
        outcome.stderr
    );
    let table = outcome.success();
    for words in ["ddpo   ", "twice  ", "PolicyGradient", "over twice", "own gain: safety", "2 prompts: too few"] {
        assert!(table.contains(words), "`{words}` is not in:\n{table}");
    }
    let svg = fs::read_to_string(desk.path("fronts.svg")).unwrap();
    assert!(svg.contains("ddpo") && svg.contains("twice") && svg.contains("aesthetics"));

    let json: Value = serde_json::from_str(&compare(&["--format", "json"]).success()).unwrap();
    let experiments = json["experiments"].as_array().unwrap();
    assert_eq!((experiments.len(), &experiments[0]["name"]), (2, &Value::from("ddpo")));
    assert_eq!(experiments[0]["seeds"], serde_json::json!([1, 2]));
    // Two prompts of two images, two epochs; the passes of twice as many trained steps.
    assert_eq!(experiments[0]["images"]["mean"], 8.0);
    let passes = |place: usize| experiments[place]["passes"]["mean"].as_f64().unwrap();
    assert!(passes(1) > passes(0) && passes(0) > 0.0, "{} and {}", passes(0), passes(1));
    assert!(experiments[0]["distance_to_base"]["mean"].as_f64().unwrap() > 0.0);
    if cfg!(target_os = "linux") {
        assert!(experiments[0]["peak_memory_bytes"]["mean"].as_f64().unwrap() > 1e7);
    }
    assert_eq!(json["pairs"].as_array().unwrap().len(), 1);

    let csv = compare(&["--format", "csv", "--what", "points"]).success();
    let points: Vec<&str> = csv.lines().skip(1).map(|line| line.rsplitn(2, ',').last().unwrap()).collect();
    assert!(points.iter().any(|line| line.starts_with("ddpo,safety,trained,2,")), "{csv}");
    let markdown = compare(&["--format", "markdown", "-o", "table.md"]).success();
    assert_eq!(markdown, "");
    let markdown = fs::read_to_string(desk.path("table.md")).unwrap();
    assert!(markdown.contains("| experiment | method | seeds | hypervolume |") && markdown.contains("| ddpo |"));

    // Results of a version that kept neither distances nor memory: unknown, and no less readable.
    fs::remove_file(desk.path("results/twice/timings.csv")).unwrap();
    let json: Value = serde_json::from_str(&compare(&["--format", "json"]).success()).unwrap();
    assert_eq!(json["experiments"][1]["peak_memory_bytes"], Value::Null);
    assert_eq!(json["experiments"][1]["images"]["mean"], 8.0, "those of the plan");

    refusals(&desk);
}

/// What cannot be compared, over the same results.
fn refusals(desk: &Desk) {
    let compare = |folders: &[&str]| desk.moa(["compare"].iter().chain(folders));
    let (one, twice) = ("results/ddpo-seed1", "results/twice");
    compare(&[one]).refusal(2, &[one, "two or more", "moa front"]);
    compare(&[one, twice, "results/../results/twice"])
        .refusal(2, &["are the same folder", "name each results folder once"]);
    compare(&[one, "results/none"]).refusal(1, &["results/none", "there are no results of a sweep"]);
    compare(&[one, twice, "--baseline", "ddpo"]).refusal(2, &["`ddpo`", "ddpo-seed1"]);
    compare(&[one, twice, "--plot", "fronts.gif"]).refusal(1, &["fronts.gif"]);

    copy(&desk.path(one), &desk.path("results/copy"));
    compare(&[one, "results/copy"]).refusal(1, &["ddpo-seed1", "results/copy", "`seed: 1`", "leave one of them out"]);

    let kept = fs::read_to_string(desk.path("results/copy/experiment.ron")).unwrap();
    desk.write(
        "results/copy/experiment.ron",
        kept.replace("a dog on a green background", "a dog on a blue background"),
    );
    compare(&[one, "results/copy"]).refusal(
        1,
        &["experiment.ron, prompts.held_out[0]", "`a dog on a green background`", "`a dog on a blue background`"],
    );
    desk.write("results/copy/experiment.ron", kept.replace("base: \"emoji-32\"", "base: \"models/other\""));
    let receipt = fs::read_to_string(desk.path("results/copy/receipt.json")).unwrap();
    desk.write("results/copy/receipt.json", receipt.replace("\"base\": \"", "\"base\": \"0"));
    compare(&[one, "results/copy"]).refusal(1, &["experiment.ron, base", "`emoji-32`", "models/other`"]);
}

#[test]
fn sweeps_that_are_not_complete_are_refused_or_left_out() {
    let desk = Desk::new();
    experiment(&desk, "a", 1, "PolicyGradient(train_steps: 1)");
    experiment(&desk, "b", 1, "PolicyGradient(train_steps: 2)");
    experiment(&desk, "c", 1, "Nft()");
    let kept = fs::read_to_string(desk.path("results/c/experiment.ron")).unwrap();
    // As if a third adapter were still to be trained.
    desk.write("results/c/experiment.ron", kept.replace("Corners,", "Corners, Centre,"));
    let folders = ["compare", "results/a", "results/b", "results/c"];
    desk.moa(folders).refusal(1, &["results/c", "2 of 3 adapters", "--skip-incomplete"]);
    let outcome = desk.moa(folders.iter().copied().chain(["--skip-incomplete"]));
    assert!(outcome.stderr.contains("results/c is left out"), "{}", outcome.stderr);
    assert!(!outcome.success().contains("Nft"));
    desk.moa(["compare", "results/a", "results/c", "--skip-incomplete"]).refusal(1, &["fewer than two", "results/a"]);
}
