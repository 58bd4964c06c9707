//! An experiment in memory: what the store holds, by columns, so that a million values are a few megabytes.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::time::Duration;

use moa_core::metric;
use moa_core::{Course, EpochRecord, EvaluationRecord, ExperimentSpec, RunEvent, RunId, RunRecord, RunState};
use moa_store::{Activity, Layout, Snapshot, Source};

/// How many prompts are held out, until an evaluation says so.
const USUAL_PROMPTS: usize = 96;

/// The metrics of one run.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Series {
    pub(crate) epochs: Vec<u32>,
    /// Seconds of each epoch, shared evenly among the runs.
    pub(crate) seconds: Vec<f64>,
    /// By metric, then epoch; not a number where an epoch does not have it.
    values: Vec<Vec<f64>>,
}

/// What is known of an experiment.
#[derive(Clone, Debug, PartialEq)]
pub struct Experiment {
    pub(crate) layout: Layout,
    pub(crate) name: String,
    pub(crate) device: String,
    pub(crate) rewards: Vec<String>,
    pub(crate) spec: ExperimentSpec,
    pub(crate) runs: Vec<RunRecord>,
    pub(crate) evaluations: Vec<EvaluationRecord>,
    /// Findings on the sweep as a whole.
    pub(crate) warnings: Vec<String>,
    pub(crate) activity: Activity,
    pub(crate) live: bool,
    /// What is evaluated in the end: base, adapters, soups and blends.
    points: HashSet<RunId>,
    metrics: Vec<String>,
    series: HashMap<RunId, Series>,
}

impl Experiment {
    /// Returns the experiment in `root` as a snapshot tells it.
    pub fn new(root: PathBuf, snapshot: &Snapshot, spec: ExperimentSpec) -> Self {
        let name = match &snapshot.sweep.experiment {
            name if name.is_empty() => root.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            name => name.clone(),
        };
        let whole = snapshot.sweep.warnings.iter().filter(|warning| warning.run.is_none());
        let mut experiment = Self {
            layout: Layout::new(root),
            name,
            device: snapshot.sweep.device.clone(),
            rewards: snapshot.sweep.rewards.clone(),
            points: points(&snapshot.runs, &spec),
            spec,
            runs: snapshot.runs.clone(),
            evaluations: snapshot.evaluations.clone(),
            warnings: whole.map(|warning| warning.message.clone()).collect(),
            activity: snapshot.activity,
            live: snapshot.source == Source::Live,
            metrics: Vec::new(),
            series: HashMap::new(),
        };
        snapshot.epochs.values().flatten().for_each(|epoch| experiment.put_epoch(epoch));
        experiment
    }

    /// Takes what happened in the sweep.
    pub(crate) fn apply(&mut self, event: &RunEvent) {
        match event {
            RunEvent::EpochFinished(epoch) => {
                self.put_epoch(epoch);
                if let Some(run) = self.runs.iter_mut().find(|run| run.id == epoch.run) {
                    run.epochs_done = epoch.epoch;
                    run.state = if epoch.epoch >= run.epochs { RunState::Trained } else { RunState::Training };
                }
                self.activity.fraction = 0.0;
            }
            RunEvent::Evaluated(record) => {
                if let Some(run) = self.runs.iter_mut().find(|run| run.id == record.id) {
                    run.state = RunState::Evaluated;
                }
                match self.evaluations.iter_mut().find(|known| known.id == record.id) {
                    Some(known) => *known = record.clone(),
                    None => self.evaluations.push(record.clone()),
                }
                self.activity.fraction = 0.0;
            }
            RunEvent::Warned(warning) => {
                let run = warning.run.as_ref().and_then(|id| self.runs.iter_mut().find(|run| run.id == *id));
                let warnings = run.map_or(&mut self.warnings, |run| &mut run.warnings);
                if !warnings.contains(&warning.message) {
                    warnings.push(warning.message.clone());
                }
            }
            RunEvent::PhaseStarted { phase, units } => {
                (self.activity.phase, self.activity.units, self.activity.fraction) = (Some(*phase), *units, 0.0);
            }
            RunEvent::Progress { phase, fraction } => {
                (self.activity.phase, self.activity.fraction) = (Some(*phase), *fraction);
            }
            RunEvent::Checkpointed { epoch } | RunEvent::Interrupted { epoch } => {
                self.activity.checkpoint = Some(*epoch);
            }
            // The course has it.
            RunEvent::Judging(_)
            | RunEvent::Online(_)
            | RunEvent::SweepStarted { .. }
            | RunEvent::Wrote { .. }
            | RunEvent::SweepFinished => {}
        }
    }

