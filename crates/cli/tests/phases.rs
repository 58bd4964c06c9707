//! An experiment in phases through the real binary: swept, stopped, shown, and refused where one front is wanted.

mod support;

use std::fs;

use serde_json::Value;
use support::{Desk, shipped};

/// The miniature experiment in two phases of two epochs, with one adapter.
fn experiment() -> String {
    let text = fs::read_to_string(shipped("miniature.ron")).unwrap();
    let phased = text.replace("epochs: 2", "epochs: 4").replace(
        "    weightings: [Corners],\n",
        "    weightings: [List([{\"safety\": 1}])],
    soups: [],
    phases: [
        (name: \"norms\", until: 2, rewards: [(name: \"norms\", kind: Avoid(objects: [\"apple\"]))], weightings: [Corners]),
        (name: \"old\"),
    ],
    continual: (replay: 0.5, average: 0.25),\n",
    );
    assert!(phased.contains("phases") && phased.contains("epochs: 4"));
    phased
}

#[test]
fn phases_are_swept_one_after_the_other_and_say_what_is_kept() {
    let desk = Desk::new();
    desk.write("phased.ron", experiment());
    let checked: Value = serde_json::from_str(&desk.moa(["check", "phased.ron", "--json"]).success()).unwrap();
    assert_eq!(checked["phases"].as_array().map(Vec::len), Some(2));
    assert_eq!(checked["phases"][1]["plan"]["epochs"], 2);
    let plan = desk.moa(["check", "phased.ron"]).success();
    assert!(plan.contains("phase 1 of 2, norms: ") && plan.contains("phase 2 of 2, old: "), "{plan}");
    assert!(plan.contains("results/phased/phases/2-old"), "{plan}");

    let swept = desk.moa(["sweep", "phased.ron", "--out", "out"]).success();
    assert!(swept.contains("norms in norms") && swept.contains("after old") && swept.contains("forgotten"), "{swept}");
    for file in [
        "experiment.ron",
        "receipt.json",
        "phases.json",
        "phases.csv",
        "plots/phases.svg",
        "plots/phases.png",
        "phases/1-norms/runs/norms/adapter.safetensors",
        "phases/1-norms/across/2-old/safety/evaluation.json",
        "phases/2-old/across/1-norms/norms/scores.jsonl",
        "phases/2-old/plots/pictures.png",
    ] {
        assert!(desk.path("out").join(file).is_file(), "{file} is missing");
    }
    assert_eq!(desk.moa(["front", "out"]).success(), swept, "the same as was printed");
    let json: Value = serde_json::from_str(&desk.moa(["front", "out", "--json"]).success()).unwrap();
    assert_eq!(json["phases"], serde_json::json!(["norms", "old"]));
    let columns = json["runs"][0]["columns"].as_array().unwrap();
    assert_eq!(columns.len(), 3, "one reward, then two");
    assert!(columns.iter().all(|column| column["gains"].as_array().unwrap().iter().all(Value::is_object)));
    assert_eq!(desk.moa(["front", "out", "--csv"]).success().lines().count(), 1 + 2 * 3);

    // Each phase has results like any other, and nothing is done twice.
    let front = desk.moa(["front", "out/phases/2-old"]).success();
    assert!(front.contains("safety") && front.contains("base"), "{front}");
    desk.moa([
        "sample",
        "out/phases/2-old/runs/safety",
        "--prompt",
        "a dog on a green background",
        "-n",
        "1",
        "--quiet",
    ])
    .success();
    let adapter = desk.path("out/phases/2-old/runs/safety/adapter.safetensors");
    let (bytes, modified) = (fs::read(&adapter).unwrap(), fs::metadata(&adapter).unwrap().modified().unwrap());
    assert_eq!(desk.moa(["sweep", "phased.ron", "--out", "out"]).success(), swept);
    assert_eq!((fs::read(&adapter).unwrap(), fs::metadata(&adapter).unwrap().modified().unwrap()), (bytes, modified));
    // The phase's own file says where it goes on from.
    desk.moa(["sweep", "out/phases/2-old/experiment.ron", "--out", "out/phases/2-old"]).success();
    let listed = desk.moa(["list", "."]).success();
    assert!(listed.contains("1-norms") && listed.contains("2-old"), "{listed}");
}

#[test]
fn what_is_about_one_front_names_the_phases() {
    let desk = Desk::new();
    desk.write("phased.ron", experiment());
    desk.moa(["sweep", "phased.ron", "--partition", "1/2"]).refusal(2, &["--partition does not sweep phases"]);
    desk.write("unknown.ron", experiment().replace("\"apple\"", "\"unicorn\""));
    desk.moa(["check", "unknown.ron"]).refusal(2, &["unicorn", "mushroom"]);
    desk.moa(["sweep", "phased.ron", "--out", "out", "--set", "training.epochs=3", "--set", "phases[0].until=1"])
        .success();
    let phases = ["out/phases/1-norms", "out/phases/2-old"];
    desk.moa(["front", "out", "--judges"]).refusal(2, &["--judges shows one front", phases[0], phases[1]]);
    desk.moa(["report", "out"]).refusal(1, &["of an experiment in phases", phases[0]]);
    desk.moa(["merge", "out", "--maximize", "safety"]).refusal(1, &["of an experiment in phases", phases[1]]);
}
