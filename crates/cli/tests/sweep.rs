//! The whole loop through the real binary, on the miniature experiment: sweep, front, export, sample; killed and stopped
//! sweeps that go on; equal seeds and other seeds.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Child;

use serde_json::Value;
use support::{Desk, Outcome, shipped};

/// The miniature experiment with more epochs, so that there is time to stop it.
fn experiment(epochs: u32, seed: u64) -> String {
    let text = fs::read_to_string(shipped("miniature.ron")).unwrap();
    let longer = text.replace("epochs: 2", &format!("epochs: {epochs}"));
    let seeded = longer.replacen("(\n", &format!("(\n    seed: {seed},\n"), 1);
    assert!(seeded.contains(&format!("epochs: {epochs}")) && seeded.contains(&format!("seed: {seed}")));
    seeded
}

/// What a sweep leaves that must not depend on how it came about: adapters and exported tables, byte for byte.
fn fingerprint(desk: &Desk, results: &str) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for folder in ["runs", "soups"] {
        for entry in fs::read_dir(desk.path(results).join(folder)).into_iter().flatten().flatten() {
            let file = entry.path().join("adapter.safetensors");
            if file.is_file() {
                let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
                found.insert(name, fs::read(file).unwrap());
            }
        }
    }
    assert!(found.len() >= 2, "adapters are missing: {:?}", found.keys());
    for table in ["epochs", "evaluations", "weightings"] {
        let text = desk.moa(["export", results, "--format", "csv", "--what", table]).success();
        assert!(text.lines().count() > 1, "{table} is empty");
        found.insert(table.to_owned(), text.into_bytes());
    }
    found
}

#[track_caller]
fn assert_same(one: &BTreeMap<String, Vec<u8>>, other: &BTreeMap<String, Vec<u8>>) {
    assert_eq!(one.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>());
    for (name, bytes) in one {
        assert!(*bytes == other[name], "{name} differs");
    }
}

/// Waits until a line of standard error holds the words; the rest of it is read and dropped on a thread of its own.
fn wait_for(child: &mut Child, words: &str) {
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut seen = Vec::new();
    for line in &mut lines {
        let line = line.unwrap();
        let found = line.contains(words);
        seen.push(line);
        if found {
            std::thread::spawn(move || lines.count());
            return;
        }
    }
    panic!("`{words}` never came:\n{}", seen.join("\n"));
}

fn png_size(path: &Path) -> (u32, u32) {
    let decoder = png::Decoder::new(std::io::BufReader::new(fs::File::open(path).unwrap()));
    let reader = decoder.read_info().unwrap();
    (reader.info().width, reader.info().height)
}

fn leftovers(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        if entry.path().is_dir() {
            found.extend(leftovers(&entry.path()));
        } else if entry.file_name().to_string_lossy().ends_with("moa-tmp") {
            found.push(entry.path());
        }
    }
    found
}

