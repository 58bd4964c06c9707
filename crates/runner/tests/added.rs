//! Soups that are measured join their experiment: as points of their own, once, and as long as their adapters are what they were.

mod tiny;

use std::fs;
use std::path::Path;

use moa_adapter::{Merge, MergeMethod, provenance_of};
use moa_analysis::{FrontReport, Scales, shares_by_name};
use moa_core::provenance::Made;
use moa_core::{EvaluationRecord, ExperimentSpec, PointKind, RunEvent, RunId};
use moa_runner::{Joined, Models, RunnerError, SoupBench, SweepOutcome, Tasting, gather};
use moa_store::{Indexed, LEASE, Layout, Leases, MetricStore, RunHistory, Snapshot, StoreError, remove_points};
use tiny::{models, request, run, spec};

fn swept(out: &Path, spec: ExperimentSpec, models: &Models) -> Vec<RunEvent> {
    let (outcome, events) = run(&request(spec, out), models);
    assert!(matches!(outcome.unwrap(), SweepOutcome::Finished(_)));
    events
}

fn evaluated(events: &[RunEvent]) -> Vec<&str> {
    events
        .iter()
        .filter_map(|event| match event {
            RunEvent::Evaluated(record) => Some(record.id.as_str()),
            _ => None,
        })
        .collect()
}

fn ids(of: &[&str]) -> Vec<RunId> {
    of.iter().map(|id| RunId((*id).to_owned())).collect()
}

/// Measures a soup of the corners, colourfulness first.
fn taste(out: &Path, models: &Models, merge: Merge, shares: [f64; 2]) -> Tasting {
    let corners = ids(&["colourfulness", "contrast"]);
    let bench = SoupBench::open(request(spec(), out), models, &corners, merge).unwrap();
    bench.taste(&shares, &|_| {}).unwrap()
}

fn added(out: &Path) -> Vec<String> {
    let snapshot = Snapshot::read(out).unwrap();
    moa_analysis::added(&snapshot.evaluations, &spec()).map(|record| record.id.0.clone()).collect()
}

fn report(out: &Path) -> FrontReport {
    let snapshot = Snapshot::read(out).unwrap();
    FrontReport::of(&snapshot, &spec(), Scales::of(&spec(), &snapshot.evaluations)).unwrap()
}

const SOUP: &str = "soup-colourfulness60-contrast40";

