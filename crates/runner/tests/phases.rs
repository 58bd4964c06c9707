//! Experiments in phases: each goes on from the one before, whenever it was stopped, and all are evaluated on each other's prompts.

mod tiny;

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use moa_adapter::{Adapter, Merge, MergeMethod};
use moa_analysis::continual::PhaseReport;
use moa_core::experiment::{ContinualSpec, Onto, PhaseSpec, Prompts, Tie, WeightingsSpec};
use moa_core::{ExperimentSpec, RunEvent};
use moa_runner::{
    Models, SweepOutcome, SweepRequest, begin_phases, evaluate_across, phase_folder, report_phases, sweep,
};
use tiny::{models, request, results, run, spec};

/// Two phases of two epochs over two weightings: what the first maximises in one run, the second does in the other.
fn phased(continual: ContinualSpec) -> ExperimentSpec {
    let list = |first: &str, second: &str| {
        let shares = [first, second].map(|name| [(name.to_owned(), 1.0)].into_iter().collect());
        Some(vec![WeightingsSpec::List(shares.to_vec())])
    };
    let phase = |name: &str, until, weightings| PhaseSpec {
        name: name.into(),
        until,
        rewards: None,
        weightings,
        prompts: None,
        constraints: None,
    };
    let mut spec = ExperimentSpec {
        phases: vec![
            phase("first", Some(2), list("colourfulness", "contrast")),
            phase("second", None, list("contrast", "colourfulness")),
        ],
        continual,
        soups: Vec::new(),
        ..spec()
    };
    spec.training.epochs = 4;
    spec.training.kl = 0.5;
    spec.validate().unwrap();
    spec
}

/// Returns the requests to sweep the phases; the second trains on other prompts.
fn requests(spec: &ExperimentSpec, out: &Path) -> Vec<SweepRequest> {
    let of = |index: usize| {
        let mut request = request(spec.phase(index).unwrap(), &phase_folder(spec, out, index));
        if index == 1 {
            request.prompts.train =
                ["a fish on a red background", "a sun on a blue background"].map(String::from).to_vec();
        }
        request
    };
    (0..2).map(of).collect()
}

fn prompts(requests: &[SweepRequest]) -> Vec<Prompts> {
    requests.iter().map(|request| request.prompts.clone()).collect()
}

/// Sweeps all phases, as far as `stop_at` allows, and evaluates adapters across; returns whether all was done, and the epochs trained.
fn swept(spec: &ExperimentSpec, out: &Path, models: &Models, stop_at: &dyn Fn(&RunEvent) -> bool) -> (bool, usize) {
    let requests = requests(spec, out);
    begin_phases(spec, &prompts(&requests), out, "flex").unwrap();
    let folders: Vec<PathBuf> = requests.iter().map(|request| request.out.clone()).collect();
    let mut epochs = 0;
    for request in &requests {
        let stop = request.stop.clone();
        let mut sink = |event: &RunEvent| {
            epochs += usize::from(matches!(event, RunEvent::EpochFinished(_)));
            stop.fetch_or(stop_at(event), Ordering::Relaxed);
        };
        if matches!(sweep(request, models, &mut sink).unwrap(), SweepOutcome::Interrupted { .. }) {
            return (false, epochs);
        }
    }
    for (index, request) in requests.iter().enumerate() {
        let others: Vec<PathBuf> = folders.iter().filter(|folder| **folder != folders[index]).cloned().collect();
        if !evaluate_across(request, models, &others, &mut |_: &RunEvent| ()).unwrap() {
            return (false, epochs);
        }
    }
    report_phases(out).unwrap();
    (true, epochs)
}

fn never(_: &RunEvent) -> bool {
    false
}

fn adapter(spec: &ExperimentSpec, out: &Path, index: usize, run: &str) -> Adapter {
    let folder = phase_folder(spec, out, index).join("runs").join(run);
    let bytes = std::fs::read(folder.join("adapter.safetensors")).unwrap();
    Adapter::read(&bytes, &std::fs::read_to_string(folder.join("adapter_config.json")).unwrap()).unwrap()
}

/// The largest difference between what two adapters add to the model.
fn distance(one: &Adapter, other: &Adapter) -> f32 {
    let merge = Merge { method: MergeMethod::Concatenate, ..Merge::default() };
    // One twice and the other less once is zero where they are the same.
    let less = merge.apply(&[(one, 2.0), (other, -1.0)]).unwrap();
    let values = |adapter: &Adapter| -> Vec<f32> {
        adapter.layers.values().flat_map(moa_adapter::AdapterLayer::delta).collect()
    };
    values(&less).iter().zip(values(one)).map(|(one, other)| (one - other).abs()).fold(0.0, f32::max)
}

