//! Whole sweeps of a tiny experiment: what they leave, and that nothing but the experiment decides it.

mod tiny;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::Ordering;

use moa_analysis::{FrontReport, Scales};
use moa_core::experiment::{NextBy, NextSpec, SoupsSpec, WeightingsSpec};
use moa_core::{ExperimentSpec, Phase, PointKind, RunEvent, RunId, RunState};
use moa_runner::{Models, Part, RunnerError, Strangers, SweepOutcome, SweepRequest, bring, gather, repair, sweep};
use moa_store::{ImageScores, Layout, Leases, Role, Snapshot};
use tiny::{Results, models, request, results, run, spec};

fn finished(out: &Path, spec: ExperimentSpec, models: &Models) -> (FrontReport, Vec<RunEvent>) {
    let (outcome, events) = run(&request(spec, out), models);
    match outcome.unwrap() {
        SweepOutcome::Finished(report) => (*report, events),
        _ => panic!("no stop was requested"),
    }
}

fn stopped_after_one_epoch(out: &Path, models: &Models) {
    let request = request(spec(), out);
    let stop = request.stop.clone();
    let stopped = sweep(&request, models, &mut |event: &RunEvent| {
        stop.fetch_or(matches!(event, RunEvent::Checkpointed { .. }), Ordering::Relaxed);
    });
    assert!(matches!(stopped, Ok(SweepOutcome::Interrupted { epoch: 1 })));
}

fn uninterrupted(models: &Models) -> Results {
    let root = tempfile::tempdir().unwrap();
    finished(root.path(), spec(), models);
    results(root.path())
}

#[test]
fn a_sweep_leaves_adapters_evaluations_pictures_and_plots() {
    let (root, models) = (tempfile::tempdir().unwrap(), models());
    let (report, events) = finished(root.path(), spec(), &models);
    for file in [
        "experiment.ron",
        "receipt.json",
        "front.csv",
        "front.json",
        "hypervolume.csv",
        "hypervolume.json",
        "runs/base/samples.png",
        "runs/contrast/adapter.safetensors",
        "runs/contrast/adapter_config.json",
        "runs/contrast/samples.png",
        "soups/soup-centre/adapter.safetensors",
        "soups/soup-centre/samples.png",
        "plots/front.svg",
        "plots/front.png",
        "plots/curves.svg",
        "plots/pictures.png",
    ] {
        assert!(root.path().join(file).is_file(), "{file} is missing");
    }
    let snapshot = Snapshot::read(root.path()).unwrap();
    assert!(snapshot.runs.iter().all(|run| run.state == RunState::Evaluated && run.epochs_done == 3));
    assert!(snapshot.epochs.values().all(|epochs| epochs.len() == 3));
    let kinds: Vec<PointKind> = snapshot.evaluations.iter().map(|evaluation| evaluation.kind).collect();
    let trained = PointKind::Trained;
    assert_eq!(kinds, [PointKind::Base, trained, trained, trained, PointKind::Soup]);
    let judged = &snapshot.evaluations[0].judges[0];
    let places = judged.places(snapshot.evaluations[0].prompts()).unwrap();
    assert_eq!((judged.prompt_means.len(), places.len()), (2, 2), "the judge has nothing to say of dogs");
    assert!(judged.prompts.is_some(), "and it is known of which prompts it speaks");

    assert_eq!(report, FrontReport::of(&snapshot, &spec(), Scales::of(&spec(), &snapshot.evaluations)).unwrap());
    let phases: Vec<Phase> = events
        .iter()
        .filter_map(|event| match event {
            RunEvent::PhaseStarted { phase, .. } => Some(*phase),
            _ => None,
        })
        .collect();
    assert_eq!(phases, [Phase::Base, Phase::Training, Phase::Evaluation, Phase::Drawing]);
    assert!(matches!(events.first(), Some(RunEvent::SweepStarted { .. })));
    assert!(matches!(events.last(), Some(RunEvent::SweepFinished)));
}

