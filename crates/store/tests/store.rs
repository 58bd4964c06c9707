//! What is written is what is read.

mod sample;

use moa_core::{PointKind, RunEvent, RunId, RunState, Warning};
use moa_store::{MetricStore, Snapshot, Source, StoreError};
use sample::{epoch, evaluation, events, id, run, started};

#[test]
fn a_sweep_reads_back_bit_for_bit_and_in_order() {
    let root = tempfile::tempdir().unwrap();
    let mut store = MetricStore::open(root.path()).unwrap();
    let mut expected = Snapshot::default();
    for event in events() {
        store.record(&event).unwrap();
        expected.apply(&event);
    }
    store.close().unwrap();

    let read = Snapshot::read(root.path()).unwrap();
    assert_eq!(read.source, Source::Store);
    assert_eq!(read, Snapshot { activity: read.activity, ..expected });
    assert_eq!(read.runs.iter().map(|run| run.id.as_str()).collect::<Vec<_>>(), ["w1", "w0"]);
    assert_eq!(read.runs[0].state, RunState::Evaluated);
    let order: Vec<_> = read.evaluations.iter().map(|point| point.id.as_str()).collect();
    assert_eq!(order, ["base", "w1", "w0", "soup-0.5"]);
    assert_eq!(
        read.curve(&id("w0"), "reward/some-reward-01/mean").map(|(epoch, _)| epoch).collect::<Vec<_>>(),
        [1, 2, 3]
    );
    let files: Vec<_> = std::fs::read_dir(root.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(files, ["metrics.sled"], "the journal is gone, and readers leave nothing");
}

#[test]
fn epochs_of_runs_whose_names_begin_alike_stay_apart() {
    let root = tempfile::tempdir().unwrap();
    let mut store = MetricStore::open(root.path()).unwrap();
    for name in ["w", "w1", "w10", "w-1", "w.1"] {
        // 256 makes the epoch's bytes hold what separates name and epoch.
        for number in [1, 2, 256] {
            store.put_epoch(&epoch(name, number)).unwrap();
        }
    }
    store.truncate_epochs_after(&id("w1"), 1).unwrap();
    for name in ["w", "w10", "w-1", "w.1"] {
        assert_eq!(store.epochs(&id(name)).unwrap(), [1, 2, 256].map(|number| epoch(name, number)), "{name}");
    }
    assert_eq!(store.epochs(&id("w1")).unwrap(), [epoch("w1", 1)]);
}

#[test]
fn a_resumed_sweep_forgets_what_came_after_its_checkpoint_and_ends_the_same() {
    let (straight, resumed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut store = MetricStore::open(straight.path()).unwrap();
    for event in &events() {
        store.record(event).unwrap();
    }
    store.close().unwrap();

    let mut store = MetricStore::open(resumed.path()).unwrap();
    let kill_after = events().iter().position(|event| *event == RunEvent::Checkpointed { epoch: 2 }).unwrap();
    for event in &events()[..kill_after] {
        store.record(event).unwrap();
    }
    store.flush().unwrap();
    drop(store);
    assert!(resumed.path().join("live.jsonl").exists(), "as after a kill");

    // The checkpoint that is on disk is the first, the store is ahead of it.
    let mut store = MetricStore::open(resumed.path()).unwrap();
    assert_eq!(store.epochs(&id("w0")).unwrap().len(), 2);
    store.record(&started(vec![run("w1", 1, 3), run("w0", 1, 3)])).unwrap();
    assert_eq!(store.epochs(&id("w0")).unwrap(), [epoch("w0", 1)]);
    for event in &events()[1..] {
        if !matches!(event, RunEvent::EpochFinished(epoch) if epoch.epoch == 1) {
            store.record(event).unwrap();
        }
    }
    store.close().unwrap();
    assert_eq!(Snapshot::read(resumed.path()).unwrap(), Snapshot::read(straight.path()).unwrap());
}

#[test]
fn writing_again_changes_nothing() {
    let root = tempfile::tempdir().unwrap();
    let mut store = MetricStore::open(root.path()).unwrap();
    for event in &events() {
        store.record(event).unwrap();
    }
    let before = store.snapshot().unwrap();
    store.put_epoch(&epoch("w0", 3)).unwrap();
    store.put_evaluation(&evaluation("w0", PointKind::Trained)).unwrap();
    store.put_evaluation(&evaluation(RunId::BASE, PointKind::Base)).unwrap();
    assert_eq!(store.snapshot().unwrap(), before);
}

#[test]
fn a_checkpoint_ahead_of_the_store_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let mut store = MetricStore::open(root.path()).unwrap();
    store.record(&started(vec![run("w0", 0, 5)])).unwrap();
    store.put_epoch(&epoch("w0", 1)).unwrap();
    let error = store.record(&started(vec![run("w0", 4, 5)])).unwrap_err();
    assert!(matches!(&error, StoreError::Behind { wanted: 4, found: 1, .. }), "{error}");
    let error = store.put_run(&run("w0", 2, 5)).unwrap_err();
    assert!(error.to_string().contains("`w0`") && error.to_string().contains("2 epochs"), "{error}");
}

#[test]
fn values_that_are_no_numbers_are_refused_by_name() {
    let root = tempfile::tempdir().unwrap();
    let mut store = MetricStore::open(root.path()).unwrap();
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut record = epoch("w0", 7);
        record.metrics = sample::metrics(&[("approx_kl", 0.0), ("grad_norm", bad)]);
        let message = store.put_epoch(&record).unwrap_err().to_string();
        assert!(message.contains("`grad_norm`") && message.contains("`w0` at epoch 7"), "{message}");
        let mut record = evaluation("w0", PointKind::Trained);
        record.judges[0].prompt_means[2] = bad;
        let message = store.put_evaluation(&record).unwrap_err().to_string();
        assert!(message.contains("judge, \"the second\""), "{message}");
    }
    let snapshot = store.snapshot().unwrap();
    assert!(snapshot.epochs.is_empty() && snapshot.evaluations.is_empty());
}

