//! Event files of resumed sweeps, as a reader finds them: records with their checksums, steps, and what is void.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use moa_core::{
    EpochRecord, EvaluationRecord, EventSink, ExperimentSpec, PointKind, RunEvent, RunId, RunRecord, ScoreColumn,
    Weighting,
};
use moa_store::{Layout, Snapshot};
use moa_tensorboard::{TensorBoard, export};

fn spec() -> ExperimentSpec {
    let text =
        r"(rewards: [(kind: Contrast), (kind: Colourfulness)], training: (epochs: 4), evaluation: (resamples: 100))";
    ExperimentSpec::from_ron(text, "board.ron").unwrap()
}

fn run(epochs_done: u32) -> RunRecord {
    let mut run = RunRecord::planned(RunId("contrast".into()), Weighting::corner(0, 2), 4);
    run.epochs_done = epochs_done;
    run
}

fn started(epochs_done: u32) -> RunEvent {
    let rewards = vec!["contrast".into(), "colourfulness".into()];
    RunEvent::SweepStarted { experiment: "board".into(), device: "flex".into(), rewards, runs: vec![run(epochs_done)] }
}

fn epoch(epoch: u32) -> RunEvent {
    let metrics = BTreeMap::from([("loss".to_owned(), f64::from(epoch))]);
    RunEvent::EpochFinished(EpochRecord { run: RunId("contrast".into()), epoch, seconds: 1.0, metrics })
}

fn evaluated(id: &str, kind: PointKind, shift: f64) -> RunEvent {
    let column = |name: &str| ScoreColumn::of_all(name, (0..70).map(|i| shift + f64::from(i % 7) / 10.0).collect());
    RunEvent::Evaluated(EvaluationRecord {
        id: RunId(id.into()),
        kind,
        weighting: (kind != PointKind::Base).then(|| Weighting::corner(0, 2)),
        images_per_prompt: 2,
        rewards: vec![column("contrast"), column("colourfulness")],
        judges: Vec::new(),
        distance_to_base: None,
        added: None,
    })
}

/// The steps of `loss` that TensorBoard would show, reading a folder's files in the order of their names: the start of a session takes back
/// its step and later ones.
fn shown(folder: &Path) -> Vec<u64> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut steps: Vec<u64> = Vec::new();
    for file in files {
        for message in messages(&fs::read(file).unwrap()) {
            let step = varint_field(&message, 0x10);
            // Field 7 is a session's state, field 5 values.
            if find(&message, b"\x3a\x02\x08\x01") {
                steps.retain(|known| *known < step);
            } else if find(&message, b"\x0a\x04loss\x15") {
                steps.push(step);
            }
        }
    }
    steps
}

/// Splits a file into its messages, by the lengths before them.
fn messages(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    while !bytes.is_empty() {
        let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        messages.push(bytes[12..12 + length].to_vec());
        bytes = &bytes[16 + length..];
    }
    messages
}

fn find(message: &[u8], what: &[u8]) -> bool {
    message.windows(what.len()).any(|window| window == what)
}

/// Returns a small number behind the wall time, which comes first and takes nine bytes, unless it is 0; 0 where the field is not there.
fn varint_field(message: &[u8], key: u8) -> u64 {
    let place = if message[0] == 0x09 { 9 } else { 0 };
    if message.get(place) == Some(&key) { message[place + 1].into() } else { 0 }
}

fn begun(folder: &Path, known: &Snapshot, origin: &str) -> TensorBoard {
    let layout = Layout::new(folder.join("results"));
    TensorBoard::begin(&folder.join("board"), &spec(), &[], &layout, known, origin).unwrap()
}

fn known(events: &[RunEvent]) -> Snapshot {
    let mut snapshot = Snapshot::default();
    for event in events {
        snapshot.apply(event);
    }
    snapshot
}

#[test]
fn a_sweep_that_goes_on_takes_back_what_was_not_saved() {
    let root = tempfile::tempdir().unwrap();
    let mut first = begun(root.path(), &Snapshot::default(), "a.1");
    for event in &[started(0), evaluated("base", PointKind::Base, 0.0), epoch(1), epoch(2), epoch(3)] {
        first.emit(event);
    }
    let run = root.path().join("board/contrast");
    assert_eq!(shown(&run), [1, 2, 3]);
    // Epoch 3 was not saved.
    let snapshot = known(&[started(0), evaluated("base", PointKind::Base, 0.0), epoch(1), epoch(2)]);
    let mut second = begun(root.path(), &snapshot, "a.2");
    assert_eq!(shown(&run), [1, 2, 3], "what is there is not written again");
    for event in &[started(2), epoch(3), epoch(4), evaluated("contrast", PointKind::Trained, 0.1)] {
        second.emit(event);
    }
    assert_eq!(shown(&run), [1, 2, 3, 4]);
    second.finish().unwrap();
    let text = fs::read_dir(&run).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect::<Vec<_>>();
    assert!(find(&text.concat(), b"evaluation/contrast/gain/high"), "the base of the first process is known");
}

#[test]
fn what_is_known_before_files_are_asked_for_is_written_first_and_gone_back_behind() {
    let root = tempfile::tempdir().unwrap();
    let snapshot = known(&[started(0), epoch(1), epoch(2), epoch(3)]);
    let mut board = begun(root.path(), &snapshot, "a.1");
    let run = root.path().join("board/contrast");
    assert_eq!(shown(&run), [1, 2, 3]);
    for event in &[started(1), epoch(2), epoch(3)] {
        board.emit(event);
    }
    assert_eq!(shown(&run), [1, 2, 3], "no step comes twice");
}

#[test]
fn an_export_replaces_an_earlier_one_and_keeps_out_of_a_sweeps_folder() {
    let root = tempfile::tempdir().unwrap();
    let layout = Layout::new(root.path().join("results"));
    let mut events = vec![started(0), evaluated("base", PointKind::Base, 0.0), epoch(1), epoch(2)];
    let folder = root.path().join("exported");
    assert_eq!(export(&known(&events), &spec(), &[], &layout, &folder).unwrap(), 3, "base, a run, the experiment");
    events.push(epoch(3));
    export(&known(&events), &spec(), &[], &layout, &folder).unwrap();
    assert_eq!(shown(&folder.join("contrast")), [1, 2, 3]);
    assert_eq!(fs::read_dir(folder.join("contrast")).unwrap().count(), 1);

    let mut board = begun(root.path(), &Snapshot::default(), "a.1");
    for event in &events {
        board.emit(event);
    }
    let refused = export(&known(&events), &spec(), &[], &layout, board.folder()).unwrap_err().to_string();
    assert!(refused.contains("--tensorboard") && refused.contains("another folder"), "{refused}");
}

#[test]
fn what_cannot_be_written_is_said_at_the_end_and_stops_nothing() {
    let root = tempfile::tempdir().unwrap();
    let mut board = begun(root.path(), &Snapshot::default(), "a.1");
    fs::write(root.path().join("board/contrast"), "not a folder").unwrap();
    for event in &[started(0), epoch(1), epoch(2)] {
        board.emit(event);
    }
    let message = board.finish().unwrap_err().to_string();
    assert!(message.contains("contrast"), "{message}");
}
