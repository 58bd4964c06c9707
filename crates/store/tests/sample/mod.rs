//! A small sweep to store.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]

use std::collections::BTreeMap;

use moa_core::{
    EpochRecord, EvaluationRecord, PointKind, RunEvent, RunId, RunRecord, RunState, ScoreColumn, Weighting,
};

pub fn id(name: &str) -> RunId {
    RunId(name.to_owned())
}

pub fn run(name: &str, epochs_done: u32, epochs: u32) -> RunRecord {
    let state = match epochs_done {
        0 => RunState::Planned,
        done if done < epochs => RunState::Training,
        _ => RunState::Trained,
    };
    let weighting = Weighting::new(vec![0.1, 0.9]).unwrap();
    RunRecord { id: id(name), weighting, state, epochs_done, epochs, warnings: Vec::new() }
}

/// An epoch of `metrics` metrics whose values need all their digits.
pub fn epoch_of(name: &str, epoch: u32, metrics: usize) -> EpochRecord {
    let value = |index: usize| (f64::from(epoch) + index as f64 / 7.0).sin();
    let metrics = (0..metrics).map(|index| (format!("reward/some-reward-{index:02}/mean"), value(index))).collect();
    EpochRecord { run: id(name), epoch, seconds: 0.1 + f64::from(epoch) / 3.0, metrics }
}

pub fn epoch(name: &str, epoch: u32) -> EpochRecord {
    epoch_of(name, epoch, 3)
}

pub fn evaluation(name: &str, kind: PointKind) -> EvaluationRecord {
    let column = |name: &str, shift: f64| {
        ScoreColumn::of_all(name, (0..4).map(|prompt| shift + f64::from(prompt) / 3.0).collect())
    };
    EvaluationRecord {
        id: id(name),
        kind,
        weighting: (kind != PointKind::Base).then(|| Weighting::new(vec![0.5, 0.5]).unwrap()),
        images_per_prompt: 4,
        rewards: vec![column("aesthetics", 0.1), column("safety", 0.2)],
        judges: vec![column("judge, \"the second\"", 0.3)],
        distance_to_base: None,
        added: None,
    }
}

pub fn started(runs: Vec<RunRecord>) -> RunEvent {
    RunEvent::SweepStarted {
        experiment: "pareto".to_owned(),
        device: "flex".to_owned(),
        rewards: vec!["aesthetics".to_owned(), "safety".to_owned()],
        runs,
    }
}

/// The events of a sweep of two runs, three epochs each.
pub fn events() -> Vec<RunEvent> {
    let mut events = vec![started(vec![run("w1", 0, 3), run("w0", 0, 3)])];
    events.push(RunEvent::Evaluated(evaluation(RunId::BASE, PointKind::Base)));
    for number in 1..=3 {
        events.extend(["w1", "w0"].map(|name| RunEvent::EpochFinished(epoch(name, number))));
        events.push(RunEvent::Checkpointed { epoch: number });
    }
    events.extend(["w1", "w0"].map(|name| RunEvent::Evaluated(evaluation(name, PointKind::Trained))));
    events.push(RunEvent::Evaluated(evaluation("soup-0.5", PointKind::Soup)));
    events.push(RunEvent::SweepFinished);
    events
}

pub fn metrics(pairs: &[(&str, f64)]) -> BTreeMap<String, f64> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
}
