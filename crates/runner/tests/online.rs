//! Online training: prompts arrive while it goes on, adapters are released, and training goes back to one.

mod tiny;

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::Ordering;

use moa_core::experiment::{OnlineSpec, WeightingsSpec};
use moa_core::{ExperimentSpec, OnlineNews, RunEvent, RunId};
use moa_runner::{Part, Receipt, RollBack, SweepOutcome, SweepRequest, roll_back, sweep};
use moa_store::{Arrivals, Layout, Standing, Versions};
use tiny::{Results, models, request, results, run};

const EPOCHS: u32 = 6;

/// Two adapters of six epochs, with a version after every second.
fn spec(inbox: &Path) -> ExperimentSpec {
    let mut spec = ExperimentSpec {
        weightings: vec![WeightingsSpec::Corners],
        soups: Vec::new(),
        online: Some(OnlineSpec { every: 2, share: 0.7, states: 2, ..OnlineSpec::new(inbox) }),
        ..tiny::spec()
    };
    spec.training.epochs = EPOCHS;
    spec.validate().unwrap();
    spec
}

fn append(inbox: &Path, lines: &str) {
    let mut file = OpenOptions::new().create(true).append(true).open(inbox).unwrap();
    file.write_all(lines.as_bytes()).unwrap();
}

/// Sweeps with prompts that arrive after some epochs.
fn swept(request: &SweepRequest, inbox: &Path, arriving: &[(u32, &str)]) -> Vec<RunEvent> {
    let mut events = Vec::new();
    let outcome = sweep(request, &models(), &mut |event: &RunEvent| {
        if let RunEvent::EpochFinished(record) = event
            && record.run.as_str() == "contrast"
        {
            let now = arriving.iter().filter(|(epoch, _)| *epoch == record.epoch);
            now.for_each(|(_, lines)| append(inbox, lines));
        }
        events.push(event.clone());
    });
    assert!(matches!(outcome.unwrap(), SweepOutcome::Finished(_)));
    events
}

/// Returns what a sweep left that does not depend on when it was done, or from where prompts came.
fn left(out: &Path) -> Results {
    let mut results = results(out);
    results.files.retain(|path, _| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        !["versions.jsonl", "experiment.ron", "receipt.json", "arrivals.jsonl"].contains(&&*name)
    });
    results
}

/// Returns a run's versions with how they stand, and nothing of when they were made.
fn versions(out: &Path, run: &str) -> Vec<(u32, u32, u64, Standing)> {
    let versions = Versions::read(&Layout::new(out), &RunId(run.into())).unwrap();
    let of = |(version, standing): (&moa_store::Version, Standing)| {
        (version.number, version.after_epoch, version.arrived, standing)
    };
    versions.all().into_iter().map(of).collect()
}

#[test]
fn what_arrives_is_trained_on_and_versions_are_released() {
    let root = tempfile::tempdir().unwrap();
    let (inbox, out) = (root.path().join("inbox.jsonl"), root.path().join("out"));
    append(&inbox, "{\"prompt\": \"a fish on a red background\"}\nnot {json is a prompt\n{\"text\": 3}\n");
    let arriving = [(2, "a sun on a blue background\na dog on a green background\n"), (3, "a bus on a red ")];
    let events = swept(&request(spec(&inbox), &out), &inbox, &arriving);
    let news: Vec<&OnlineNews> = events
        .iter()
        .filter_map(|event| match event {
            RunEvent::Online(news) => Some(news),
            _ => None,
        })
        .collect();
    let arrived: Vec<(u32, u32, u32)> = news
        .iter()
        .filter_map(|news| match news {
            OnlineNews::Arrived { after_epoch, prompts, refused } => Some((*after_epoch, *prompts, *refused)),
            _ => None,
        })
        .collect();
    // A line without a prompt and a held-out prompt are refused, and a line that is not ended waits.
    assert_eq!(arrived, [(0, 2, 1), (2, 1, 1), (4, 0, 0), (6, 0, 0)]);
    let layout = Layout::new(&out);
    for run in ["colourfulness", "contrast"] {
        let expected =
            [(1, 2, 3, Standing::Superseded), (2, 4, 3, Standing::Superseded), (3, 6, 3, Standing::Released)];
        assert_eq!(versions(&out, run), expected);
        let run = RunId(run.into());
        let released = std::fs::read(layout.released_dir(&run).join("adapter.safetensors")).unwrap();
        assert_eq!(released, std::fs::read(layout.version_dir(&run, 3).join("adapter.safetensors")).unwrap());
        let [first, last] = [1, 3].map(|number| layout.version_dir(&run, number).join("checkpoint.bin").exists());
        assert!(!first && last, "of two versions the state is kept");
        let history = Versions::read(&layout, &run).unwrap();
        let version = history.released().unwrap();
        assert_eq!(version.rewards.len(), 2);
        assert_eq!(version.on_arrivals.len(), 2);
        assert_eq!(version.judges.len(), 1);
    }
    let receipt = Receipt::read(&layout.receipt_file()).unwrap().unwrap();
    let looks: Vec<&String> = receipt.sha256.keys().filter(|name| name.starts_with("arrivals.")).collect();
    assert_eq!(looks.len(), 4, "{looks:?}");
    // Doing it again does nothing, whatever arrived since.
    append(&inbox, "blue background\n");
    let (outcome, events) = run(&request(spec(&inbox), &out), &models());
    assert!(matches!(outcome.unwrap(), SweepOutcome::Finished(_)));
    assert!(!events.iter().any(|event| matches!(event, RunEvent::Online(_) | RunEvent::Evaluated(_))));
    // Without what arrived, something else becomes of the adapters.
    let without = root.path().join("without");
    swept(&request(spec(&root.path().join("nothing")), &without), &inbox, &[]);
    let adapter = |out: &Path| std::fs::read(Layout::new(out).adapter_file(&RunId("contrast".into()))).unwrap();
    assert_ne!(adapter(&out), adapter(&without));
}

