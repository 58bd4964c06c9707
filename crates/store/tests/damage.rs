//! Stores that are damaged, or newer than this program.

mod sample;

use std::fs;
use std::path::{Path, PathBuf};

use moa_core::NoiseKey;
use moa_store::{MetricStore, Snapshot, StoreError};
use sample::events;

fn finished_store(root: &Path) -> Snapshot {
    let mut store = MetricStore::open(root).unwrap();
    for event in &events() {
        store.record(event).unwrap();
    }
    store.close().unwrap();
    Snapshot::read(root).unwrap()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// Reads and opens a damaged store: either nothing that matters was hit, or the error says what to do.
fn check(root: &Path, whole: &Snapshot, what: &str) -> bool {
    let read = Snapshot::read(root);
    let opened = MetricStore::open(root).and_then(|store| store.snapshot());
    let mut damaged = false;
    for outcome in [read, opened] {
        match outcome {
            Ok(snapshot) => assert_eq!(&snapshot, whole, "{what}: records were lost in silence"),
            Err(error) => {
                damaged = true;
                let message = error.to_string();
                assert!(message.contains("metrics.sled"), "{what}: {message}");
                assert!(message.contains("`moa repair`"), "{what}: {message}");
            }
        }
    }
    damaged
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn flipped_bytes_are_found_or_harmless() {
    let original = tempfile::tempdir().unwrap();
    let whole = finished_store(original.path());
    let noise = NoiseKey::new(3).named("damage");
    let mut found = 0;
    for case in 0..40 {
        let root = tempfile::tempdir().unwrap();
        copy(original.path(), root.path());
        let files = files(&root.path().join("metrics.sled"));
        let file = &files[noise.with(case).below(0, files.len())];
        let mut bytes = fs::read(file).unwrap();
        // Most of the database file is unused: aim at bytes that say something.
        let used: Vec<_> = (0..bytes.len()).filter(|place| bytes[*place] != 0).collect();
        let place = used[noise.with(case).below(1, used.len())];
        bytes[place] ^= 1 << noise.with(case).below(2, 8);
        fs::write(file, bytes).unwrap();
        found += u32::from(check(root.path(), &whole, &format!("case {case}, byte {place} of {}", file.display())));
    }
    assert!(found > 20, "{found}");
}

#[test]
fn truncated_files_are_found_or_harmless() {
    let original = tempfile::tempdir().unwrap();
    let whole = finished_store(original.path());
    let count = files(&original.path().join("metrics.sled")).len();
    for index in 0..count {
        for percent in [0, 1, 30, 60, 99] {
            let root = tempfile::tempdir().unwrap();
            copy(original.path(), root.path());
            let file = &files(&root.path().join("metrics.sled"))[index];
            let bytes = fs::read(file).unwrap();
            fs::write(file, &bytes[..bytes.len() * percent / 100]).unwrap();
            check(root.path(), &whole, &format!("{percent} % of {}", file.display()));
        }
    }
}

#[test]
fn a_store_of_a_newer_format_is_refused_with_both_formats_and_left_alone() {
    let root = tempfile::tempdir().unwrap();
    let whole = finished_store(root.path());
    let set_format = |format: u32| {
        let config = sled::Config::new().path(root.path().join("metrics.sled")).segment_size(128 << 10);
        let db = config.open().unwrap();
        db.open_tree("meta").unwrap().insert("format", &format.to_be_bytes()).unwrap();
        db.flush().unwrap();
    };
    set_format(7);
    for error in [Snapshot::read(root.path()).unwrap_err(), MetricStore::open(root.path()).unwrap_err()] {
        assert!(matches!(error, StoreError::Newer { found: 7, supported: 1, .. }), "{error}");
        let message = error.to_string();
        assert!(
            message.contains("format 7") && message.contains("up to 1") && message.contains("newer moa"),
            "{message}"
        );
    }
    set_format(1);
    assert_eq!(Snapshot::read(root.path()).unwrap(), whole);
}
