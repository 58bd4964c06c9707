//! The log of a sweep as JSON lines, for other programs: one object per event (docs/exports.md).

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use moa_core::experiment::Plan;
use moa_core::{Course, EventSink, PointKind, RunEvent, ScoreColumn};
use moa_preferences::Moment;
use serde_json::{Map, Value, json};

use crate::error::CliError;

/// Signs of life inside of an epoch or evaluation are written at most so often.
const EVERY: Duration = Duration::from_secs(1);

/// Appends a line for each event.
pub(crate) struct EventLog {
    path: PathBuf,
    file: File,
    experiment: String,
    course: Course,
    began: Instant,
    /// When a sign of life was written last.
    alive: Option<Instant>,
    failed: Option<io::Error>,
}

impl EventLog {
    /// Opens the log for appending; it is made where there is none.
    ///
    /// # Errors
    /// Names the file when it cannot be written.
    pub(crate) fn open(path: &Path, experiment: &str, plan: &Plan) -> Result<Self, CliError> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let made = folder.map_or(Ok(()), std::fs::create_dir_all);
        let opened = made.and_then(|()| OpenOptions::new().create(true).append(true).open(path));
        let file = opened
            .map_err(|error| CliError::failure(format!("failed to write the log {}: {error}", path.display())))?;
        Ok(Self {
            path: path.to_path_buf(),
            file,
            experiment: experiment.to_owned(),
            course: Course::new(plan),
            began: Instant::now(),
            alive: None,
            failed: None,
        })
    }

    /// Writes that the sweep ended with an error.
    pub(crate) fn failed(&mut self, message: &str) {
        self.write("failed", &json!({ "message": message }));
    }

    /// Ends the log.
    ///
    /// # Errors
    /// Why not everything was written.
    pub(crate) fn finish(self) -> Result<(), CliError> {
        let Self { path, failed, .. } = self;
        failed.map_or(Ok(()), |error| {
            Err(CliError::failure(format!("failed to write the log {}: {error}", path.display())))
        })
    }

    fn write(&mut self, event: &str, fields: &Value) {
        if self.failed.is_some() {
            return;
        }
        let line = line(Moment::now(), event, &self.experiment, &self.course, self.began.elapsed(), fields);
        // In one write, so that the lines of several processes do not mix.
        self.failed = self.file.write_all(line.as_bytes()).err();
    }
}

impl EventSink for EventLog {
    fn emit(&mut self, event: &RunEvent) {
        self.course.take(event);
        if matches!(event, RunEvent::Progress { .. }) {
            if self.alive.is_some_and(|alive| alive.elapsed() < EVERY) {
                return;
            }
            self.alive = Some(Instant::now());
        }
        let (name, fields) = told(event, &self.course);
        self.write(name, &fields);
    }
}

/// Returns a line: time, event and experiment first, then what is particular to the event, then how far the sweep is.
fn line(time: Moment, event: &str, experiment: &str, course: &Course, elapsed: Duration, fields: &Value) -> String {
    let mut line = format!("{{\"time\":\"{time}\",\"event\":\"{event}\",\"experiment\":{}", json!(experiment));
    let mut add = |name: &str, value: &Value| line.extend([format!(",\"{name}\":{value}")]);
    for (name, value) in fields.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
        add(name, value);
    }
    add("progress", &json!(rounded(course.share(), 1e6)));
    if let Some(left) = course.remaining(elapsed) {
        add("eta_seconds", &json!(rounded(left.as_secs_f64(), 10.0)));
    }
    line + "}\n"
}

