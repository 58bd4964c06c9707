//! Online training through the real binary: prompts that arrive, versions, and the way back.

mod support;

use std::fs;
use std::time::{Duration, Instant};

use serde_json::Value;
use support::{Desk, shipped};

fn experiment(online: &str) -> String {
    let text = fs::read_to_string(shipped("miniature.ron")).unwrap();
    let changed = text.replace("epochs: 2", "epochs: 4").replace(
        "    weightings: [Corners],\n",
        &format!("    weightings: [Corners],\n    soups: [],\n    online: {online},\n"),
    );
    assert!(changed.contains("online") && changed.contains("epochs: 4"));
    changed
}

#[test]
fn prompts_arrive_versions_are_made_and_taken_back() {
    let desk = Desk::new();
    desk.write("online.ron", experiment("(inbox: \"inbox.jsonl\", every: 2)"));
    desk.write("inbox.jsonl", "{\"prompt\": \"a mushroom on a blue background\"}\na frog on a red background\n{}\n");
    desk.moa(["check", "online.ron"]).success();
    let swept = desk.moa(["sweep", "online.ron", "--out", "out"]);
    assert!(swept.stderr.contains("after epoch 0: 2 new prompts arrived, 1 line was refused"), "{}", swept.stderr);
    assert!(swept.stderr.contains("version 2 of safety is released"), "{}", swept.stderr);
    swept.success();
    let history = desk.moa(["history", "out"]).success();
    assert!(history.contains("2 prompts arrived") && history.contains("superseded"), "{history}");
    let json: Value = serde_json::from_str(&desk.moa(["history", "out", "safety", "--json"]).success()).unwrap();
    let states: Vec<&str> = json["versions"].as_array().unwrap().iter().map(|v| v["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["superseded", "released"]);
    // What is released is an adapter like any other.
    desk.moa(["show", "out/released/safety"]).success();

    let front = desk.moa(["front", "out"]).success();
    let back = desk.moa(["rollback", "out"]);
    assert!(back.stderr.contains("safety: version 1 is released again"), "{}", back.stderr);
    assert!(back.stderr.contains("0 prompts that arrived since are set aside"), "{}", back.stderr);
    back.success();
    let undone = desk.moa(["front", "out"]);
    assert_ne!(undone.stdout, front, "adapters that were taken back are not shown as evaluated");
    desk.moa(["sweep", "online.ron", "--out", "out"]).success();
    assert_eq!(desk.moa(["front", "out"]).success(), front, "on the same prompts the same is trained again");
    let history = desk.moa(["history", "out"]).success();
    assert!(history.contains("withdrawn"), "{history}");
    desk.moa(["rollback", "out", "--to", "7"]).refusal(1, &["no version 7", "1, 2, 3"]);
    desk.moa(["rollback", "out", "beauty", "--release-only"]).refusal(2, &["beauty", "aesthetics"]);
}

#[test]
fn training_waits_for_prompts_where_it_is_told_to() {
    let desk = Desk::new();
    desk.write("online.ron", experiment("(inbox: \"inbox.jsonl\", every: 2, waits_for: 1)"));
    let child = desk.start(["sweep", "online.ron", "--out", "out", "--log", "log.jsonl"]);
    let began = Instant::now();
    let waited = || fs::read_to_string(desk.path("log.jsonl")).map_or(0, |text| text.matches("Waiting").count());
    for (look, prompt) in ["a mushroom on a blue background\n", "a frog on a red background\n"].iter().enumerate() {
        while waited() <= look && began.elapsed() < Duration::from_mins(4) {
            std::thread::sleep(Duration::from_millis(20));
        }
        let mut text = fs::read_to_string(desk.path("inbox.jsonl")).unwrap_or_default();
        text.push_str(prompt);
        desk.write("inbox.jsonl", text);
    }
    let swept = support::Outcome::of(child.wait_with_output().unwrap());
    assert!(swept.stderr.contains("waiting for prompts, 0 of 1 have arrived"), "{}", swept.stderr);
    swept.success();
    assert_eq!(waited(), 2);
    let arrivals = fs::read_to_string(desk.path("out/arrivals.jsonl")).unwrap();
    assert_eq!(arrivals.lines().count(), 3, "nothing is waited for at the end");
}

#[test]
fn mistakes_are_named() {
    let desk = Desk::new();
    for (online, words) in [
        ("(every: 2)", vec!["online.inbox is missing"]),
        ("(inbox: 3, every: 2)", vec!["online.inbox is 3"]),
        ("(inbox: \"a\", every: 3)", vec!["online.every is 3", "epochs is 4"]),
        ("(inbox: \"a\", every: 2, share: 2)", vec!["online.share is 2"]),
        ("(inbox: \"a\", every: 2, on_alarm: Panic)", vec!["Panic", "Warn, Hold, Stop"]),
    ] {
        desk.write("online.ron", experiment(online));
        desk.moa(["check", "online.ron"]).refusal(2, &words);
    }
    desk.write("online.ron", experiment("(inbox: \".\", every: 2)"));
    desk.moa(["sweep", "online.ron", "--out", "out"]).refusal(1, &["it is no file"]);
    assert!(!desk.path("out").exists(), "nothing is begun");
    let text = fs::read_to_string(shipped("miniature.ron")).unwrap();
    desk.write("plain.ron", text);
    desk.moa(["sweep", "plain.ron", "--out", "plain"]).success();
    desk.moa(["history", "plain"]).refusal(1, &["nothing of it is trained online", "online: (inbox"]);
    desk.moa(["rollback", "plain"]).refusal(1, &["nothing of it is trained online"]);
    desk.moa(["history", "nowhere"]).refusal(1, &["nowhere"]);
}