#[test]
fn the_miniature_sweep_from_file_to_pictures() {
    let desk = Desk::new();
    let file = shipped("miniature.ron");
    let file = file.to_str().unwrap();

    let plan = desk.moa(["check", file]).success();
    for words in ["aesthetics", "safety", "2 adapters", "passes forward", "\ntime  "] {
        assert!(plan.contains(words), "`{words}` is not in:\n{plan}");
    }
    assert!(!desk.path("results").exists(), "`check` writes nothing");

    let sweep = desk.moa(["sweep", file]);
    assert!(sweep.stderr.contains("on flex (CPU, pure Rust"), "the device is said:\n{}", sweep.stderr);
    assert!(sweep.stderr.contains("epoch 2/2  safety: aesthetics"), "epochs are said:\n{}", sweep.stderr);
    let table = sweep.success();
    for words in [
        "base",
        "aesthetics",
        "safety",
        "? <1 %",
        "±",
        "hypervolume",
        "2 prompts are too few",
        "base and corners",
        "plots/pictures.png",
    ] {
        assert!(table.contains(words), "`{words}` is not in:\n{table}");
    }
    let results = desk.path("results/miniature");
    for name in ["experiment.ron", "receipt.json", "metrics.sled/db", "plots/front.svg", "plots/front.png"] {
        assert!(results.join(name).is_file(), "{name} is missing");
    }
    assert_eq!(leftovers(&results), Vec::<PathBuf>::new());

    // The front again, from the results alone, as text and for programs.
    assert_eq!(desk.moa(["front", "results/miniature"]).success(), table);
    let json: Value = serde_json::from_str(&desk.moa(["front", "results/miniature", "--json"]).success()).unwrap();
    let points = json["points"].as_array().unwrap();
    let ids: Vec<&str> = points.iter().map(|point| point["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["base", "aesthetics", "safety"]);
    assert!(points.iter().any(|point| point["front"]["undominated"] == true));
    assert!(points.iter().all(|point| point["on_front"] == false), "two prompts leave it open");
    for point in points {
        let [mean, lo, hi] = ["mean", "lo", "hi"].map(|key| point["rewards"]["safety"][key].as_f64().unwrap());
        assert!(lo <= mean && mean <= hi, "{point}");
        // Two prompts say nothing of how sure the mean is, and aesthetics has no range.
        let aesthetics = &point["rewards"]["aesthetics"];
        assert!(aesthetics["mean"].is_number() && aesthetics["lo"].is_null() && aesthetics["hi"].is_null(), "{point}");
        assert!(!point["judges"].as_object().unwrap().is_empty());
    }
    assert_eq!(points[1]["weighting"]["aesthetics"], 1.0);
    assert!(json["hypervolume"]["value"].as_f64().unwrap() >= 0.0);
    assert!(json["reference_point"]["safety"].is_number());
    let csv = desk.moa(["front", "results/miniature", "--csv"]).success();
    assert_eq!(csv.lines().count(), 4, "{csv}");

    // Tables for other tools.
    let epochs = desk.moa(["export", "results/miniature", "--format", "csv"]).success();
    assert!(epochs.starts_with("run,kind,epoch,metric,value\n"), "{epochs}");
    assert!(epochs.contains("reward/safety/mean"));
    let jsonl = desk.moa(["export", "results/miniature", "--format", "jsonl", "--what", "evaluations"]).success();
    assert!(jsonl.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()));
    desk.moa(["export", "results/miniature", "-o", "epochs.parquet"]).success();
    let parquet = fs::read(desk.path("epochs.parquet")).unwrap();
    assert!(parquet.starts_with(b"PAR1") && parquet.ends_with(b"PAR1"));

    // Images of base and adapters.
    let prompt = "a cat on a red background";
    let sample = ["sample", "results/miniature", "--prompt", prompt, "--count", "2", "--steps", "2", "-o", "three.png"];
    desk.moa(sample).success();
    desk.moa(["sample", "--prompt", prompt, "--count", "2", "--steps", "2", "-o", "one.png"]).success();
    let ((width, height), (base_width, base_height)) =
        (png_size(&desk.path("three.png")), png_size(&desk.path("one.png")));
    assert!(width >= base_width && height >= base_height + 2 * 96, "two rows more: {height} after {base_height}");

    // The same command again finds everything done.
    let before = fingerprint(&desk, "results/miniature");
    assert_eq!(desk.moa(["sweep", file]).success(), table);
    assert_same(&before, &fingerprint(&desk, "results/miniature"));

    // An adapter that was damaged since is named.
    let adapter = results.join("runs/safety/adapter.safetensors");
    let bytes = fs::read(&adapter).unwrap();
    fs::write(&adapter, &bytes[..bytes.len() / 2]).unwrap();
    desk.moa(["sample", "results/miniature/runs/safety", "--prompt", prompt]).refusal(1, &["adapter.safetensors"]);
}

#[test]
fn equal_seeds_give_equal_results_and_another_seed_gives_others() {
    let desk = Desk::new();
    desk.write("one.ron", experiment(2, 5));
    desk.write("other.ron", experiment(2, 6));
    desk.moa(["sweep", "one.ron", "--quiet", "--out", "first"]).success();
    desk.moa(["sweep", "one.ron", "--quiet", "--out", "second"]).success();
    desk.moa(["sweep", "other.ron", "--quiet", "--out", "third"]).success();
    let first = fingerprint(&desk, "first");
    assert_same(&first, &fingerprint(&desk, "second"));
    let third = fingerprint(&desk, "third");
    for name in ["runs/aesthetics", "runs/safety", "epochs"] {
        assert!(first[name] != third[name], "{name} does not depend on the seed");
    }

    // A folder is one experiment's.
    let outcome = desk.moa(["sweep", "other.ron", "--quiet", "--out", "first"]);
    outcome.refusal(1, &["first", "trained with another `seed`", "moa fork"]);
    assert_same(&first, &fingerprint(&desk, "first"));
}

#[test]
fn a_killed_sweep_goes_on_and_ends_with_the_same_bytes() {
    let desk = Desk::new();
    desk.write("long.ron", experiment(6, 9));
    desk.moa(["sweep", "long.ron", "--quiet", "--out", "whole"]).success();
    // Killed in training, between a checkpoint and the next; and before there is a checkpoint.
    for (place, moment) in [("killed-late", "epoch 3 saved"), ("killed-early", "evaluated base")] {
        let mut child = desk.start(["sweep", "long.ron", "--plain", "--out", place]);
        wait_for(&mut child, moment);
        child.kill().unwrap();
        child.wait().unwrap();
        // Readers do not mind.
        let front = desk.moa(["front", place]);
        assert_eq!(front.code, Some(0), "{}", front.stderr);
        desk.moa(["sweep", "long.ron", "--quiet", "--out", place]).success();
        assert_same(&fingerprint(&desk, "whole"), &fingerprint(&desk, place));
        assert_eq!(leftovers(&desk.path(place)), Vec::<PathBuf>::new());
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_sweep_that_runs_out_of_disk_says_so_and_goes_on_once_there_is_room() {
    let desk = Desk::new();
    desk.write("long.ron", experiment(2, 9));
    desk.moa(["sweep", "long.ron", "--quiet", "--out", "whole"]).success();
    // A limit on the size of files fails a write as a full disk does; this one is too small for a trainer's checkpoint.
    let limited = std::process::Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 400; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_moa")])
        .args(["sweep", "long.ron", "--quiet", "--out", "full"])
        .current_dir(desk.path(""))
        .output();
    Outcome::of(limited.unwrap())
        .refusal(1, &["failed to write full/runs/aesthetics/checkpoint.bin", "File too large"]);
    assert_eq!(leftovers(&desk.path("full")), Vec::<PathBuf>::new());
    desk.moa(["sweep", "long.ron", "--quiet", "--out", "full"]).success();
    assert_same(&fingerprint(&desk, "whole"), &fingerprint(&desk, "full"));
}

#[cfg(unix)]
#[test]
fn ctrl_c_stops_after_the_epoch_and_says_how_to_go_on() {
    let desk = Desk::new();
    desk.write("long.ron", experiment(400, 9));
    let mut child = desk.start(["sweep", "long.ron", "--plain", "--out", "stopped"]);
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut text = String::new();
    while !text.contains("epoch 2 saved") {
        assert!(stderr.read_line(&mut text).unwrap() > 0, "it ended early:\n{text}");
    }

    // While it runs, no other process may write; readers may read.
    let other = desk.moa(["sweep", "long.ron", "--quiet", "--out", "stopped"]);
    other.refusal(1, &["another moa uses it"]);
    let front = desk.moa(["front", "stopped"]).success();
    assert!(front.contains("a sweep is running"), "{front}");

    let interrupt = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(interrupt.success());
    std::io::Read::read_to_string(&mut stderr, &mut text).unwrap();
    let outcome = Outcome::of(child.wait_with_output().unwrap());
    assert_eq!(outcome.code, Some(130), "{text}");
    for words in ["stopping after this epoch", "epochs saved in stopped", "moa sweep long.ron --plain --out stopped"] {
        assert!(text.contains(words), "`{words}` is not in:\n{text}");
    }
    assert!(desk.moa(["front", "stopped"]).success().contains("the sweep is not complete"));
}
