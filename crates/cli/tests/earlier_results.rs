//! Results that an earlier version of moa made: every command that needs more than it can read says so, and touches nothing.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use support::{Desk, copy, shipped};

/// The training of experiments before methods had a field.
const EARLIER: &str = "training: (epochs: 2, prompts_per_epoch: 2, pictures_per_prompt: 2, train_steps: 1, trained_share: 1.0, \
                       updates_per_epoch: 1, clip: 0.0001, kl: 0.0, advantage_clip: 5.0, micro_batch: 8),\n    ";

/// Every file below a folder, with its bytes.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            found.extend(files(&entry));
        } else {
            found.insert(entry.clone(), fs::read(&entry).unwrap());
        }
    }
    found
}

#[test]
fn results_of_an_earlier_version_are_named_as_such_and_stay_as_they_are() {
    let desk = Desk::new();
    let experiment = shipped("miniature.ron");
    let sweep = ["sweep", experiment.to_str().unwrap(), "--quiet", "--out"];
    let into = |folder: &str| desk.moa(sweep.iter().copied().chain([folder]));
    into("now").success();

    copy(&desk.path("now"), &desk.path("earlier"));
    let kept = fs::read_to_string(desk.path("now/experiment.ron")).unwrap();
    let (before, rest) = kept.split_once("training: (").unwrap();
    let evaluation = rest.find("evaluation: (").unwrap();
    desk.write("earlier/experiment.ron", format!("{before}{EARLIER}{}", &rest[evaluation..]));
    // All runs had one checkpoint, and none had a log.
    for run in fs::read_dir(desk.path("earlier/runs")).unwrap().map(|entry| entry.unwrap().path()) {
        fs::remove_file(run.join("log.jsonl")).unwrap();
        let _ = fs::remove_file(run.join("checkpoint.bin"));
    }
    desk.write("earlier/checkpoint/trainer.bin", "moa-ckp");
    let whole = files(&desk.path("earlier"));
    let words = ["earlier/experiment.ron:", "training.train_steps", "earlier versions of moa", "receipt.json", "--out"];
    let named = |stderr: &str, command: &str| {
        let message = stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        for word in words {
            assert!(message.contains(word), "{command}: `{word}` is not in:\n{stderr}");
        }
        assert_eq!(message.matches("error:").count(), 1, "{command}: {stderr}");
        assert!(!message.contains("remove the folder"), "{command}: {stderr}");
    };
    for command in ["front earlier", "merge earlier --where safety>=0 --maximize aesthetics -o merged"] {
        let outcome = desk.moa(command.split_whitespace());
        assert_eq!(outcome.code, Some(1), "{command}: {}", outcome.stderr);
        named(&outcome.stderr, command);
    }
    assert!(!desk.path("merged").exists());
    into("earlier").refusal(1, &["earlier", "an earlier version of moa trained its runs", "moa front", "--out"]);
    assert_eq!(files(&desk.path("earlier")), whole);

    // What needs metrics or adapters alone still reads them.
    desk.moa(["export", "earlier", "-o", "earlier.csv"]).success();
    desk.moa(["sample", "earlier", "--prompt", "cat", "--count", "1", "--steps", "1", "-o", "one.png"]).success();

    // The file itself, run as an experiment: where the field went.
    desk.moa(["check", "earlier/experiment.ron"])
        .refusal(2, &["training.pictures_per_prompt", "write images_per_prompt: …"]);
    let kept = fs::read_to_string(desk.path("earlier/experiment.ron")).unwrap();
    desk.write("renamed.ron", kept.replace("pictures_per_prompt", "images_per_prompt"));
    desk.moa(["check", "renamed.ron"]).refusal(2, &["training.train_steps", "method: PolicyGradient(train_steps: …)"]);
}