#[test]
fn names_that_are_no_folders_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let mut store = MetricStore::open(root.path()).unwrap();
    for bad in ["", "../other", "a\0b"] {
        assert!(matches!(store.put_epoch(&epoch(bad, 1)), Err(StoreError::BadRunId { .. })));
        assert!(matches!(store.put_run(&run(bad, 0, 1)), Err(StoreError::BadRunId { .. })));
        let record = evaluation(bad, PointKind::Soup);
        assert!(matches!(store.put_evaluation(&record), Err(StoreError::BadRunId { .. })));
    }
}

#[test]
fn warnings_keep_their_letters_and_are_kept_once() {
    let root = tempfile::tempdir().unwrap();
    let mut store = MetricStore::open(root.path()).unwrap();
    store.record(&started(vec![run("w0", 0, 3)])).unwrap();
    let warnings = [Some(id("w0")), None]
        .map(|run| Warning { run, message: "rewards rise,\njudges fall: ⚠ \"häcking\"\0".to_owned() });
    for warning in warnings.iter().chain(&warnings) {
        store.record(&RunEvent::Warned(warning.clone())).unwrap();
    }
    store.close().unwrap();
    let read = Snapshot::read(root.path()).unwrap();
    assert_eq!(read.sweep.warnings, warnings);
    assert_eq!(read.runs[0].warnings, [warnings[0].message.clone()]);
}

#[test]
fn a_folder_without_results_says_what_to_do() {
    let root = tempfile::tempdir().unwrap();
    for path in [root.path().to_path_buf(), root.path().join("nothing")] {
        let error = Snapshot::read(&path).unwrap_err();
        assert!(matches!(error, StoreError::Missing { .. }) && error.to_string().contains("moa sweep"), "{error}");
    }
}

#[test]
fn results_in_the_place_of_a_file_are_a_clear_error() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("results");
    std::fs::write(&file, "").unwrap();
    let message = MetricStore::open(&file).unwrap_err().to_string();
    assert!(message.starts_with("write ") && message.contains("results"), "{message}");
}

#[test]
fn temporaries_of_a_killed_process_are_removed_when_the_store_opens() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("runs/w0");
    std::fs::create_dir_all(&folder).unwrap();
    let leftover = folder.join(".adapter.safetensors.1234-0.moa-tmp");
    std::fs::write(&leftover, "half an adapter").unwrap();
    drop(MetricStore::open(root.path()).unwrap());
    assert!(!leftover.exists());
}