#[test]
fn blends_are_added_to_results_that_know_none() {
    let (root, models) = (tempfile::tempdir().unwrap(), models());
    finished(root.path(), spec(), &models);
    let before = Snapshot::read(root.path()).unwrap();
    let with = ExperimentSpec { blends: vec![SoupsSpec::AtWeightings], ..spec() };
    let (report, events) = finished(root.path(), with, &models);
    let evaluated: Vec<&str> = events
        .iter()
        .filter_map(|event| match event {
            RunEvent::Evaluated(record) => Some(record.id.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(evaluated, ["blend-centre"], "everything else is known");
    let after = Snapshot::read(root.path()).unwrap();
    assert_eq!(after.evaluations[..before.evaluations.len()], before.evaluations);
    let blend = report.point("blend-centre").unwrap();
    assert_eq!(blend.kind, PointKind::Blend);
    assert_eq!(blend.weighting, report.point("soup-centre").unwrap().weighting);
    let score = |id: &str| report.point(id).unwrap().rewards[0].mean.mean;
    assert_ne!(score("blend-centre").to_bits(), score("base").to_bits(), "its adapters predict");
    assert!(root.path().join("blends/blend-centre/samples.png").is_file());
    assert!(!root.path().join("blends/blend-centre/adapter.safetensors").exists(), "a blend is no adapter");
    let comparison = report.soups.unwrap();
    assert!(comparison.blends.is_some() && comparison.soups_and_blends.is_some());
    assert!(root.path().join("plots/soup-edges.svg").is_file());
}

#[test]
fn a_stopped_sweep_goes_on_to_the_same_results() {
    let (root, models) = (tempfile::tempdir().unwrap(), models());
    let expected = uninterrupted(&models);
    // Stopped in the base's evaluation, after an epoch, between evaluations, and before the drawings.
    let moments: [fn(&RunEvent) -> bool; 4] = [
        |event| matches!(event, RunEvent::PhaseStarted { phase: Phase::Base, .. }),
        |event| matches!(event, RunEvent::Checkpointed { epoch: 2 }),
        |event| matches!(event, RunEvent::Evaluated(record) if record.id.as_str() == "contrast"),
        |event| matches!(event, RunEvent::Evaluated(record) if record.kind == PointKind::Soup),
    ];
    for (moment, epoch) in moments.into_iter().zip([0, 2, 3, 3]) {
        let request = request(spec(), root.path());
        let stop = request.stop.clone();
        let mut last = None;
        let outcome = sweep(&request, &models, &mut |event: &RunEvent| {
            stop.fetch_or(moment(event), Ordering::Relaxed);
            last = Some(event.clone());
        });
        assert!(matches!(outcome, Ok(SweepOutcome::Interrupted { epoch: found }) if found == epoch));
        assert_eq!(last, Some(RunEvent::Interrupted { epoch }));
        assert!(!root.path().join("front.csv").exists());
    }
    let (_, events) = finished(root.path(), spec(), &models);
    let epochs = events.iter().filter(|event| matches!(event, RunEvent::EpochFinished(_))).count();
    assert_eq!(epochs, 0, "all epochs were finished before");
    results(root.path()).assert_same(&expected);
}

#[test]
fn a_sweep_that_dies_at_any_moment_goes_on_to_the_same_results() {
    let (root, models) = (tempfile::tempdir().unwrap(), models());
    let expected = uninterrupted(&models);
    let mut deaths = 0;
    for moment in (2..).step_by(3) {
        let mut count = 0;
        let died = catch_unwind(AssertUnwindSafe(|| {
            let outcome = sweep(&request(spec(), root.path()), &models, &mut |event: &RunEvent| {
                count += u32::from(!matches!(event, RunEvent::Progress { .. }));
                assert!(count < moment, "dies");
            });
            outcome.unwrap();
        }));
        if died.is_ok() {
            break;
        }
        deaths += 1;
    }
    assert!(deaths > 5, "{deaths}");
    results(root.path()).assert_same(&expected);
}

#[test]
fn a_run_behind_its_log_trains_the_lost_epochs_again() {
    let (root, models) = (tempfile::tempdir().unwrap(), models());
    let expected = uninterrupted(&models);
    let folder = root.path().join("runs/contrast");
    let checkpoint = folder.join("checkpoint.bin");
    let mut first = Vec::new();
    let outcome = sweep(&request(spec(), root.path()), &models, &mut |event: &RunEvent| {
        if matches!(event, RunEvent::Checkpointed { epoch: 1 }) {
            first = fs::read(&checkpoint).unwrap();
        }
    });
    assert!(matches!(outcome, Ok(SweepOutcome::Finished(_))));
    fs::write(&checkpoint, first).unwrap();
    fs::remove_file(folder.join("adapter.safetensors")).unwrap();
    let (_, events) = finished(root.path(), spec(), &models);
    assert_eq!(trained_epochs(&events), ["contrast 2", "contrast 3"], "of one run alone");
    results(root.path()).assert_same(&expected);
}

/// Returns the epochs that events tell of, by run.
fn trained_epochs(events: &[RunEvent]) -> Vec<String> {
    let epoch = |event: &RunEvent| match event {
        RunEvent::EpochFinished(record) => Some(format!("{} {}", record.run, record.epoch)),
        _ => None,
    };
    events.iter().filter_map(epoch).collect()
}

fn smaller() -> ExperimentSpec {
    ExperimentSpec { weightings: vec![WeightingsSpec::Corners], ..spec() }
}

#[test]
fn what_is_added_is_trained_alone_and_ends_as_if_it_had_been_there_from_the_start() {
    let (root, models) = (tempfile::tempdir().unwrap(), models());
    let expected = uninterrupted(&models);
    finished(root.path(), smaller(), &models);
    let (_, events) = finished(root.path(), spec(), &models);
    assert_eq!(trained_epochs(&events), ["centre 1", "centre 2", "centre 3"]);
    results(root.path()).assert_same(&expected);
    // Taken from the list, a run is hidden, and nothing of it is deleted.
    let (report, events) = finished(root.path(), smaller(), &models);
    assert_eq!(trained_epochs(&events), Vec::<String>::new());
    assert!(report.point("centre").is_none() && root.path().join("runs/centre/adapter.safetensors").exists());
    assert!(Snapshot::read(root.path()).unwrap().runs.iter().all(|run| run.id.as_str() != "centre"));
    finished(root.path(), spec(), &models);
    results(root.path()).assert_same(&expected);
}

#[test]
fn more_epochs_go_on_from_the_last_one() {
    let (root, models) = (tempfile::tempdir().unwrap(), models());
    // Probes come after every second epoch, and after the last: the third has one only where it is the last.
    let with = |epochs: u32| {
        let mut spec = spec();
        spec.training.epochs = epochs;
        spec
    };
    finished(root.path(), with(3), &models);
    let (_, events) = finished(root.path(), with(5), &models);
    let trained = trained_epochs(&events);
    assert!(trained.iter().all(|epoch| !epoch.ends_with(" 1") && !epoch.ends_with(" 2")), "{trained:?}");
    let whole = tempfile::tempdir().unwrap();
    finished(whole.path(), with(5), &models);
    results(root.path()).assert_same(&results(whole.path()));
    let message = run(&request(with(4), root.path()), &models).0.unwrap_err().to_string();
    assert!(message.contains("has trained 5 epochs") && message.contains("`training.epochs` is 4"), "{message}");
}

fn part(number: usize, of: usize, out: &Path, models: &Models) -> Vec<RunEvent> {
    let request = SweepRequest { part: Some(Part { number, of }), ..request(spec(), out) };
    let (outcome, events) = run(&request, models);
    assert!(matches!(outcome, Ok(SweepOutcome::PartFinished)), "{outcome:?}");
    events
}

fn gathered(out: &Path, models: &Models) -> (Result<SweepOutcome, RunnerError>, Vec<RunEvent>) {
    let mut events = Vec::new();
    let outcome = gather(&request(spec(), out), models, &mut |event: &RunEvent| events.push(event.clone()));
    (outcome, events)
}

#[test]
fn parts_in_any_order_and_folders_gather_to_what_one_machine_makes() {
    let models = models();
    let expected = uninterrupted(&models);
    for order in [&[1, 2][..], &[2, 1], &[3, 1, 2]] {
        let root = tempfile::tempdir().unwrap();
        let of = order.len();
        for number in &order[..of - 1] {
            part(*number, of, root.path(), &models);
        }
        // Before all is there it says what is missing, and makes what there is of it.
        let message = gathered(root.path(), &models).0.unwrap_err().to_string();
        assert!(message.contains("not begun"), "{message}");
        let snapshot = Snapshot::read(root.path()).unwrap();
        assert!(snapshot.evaluations.len() > 1, "the others are evaluated");
        // The last part comes from another folder.
        let elsewhere = tempfile::tempdir().unwrap();
        part(order[of - 1], of, elsewhere.path(), &models);
        let from = [elsewhere.path().to_path_buf()];
        let brought = bring(&request(spec(), root.path()), &models, &from, Strangers::Refused).unwrap();
        assert!(!brought.taken.is_empty());
        let (outcome, events) = gathered(root.path(), &models);
        assert!(matches!(outcome, Ok(SweepOutcome::Finished(_))), "{outcome:?}");
        assert_eq!(trained_epochs(&events), Vec::<String>::new(), "gathering trains nothing");
        results(root.path()).assert_same(&expected);
        let (outcome, events) = gathered(root.path(), &models);
        assert!(matches!(outcome, Ok(SweepOutcome::Finished(_))));
        assert!(!events.iter().any(|event| matches!(event, RunEvent::Evaluated(_))), "nothing is left to do");
        results(root.path()).assert_same(&expected);
    }
}

#[test]
fn parts_that_are_not_gathered_can_be_read() {
    let (root, models) = (tempfile::tempdir().unwrap(), models());
    part(1, 2, root.path(), &models);
    let snapshot = Snapshot::read(root.path()).unwrap();
    let states: Vec<RunState> = snapshot.runs.iter().map(|run| run.state).collect();
    assert_eq!(states, [RunState::Evaluated, RunState::Planned, RunState::Evaluated]);
    assert_eq!(snapshot.sweep.rewards, ["colourfulness", "contrast"]);
    assert_eq!(snapshot.epochs.len(), 2);
}

#[test]
fn a_run_has_one_owner() {
    let (root, models) = (tempfile::tempdir().unwrap(), models());
    let lease = Leases::take(&[Layout::new(root.path()).lease_file(&RunId("contrast".into()))]).unwrap();
    let request = SweepRequest { part: Some(Part { number: 2, of: 2 }), ..request(spec(), root.path()) };
    let message = run(&request, &models).0.unwrap_err().to_string();
    assert!(message.contains("runs/contrast") && message.contains("another part"), "{message}");
    drop(lease);
    part(2, 2, root.path(), &models);
}

#[test]
fn runs_that_stay_the_same_are_taken_along_and_others_left() {
    let (root, models) = (tempfile::tempdir().unwrap(), models());
    finished(root.path(), spec(), &models);
    let new = tempfile::tempdir().unwrap();
    let mut other = spec();
    other.training.epochs = 4;
    let from = [root.path().to_path_buf()];
    let brought = bring(&request(other.clone(), new.path()), &models, &from, Strangers::Left).unwrap();
    assert_eq!((brought.taken.len(), brought.left.len()), (3, 0));
    let (_, events) = finished(new.path(), other.clone(), &models);
    let trained = trained_epochs(&events).into_iter().filter(|epoch| epoch.ends_with(" 4")).count();
    assert_eq!(trained, 3, "one epoch of each");
    let strange = tempfile::tempdir().unwrap();
    other.optimiser.learning_rate = 0.25;
    let request = request(other, strange.path());
    let brought = bring(&request, &models, &from, Strangers::Left).unwrap();
    assert_eq!(brought.left[0].1, "optimiser.learning_rate");
    assert!(brought.taken.is_empty());
    let message = bring(&request, &models, &from, Strangers::Refused).unwrap_err().to_string();
    assert!(message.contains("`optimiser.learning_rate`, 0.005 there and 0.25 here"), "{message}");
    let empty = [new.path().join("none")];
    let message = bring(&request, &models, &empty, Strangers::Left).unwrap_err().to_string();
    assert!(message.contains("has none of this experiment"), "{message}");
    // Two adapters of one run that are not the same.
    let twin = tempfile::tempdir().unwrap();
    finished(twin.path(), spec(), &models);
    let adapter = twin.path().join("runs/contrast/adapter.safetensors");
    let mut bytes = fs::read(&adapter).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&adapter, bytes).unwrap();
    let request = tiny::request(spec(), twin.path());
    let message = bring(&request, &models, &from, Strangers::Refused).unwrap_err().to_string();
    assert!(message.contains("`contrast`") && message.contains("not the same adapter"), "{message}");
}

fn chooses(count: u32) -> ExperimentSpec {
    let next = NextSpec { count, by: NextBy::default(), budget: None, chosen: Vec::new(), ended: None };
    ExperimentSpec { weightings: vec![WeightingsSpec::Corners, WeightingsSpec::Next(next)], ..spec() }
}

#[test]
fn what_is_chosen_is_trained_and_explained_and_every_process_chooses_the_same() {
    let (root, models) = (tempfile::tempdir().unwrap(), models());
    let (report, _) = finished(root.path(), chooses(2), &models);
    let kept = ExperimentSpec::load_kept(&Layout::new(root.path()).experiment_file()).unwrap();
    let next = kept.next().unwrap();
    assert!((1..=2).contains(&next.chosen.len()) && (next.chosen.len() == 2 || next.ended.is_some()), "{next:?}");
    let chosen = &kept.weightings()[2].0;
    assert!(report.point(chosen.as_str()).is_some(), "{chosen} is evaluated");
    let expected = results(root.path());
    let (_, events) = finished(root.path(), chooses(2), &models);
    assert_eq!(trained_epochs(&events), Vec::<String>::new());
    results(root.path()).assert_same(&expected);
    // In parts: each stage is gathered, and gathering says what comes next.
    let parts = tempfile::tempdir().unwrap();
    let mut stages = 0;
    loop {
        for number in 1..=2 {
            let part = Some(Part { number, of: 2 });
            let request = SweepRequest { part, ..request(chooses(2), parts.path()) };
            assert!(matches!(run(&request, &models).0, Ok(SweepOutcome::PartFinished)));
        }
        stages += 1;
        match gather(&request(chooses(2), parts.path()), &models, &mut |_: &RunEvent| {}) {
            Ok(SweepOutcome::Further { .. }) => {}
            Ok(SweepOutcome::Finished(_)) => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(stages, 1 + next.chosen.len());
    results(parts.path()).assert_same(&expected);
    // More of them go on from what was chosen.
    let (_, events) = finished(root.path(), chooses(3), &models);
    let after = ExperimentSpec::load_kept(&Layout::new(root.path()).experiment_file()).unwrap();
    assert_eq!(after.next().unwrap().chosen[..next.chosen.len()], next.chosen[..]);
    assert!(trained_epochs(&events).iter().all(|epoch| !epoch.starts_with("contrast ")));
}

#[test]
fn a_further_round_goes_on_from_the_mean_of_the_one_before() {
    let (root, models) = (tempfile::tempdir().unwrap(), models());
    let rounds = |rounds| ExperimentSpec { rounds, weightings: vec![WeightingsSpec::Corners], ..spec() };
    finished(root.path(), rounds(1), &models);
    let first = fs::read(root.path().join("runs/contrast/adapter.safetensors")).unwrap();
    let (report, events) = finished(root.path(), rounds(2), &models);
    assert!(trained_epochs(&events).iter().all(|epoch| epoch.starts_with("round2-")), "round 1 is trained");
    assert_eq!(fs::read(root.path().join("runs/contrast/adapter.safetensors")).unwrap(), first);
    // The mean of the first round is the soup of the corners, which is listed.
    for point in ["round2-contrast", "soup-round2"] {
        assert!(report.point(point).is_some(), "{point} is on the front");
    }
    let whole = tempfile::tempdir().unwrap();
    finished(whole.path(), rounds(2), &models);
    results(root.path()).assert_same(&results(whole.path()));
    // In parts: the second round waits until the first is gathered.
    let parts = tempfile::tempdir().unwrap();
    let part = |number| {
        let request = SweepRequest { part: Some(Part { number, of: 4 }), ..request(rounds(2), parts.path()) };
        run(&request, &models).0
    };
    let early = part(3).unwrap_err().to_string();
    assert!(early.contains("round2-colourfulness") && early.contains("contrast (0 of 3 epochs)"), "{early}");
    assert!(matches!((part(1), part(2)), (Ok(SweepOutcome::PartFinished), Ok(SweepOutcome::PartFinished))));
    let gather_all = || gather(&request(rounds(2), parts.path()), &models, &mut |_: &RunEvent| {});
    assert!(matches!(gather_all(), Ok(SweepOutcome::Further { runs }) if runs.len() == 2));
    assert!(matches!((part(3), part(4)), (Ok(SweepOutcome::PartFinished), Ok(SweepOutcome::PartFinished))));
    assert!(matches!(gather_all(), Ok(SweepOutcome::Finished(_))));
    results(parts.path()).assert_same(&results(whole.path()));
}

#[test]
fn an_index_that_is_lost_or_damaged_is_rebuilt() {
    let (root, models) = (tempfile::tempdir().unwrap(), models());
    finished(root.path(), spec(), &models);
    let before = results(root.path());
    let index = Layout::new(root.path()).metrics_dir();
    fs::remove_dir_all(&index).unwrap();
    finished(root.path(), spec(), &models);
    results(root.path()).assert_same(&before);
    let db = index.join("db");
    let length = fs::metadata(&db).unwrap().len();
    fs::OpenOptions::new().write(true).open(&db).unwrap().set_len(length / 2).unwrap();
    let message = run(&request(spec(), root.path()), &models).0.unwrap_err().to_string();
    assert!(message.contains("moa repair"), "{message}");
    let outcome = repair(&request(spec(), root.path()), &models, &mut |_: &RunEvent| {});
    assert!(matches!(outcome, Ok(SweepOutcome::Finished(_))), "{outcome:?}");
    results(root.path()).assert_same(&before);
    let message = repair(&request(spec(), &root.path().join("none")), &models, &mut |_: &RunEvent| {});
    assert!(message.unwrap_err().to_string().contains("none"));
}

/// The scores of single images add up to the means that evaluations keep; where they are missing or damaged, `repair` measures them again, to
/// the same values.
#[test]
fn the_score_of_every_image_is_kept_and_measured_anew_where_it_is_not() {
    let (root, models) = (tempfile::tempdir().unwrap(), models());
    finished(root.path(), spec(), &models);
    let layout = Layout::new(root.path());
    let snapshot = Snapshot::read(root.path()).unwrap();
    let read = |record: &moa_core::EvaluationRecord| ImageScores::of_point(&layout, record.kind, &record.id).unwrap();
    assert_eq!(snapshot.evaluations.len(), 5, "base, three adapters, a soup");
    for record in &snapshot.evaluations {
        let scores = read(record).unwrap();
        assert_eq!((scores.images_per_prompt, scores.columns.len()), (2, 3));
        for (column, kept) in record.rewards.iter().zip(&scores.columns) {
            let images: Vec<f32> = kept.scores.iter().map(|score| score.unwrap()).collect();
            assert_eq!(moa_core::ScoreColumn::of_images(&kept.name, &images, 2), *column);
        }
        let judge = &scores.columns[2];
        assert_eq!(judge.role, Role::Judge);
        assert_eq!(judge.scores.iter().filter(|score| score.is_none()).count(), 2, "it has nothing to say of dogs");
    }
    let before: Vec<Option<ImageScores>> = snapshot.evaluations.iter().map(read).collect();
    let results_before = results(root.path());
    fs::remove_file(ImageScores::path(&layout.point_dir(PointKind::Base, &RunId("base".into())))).unwrap();
    fs::write(ImageScores::path(&layout.point_dir(PointKind::Soup, &RunId("soup-centre".into()))), "half").unwrap();
    let mut evaluated = Vec::new();
    let outcome = repair(&request(spec(), root.path()), &models, &mut |event: &RunEvent| {
        if let RunEvent::Evaluated(record) = event {
            evaluated.push(record.id.to_string());
        }
    });
    assert!(matches!(outcome, Ok(SweepOutcome::Finished(_))), "{outcome:?}");
    assert_eq!(evaluated, ["base", "soup-centre"], "what is kept is not measured again");
    assert_eq!(snapshot.evaluations.iter().map(read).collect::<Vec<_>>(), before);
    results(root.path()).assert_same(&results_before);
}

#[test]
fn a_finished_sweep_draws_again_and_does_nothing_else() {
    let (root, models) = (tempfile::tempdir().unwrap(), models());
    let (first, _) = finished(root.path(), spec(), &models);
    let before = results(root.path());
    fs::remove_dir_all(root.path().join("plots")).unwrap();
    let (again, events) = finished(root.path(), spec(), &models);
    assert_eq!(first, again);
    results(root.path()).assert_same(&before);
    assert!(!events.iter().any(|event| matches!(event, RunEvent::EpochFinished(_) | RunEvent::Evaluated(_))));
}

#[test]
fn the_seed_decides_and_the_number_of_workers_does_not() {
    let models = models();
    let sweep_with = |seed: u64, workers: usize| {
        let root = tempfile::tempdir().unwrap();
        let mut request = request(ExperimentSpec { seed, ..spec() }, root.path());
        request.workers = workers;
        run(&request, &models).0.unwrap();
        results(root.path())
    };
    let (one, three, other) = (sweep_with(3, 1), sweep_with(3, 3), sweep_with(4, 1));
    one.assert_same(&three);
    assert_ne!(one.epochs, other.epochs);
    let of = |results: &Results, id: &str| results.evaluations.iter().find(|e| e.id.as_str() == id).cloned();
    assert_ne!(of(&one, "contrast"), of(&other, "contrast"));
    assert_eq!(of(&one, "base"), of(&other, "base"), "the evaluation's noise has a seed of its own");
}

#[test]
fn runs_that_were_trained_otherwise_are_refused_and_left_alone() {
    let (root, models) = (tempfile::tempdir().unwrap(), models());
    finished(root.path(), spec(), &models);
    let before = results(root.path());
    let mut other = spec();
    other.optimiser.learning_rate = 0.25;
    let error = run(&request(other, root.path()), &models).0.unwrap_err();
    let message = error.to_string();
    assert!(message.contains("another `optimiser.learning_rate`, 0.005 there and 0.25 here"), "{message}");
    assert!(message.contains("--out") && message.contains("moa fork"), "{message}");

    let mut prompts = request(spec(), root.path());
    prompts.prompts.train[1] = "a beer on a red background".into();
    let message = run(&prompts, &models).0.unwrap_err().to_string();
    assert!(message.contains("prompts.train"), "{message}");

    let mut weights = tiny::models();
    weights.sha256.insert("base".into(), "0123456789abcdef".into());
    let message = run(&request(spec(), root.path()), &weights).0.unwrap_err().to_string();
    assert!(message.contains("`base`") && message.contains("0123456789ab"), "{message}");
    results(root.path()).assert_same(&before);
}

#[test]
fn other_settings_of_the_evaluation_evaluate_anew_and_train_nothing() {
    let (root, models) = (tempfile::tempdir().unwrap(), models());
    finished(root.path(), spec(), &models);
    let mut request = request(spec(), root.path());
    request.prompts.held_out[1] = "a beer on a red background".into();
    request.spec.evaluation.images_per_prompt = 3;
    let (outcome, events) = run(&request, &models);
    assert!(matches!(outcome, Ok(SweepOutcome::Finished(_))), "{outcome:?}");
    assert_eq!(trained_epochs(&events), Vec::<String>::new());
    let evaluated = events.iter().filter(|event| matches!(event, RunEvent::Evaluated(_))).count();
    assert_eq!(evaluated, 5, "base, three adapters, a soup");
    let whole = tempfile::tempdir().unwrap();
    request.out = whole.path().to_path_buf();
    assert!(run(&request, &models).0.is_ok());
    results(root.path()).assert_same(&results(whole.path()));
}

#[test]
fn results_of_an_earlier_version_are_left_alone() {
    let (root, models) = (tempfile::tempdir().unwrap(), models());
    fs::create_dir_all(root.path().join("checkpoint")).unwrap();
    fs::write(root.path().join("checkpoint/trainer.bin"), "moa-ckp").unwrap();
    let message = run(&request(spec(), root.path()), &models).0.unwrap_err().to_string();
    assert!(message.contains("an earlier version") && message.contains("--out"), "{message}");
}

#[test]
fn what_only_reports_depend_on_may_change() {
    let (root, models) = (tempfile::tempdir().unwrap(), models());
    let (before, _) = finished(root.path(), spec(), &models);
    let mut other = spec();
    other.evaluation.resamples = 300;
    other.hypervolume.best.insert("contrast".into(), 0.5);
    let (after, events) = finished(root.path(), other, &models);
    assert!(!events.iter().any(|event| matches!(event, RunEvent::Evaluated(_))));
    assert_ne!(before.hypervolumes, after.hypervolumes);
    let kept = ExperimentSpec::load(&root.path().join("experiment.ron")).unwrap();
    assert_eq!(kept.evaluation.resamples, 300);
}

#[test]
fn a_sweep_that_ran_out_of_memory_goes_on_with_less_at_a_time() {
    let (root, models) = (tempfile::tempdir().unwrap(), models());
    stopped_after_one_epoch(root.path(), &models);
    let mut less = spec();
    (less.training.micro_batch, less.training.gradient_checkpointing) = (1, Some(true));
    let (_, events) = finished(root.path(), less, &models);
    let trained = events.iter().filter_map(|event| match event {
        RunEvent::EpochFinished(record) => Some(record.epoch),
        _ => None,
    });
    assert!(trained.min().is_some_and(|first| first == 2), "the first epoch was trained before");
    let timings = fs::read_to_string(root.path().join("timings.csv")).unwrap();
    assert_eq!(timings.lines().count() as u32, 1 + spec().training.epochs, "a row for each epoch:\n{timings}");
}

#[test]
fn a_damaged_checkpoint_is_refused_by_name() {
    let (root, models) = (tempfile::tempdir().unwrap(), models());
    stopped_after_one_epoch(root.path(), &models);
    let path = root.path().join("runs/contrast/checkpoint.bin");
    let good = fs::read(&path).unwrap();
    let mut bad = good.clone();
    bad[good.len() / 2] ^= 0x40;
    fs::write(&path, bad).unwrap();
    let message = run(&request(spec(), root.path()), &models).0.unwrap_err().to_string();
    assert!(message.contains("contrast/checkpoint.bin") && message.contains("damaged"), "{message}");
    // Without a checkpoint the run begins again, and the metrics of lost epochs are dropped.
    fs::remove_file(&path).unwrap();
    finished(root.path(), spec(), &models);
    results(root.path()).assert_same(&uninterrupted(&models));
}

#[test]
fn a_run_without_its_log_is_refused() {
    let (root, models) = (tempfile::tempdir().unwrap(), models());
    finished(root.path(), spec(), &models);
    fs::remove_file(root.path().join("runs/contrast/log.jsonl")).unwrap();
    let message = run(&request(spec(), root.path()), &models).0.unwrap_err().to_string();
    assert!(message.contains("runs/contrast") && message.contains("log.jsonl"), "{message}");
}

#[test]
fn a_store_in_use_and_a_folder_that_cannot_be_made_are_clear_errors() {
    let (root, models) = (tempfile::tempdir().unwrap(), models());
    let store = moa_store::MetricStore::open(root.path()).unwrap();
    let message = run(&request(spec(), root.path()), &models).0.unwrap_err().to_string();
    assert!(message.contains("another moa uses it"), "{message}");
    store.close().unwrap();
    let file = root.path().join("file");
    fs::write(&file, "").unwrap();
    let message = run(&request(spec(), &file.join("results")), &models).0.unwrap_err().to_string();
    assert!(message.contains("file/results"), "{message}");
}

#[test]
fn the_report_has_the_documented_form() {
    let (root, models) = (tempfile::tempdir().unwrap(), models());
    let (report, _) = finished(root.path(), spec(), &models);
    let json: serde_json::Value = serde_json::from_str(&report.to_json()).unwrap();
    let points = json["points"].as_array().unwrap();
    let ids: Vec<&str> = points.iter().filter_map(|point| point["id"].as_str()).collect();
    assert_eq!(ids, ["base", "colourfulness", "contrast", "centre", "soup-centre"]);
    assert_eq!(points[0]["kind"], "base");
    assert_eq!(points[4]["weighting"]["contrast"], 0.5);
    for point in points {
        for score in [&point["rewards"]["contrast"], &point["judges"]["attributes"]] {
            let [mean, lo, hi] = ["mean", "lo", "hi"].map(|part| score[part].as_f64().unwrap());
            assert!(lo <= mean && mean <= hi, "{score}");
        }
        assert!(point["on_front"].is_boolean());
    }
    assert!(points.iter().any(|point| point["front"]["undominated"] == true));
    assert!(points.iter().all(|point| point["front"]["standing"] == "unclear"), "so few prompts leave it open");
    assert_eq!(points[0]["reward_differences"]["contrast"]["hi"], 0.0, "the base is no better than itself");
    assert!(json["hypervolume"]["value"].as_f64().unwrap() >= json["hypervolumes"]["base"]["value"].as_f64().unwrap());
    let means: Vec<f64> =
        ["base", "colourfulness", "contrast"].map(|id| report.point(id).unwrap().rewards[0].mean.mean).to_vec();
    let worst = means.iter().fold(f64::INFINITY, |worst, mean| worst.min(*mean));
    assert!((json["reference_point"]["colourfulness"].as_f64().unwrap() - worst).abs() < 1e-12);
    assert_eq!(json["scales"]["colourfulness"]["reference_from"], "measured");
    assert_eq!(json["hypervolume_scale_points"].as_array().unwrap().len(), 3);

    let csv = report.front_csv();
    let mut lines = csv.lines();
    let width = lines.next().unwrap().split(',').count();
    assert_eq!(width, 9 + 2 + 6 * 3);
    assert!(lines.all(|line| line.split(',').count() == width), "{csv}");
}

#[test]
fn a_report_of_nothing_has_no_points() {
    let report = FrontReport::of(&Snapshot::default(), &spec(), Scales::of(&spec(), &[])).unwrap();
    assert!(report.points.is_empty() && report.hypervolumes.is_none());
    assert!(report.to_json().contains("\"hypervolume\": null"));
}
