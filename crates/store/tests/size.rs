//! How much disk a store takes.

mod sample;

use std::path::Path;

use moa_store::{MetricStore, Snapshot};
use sample::{epoch_of, run, started};

const LIMIT_BYTES: u64 = 20 << 20;

fn bytes_on_disk(path: &Path) -> u64 {
    let metadata = path.metadata().unwrap();
    if metadata.is_file() {
        return metadata.len();
    }
    std::fs::read_dir(path).unwrap().map(|entry| bytes_on_disk(&entry.unwrap().path())).sum()
}

#[test]
fn twelve_runs_of_a_hundred_epochs_stay_small_even_with_the_journal() {
    let root = tempfile::tempdir().unwrap();
    let mut store = MetricStore::open(root.path()).unwrap();
    let names: Vec<_> = (0..12).map(|number| format!("weighting-{number:02}")).collect();
    store.record(&started(names.iter().map(|name| run(name, 0, 100)).collect())).unwrap();
    for epoch in 1..=100 {
        for name in &names {
            store.put_epoch(&epoch_of(name, epoch, 40)).unwrap();
        }
        store.flush().unwrap();
    }
    let live = bytes_on_disk(root.path());
    store.close().unwrap();
    let closed = bytes_on_disk(root.path());
    println!("{live} bytes while open, {closed} closed");
    assert!(live < LIMIT_BYTES && closed < LIMIT_BYTES / 2, "{live} bytes while open, {closed} closed");
    assert_eq!(Snapshot::read(root.path()).unwrap().epochs.values().map(Vec::len).sum::<usize>(), 1200);
}