#[test]
fn a_soup_that_is_measured_is_a_point_of_the_experiment_and_is_measured_once() {
    let (root, models) = (tempfile::tempdir().unwrap(), models());
    let out = root.path();
    swept(out, spec(), &models);
    let before = Snapshot::read(out).unwrap().evaluations;

    let first = taste(out, &models, Merge::default(), [0.6, 0.4]);
    assert_eq!((first.record.id.as_str(), &first.joined), (SOUP, &Joined::Added(Indexed::Now)));
    let mixture = first.record.added.clone().unwrap();
    assert!(mixture.merge.is_mean() && mixture.ingredients.len() == 2);
    assert_eq!(mixture.ingredients[0].sha256.len(), 64);
    assert_eq!(first.record.weighting.as_ref().unwrap().shares(), [0.6, 0.4]);
    assert!(first.record.distance_to_base.is_some() && !first.images.is_empty());
    for file in ["adapter.safetensors", "adapter_config.json", "pictures.png", "log.jsonl"] {
        assert!(out.join("soups").join(SOUP).join(file).is_file(), "{file} is missing");
    }
    assert!(!out.join("soups").join(SOUP).join(LEASE).exists());

    // Beside what was planned, marked, with its place on the slider.
    let snapshot = Snapshot::read(out).unwrap();
    let known: Vec<&EvaluationRecord> = before.iter().collect();
    assert!(known.iter().all(|record| snapshot.evaluations.contains(record)), "nothing else has changed");
    assert!(snapshot.evaluations.contains(&first.record));
    let report = report(out);
    let marked: Vec<&str> = report.points.iter().filter(|point| point.added).map(|point| point.id.as_str()).collect();
    assert_eq!(marked, [SOUP]);
    assert!(report.to_json().contains("\"added\": true") && report.front_csv().contains("added"));
    let (_, shares) = shares_by_name(&spec(), &snapshot.evaluations);
    assert_eq!(shares[&RunId(SOUP.into())], [0.6, 0.4]);

    // Known: the same again, the planned soup, a run by itself.
    let again = taste(out, &models, Merge::default(), [0.6, 0.4]);
    assert_eq!((&again.joined, &again.record, &again.images), (&Joined::Before, &first.record, &first.images));
    let planned = taste(out, &models, Merge::default(), [0.5, 0.5]);
    assert_eq!((&planned.joined, planned.record.id.as_str()), (&Joined::Before, "soup-centre"));
    let alone = taste(out, &models, Merge::default(), [0.0, 1.0]);
    assert_eq!((&alone.joined, alone.record.id.as_str()), (&Joined::Before, "contrast"));
    assert_eq!(added(out), [SOUP]);

    // What the search knows.
    let corners = ids(&["colourfulness", "contrast"]);
    let bench = SoupBench::open(request(spec(), out), &models, &corners, Merge::default()).unwrap();
    let known: Vec<Vec<f64>> = bench.known_records().into_iter().map(|(shares, _)| shares).collect();
    assert!(known.contains(&vec![0.6, 0.4]) && known.contains(&vec![0.5, 0.5]) && known.len() == 4, "{known:?}");

    // A resumed sweep evaluates nothing again, and draws the soup.
    let events = swept(out, spec(), &models);
    assert_eq!(evaluated(&events), Vec::<&str>::new());
    assert_eq!(added(out), [SOUP]);
    assert!(out.join("soups").join(SOUP).join("samples.png").is_file());
    assert!(fs::read_to_string(out.join("plots/front.svg")).unwrap().contains("(added)"));
}

#[test]
fn a_measurement_that_is_stopped_keeps_nothing() {
    let (root, models) = (tempfile::tempdir().unwrap(), models());
    let out = root.path();
    swept(out, spec(), &models);
    let corners = ids(&["colourfulness", "contrast"]);
    let request = request(spec(), out);
    let stop = std::sync::Arc::clone(&request.stop);
    let bench = SoupBench::open(request, &models, &corners, Merge::default()).unwrap();
    let stopped = bench.taste(&[0.6, 0.4], &|_| stop.store(true, std::sync::atomic::Ordering::Relaxed));
    assert!(matches!(stopped, Err(RunnerError::Stopped)), "while it draws");
    assert_eq!(added(out), [""; 0]);
    assert_eq!(
        taste(out, &models, Merge::default(), [0.6, 0.4]).joined,
        Joined::Added(Indexed::Now),
        "it is measured later"
    );
}

