//! Parts of a sweep, what puts them together, and runs that are taken along, as a user types them.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use support::{Desk, shipped};

/// Adapters and front of a results folder, by path.
fn outcome(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::from([("front.json".into(), fs::read(folder.join("front.json")).unwrap())]);
    for run in fs::read_dir(folder.join("runs")).unwrap().map(|entry| entry.unwrap().path()) {
        let adapter = run.join("adapter.safetensors");
        if adapter.exists() {
            found.insert(adapter.strip_prefix(folder).unwrap().to_path_buf(), fs::read(&adapter).unwrap());
        }
    }
    found
}

#[test]
fn parts_devices_and_additions_end_as_one_sweep_does() {
    let desk = Desk::new();
    let text = fs::read_to_string(shipped("miniature.ron")).unwrap();
    desk.write("my.ron", &text);
    desk.moa(["sweep", "my.ron", "--quiet", "--out", "whole"]).success();
    let whole = outcome(&desk.path("whole"));
    assert!(whole.len() > 2, "{:?}", whole.keys());

    // In parts, of which one lies elsewhere.
    desk.moa(["sweep", "my.ron", "--quiet", "--out", "parts", "--partition", "1/2"]).success();
    desk.moa(["gather", "parts", "--quiet"]).refusal(1, &["a run is not trained", "(not begun)", "moa sweep"]);
    desk.moa(["sweep", "my.ron", "--quiet", "--out", "elsewhere", "--partition", "2/2"]).success();
    for _ in 0..2 {
        desk.moa(["gather", "parts", "elsewhere", "--quiet"]).success();
        assert!(outcome(&desk.path("parts")) == whole);
    }

    // A process on each device.
    desk.moa(["sweep", "my.ron", "--quiet", "--out", "devices", "--devices", "flex,flex"]).success();
    assert!(outcome(&desk.path("devices")) == whole);

    // One weighting first, and all of them later.
    let one = text.replace("weightings: [Corners]", "weightings: [List([{\"safety\": 1}])]");
    assert_ne!(one, text);
    desk.write("one.ron", one);
    desk.moa(["sweep", "one.ron", "--quiet", "--out", "grown"]).success();
    let first = fs::read(desk.path("grown/runs/safety/adapter.safetensors")).unwrap();
    desk.moa(["sweep", "my.ron", "--quiet", "--out", "grown"]).success();
    assert_eq!(fs::read(desk.path("grown/runs/safety/adapter.safetensors")).unwrap(), first);
    assert!(outcome(&desk.path("grown"))[Path::new("front.json")].len() == whole[Path::new("front.json")].len());

    // An index that is gone comes back.
    fs::remove_dir_all(desk.path("whole/metrics.sled")).unwrap();
    desk.moa(["repair", "whole", "--quiet"]).success();
    assert!(outcome(&desk.path("whole")) == whole);

    // Runs that stay the same are taken along, others are left.
    desk.write("new.ron", text.replace("epochs: 2", "epochs: 3"));
    let said = desk.moa(["fork", "whole", "new.ron", "--keep", "runs"]).success();
    assert!(said.contains("taken    aesthetics, safety") && !said.contains("left"), "{said}");
    desk.write("other.ron", text.replace("epochs: 2", "epochs: 2, kl: 0.5"));
    let said = desk.moa(["fork", "whole", "other.ron"]).success();
    assert!(said.contains("left     aesthetics (another training.kl)"), "{said}");
}

#[test]
fn what_is_no_part_and_what_holds_no_runs_is_refused() {
    let desk = Desk::new();
    desk.write("my.ron", fs::read_to_string(shipped("miniature.ron")).unwrap());
    for part in ["0/2", "3/2", "1", "1/", "a/b", "-1/2"] {
        let part = format!("--partition={part}");
        desk.moa(["sweep", "my.ron", &part]).refusal(2, &["not a part of the runs", "2/4"]);
    }
    assert!(!desk.path("results").exists());
    desk.moa(["gather", "nowhere"]).refusal(2, &["nowhere"]);
    desk.moa(["repair", "nowhere"]).refusal(2, &["nowhere"]);
    desk.moa(["sweep", "my.ron", "--quiet"]).success();
    fs::create_dir(desk.path("empty")).unwrap();
    desk.moa(["gather", "results/my", "empty"]).refusal(1, &["empty", "none of this experiment"]);
    desk.moa(["fork", "empty", "my.ron", "--out", "new"]).refusal(1, &["empty", "none of this experiment"]);
    desk.moa(["fork", "results/my", "my.ron"]).refusal(2, &["the folder that is forked", "--out"]);
    // A part of another experiment.
    let other = fs::read_to_string(desk.path("my.ron")).unwrap().replace("epochs: 2", "epochs: 2, kl: 0.5");
    desk.write("other.ron", other);
    desk.moa(["sweep", "other.ron", "--quiet", "--partition", "1/2"]).success();
    desk.moa(["gather", "results/my", "results/other"])
        .refusal(1, &["results/other", "another `training.kl`", "moa fork"]);
}
