//! One process writes, others read, any of them may be killed.

mod sample;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use moa_core::{Phase, RunEvent};
use moa_store::{Change, Follower, MetricStore, Snapshot, Source, StoreError};
use sample::{epoch, events, id, run, started};

/// Runs [`writer_process`] of this file in a process of its own, on the results in `root`.
struct Writer {
    process: Child,
    said: BufReader<std::process::ChildStdout>,
}

impl Writer {
    fn start(root: &Path) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "writer_process", "--ignored", "--nocapture"])
            .env("MOA_STORE_TEST_ROOT", root)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(process.stdout.take().unwrap());
        let mut writer = Self { process, said };
        writer.wait_for("opened");
        writer
    }

    fn wait_for(&mut self, word: &str) {
        let mut line = String::new();
        while !line.contains(word) {
            line.clear();
            assert!(self.said.read_line(&mut line).unwrap() > 0, "the writer ended before it said {word}");
        }
    }

    /// Lets it write the next `count` events.
    fn write(&mut self, count: usize) {
        for _ in 0..count {
            self.process.stdin.as_mut().unwrap().write_all(b"next\n").unwrap();
            self.wait_for("wrote");
        }
    }

    fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

#[test]
#[ignore = "the other process of the tests in this file"]
fn writer_process() {
    let Some(root) = std::env::var_os("MOA_STORE_TEST_ROOT") else { return };
    let mut store = MetricStore::open(Path::new(&root)).unwrap();
    println!("opened");
    for (event, _) in events().iter().zip(std::io::stdin().lines()) {
        store.record(event).unwrap();
        println!("wrote");
    }
    store.close().unwrap();
}

fn expected(count: usize) -> Snapshot {
    let mut snapshot = Snapshot { source: Source::Live, ..Snapshot::default() };
    for event in &events()[..count] {
        snapshot.apply(event);
    }
    snapshot
}

#[test]
fn a_second_writer_is_told_who_has_the_store_and_a_reader_reads() {
    let root = tempfile::tempdir().unwrap();
    let mut writer = Writer::start(root.path());
    writer.write(6);
    let message = MetricStore::open(root.path()).unwrap_err().to_string();
    assert!(message.contains("another moa uses it (is a sweep running?)"), "{message}");
    assert_eq!(Snapshot::read(root.path()).unwrap(), expected(6));
    writer.write(1);
    assert_eq!(Snapshot::read(root.path()).unwrap(), expected(7));
    writer.kill();
}

#[test]
fn a_second_writer_in_the_same_process_is_refused_too() {
    let root = tempfile::tempdir().unwrap();
    let _store = MetricStore::open(root.path()).unwrap();
    assert!(matches!(MetricStore::open(root.path()), Err(StoreError::InUse { .. })));
}

#[test]
fn what_was_flushed_before_a_kill_is_there_and_the_next_sweep_goes_on() {
    let root = tempfile::tempdir().unwrap();
    let mut writer = Writer::start(root.path());
    let flushed = events().iter().position(|event| *event == RunEvent::Checkpointed { epoch: 2 }).unwrap() + 1;
    writer.write(flushed + 1);
    writer.kill();

    let left = Snapshot::read(root.path()).unwrap();
    assert_eq!(left.source, Source::Store);
    assert_eq!(left.epochs_of(&id("w1"))[..2], [epoch("w1", 1), epoch("w1", 2)]);
    let mut store = MetricStore::open(root.path()).unwrap();
    store.record(&started(vec![run("w1", 2, 3), run("w0", 2, 3)])).unwrap();
    for event in &events()[flushed..] {
        store.record(event).unwrap();
    }
    store.close().unwrap();
    let end = Snapshot::read(root.path()).unwrap();
    assert_eq!(end, Snapshot { source: Source::Store, activity: end.activity, ..expected(events().len()) });
}

#[test]
fn a_follower_sees_each_event_the_kill_and_the_next_sweep() {
    let root = tempfile::tempdir().unwrap();
    let mut writer = Writer::start(root.path());
    writer.write(1);
    let mut follower = Follower::open(root.path()).unwrap();
    assert_eq!(follower.snapshot(), &expected(1));
    assert_eq!(follower.poll().unwrap(), Change::Nothing);
    for count in 2..=5 {
        writer.write(1);
        assert_eq!(follower.poll().unwrap(), Change::Events(vec![events()[count - 1].clone()]));
        assert_eq!(follower.snapshot(), &expected(count));
    }
    writer.kill();
    assert_eq!(follower.poll().unwrap(), Change::Replaced);
    assert_eq!(follower.snapshot().source, Source::Store);
    assert_eq!(follower.poll().unwrap(), Change::Nothing);

    let mut writer = Writer::start(root.path());
    assert_eq!(follower.poll().unwrap(), Change::Replaced);
    assert_eq!(follower.snapshot().source, Source::Live);
    writer.write(events().len());
    drop(writer.process.stdin.take());
    writer.process.wait().unwrap();
    assert_eq!(follower.poll().unwrap(), Change::Replaced);
    let end = follower.snapshot();
    assert_eq!(end, &Snapshot { source: Source::Store, activity: end.activity, ..expected(events().len()) });
}

#[test]
fn a_follower_learns_of_epochs_that_were_forgotten() {
    let root = tempfile::tempdir().unwrap();
    let mut store = MetricStore::open(root.path()).unwrap();
    for event in &events()[..8] {
        store.record(event).unwrap();
    }
    let mut follower = Follower::open(root.path()).unwrap();
    assert_eq!(follower.snapshot().epochs_of(&id("w0")).len(), 2);
    store.truncate_epochs_after(&id("w0"), 1).unwrap();
    assert_eq!(follower.poll().unwrap(), Change::Replaced);
    assert_eq!(follower.snapshot().epochs_of(&id("w0")), [epoch("w0", 1)]);
    assert_eq!(follower.snapshot().run(&id("w0")), Some(&run("w0", 1, 3)));
}

#[test]
fn readers_that_never_rest_do_not_keep_a_writer_out() {
    let root = tempfile::tempdir().unwrap();
    MetricStore::open(root.path()).unwrap().close().unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut reads = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) || reads == 0 {
                Snapshot::read(root.path()).unwrap();
                reads += 1;
            }
        });
        for _ in 0..5 {
            let mut store = MetricStore::open(root.path()).unwrap();
            store.record(&started(vec![run("w0", 0, 3)])).unwrap();
            store.record(&RunEvent::PhaseStarted { phase: Phase::Training, units: 3 }).unwrap();
            store.close().unwrap();
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        reader.join().unwrap();
    });
}