    fn put_epoch(&mut self, epoch: &EpochRecord) {
        if !self.series.contains_key(&epoch.run) {
            self.series.insert(epoch.run.clone(), Series::default());
        }
        let Some(series) = self.series.get_mut(&epoch.run) else { return };
        let place = match series.epochs.binary_search(&epoch.epoch) {
            Ok(place) => place,
            Err(place) => {
                series.epochs.insert(place, epoch.epoch);
                series.seconds.insert(place, 0.0);
                series.values.iter_mut().for_each(|column| column.insert(place, f64::NAN));
                place
            }
        };
        series.seconds[place] = epoch.seconds;
        for (expected, (name, value)) in epoch.metrics.iter().enumerate() {
            // Epochs name the same metrics in the same order, nearly always.
            let as_expected = self.metrics.get(expected).is_some_and(|known| known == name);
            let known = || self.metrics.iter().position(|known| known == name);
            let metric = if as_expected { Some(expected) } else { known() };
            let metric = metric.unwrap_or_else(|| {
                self.metrics.push(name.clone());
                self.metrics.len() - 1
            });
            if series.values.len() <= metric {
                series.values.resize_with(metric + 1, || vec![f64::NAN; series.epochs.len()]);
            }
            series.values[metric][place] = *value;
        }
    }

    /// Returns the names of all metrics: rewards first, then the others by name.
    pub(crate) fn metrics(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.metrics.iter().map(String::as_str).collect();
        names.sort_by_key(|name| (self.metric_rank(name), *name));
        names
    }

    fn metric_rank(&self, name: &str) -> usize {
        let place = |reward: &str| self.rewards.iter().position(|known| known == reward);
        let count = self.rewards.len();
        let known = [metric::reward_of_epoch_gain(name), metric::reward_of_gain(name), metric::reward_of_mean(name)];
        match known.map(|reward| reward.and_then(place)) {
            [Some(place), ..] => place,
            [_, Some(place), _] => count + place,
            [.., Some(place)] => 2 * count + place,
            _ if metric::is_of_reward(name) => 1001,
            _ => 1000,
        }
    }

    /// Returns the metrics of a run.
    pub(crate) fn series(&self, run: &RunId) -> Option<&Series> {
        self.series.get(run)
    }

    /// Returns one metric of a run by epoch.
    pub(crate) fn curve(&self, run: &RunId, metric: &str) -> &[f64] {
        let place = self.metrics.iter().position(|known| known == metric);
        let column = place.and_then(|place| self.series.get(run)?.values.get(place));
        column.map_or(&[], Vec::as_slice)
    }

    /// Returns one metric of a run after its last epoch.
    pub(crate) fn last(&self, run: &RunId, metric: &str) -> Option<f64> {
        self.curve(run, metric).last().copied().filter(|value| value.is_finite())
    }

    /// Returns how many metric values there are.
    pub fn values(&self) -> usize {
        self.series.values().flat_map(|series| &series.values).map(Vec::len).sum()
    }

    /// Returns seconds of wall time for an epoch of all runs, by the last ones; none before the second.
    pub(crate) fn seconds_per_epoch(&self) -> Option<f64> {
        let series: Vec<&Series> = self.runs.iter().filter_map(|run| self.series(&run.id)).collect();
        let length = series.iter().map(|series| series.seconds.len()).min().filter(|length| *length > 0)?;
        let recent = length.saturating_sub(5)..length;
        let count = recent.len() as f64;
        let seconds: f64 = series.iter().map(|series| series.seconds[recent.clone()].iter().sum::<f64>()).sum();
        Some(seconds / count).filter(|seconds| *seconds > 0.0)
    }