#[test]
fn soups_of_equal_shares_that_are_merged_otherwise_are_points_of_their_own() {
    let (root, models) = (tempfile::tempdir().unwrap(), models());
    let out = root.path();
    swept(out, spec(), &models);
    let ties = Merge { method: MergeMethod::Ties, density: 0.3, ..Merge::default() };
    let tastings = [
        taste(out, &models, Merge::default(), [0.6, 0.4]),
        taste(out, &models, ties.clone(), [0.6, 0.4]),
        taste(out, &models, Merge { density: 0.4, ..ties.clone() }, [0.6, 0.4]),
        taste(out, &models, Merge::default(), [1.3, -0.3]),
    ];
    let mut names: Vec<String> = tastings.iter().map(|tasting| tasting.record.id.0.clone()).collect();
    let expected = [
        SOUP.to_owned(),
        format!("{SOUP}-ties-d0.3"),
        format!("{SOUP}-ties-d0.4"),
        "soup-colourfulness130-contrast_minus30".into(),
    ];
    assert_eq!(names, expected);
    assert_eq!(tastings[3].record.weighting, None, "beyond the corners there is no weighting");
    names.sort();
    assert_eq!(added(out), names);
    // Each has its own adapter, which says how it was made.
    for tasting in &tastings {
        let file = Layout::new(out).soup_dir(&tasting.record.id).join("adapter.safetensors");
        let provenance = provenance_of(&fs::read(file).unwrap()).unwrap().unwrap();
        assert_eq!(provenance.made, Made::Merged(tasting.record.added.clone().unwrap()));
        assert_eq!(provenance.experiment.as_deref(), Some("tiny"));
    }
    // Ingredients in another order, and others than the corners.
    let other_order = ids(&["contrast", "colourfulness"]);
    let bench = SoupBench::open(request(spec(), out), &models, &other_order, ties).unwrap();
    assert_eq!(bench.taste(&[0.4, 0.6], &|_| {}).unwrap().joined, Joined::Before);
    let others = ids(&["centre", "contrast"]);
    let bench = SoupBench::open(request(spec(), out), &models, &others, Merge::default()).unwrap();
    let tasting = bench.taste(&[0.5, 0.5], &|_| {}).unwrap();
    assert_eq!(tasting.record.id.as_str(), "soup-contrast50-centre50");
    assert_eq!(tasting.record.weighting.unwrap().shares(), [0.25, 0.75]);
}

#[test]
fn an_added_soup_is_evaluated_anew_when_its_adapters_or_the_evaluation_are_others() {
    let (root, models) = (tempfile::tempdir().unwrap(), models());
    let out = root.path();
    swept(out, spec(), &models);
    let first = taste(out, &models, Merge::default(), [0.6, 0.4]);

    let mut longer = spec();
    longer.training.epochs = 5;
    let events = swept(out, longer.clone(), &models);
    assert!(evaluated(&events).contains(&SOUP), "{:?}", evaluated(&events));
    let snapshot = Snapshot::read(out).unwrap();
    let record = snapshot.evaluations.iter().find(|record| record.id.as_str() == SOUP).unwrap();
    let hashes = |record: &EvaluationRecord| {
        record.added.as_ref().unwrap().ingredients.iter().map(|part| part.sha256.clone()).collect::<Vec<_>>()
    };
    assert_ne!(hashes(record), hashes(&first.record));
    assert!(record.added.as_ref().unwrap().is_recipe_of(first.record.added.as_ref().unwrap()));
    // As if the longer training had been there first.
    let fresh = tempfile::tempdir().unwrap();
    swept(fresh.path(), longer.clone(), &models);
    let bench = SoupBench::open(
        request(longer.clone(), fresh.path()),
        &models,
        &ids(&["colourfulness", "contrast"]),
        Merge::default(),
    );
    assert_eq!(bench.unwrap().taste(&[0.6, 0.4], &|_| {}).unwrap().record, *record);

    let mut other = longer;
    other.evaluation.seed = 9;
    let events = swept(out, other, &models);
    assert!(evaluated(&events).contains(&SOUP));

    // Of a run that the experiment no longer has: left out, and said.
    let kept = ExperimentSpec::load_kept(&Layout::new(out).experiment_file()).unwrap();
    let bench =
        SoupBench::open(request(kept.clone(), out), &models, &ids(&["centre", "contrast"]), Merge::default()).unwrap();
    let of_centre = bench.taste(&[0.5, 0.5], &|_| {}).unwrap().record.id;
    let without =
        ExperimentSpec { weightings: vec![moa_core::experiment::WeightingsSpec::Corners], soups: Vec::new(), ..kept };
    let events = swept(out, without, &models);
    let said = |event: &RunEvent| match event {
        RunEvent::Warned(warning) => {
            warning.message.contains(of_centre.as_str()) && warning.message.contains("`centre`")
        }
        _ => false,
    };
    assert!(events.iter().any(said), "{events:?}");
    let left = Snapshot::read(out).unwrap().evaluations;
    assert!(!left.iter().any(|record| record.id == of_centre) && left.iter().any(|record| record.id.as_str() == SOUP));
}