/// Returns the name of an event and what is particular to it.
fn told(event: &RunEvent, course: &Course) -> (&'static str, Value) {
    match event {
        RunEvent::SweepStarted { device, rewards, runs, .. } => {
            let run = |run: &moa_core::RunRecord| json!({ "run": run.id, "state": run.state, "epochs_done": run.epochs_done, "epochs": run.epochs });
            let runs: Vec<Value> = runs.iter().map(run).collect();
            ("started", json!({ "device": device, "rewards": rewards, "runs": runs }))
        }
        RunEvent::PhaseStarted { phase, units } => {
            ("phase", json!({ "phase": format!("{phase:?}").to_lowercase(), "units": units }))
        }
        RunEvent::Progress { phase, fraction } => {
            ("progress", json!({ "phase": format!("{phase:?}").to_lowercase(), "fraction": rounded(*fraction, 1e6) }))
        }
        RunEvent::EpochFinished(record) => {
            let epochs = course.runs().iter().find(|run| run.id == record.run).map(|run| run.epochs);
            let fields = json!({
                "run": record.run,
                "epoch": record.epoch,
                "epochs": epochs,
                "seconds": record.seconds,
                "metrics": record.metrics,
            });
            ("epoch", fields)
        }
        RunEvent::Checkpointed { epoch } => ("saved", json!({ "epoch": epoch })),
        RunEvent::Evaluated(record) => {
            let kind: PointKind = record.kind;
            let fields = json!({
                "point": record.id,
                "kind": kind,
                "rewards": means(&record.rewards),
                "judges": means(&record.judges),
                "distance_to_base": record.distance_to_base,
            });
            ("evaluated", fields)
        }
        RunEvent::Judging(judging) => ("judging", json!(judging)),
        RunEvent::Online(news) => ("online", json!(news)),
        RunEvent::Warned(warning) => ("warning", json!({ "run": warning.run, "message": warning.message })),
        RunEvent::Wrote { path } => ("wrote", json!({ "path": path.display().to_string() })),
        RunEvent::Interrupted { epoch } => ("interrupted", json!({ "epoch": epoch })),
        RunEvent::SweepFinished => ("finished", json!({})),
    }
}

fn means(columns: &[ScoreColumn]) -> Map<String, Value> {
    columns.iter().map(|column| (column.name.clone(), json!(column.mean()))).collect()
}

fn rounded(value: f64, parts: f64) -> f64 {
    (value * parts).round() / parts
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use moa_core::{EpochRecord, RunId, RunRecord, Weighting};

    use super::*;

    fn plan() -> Plan {
        Plan {
            runs: 1,
            given: 0,
            soups: 0,
            blends: 0,
            training_pictures: 10,
            rollout_passes: 10,
            training_passes: 10,
            reference_passes: 0,
            probe_pictures: 0,
            probe_passes: 0,
            evaluation_pictures: 0,
            evaluation_passes: 0,
        }
    }

    fn events() -> [RunEvent; 3] {
        let run = RunId("safety".into());
        let metrics = BTreeMap::from([("reward/safety/mean".to_owned(), 0.25)]);
        [
            RunEvent::SweepStarted {
                experiment: "my".into(),
                device: "flex".into(),
                rewards: vec!["safety".into()],
                runs: vec![RunRecord::planned(run.clone(), Weighting::corner(0, 1), 4)],
            },
            RunEvent::EpochFinished(EpochRecord { run, epoch: 1, seconds: 1.5, metrics }),
            RunEvent::Warned(moa_core::Warning { run: None, message: "a \"sentence\"\nof two lines".into() }),
        ]
    }

    #[test]
    fn every_event_is_an_object_with_time_and_progress() {
        let mut course = Course::new(&plan());
        let time = Moment::from_unix_ms(1_772_446_272_345);
        let lines: Vec<String> = events()
            .iter()
            .map(|event| {
                course.take(event);
                let (name, fields) = told(event, &course);
                line(time, name, "my", &course, Duration::from_secs(6), &fields)
            })
            .collect();
        assert!(lines[1].starts_with(r#"{"time":"2026-03-02T10:11:12.345Z","event":"epoch","experiment":"my","#));
        let read: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(read[1]["metrics"]["reward/safety/mean"], 0.25);
        assert_eq!((&read[1]["run"], &read[1]["epoch"], &read[1]["epochs"]), (&json!("safety"), &json!(1), &json!(4)));
        // One epoch of four in six seconds: eighteen are left.
        assert_eq!((&read[1]["progress"], &read[1]["eta_seconds"]), (&json!(0.25), &json!(18.0)));
        assert_eq!(read[2]["message"], "a \"sentence\"\nof two lines");
        assert!(read[0].get("eta_seconds").is_none() && read[2].get("run").is_none(), "what is not known is left out");
        assert!(lines.iter().all(|line| line.matches('\n').count() == 1 && line.ends_with('\n')));
    }

    #[test]
    fn a_log_is_appended_to() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("logs/my.jsonl");
        for _ in 0..2 {
            let mut log = EventLog::open(&path, "my", &plan()).unwrap();
            for event in &events() {
                log.emit(event);
            }
            log.failed("no space");
            log.finish().unwrap();
        }
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 8);
        assert!(text.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()));
    }
}