#[test]
fn a_rerun_on_what_arrived_is_the_same_to_the_bit_whenever_it_is_stopped() {
    let root = tempfile::tempdir().unwrap();
    let (inbox, out) = (root.path().join("inbox.jsonl"), root.path().join("out"));
    append(&inbox, "a fish on a red background\n");
    swept(
        &request(spec(&inbox), &out),
        &inbox,
        &[(1, "a sun on a blue background\n"), (4, "a bus on a red background\n")],
    );
    let (record, expected) = (out.join("arrivals.jsonl"), left(&out));
    for stop_at in [2, 9, 13, 24] {
        let again = root.path().join(format!("again-{stop_at}"));
        let first = request(spec(&record), &again);
        let (stop, mut count) = (first.stop.clone(), 0);
        let outcome = sweep(&first, &models(), &mut |event: &RunEvent| {
            count += usize::from(!matches!(event, RunEvent::Progress { .. }));
            stop.fetch_or(count >= stop_at, Ordering::Relaxed);
        });
        assert!(matches!(outcome.unwrap(), SweepOutcome::Interrupted { .. }), "{stop_at}");
        swept(&request(spec(&record), &again), &inbox, &[]);
        left(&again).assert_same(&expected);
        assert_eq!(versions(&again, "contrast"), versions(&out, "contrast"));
        assert_eq!(Arrivals::read_file(&again.join("arrivals.jsonl")).unwrap(), Arrivals::read_file(&record).unwrap());
    }
    // A longer training goes on from a shorter one.
    let short = root.path().join("short");
    let mut fewer = spec(&record);
    fewer.training.epochs = 4;
    swept(&request(fewer, &short), &inbox, &[]);
    swept(&request(spec(&record), &short), &inbox, &[]);
    left(&short).assert_same(&expected);
}