#[test]
fn an_added_soup_is_removed_with_all_that_is_known_of_it() {
    let (root, models) = (tempfile::tempdir().unwrap(), models());
    let out = root.path();
    swept(out, spec(), &models);
    let untouched = tiny::results(out);
    let id = taste(out, &models, Merge::default(), [0.6, 0.4]).record.id;
    // While a process measures it, it stays.
    let lease = Leases::take(&[Layout::new(out).soup_dir(&id).join(LEASE)]).unwrap();
    let soup = [(PointKind::Soup, id)];
    assert!(matches!(remove_points(out, &soup), Err(StoreError::Owned { .. })));
    drop(lease);
    remove_points(out, &soup).unwrap();
    tiny::results(out).assert_same(&untouched);
    assert_eq!(added(out), Vec::<String>::new());
    assert_eq!(taste(out, &models, Merge::default(), [0.6, 0.4]).joined, Joined::Added(Indexed::Now), "measured again");
}

#[test]
fn while_a_sweep_holds_the_index_the_log_is_enough_and_the_index_follows() {
    let (root, models) = (tempfile::tempdir().unwrap(), models());
    let out = root.path();
    swept(out, spec(), &models);
    let held = MetricStore::open(out).unwrap();
    let tasting = taste(out, &models, Merge::default(), [0.6, 0.4]);
    assert_eq!(tasting.joined, Joined::Added(Indexed::Later));
    assert_eq!(added(out), [SOUP], "readers find the log");
    assert_eq!(taste(out, &models, Merge::default(), [0.6, 0.4]).joined, Joined::Before);
    assert!(held.evaluation(&tasting.record.id).unwrap().is_none());
    held.close().unwrap();
    assert_eq!(added(out), [SOUP]);
    gather(&request(spec(), out), &models, &mut |_: &RunEvent| {}).unwrap();
    let store = MetricStore::open(out).unwrap();
    assert_eq!(store.evaluation(&tasting.record.id).unwrap(), Some(tasting.record));
}

#[test]
fn a_kill_at_any_moment_leaves_a_soup_that_counts_or_none() {
    let (root, models) = (tempfile::tempdir().unwrap(), models());
    let out = root.path();
    swept(out, spec(), &models);
    let first = taste(out, &models, Merge::default(), [0.6, 0.4]);
    let folder = Layout::new(out).soup_dir(&first.record.id);
    let log = fs::read(folder.join("log.jsonl")).unwrap();
    // Killed before the log, in it, and with the lease still there: measured again, to the same figures.
    for length in [0, 10, log.len() - 1] {
        fs::write(folder.join("log.jsonl"), &log[..length]).unwrap();
        fs::remove_dir_all(Layout::new(out).metrics_dir()).unwrap();
        gather(&request(spec(), out), &models, &mut |_: &RunEvent| {}).unwrap();
        assert_eq!(added(out), Vec::<String>::new(), "what has no whole log is none");
        fs::write(
            folder.join(LEASE),
            format!("{{\"node\":{:?},\"pid\":4294967295,\"token\":1,\"beats\":0,\"when\":0}}", node()),
        )
        .unwrap();
        let again = taste(out, &models, Merge::default(), [0.6, 0.4]);
        assert_eq!((&again.joined, &again.record), (&Joined::Added(Indexed::Now), &first.record));
    }
    // Killed between the adapter and the log of another adapter: the log is of another one, and does not count.
    let (adapter, other) = (folder.join("adapter.safetensors"), Layout::new(out).adapter_file(&RunId("centre".into())));
    let whole = fs::read(&adapter).unwrap();
    fs::copy(other, &adapter).unwrap();
    let (_, events) = run(&request(spec(), out), &models);
    assert_eq!(
        evaluated(&events),
        Vec::<&str>::new(),
        "the adapter is merged again, and is the one that was evaluated"
    );
    assert_eq!(fs::read(&adapter).unwrap(), whole);
}

