//! Crates depend only downwards: crates/README.md has the diagram, and this test checks it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Each crate's rank; a crate may use lower ranks alone.
const RANKS: [(&str, u32); 28] = [
    ("moa-core", 0),
    ("moa-device", 0),
    ("moa-kernels", 1),
    ("moa-pareto", 1),
    ("moa-store", 1),
    ("moa-adapter", 1),
    ("moa-optimiser", 1),
    ("moa-scenes", 1),
    ("moa-preferences", 1),
    ("moa-analysis", 2),
    ("moa-diffusion", 2),
    ("moa-interchange", 2),
    ("moa-plot", 2),
    ("moa-preference-model", 2),
    ("moa-rating", 2),
    ("moa-ai-judge", 3),
    ("moa-feedback", 3),
    ("moa-rating-server", 3),
    ("moa-report", 3),
    ("moa-tui", 3),
    ("moa-tensorboard", 3),
    ("moa-reward", 4),
    ("moa-attack", 5),
    ("moa-explain", 5),
    ("moa-zoo", 5),
    ("moa-train", 5),
    ("moa-runner", 6),
    ("moa-cli", 7),
];

/// The crates that build in seconds because they know nothing of tensors.
const TENSOR_FREE: [&str; 17] = [
    "moa-core",
    "moa-kernels",
    "moa-pareto",
    "moa-store",
    "moa-scenes",
    "moa-preferences",
    "moa-interchange",
    "moa-ai-judge",
    "moa-preference-model",
    "moa-rating",
    "moa-feedback",
    "moa-rating-server",
    "moa-analysis",
    "moa-plot",
    "moa-report",
    "moa-tui",
    "moa-tensorboard",
];

/// A crate with what it depends on.
struct Package {
    name: String,
    /// The binary that a bare `cargo run` runs.
    default_run: Option<String>,
    /// Name and kind (`None` is a normal dependency) of each.
    dependencies: Vec<(String, Option<String>)>,
}

fn packages() -> Vec<Package> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["metadata", "--offline", "--no-deps", "--format-version", "1"])
        .current_dir(root)
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let package = |package: &Value| Package {
        name: text(&package["name"]).expect("packages have names"),
        default_run: text(&package["default_run"]),
        dependencies: package["dependencies"]
            .as_array()
            .expect("packages have dependencies")
            .iter()
            .map(|dependency| (text(&dependency["name"]).expect("a name"), text(&dependency["kind"])))
            .collect(),
    };
    metadata["packages"].as_array().expect("there are packages").iter().map(package).collect()
}

#[test]
fn every_crate_has_a_rank() {
    let ranks = BTreeMap::from(RANKS);
    let packages = packages();
    for package in &packages {
        assert!(ranks.contains_key(&*package.name), "give `{}` a rank, here and in crates/README.md", package.name);
    }
    assert_eq!(packages.len(), RANKS.len(), "a crate is gone: take its rank away, here and in crates/README.md");
}

#[test]
fn crates_depend_downwards_only() {
    let ranks = BTreeMap::from(RANKS);
    let mut up = Vec::new();
    for package in packages() {
        // Tests may look up: they are no part of what a crate is.
        for (name, _) in package.dependencies.iter().filter(|(_, kind)| kind.as_deref() != Some("dev")) {
            let (from, to) = (ranks.get(&*package.name), ranks.get(&**name));
            if to.is_some() && from <= to {
                up.push(format!("{} (rank {from:?}) → {name} (rank {to:?})", package.name));
            }
        }
    }
    assert!(up.is_empty(), "these arrows do not point down:\n{}", up.join("\n"));
}

#[test]
fn crates_without_tensors_stay_without() {
    for package in packages().iter().filter(|package| TENSOR_FREE.contains(&&*package.name)) {
        let burn = package.dependencies.iter().find(|(name, _)| name.starts_with("burn"));
        assert!(burn.is_none(), "{} depends on {burn:?}: it would take minutes to build", package.name);
    }
}

#[test]
fn only_the_command_touches_the_terminal() {
    let terminal = ["clap", "crossterm", "ctrlc", "indicatif"];
    for package in packages().iter().filter(|package| package.name != "moa-cli") {
        let found = package.dependencies.iter().find(|(name, _)| terminal.contains(&&**name));
        assert!(found.is_none(), "{} depends on {found:?}: emit an event instead", package.name);
    }
}

/// The README's first command is `cargo run`, without a name.
#[test]
fn a_bare_cargo_run_runs_moa() {
    let runs: Vec<String> = packages().into_iter().filter_map(|package| package.default_run).collect();
    assert_eq!(runs, ["moa"], "cargo refuses to choose among several binaries");
}

