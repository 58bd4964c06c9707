//! Devices and precisions through the real binary: what is checked, what is refused, and what does not matter.

mod support;

use std::fs;

use serde_json::Value;
use support::{Desk, shipped};

/// The miniature experiment in a precision.
fn in_precision(precision: &str) -> String {
    let text = fs::read_to_string(shipped("miniature.ron")).unwrap();
    text.replacen("(\n", &format!("(\n    precision: {precision},\n"), 1)
}

#[test]
fn the_device_is_checked_against_the_cpu_and_says_so_as_json() {
    let lines = Desk::new().moa(["device", "--json"]).success();
    let checks: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(checks.len() > 30, "{lines}");
    for check in &checks {
        assert_eq!(check["ok"], true, "{check}");
        assert_eq!(check["precision"], "F32");
        assert!(check["relative_rms"].as_f64() <= check["bound"].as_f64(), "{check}");
    }
    assert!(checks.iter().any(|check| check["name"].as_str().is_some_and(|name| name.contains("gradient"))));
}

#[test]
fn what_a_device_lacks_is_refused_before_anything_is_done() {
    let desk = Desk::new();
    for precision in ["Tf32", "Bf16", "F16"] {
        desk.write("half.ron", in_precision(precision));
        let words = [&format!("precision {precision}") as &str, "`flex`", "only in F32", "libtorch:cuda:0"];
        for command in [&["sweep", "half.ron"][..], &["check", "half.ron"], &["device", "--precision", precision]] {
            desk.moa(command).refusal(2, &words);
        }
    }
    assert!(!desk.path("results").exists(), "nothing is written");
    desk.write("half.ron", in_precision("Bf8"));
    desk.moa(["check", "half.ron"]).refusal(2, &["half.ron:3:16", "Bf8", "F32, Tf32, Bf16"]);
    desk.write("half.ron", in_precision("16"));
    desk.moa(["check", "half.ron"]).refusal(2, &["half.ron:3:16", "give F32, Tf32, Bf16 or F16"]);
    desk.moa(["device", "--precision", "half"]).refusal(2, &["half", "F32, Tf32, Bf16 or F16"]);
    desk.moa(["check", "half.ron", "--reward-device", "gpu"]).refusal(2, &["gpu", "known devices are"]);
}

#[test]
#[cfg(not(feature = "libtorch"))]
fn a_build_without_libtorch_says_so_of_both_devices() {
    let desk = Desk::new();
    let experiment = shipped("miniature.ron");
    let experiment = experiment.to_str().unwrap();
    for arguments in [["--device", "libtorch"], ["--device", "libtorch:cuda:3"], ["--reward-device", "libtorch"]] {
        let words = [arguments[1], "is not part of this build", "--features libtorch", "--device flex"];
        desk.moa(["check", experiment].into_iter().chain(arguments)).refusal(1, &words);
    }
}

#[test]
fn switches_take_words_that_they_know() {
    let desk = Desk::new();
    for (switch, words) in [("MOA_ENGINE", "`moa` or `burn`"), ("MOA_OVERLAP", "`on` or `off`")] {
        let mut command = desk.command(["device", "--json"]);
        let outcome = support::Outcome::of(command.env(switch, "sometimes").output().unwrap());
        outcome.refusal(2, &[switch, "sometimes", words]);
    }
}

/// Returns the means of the front, by point and reward.
fn front(desk: &Desk, results: &str) -> Vec<f64> {
    let report: Value = serde_json::from_str(&desk.moa(["front", results, "--json"]).success()).unwrap();
    let mut means = Vec::new();
    for point in report["points"].as_array().unwrap() {
        means.extend(point["rewards"].as_object().unwrap().values().filter_map(|reward| reward["mean"].as_f64()));
    }
    assert!(means.len() >= 6, "{report}");
    means
}

#[test]
fn burns_operations_and_scoring_beside_drawing_end_with_the_engines_front() {
    let desk = Desk::new();
    let experiment = shipped("miniature.ron");
    let sweep = |out: &str, switches: &[(&str, &str)]| {
        let arguments = ["sweep", experiment.to_str().unwrap(), "--quiet", "--out", out];
        let mut command = desk.command(arguments);
        support::Outcome::of(command.envs(switches.iter().copied()).output().unwrap()).success();
        front(&desk, out)
    };
    let engine = sweep("engine", &[]);
    let burn = sweep("burn", &[("MOA_ENGINE", "burn"), ("MOA_OVERLAP", "on")]);
    assert_eq!(engine.len(), burn.len());
    for (one, other) in engine.iter().zip(&burn) {
        assert!((one - other).abs() < 1e-3, "{one} and {other}");
    }
    let timings = fs::read_to_string(desk.path("burn/timings.csv")).unwrap();
    let rows: Vec<Vec<&str>> = timings.lines().map(|line| line.split(',').collect()).collect();
    assert!(rows[0].ends_with(&["device_mib", "peak_mib", "runs"]), "{timings}");
    assert_eq!(rows.len(), 3, "{timings}");
    // Decoding is quick, and its share may round to nothing.
    let seconds = |column: usize| rows[1][column].parse::<f64>().unwrap();
    assert!([1, 3, 4, 5].into_iter().all(|column| seconds(column) > 0.0) && seconds(2) >= 0.0, "{timings}");
}
