//! The matrix for programs: CSV and JSON.

use std::fmt::Write;

use moa_pareto::Interval;
use serde_json::{Value, json};

use super::{PhaseColumn, PhaseReport, PhaseSummary};

/// The format of the JSON.
const FORMAT: u32 = 1;

impl PhaseReport {
    /// Returns the matrix as CSV: a line for each weighting, phase after which, phase of the rewards, and reward, with the gain over the base and its
    /// 95 % interval. Cells that are not evaluated, and ends that are not known, are empty.
    pub fn to_csv(&self) -> String {
        let mut text = "run,after,phase,reward,share,gain,lo,hi\n".to_owned();
        for run in &self.runs {
            for (after, name) in self.phases.iter().enumerate() {
                for column in &run.columns {
                    let label = run.label().replace(',', ";");
                    let (phase, reward) = (&self.phases[column.phase], &column.reward);
                    let _ = write!(text, "{label},{name},{phase},{reward},{}", column.share);
                    let gain = column.gains.get(after).copied().flatten();
                    let parts = gain.map_or([None; 3], |gain| [gain.mean, gain.lo, gain.hi].map(finite));
                    for part in parts {
                        text.push(',');
                        if let Some(value) = part {
                            let _ = write!(text, "{value:.6}");
                        }
                    }
                    text.push('\n');
                }
            }
        }
        text
    }

    /// Returns everything as JSON.
    pub fn to_json(&self) -> String {
        let runs = self.runs.iter().map(|run| {
            json!({
                "ids": run.ids.iter().map(moa_core::RunId::as_str).collect::<Vec<_>>(),
                "columns": run.columns.iter().map(|column| self.column(column)).collect::<Vec<_>>(),
                "summary": run.summary.as_ref().map(summary),
            })
        });
        let all = json!({
            "format": FORMAT,
            "name": self.name,
            "phases": self.phases,
            "runs": runs.collect::<Vec<_>>(),
        });
        format!("{all:#}\n")
    }

    fn column(&self, column: &PhaseColumn) -> Value {
        json!({
            "phase": self.phases[column.phase],
            "reward": column.reward,
            "share": column.share,
            "base": column.base,
            "deviation": column.deviation,
            "gains": column.gains.iter().map(|gain| estimate(*gain)).collect::<Vec<_>>(),
            "forgotten": estimate(column.forgotten),
            "kept": estimate(column.kept),
            "backward": estimate(column.backward),
            "forward": estimate(column.forward),
        })
    }
}

fn summary(summary: &PhaseSummary) -> Value {
    json!({
        "unit": "standard deviations of the base within prompts",
        "learned": estimate(Some(summary.learned)),
        "forgotten": estimate(summary.forgotten),
        "backward": estimate(summary.backward),
        "forward": estimate(summary.forward),
        "kept": estimate(summary.kept.map(|[mean, _]| mean)),
        "least_kept": estimate(summary.kept.map(|[_, least]| least)),
    })
}

fn estimate(interval: Option<Interval>) -> Value {
    interval.map_or(
        Value::Null,
        |interval| json!({ "mean": interval.mean, "lo": finite(interval.lo), "hi": finite(interval.hi) }),
    )
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}
