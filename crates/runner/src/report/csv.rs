//! The report as a table.

use std::fmt::Write;

use moa_core::PointKind;
use moa_pareto::Interval;

use super::{FrontReport, Score};

/// Decimals of every figure.
const DECIMALS: usize = 6;

impl FrontReport {
    /// Returns the points as CSV: a line each with name, kind, shares, and by reward and judge the mean, its 95 % interval,
    /// and the paired difference to the base with its interval.
    pub fn front_csv(&self) -> String {
        let mut header = vec!["id".to_owned(), "kind".into(), "on_front".into(), "suspected_hacking".into()];
        header.extend(self.rewards.iter().map(|name| format!("share_{name}")));
        for name in self.rewards.iter().chain(&self.judges) {
            for part in ["mean", "lo", "hi", "delta", "delta_lo", "delta_hi"] {
                header.push(format!("{name}_{part}"));
            }
        }
        let mut text = header.join(",") + "\n";
        for point in &self.points {
            let suspected = !point.suspected_hacking.is_empty();
            let _ = write!(text, "{},{},{},{suspected}", point.id, kind(point.kind), point.on_front);
            for index in 0..self.rewards.len() {
                text.push(',');
                if let Some(weighting) = &point.weighting {
                    let _ = write!(text, "{:.DECIMALS$}", weighting.shares()[index]);
                }
            }
            let find = |scores: &[Score], name: &String| scores.iter().find(|score| score.name == *name).cloned();
            let rewards = self.rewards.iter().map(|name| find(&point.rewards, name));
            let judges = self.judges.iter().map(|name| find(&point.judges, name));
            for score in rewards.chain(judges) {
                cells(&mut text, score.as_ref().map(|score| score.mean));
                cells(&mut text, score.and_then(|score| score.difference));
            }
            text.push('\n');
        }
        text
    }

    /// Returns the hypervolumes as CSV: a line each with name, value and 95 % interval.
    pub fn hypervolume_csv(&self) -> String {
        let mut text = "set,value,lo,hi\n".to_owned();
        for (name, volume) in self.hypervolumes.iter().flat_map(super::Hypervolumes::named) {
            if volume.is_some() {
                text.push_str(name);
                cells(&mut text, volume);
                text.push('\n');
            }
        }
        text
    }
}

/// Returns the kind in a word.
pub(super) fn kind(kind: PointKind) -> &'static str {
    match kind {
        PointKind::Base => "base",
        PointKind::Trained => "trained",
        PointKind::Soup => "soup",
        PointKind::Blend => "blend",
    }
}

/// Appends three cells, empty ones for an interval that is not known.
pub(super) fn cells(text: &mut String, interval: Option<Interval>) {
    match interval {
        Some(Interval { mean, lo, hi }) => {
            let _ = write!(text, ",{mean:.DECIMALS$},{lo:.DECIMALS$},{hi:.DECIMALS$}");
        }
        None => text.push_str(",,,"),
    }
}