    /// Returns the least and the most epochs that runs have finished; one that has ended before its time has finished all.
    pub(crate) fn epochs_done(&self) -> (u32, u32) {
        let done = || {
            self.runs.iter().map(|run| match run.state {
                RunState::Trained | RunState::Evaluated => run.epochs,
                RunState::Planned | RunState::Training => run.epochs_done,
            })
        };
        (done().min().unwrap_or(0), done().max().unwrap_or(0))
    }

    /// Returns how many of the experiment's points are evaluated, and how many there are: base, adapters, soups and blends. Soups that were
    /// measured besides do not count.
    pub(crate) fn evaluated(&self) -> (usize, usize) {
        (self.evaluations.iter().filter(|record| self.points.contains(&record.id)).count(), self.points.len())
    }

    /// Returns how far the sweep is.
    pub(crate) fn course(&self) -> Course {
        let prompts = self.evaluations.first().map_or(USUAL_PROMPTS, EvaluationRecord::prompts);
        let plan = self.spec.plan(usize::MAX, prompts);
        let Activity { phase, fraction, .. } = self.activity;
        Course::joined(&plan, &self.runs, self.evaluated().0, phase, fraction)
    }

    /// Returns the wall time of all epochs so far.
    pub(crate) fn time_trained(&self) -> Duration {
        let seconds: f64 = self.series.values().flat_map(|series| &series.seconds).sum();
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::ZERO)
    }

    /// Returns what is shown of a reward while runs train: its gain over the base on each epoch's own prompts, or at probes, as far as that was
    /// measured; else its mean over the images of an epoch, whose prompts differ from epoch to epoch.
    pub(crate) fn progress_metric(&self, reward: &str) -> String {
        let gains = [metric::reward_epoch_gain(reward), metric::reward_gain(reward)];
        gains.into_iter().find(|gain| self.metrics.contains(gain)).unwrap_or_else(|| metric::reward_mean(reward))
    }

    /// Returns whether gains over the base were measured while runs trained.
    pub(crate) fn has_gains(&self) -> bool {
        self.rewards.iter().any(|reward| metric::reward_of_any_gain(&self.progress_metric(reward)).is_some())
    }

    /// Returns the last value of a metric of a run, whatever epoch that is of.
    pub(crate) fn latest(&self, run: &RunId, metric: &str) -> Option<f64> {
        self.curve(run, metric).iter().rev().copied().find(|value| value.is_finite())
    }

    /// Returns how many epochs a run has.
    pub(crate) fn epochs(&self) -> u32 {
        self.runs.iter().map(|run| run.epochs).max().unwrap_or(0)
    }
}

fn points(runs: &[RunRecord], spec: &ExperimentSpec) -> HashSet<RunId> {
    let mixtures = spec.soups().into_iter().chain(spec.blends()).map(|recipe| recipe.id);
    let base = RunId(RunId::BASE.into());
    runs.iter().map(|run| run.id.clone()).chain(mixtures).chain([base]).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn epoch(number: u32, metrics: &[(&str, f64)]) -> RunEvent {
        let metrics = metrics.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect::<BTreeMap<_, _>>();
        RunEvent::EpochFinished(EpochRecord { run: RunId("a".into()), epoch: number, seconds: 2.0, metrics })
    }

    #[test]
    fn columns_stay_aligned_when_metrics_come_late_and_epochs_out_of_order() {
        let mut experiment = Experiment::new("r".into(), &Snapshot::default(), ExperimentSpec::default());
        experiment.apply(&epoch(1, &[("grad_norm", 0.1)]));
        experiment.apply(&epoch(3, &[("grad_norm", 0.3), ("approx_kl", 3.0)]));
        experiment.apply(&epoch(2, &[("grad_norm", 0.2)]));
        experiment.apply(&epoch(2, &[("grad_norm", 0.25)]));
        let run = RunId("a".into());
        assert_eq!(experiment.curve(&run, "grad_norm"), [0.1, 0.25, 0.3]);
        let late = experiment.curve(&run, "approx_kl");
        assert!(late[0].is_nan() && late[1].is_nan() && (late[2] - 3.0).abs() < 1e-12);
        assert_eq!(experiment.series(&run).unwrap().epochs, [1, 2, 3]);
        assert_eq!(experiment.curve(&run, "unheard").len(), 0);
    }
}
