//! `moa report` as a user types it.

mod support;

use std::fs;

use support::{Desk, copy, shipped};

/// Sweeps the smallest experiment with four images at the slider's ends and one between them.
fn swept() -> Desk {
    let desk = Desk::new();
    desk.moa(["sweep", shipped("miniature.ron").to_str().unwrap(), "--out", "results/mini", "--quiet"]).success();
    desk
}

#[test]
fn a_report_is_one_file_with_images_of_soups_that_no_sweep_drew() {
    let desk = swept();
    let outcome = desk.moa(["report", "results/mini", "-o", "mine/report.html"]);
    assert!(outcome.stderr.contains("mine/report.html") && outcome.stderr.contains("MB"), "{}", outcome.stderr);
    outcome.success();
    let html = fs::read_to_string(desk.path("mine/report.html")).unwrap();
    let json = html.split_once("id=\"data\">").unwrap().1.split_once("</script>").unwrap().0;
    let data: serde_json::Value = serde_json::from_str(json).unwrap();
    // Eleven steps from corner to corner, the corners' and the soup's own images among them.
    let drawn = data["mixtures"]["drawn"].as_array().unwrap();
    assert_eq!(drawn.len(), 11);
    assert_eq!((data["prompts"].as_array().unwrap().len(), data["noises"].as_u64()), (2, Some(2)));
    assert!(data["origin"]["experiment"].as_str().unwrap().contains("emoji-32"));

    // Without further soups no model is opened; the name follows the folder's.
    desk.moa(["report", "results/mini", "--soups", "0", "--quiet"]).success();
    let html = fs::read_to_string(desk.path("mini.html")).unwrap();
    let json = html.split_once("id=\"data\">").unwrap().1.split_once("</script>").unwrap().0;
    let data: serde_json::Value = serde_json::from_str(json).unwrap();
    let ids: Vec<&str> = data["points"].as_array().unwrap().iter().map(|point| point["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["base", "aesthetics", "safety"]);
    desk.moa(["report", "results/mini", "--soups", "2", "--images", "1", "--prompts", "1", "--quiet"]).success();

    // Part of the results: no adapter is trained to its end.
    copy(&desk.path("results/mini"), &desk.path("results/part"));
    for gone in ["runs/safety", "metrics.sled", "receipt.json"] {
        let path = desk.path("results/part").join(gone);
        if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
    }
    desk.moa(["report", "results/part"]).success();
}

#[test]
fn what_cannot_be_reported_is_said_in_one_message() {
    let desk = Desk::new();
    desk.moa(["report", "nowhere"]).refusal(2, &["nowhere", "not there", "moa sweep"]);
    let results = desk.write("results/new/experiment.ron", fs::read(shipped("miniature.ron")).unwrap());
    desk.moa(["report", results.parent().unwrap().to_str().unwrap(), "-o", "results"])
        .refusal(2, &["-o results", "folder"]);
    desk.write("results/new/runs/base/log.jsonl", "");
    desk.moa(["report", "results/new"]).refusal(1, &["results/new", "nothing is evaluated yet"]);
    assert!(!desk.path("new.html").exists());
}