/// Uncounted copies are hidden waits: tensors leave and enter devices only through `moa-device`.
#[test]
fn tensors_cross_between_host_and_device_by_one_door() {
    let doors = [".into_data(", ".to_data(", ".into_scalar", "Tensor::from_data(", "::from_data(", "::from_floats("];
    // The engine's own memory is the host's; pre-training is no sweep.
    let exempt = ["device/src", "diffusion/src/unet/native", "zoo/src/pretrain"];
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = Vec::new();
    let mut folders: Vec<_> =
        fs::read_dir(&crates).expect("crates").map(|entry| entry.expect("an entry").path().join("src")).collect();
    while let Some(folder) = folders.pop() {
        if exempt.iter().any(|exempt| folder.ends_with(exempt)) {
            continue;
        }
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs")
                && !path.to_string_lossy().ends_with("tests.rs")
            {
                let text = fs::read_to_string(&path).expect("a source file");
                // Tests come last in a file.
                let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
                let lines = code.lines().enumerate().filter(|(_, line)| doors.iter().any(|door| line.contains(door)));
                found.extend(lines.map(|(line, _)| format!("{}:{}", path.display(), line + 1)));
            }
        }
    }
    assert!(found.is_empty(), "use moa_device::to_host and from_host:\n{}", found.join("\n"));
}

/// Modules that know each other both ways, by crate: knots that were there before this test, and may only become smaller.
const KNOTS: [(&str, &[&str]); 4] = [
    ("pareto", &["divide", "dominance", "hypervolume"]),
    ("plot", &["fronts", "key", "marker", "scatter"]),
    ("reward", &["rater", "rewards"]),
    (
        "train",
        &[
            "anchor",
            "common",
            "epoch",
            "guard",
            "method",
            "probe",
            "report",
            "statistics",
            "steering",
            "stored",
            "trainer",
            "world",
        ],
    ),
];

/// Data flows one way: a module of a crate does not use what uses it.
#[test]
fn no_module_points_back_up() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = Vec::new();
    for folder in fs::read_dir(&crates).expect("crates").map(|entry| entry.expect("an entry").path()) {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let uses = uses(&folder.join("src"));
        let reached: BTreeMap<&String, BTreeSet<&String>> =
            uses.keys().map(|from| (from, reached(&uses, from))).collect();
        let knot: Vec<&str> = reached
            .iter()
            .filter(|(module, reached)| reached.contains(*module))
            .map(|(module, _)| &***module)
            .collect();
        let known = KNOTS.iter().find(|(crate_, _)| *crate_ == name).map_or(&[][..], |(_, modules)| modules);
        let new: Vec<&str> = knot.into_iter().filter(|module| !known.contains(module)).collect();
        if !new.is_empty() {
            found.push(format!("{name}: {}", new.join(", ")));
        }
    }
    assert!(found.is_empty(), "modules that know each other both ways:\n{}", found.join("\n"));
}

/// Returns which modules of a crate each one uses, by name; tests do not count.
fn uses(src: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut open: Vec<(Option<String>, PathBuf)> = vec![(None, src.to_path_buf())];
    while let Some((module, folder)) = open.pop() {
        for path in fs::read_dir(&folder).into_iter().flatten().map(|entry| entry.expect("an entry").path()) {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let own = module.clone().unwrap_or_else(|| stem.clone());
            if path.is_dir() {
                open.push((Some(own), path));
            } else if path.extension().is_some_and(|ending| ending == "rs")
                && !stem.ends_with("tests")
                && !(module.is_none() && ["lib", "main"].contains(&&*stem))
            {
                let text = fs::read_to_string(&path).expect("a source file");
                let code = text.split("#[cfg(test)]").next().unwrap_or_default();
                let words = code.split("crate::").skip(1).flat_map(|rest| {
                    let list = rest.strip_prefix('{').and_then(|rest| rest.split('}').next());
                    let first = |words: &str| {
                        words.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().map(str::to_owned)
                    };
                    match list {
                        Some(list) => list.split(',').filter_map(|part| first(part.trim())).collect::<Vec<_>>(),
                        None => first(rest).into_iter().collect(),
                    }
                });
                uses.entry(own).or_default().extend(words);
            }
        }
    }
    let modules: BTreeSet<String> = uses.keys().cloned().collect();
    for (module, used) in &mut uses {
        used.retain(|other| modules.contains(other) && other != module);
    }
    uses
}

/// Returns all that a module uses, and what that uses.
fn reached<'a>(uses: &'a BTreeMap<String, BTreeSet<String>>, from: &'a String) -> BTreeSet<&'a String> {
    let (mut reached, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(module) = open.pop() {
        for next in uses.get(module).into_iter().flatten() {
            if reached.insert(next) {
                open.push(next);
            }
        }
    }
    reached
}