#[test]
fn phases_that_are_stopped_anywhere_end_as_those_that_were_not() {
    let models = models();
    let continual =
        ContinualSpec { replay: 0.5, tie: Tie::Last, importance: 0.1, average: 0.25, ..ContinualSpec::default() };
    let spec = phased(continual);
    let whole = tempfile::tempdir().unwrap();
    assert_eq!(swept(&spec, whole.path(), &models, &never), (true, 8), "two runs of two epochs, twice");
    let expected: Vec<_> = (0..2).map(|index| results(&phase_folder(&spec, whole.path(), index))).collect();
    assert_eq!(swept(&spec, whole.path(), &models, &never), (true, 0), "nothing is done again");
    let matrix = PhaseReport::read(whole.path()).unwrap();
    assert!(matrix.runs.iter().all(|run| run.summary.is_some()), "all of it is evaluated");
    assert!(whole.path().join("plots/phases.png").is_file() && whole.path().join("phases.csv").is_file());

    let root = tempfile::tempdir().unwrap();
    let mut times = 0;
    loop {
        // After each checkpoint and each evaluation once.
        let stops = |event: &RunEvent| matches!(event, RunEvent::Checkpointed { .. } | RunEvent::Evaluated(_));
        let (done, _) = swept(&spec, root.path(), &models, &stops);
        times += 1;
        assert!(times < 40, "it comes to an end");
        if done {
            break;
        }
    }
    assert!(times > 4, "it was stopped in both phases: {times}");
    for (index, expected) in expected.iter().enumerate() {
        results(&phase_folder(&spec, root.path(), index)).assert_same(expected);
    }
    let files = ["phases.json", "phases.csv", "experiment.ron"];
    assert!(files.iter().all(|file| {
        let [one, other] = [root.path(), whole.path()].map(|root| std::fs::read_to_string(root.join(file)).unwrap());
        // The name is the folder's where the experiment has none; this one has.
        one == other
    }));
}

#[test]
fn each_run_goes_on_from_its_own_and_what_is_left_is_as_asked() {
    let models = models();
    let plain = phased(ContinualSpec::default());
    let root = tempfile::tempdir().unwrap();
    swept(&plain, root.path(), &models, &never);
    let [old, new] =
        [(0, "colourfulness"), (1, "contrast")].map(|(index, run)| adapter(&plain, root.path(), index, run));
    assert!(distance(&old, &new) > 1e-4, "it learned something");

    let with = |continual| {
        let spec = phased(continual);
        let root = tempfile::tempdir().unwrap();
        swept(&spec, root.path(), &models, &never);
        (adapter(&spec, root.path(), 0, "colourfulness"), adapter(&spec, root.path(), 1, "contrast"))
    };
    let (first, averaged) = with(ContinualSpec { average: 0.25, ..ContinualSpec::default() });
    assert_eq!(first, old, "the first phase does not depend on how the next goes on");
    let wanted = Merge::default().apply(&[(&old, 0.25), (&new, 0.75)]).unwrap();
    assert!(distance(&averaged, &wanted) < 1e-6);

    let (_, stacked) = with(ContinualSpec { onto: Onto::Stacked, ..ContinualSpec::default() });
    assert_eq!((old.rank(), stacked.rank()), (2, 4));
    let (_, souped) = with(ContinualSpec { onto: Onto::Souped { old: 0.5 }, ..ContinualSpec::default() });
    assert_eq!(souped.rank(), 2);
    // A pull that is strong beyond measure holds it where it was, and one that is weak does not.
    let (_, held) = with(ContinualSpec { importance: 1e6, ..ContinualSpec::default() });
    let (_, loose) = with(ContinualSpec { importance: 1e-9, ..ContinualSpec::default() });
    assert!(distance(&loose, &new) < 1e-4);
    assert!(distance(&held, &old) < 0.7 * distance(&new, &old), "{} {}", distance(&held, &old), distance(&new, &old));
    let (_, tied) = with(ContinualSpec { tie: Tie::Last, ..ContinualSpec::default() });
    assert!(distance(&tied, &new) > 1e-6, "it is tied to another model");
    let (_, replayed) = with(ContinualSpec { replay: 0.5, ..ContinualSpec::default() });
    assert!(distance(&replayed, &new) > 1e-6, "it sees other prompts");
}

#[test]
fn what_a_phase_goes_on_from_must_be_there_and_stay_the_same() {
    let (root, models) = (tempfile::tempdir().unwrap(), models());
    let spec = phased(ContinualSpec::default());
    let requests = requests(&spec, root.path());
    let message = |request: &SweepRequest| run(request, &models).0.unwrap_err().to_string();
    let early = message(&requests[1]);
    assert!(early.contains("1-first") && early.contains("experiment.ron is missing"), "{early}");
    swept(&spec, root.path(), &models, &never);
    // Another adapter in its place.
    let folder = phase_folder(&spec, root.path(), 0).join("runs");
    std::fs::copy(folder.join("contrast/adapter.safetensors"), folder.join("colourfulness/adapter.safetensors"))
        .unwrap();
    let other = message(&requests[1]);
    assert!(other.contains("`from`"), "{other}");
    let taken = begin_phases(&spec, &prompts(&requests), &phase_folder(&spec, root.path(), 0), "flex").unwrap_err();
    assert!(taken.to_string().contains("without phases"), "{taken}");
}
