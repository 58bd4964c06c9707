//! `moa list`, `note`, `tag` and `remove`: results as files that are looked after.

mod support;

use std::fs;
use std::process::Child;
use std::time::{Duration, Instant};

use serde_json::Value;
use support::{Desk, copy, shipped};

/// Returns a desk with a finished sweep in results/mini.
fn desk() -> Desk {
    let desk = Desk::new();
    fs::copy(shipped("miniature.ron"), desk.path("mini.ron")).unwrap();
    desk.moa(["sweep", "mini.ron", "-q", "--set", "training.epochs=1"]).success();
    desk
}

fn listed(desk: &Desk) -> Vec<Value> {
    serde_json::from_str(&desk.moa(["list", "--json"]).success()).unwrap()
}

#[test]
fn experiments_are_listed_noted_tagged_and_removed() {
    let desk = desk();
    copy(&desk.path("results/mini"), &desk.path("results/folder/inner"));
    desk.write("results/damaged/experiment.ron", "(rewards: [(kind: Saftey)])");
    let all = listed(&desk);
    let find = |name: &str| all.iter().find(|entry| entry["name"] == name).unwrap_or_else(|| panic!("{name}: {all:?}"));
    let mini = find("mini");
    assert_eq!((&mini["state"], &mini["evaluated"], &mini["expected"]), (&"complete".into(), &3.into(), &3.into()));
    assert!(mini["hypervolume"].is_number() && mini["front"].is_number() && mini["bytes"].as_u64().unwrap() > 10_000);
    assert_eq!(find("folder/inner")["state"], "complete");
    assert_eq!(find("damaged")["state"], "damaged");
    assert!(find("damaged")["reason"].as_str().unwrap().contains("Saftey"));

    desk.moa(["note", "mini.ron", "  with \"few\" prompts ", "-q"]).success();
    desk.moa(["note", "results/mini", "second", "-q"]).success();
    assert_eq!(desk.moa(["tag", "mini", "paper", "draft", "paper"]).success(), "draft\npaper\n");
    desk.moa(["tag", "mini", "two words"]).refusal(2, &["two words", "one word"]);
    desk.moa(["tag", "mini", "--remove", "none"]).refusal(2, &["no tag `none`", "draft, paper"]);
    desk.moa(["tag", "mini", "--remove", "draft"]).success();
    desk.moa(["note", "mini", "--remove", "3"]).refusal(2, &["--remove is 3", "2 notes"]);
    desk.moa(["note", "mini", "--remove", "2", "-q"]).success();
    let front = desk.moa(["front", "results/mini"]).success();
    assert!(front.starts_with("tags      paper\nnote      with \"few\" prompts ("), "{front}");
    let tagged = desk.moa(["list", "--tag", "paper"]).success();
    assert!(tagged.contains("mini") && !tagged.contains("inner"), "{tagged}");

    // Remarks survive a resumed sweep and a repair.
    desk.moa(["repair", "results/mini", "-q"]).success();
    assert!(desk.moa(["note", "mini"]).success().contains("with \"few\" prompts"));

    desk.moa(["remove", "results/mini"]).refusal(2, &["--yes"]);
    let dry = desk.moa(["remove", "mini.ron", "--dry-run"]).success();
    assert!(dry.contains("results/mini") && desk.path("results/mini").is_dir());
    desk.moa(["remove", "mini.ron", "--yes", "-q"]).success();
    assert!(!desk.path("results/mini").exists() && desk.path("results/folder/inner/front.csv").is_file());
    let left: Vec<_> = fs::read_dir(desk.path("results")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "nothing half removed stays: {left:?}");
    desk.moa(["remove", "mini.ron", "--yes"]).refusal(1, &["mini.ron has no results yet", "results/mini"]);
}

#[test]
fn a_run_is_removed_with_its_line_in_the_front_and_trained_again_by_the_next_sweep() {
    let desk = desk();
    let adapter = desk.path("results/mini/runs/safety/adapter.safetensors");
    let before = fs::read(&adapter).unwrap();
    desk.moa(["remove", "results/mini", "saftey", "--yes"]).refusal(2, &["did you mean `safety`?"]);
    desk.moa(["remove", "results/mini", "base", "--yes"]).refusal(2, &["base"]);
    let said = desk.moa(["remove", "results/mini", "safety", "--yes"]);
    assert!(said.stderr.contains("`moa repair results/mini`"), "{}", said.stderr);
    said.success();
    assert!(!desk.path("results/mini/runs/safety").exists());
    let front = desk.moa(["front", "results/mini", "--csv"]).success();
    assert!(!front.contains("\nsafety,") && front.contains("\naesthetics,"), "{front}");
    assert!(!desk.moa(["export", "results/mini"]).success().contains("safety,"));
    assert_eq!((&listed(&desk)[0]["state"], &listed(&desk)[0]["evaluated"]), (&"stopped".into(), &2.into()));
    desk.moa(["sweep", "mini.ron", "-q", "--set", "training.epochs=1"]).success();
    assert!(fs::read(&adapter).unwrap() == before, "the same run is trained again");
}

#[cfg(unix)]
#[test]
fn links_are_removed_and_what_they_lead_to_stays() {
    let desk = desk();
    desk.write("elsewhere/mine.txt", "mine");
    std::os::unix::fs::symlink(desk.path("elsewhere"), desk.path("results/mini/plots/link")).unwrap();
    std::os::unix::fs::symlink(desk.path("results/mini"), desk.path("linked")).unwrap();
    desk.moa(["remove", "linked", "--yes"]).refusal(2, &["linked is a link"]);
    desk.moa(["remove", "results/mini", "--yes", "-q"]).success();
    assert!(!desk.path("results/mini").exists());
    assert_eq!(fs::read_to_string(desk.path("elsewhere/mine.txt")).unwrap(), "mine");
}

/// Ends a process whatever becomes of the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn nothing_is_removed_while_a_sweep_works_on_it() {
    let desk = desk();
    let sweep = Running(desk.start(["sweep", "mini.ron", "-q", "--set", "training.epochs=100000"]));
    let began = Instant::now();
    while !desk.path("results/mini/live.jsonl").exists() {
        assert!(began.elapsed() < Duration::from_mins(1), "the sweep does not begin");
        std::thread::sleep(Duration::from_millis(50));
    }
    for names in [&[][..], &["safety"]] {
        let arguments: Vec<&str> = ["remove", "results/mini", "--yes"].iter().chain(names).copied().collect();
        let refused = desk.moa(&arguments);
        assert_eq!(refused.code, Some(1), "{}", refused.stderr);
        assert!(
            refused.stderr.contains("another moa uses it") || refused.stderr.contains("process"),
            "{}",
            refused.stderr
        );
    }
    assert_eq!(listed(&desk)[0]["state"], "running");
    drop(sweep);
    assert!(desk.path("results/mini/runs/safety").is_dir());
}