fn node() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned()
}

#[test]
fn what_cannot_be_kept_is_measured_all_the_same() {
    let (root, models) = (tempfile::tempdir().unwrap(), models());
    let out = root.path();
    swept(out, spec(), &models);
    // Other settings than those that the base was evaluated with.
    let mut other = spec();
    other.evaluation.seed = 9;
    let bench =
        SoupBench::open(request(other, out), &models, &ids(&["colourfulness", "contrast"]), Merge::default()).unwrap();
    let tasting = bench.taste(&[0.6, 0.4], &|_| {}).unwrap();
    assert!(
        matches!(&tasting.joined, Joined::Not(reason) if reason.contains("other settings")),
        "{:?}",
        tasting.joined
    );
    assert_eq!(added(out), Vec::<String>::new());
    // A folder where the adapter should be.
    fs::create_dir_all(out.join("soups").join(SOUP).join("adapter.safetensors")).unwrap();
    let tasting = taste(out, &models, Merge::default(), [0.6, 0.4]);
    assert!(
        matches!(&tasting.joined, Joined::Not(reason) if reason.contains("adapter.safetensors")),
        "{:?}",
        tasting.joined
    );
    assert_eq!(tasting.record.kind, PointKind::Soup);
}

#[test]
fn every_adapter_says_where_it_comes_from_and_results_of_before_are_left_as_they_are() {
    let (root, models) = (tempfile::tempdir().unwrap(), models());
    let out = root.path();
    swept(out, spec(), &models);
    let origin = |path: &str| provenance_of(&fs::read(out.join(path)).unwrap()).unwrap();
    let Some(Made::Trained(trained)) = origin("runs/contrast/adapter.safetensors").map(|origin| origin.made) else {
        panic!("it is trained")
    };
    assert_eq!((trained.run.as_str(), trained.epochs, trained.weighting["contrast"]), ("contrast", 3, 1.0));
    let log = RunHistory::read(&Layout::new(out).log_file(PointKind::Trained, &trained.run)).unwrap().unwrap();
    assert_eq!(Some(&trained.facts), log.facts.as_ref());
    assert!(trained.settings().any(|(key, value)| key == "seed" && value == "3"));
    let Some(Made::Merged(mixture)) = origin("soups/soup-centre/adapter.safetensors").map(|origin| origin.made) else {
        panic!("it is merged")
    };
    let own = origin("runs/contrast/adapter.safetensors").unwrap().digest();
    assert_eq!(mixture.ingredients[1].provenance.as_ref(), Some(&own));

    // Adapters of before, which say nothing, are the same runs: nothing is trained, evaluated or written again.
    let files = ["runs/colourfulness", "runs/contrast", "runs/centre", "soups/soup-centre"];
    let mut bare = Vec::new();
    for file in files.map(|folder| out.join(folder).join("adapter.safetensors")) {
        let config = fs::read_to_string(file.with_file_name("adapter_config.json")).unwrap();
        let adapter = moa_adapter::Adapter::read(&fs::read(&file).unwrap(), &config).unwrap();
        fs::write(&file, adapter.to_safetensors(None).unwrap()).unwrap();
        bare.push((file.clone(), fs::read(&file).unwrap()));
    }
    let events = swept(out, spec(), &models);
    assert_eq!(evaluated(&events), Vec::<&str>::new());
    assert!(!events.iter().any(|event| matches!(event, RunEvent::EpochFinished(_))));
    assert!(bare.iter().all(|(file, bytes)| fs::read(file).unwrap() == *bytes));
    assert_eq!(taste(out, &models, Merge::default(), [0.6, 0.4]).joined, Joined::Added(Indexed::Now));
}