#[test]
fn training_goes_back_to_a_version_and_on_with_what_arrives_from_then_on() {
    let root = tempfile::tempdir().unwrap();
    let (inbox, out) = (root.path().join("inbox.jsonl"), root.path().join("out"));
    append(&inbox, "a fish on a red background\n");
    let spec = spec(&inbox);
    swept(
        &request(spec.clone(), &out),
        &inbox,
        &[(3, "a sun on a blue background\n"), (5, "a bus on a red background\n")],
    );
    let back = |to: Option<u32>, runs: &[RunId], releases_alone: bool| {
        roll_back(&RollBack { results: &out, spec: &spec, to, runs, releases_alone })
    };
    let refused = |to, runs: &[RunId], releases_alone| back(to, runs, releases_alone).unwrap_err().to_string();
    assert!(refused(Some(9), &[], false).contains("it has 1, 2, 3"));
    assert!(refused(Some(1), &[], false).contains("the training state is kept of version 2, 3"));
    assert!(refused(None, &[RunId("contrast".into())], false).contains("--release-only"));
    assert!(refused(None, &[RunId("safety".into())], true).contains("`safety`"));

    // An adapter alone.
    let contrast = RunId("contrast".into());
    let done = back(Some(1), std::slice::from_ref(&contrast), true).unwrap();
    assert_eq!((done.runs, done.set_aside), (vec![(contrast.clone(), 1, 2)], None));
    let layout = Layout::new(&out);
    let adapter = |number| std::fs::read(layout.version_dir(&contrast, number).join("adapter.safetensors")).unwrap();
    assert_eq!(std::fs::read(layout.released_dir(&contrast).join("adapter.safetensors")).unwrap(), adapter(1));
    let standings: Vec<Standing> = versions(&out, "contrast").into_iter().map(|version| version.3).collect();
    assert_eq!(standings, [Standing::Released, Standing::Withdrawn, Standing::Withdrawn]);

    // Of all runs, training too: version 2, which is the last one before the newest.
    std::fs::remove_dir_all(&out).unwrap();
    std::fs::remove_file(&inbox).unwrap();
    append(&inbox, "a fish on a red background\n");
    swept(
        &request(spec.clone(), &out),
        &inbox,
        &[(3, "a sun on a blue background\n"), (5, "a bus on a red background\n")],
    );
    let done = back(None, &[], false).unwrap();
    assert_eq!(done.runs.iter().map(|run| (run.1, run.2)).collect::<Vec<_>>(), [(2, 4), (2, 4)]);
    assert_eq!(done.set_aside, Some(2), "what was found after epochs 4 and 6");
    append(&inbox, "a ghost on a green background\n");
    swept(&request(spec.clone(), &out), &inbox, &[]);
    assert_eq!(
        versions(&out, "contrast"),
        [
            (1, 2, 1, Standing::Superseded),
            (2, 4, 2, Standing::Superseded),
            (3, 6, 3, Standing::Withdrawn),
            (4, 6, 2, Standing::Released)
        ]
    );
    let arrivals = Arrivals::read(&layout).unwrap();
    assert_eq!(arrivals.at(4).unwrap().prompts, ["a ghost on a green background"]);
    // Versions that were taken back don't use up the states that are kept: one more step back is possible.
    let done = back(None, &[], false).unwrap();
    assert_eq!(done.runs.iter().map(|run| (run.1, run.2)).collect::<Vec<_>>(), [(2, 4), (2, 4)]);
    append(&inbox, "a ghost on a green background\n");
    swept(&request(spec.clone(), &out), &inbox, &[]);
    // A damaged or missing adapter is not released.
    let released = std::fs::read(layout.released_dir(&contrast).join("adapter.safetensors")).unwrap();
    let file = layout.version_dir(&contrast, 2).join("adapter.safetensors");
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    assert!(refused(Some(2), std::slice::from_ref(&contrast), true).contains("damaged"));
    std::fs::remove_file(&file).unwrap();
    assert!(refused(Some(2), std::slice::from_ref(&contrast), true).contains("is gone"));
    assert_eq!(std::fs::read(layout.released_dir(&contrast).join("adapter.safetensors")).unwrap(), released);
    back(Some(1), std::slice::from_ref(&contrast), true).unwrap();
    std::fs::write(&file, &bytes).unwrap();
    // What is set aside has left no trace in the adapters.
    let again = root.path().join("again");
    let record = layout.arrivals_file();
    swept(&request(ExperimentSpec { online: self::spec(&record).online, ..spec.clone() }, &again), &inbox, &[]);
    let trained = |out: &Path| std::fs::read(Layout::new(out).checkpoint_file(&contrast)).unwrap();
    assert_eq!(trained(&out), trained(&again));
}

#[test]
fn parts_of_the_runs_and_other_looks_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let (inbox, out) = (root.path().join("inbox.jsonl"), root.path().join("out"));
    let part = SweepRequest { part: Some(Part { number: 1, of: 2 }), ..request(spec(&inbox), &out) };
    let error = run(&part, &models()).0.unwrap_err().to_string();
    assert!(error.contains("--partition"), "{error}");
    swept(&request(spec(&inbox), &out), &inbox, &[]);
    let mut other = spec(&out.join("arrivals.jsonl"));
    if let Some(online) = &mut other.online {
        online.every = 3;
    }
    let error = run(&request(other, &root.path().join("other")), &models()).0.unwrap_err().to_string();
    assert!(error.contains("no look after epoch 3") && error.contains("online.every"), "{error}");
}
