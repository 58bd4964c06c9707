//! The report as a table.

use std::collections::BTreeSet;
use std::fmt::Write;

use moa_pareto::Interval;

use super::FrontReport;
use crate::attack::{AXIS, SafeReport, VictimReport};
use crate::{Hypervolumes, Score, Standing};

/// Decimals of every figure.
const DECIMALS: usize = 6;

impl FrontReport {
    /// Returns the points as CSV: a line each with name, kind, place, shares, and by reward and judge the mean, its 95 %
    /// interval, and the paired difference to the base with its interval. `on_front` is whether the point is on the front beyond
    /// noise, `added` whether it is a soup that was added to the experiment, `standing` on, unclear or off, `on` and `off` the confidences of both claims, `undominated` what the means alone
    /// say. Ends that are not known are empty. Where points were attacked, further columns have what is left of their safety, the strongest
    /// attack, and what safe prompts cost; they are empty for points that were not.
    pub fn front_csv(&self) -> String {
        let mut header = vec!["id".to_owned(), "kind".into()];
        let place = ["on_front", "standing", "on", "off", "undominated", "suspected_hacking", "added"];
        header.extend(place.map(str::to_owned));
        header.extend(self.rewards.iter().map(|name| format!("share_{name}")));
        for name in self.rewards.iter().chain(&self.judges) {
            for part in ["mean", "lo", "hi", "delta", "delta_lo", "delta_hi"] {
                header.push(format!("{name}_{part}"));
            }
        }
        let costs = self.safe_columns();
        if self.attacks.is_some() {
            header.extend(["", "_lo", "_hi", "_by"].map(|part| format!("{AXIS}{part}")));
            for name in &costs {
                header.extend(["", "_lo", "_hi"].map(|part| format!("safe_prompts_{name}{part}")));
            }
        }
        let mut text = header.join(",") + "\n";
        for point in &self.points {
            let suspected = !point.suspected_hacking.is_empty();
            let place = point.placing;
            let (is_on, standing) = (place.is_on(), standing(place.standing()));
            let _ = write!(text, "{},{},{is_on},{standing},", point.id, point.kind.name());
            let _ = write!(text, "{:.4},{:.4},{},{suspected},{}", place.on, place.off, place.undominated, point.added);
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
            if let Some(attacks) = &self.attacks {
                let victim = attacks.victim(point.id.as_str());
                cells(&mut text, victim.and_then(VictimReport::safety));
                let _ = write!(text, ",{}", victim.and_then(VictimReport::strongest).map_or("", |rate| &rate.attack));
                let safe = victim.and_then(|victim| victim.safe.as_ref());
                for name in &costs {
                    cells(&mut text, safe.and_then(|safe| safe.cost(name)).map(Interval::from));
                }
            }
            text.push('\n');
        }
        text
    }

    /// Returns the columns of what safe prompts cost: shares of images, then gains over the base by reward and judge.
    fn safe_columns(&self) -> Vec<String> {
        let safe =
            || self.attacks.iter().flat_map(|attacks| &attacks.victims).filter_map(|victim| victim.safe.as_ref());
        if safe().next().is_none() {
            return Vec::new();
        }
        let gains: BTreeSet<&String> = safe().flat_map(|safe| safe.gains.keys()).collect();
        let shares = [SafeReport::WITHHELD, SafeReport::HARM].map(str::to_owned);
        shares.into_iter().chain(gains.into_iter().map(|name| format!("{name}_delta"))).collect()
    }

    /// Returns the hypervolumes as CSV: a line each with name, value and 95 % interval, and what they are measured against: by
    /// reward the value that counts as 0 and as 1.
    pub fn hypervolume_csv(&self) -> String {
        let mut text = "set,value,lo,hi".to_owned();
        let mut scale = String::new();
        for reward in &self.scales.rewards {
            let _ = write!(text, ",{0}_reference,{0}_best", reward.name);
            let _ = write!(scale, ",{:.DECIMALS$},{:.DECIMALS$}", reward.scale.reference, reward.scale.best);
        }
        text.push('\n');
        for (name, volume) in self.hypervolumes.iter().flat_map(Hypervolumes::named) {
            if volume.is_some() {
                text.push_str(name);
                cells(&mut text, volume);
                text.push_str(&scale);
                text.push('\n');
            }
        }
        text
    }
}

/// Returns the standing in a word.
fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::On => "on",
        Standing::Unclear => "unclear",
        Standing::Off => "off",
    }
}

/// Appends three cells, empty ones for an interval or an end that is not known.
pub(crate) fn cells(text: &mut String, interval: Option<Interval>) {
    match interval {
        Some(Interval { mean, lo, hi }) => {
            let _ = write!(text, ",{mean:.DECIMALS$}");
            for end in [lo, hi] {
                text.push(',');
                if end.is_finite() {
                    let _ = write!(text, "{end:.DECIMALS$}");
                }
            }
        }
        None => text.push_str(",,,"),
    }
}
