//! The cards in words.

use super::{Climb, EditEffect, Expected, Figure, RewardCard, Verdict};

impl Verdict {
    /// Returns the verdict as tables show it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::Unsteady => "unsteady",
            Self::Notices => "notices",
            Self::Blind => "blind",
            Self::Fooled => "fooled",
            Self::Likes => "likes",
            Self::Dislikes => "dislikes",
            Self::Open => "open",
        }
    }
}

impl Expected {
    /// Returns the expectation as tables show it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Nothing => "no change",
            Self::NoGain => "no gain",
            Self::Anything => "taste",
        }
    }
}

impl Figure {
    /// Returns the figure with its sign and its interval: `+0.31 [+0.22, +0.40]`; the value alone without an interval.
    pub fn signed(&self) -> String {
        match (self.low, self.high) {
            (Some(low), Some(high)) => format!("{} [{}, {}]", signed(self.value), signed(low), signed(high)),
            _ => signed(self.value),
        }
    }

    /// Returns the figure as a factor with its interval: `4.1 [2.9, 6.0]`; an open upper end is `∞`.
    pub fn factor(&self) -> String {
        let end = |end: Option<f64>| end.map_or_else(|| "∞".into(), |end| format!("{end:.1}"));
        format!(
            "{:.1} [{}, {}]",
            self.value,
            self.low.map_or_else(|| "0".into(), |low| format!("{low:.1}")),
            end(self.high)
        )
    }
}

/// Returns a number with its sign and two decimals.
pub fn signed(value: f64) -> String {
    let text = format!("{value:+.2}");
    if text == "-0.00" { "+0.00".into() } else { text }
}

impl Climb {
    /// Returns by how many standard deviations the score rose.
    pub fn gain(&self, deviation: f64) -> f64 {
        (self.after - self.before) / deviation
    }
}

impl RewardCard {
    /// Returns the most important findings, a sentence each.
    pub fn findings(&self) -> Vec<String> {
        let mut findings = Vec::new();
        if self.scores.deviation <= 0.0 {
            return vec!["It scores all images alike: there is nothing to explain.".into()];
        }
        findings.extend(self.where_it_looks());
        findings.extend(self.what_it_reads());
        findings.extend(self.concepts.as_ref().map(|concepts| {
            let named: Vec<&str> = concepts.terms.iter().take(3).map(|term| &*term.concept).collect();
            let percent = 100.0 * concepts.explained.max(0.0);
            match named.len() {
                0 => "No concept of the list explains its scores.".into(),
                _ => format!(
                    "Concepts explain {percent:.0} % of the variance of its scores, above all: {}.",
                    named.join("; ")
                ),
            }
        }));
        let of = |wanted: Verdict| {
            let found: Vec<&str> = self
                .edits
                .iter()
                .filter(|edit| edit.verdict() == wanted)
                .map(|edit: &EditEffect| &*edit.edit)
                .collect();
            (!found.is_empty()).then(|| found.join(", "))
        };
        findings.extend(of(Verdict::Fooled).map(|edits| format!("It is fooled by: {edits}.")));
        findings.extend(of(Verdict::Blind).map(|edits| format!("It is blind to: {edits}.")));
        findings.extend(of(Verdict::Unsteady).map(|edits| format!("It is unsteady under: {edits}.")));
        findings.extend(self.climbs.iter().max_by(|a, b| a.after.total_cmp(&b.after)).map(|climb| {
            let fallen: Vec<String> = climb
                .judges
                .iter()
                .filter(|change| change.after < change.before - 0.1)
                .map(|change| format!("`{}` falls from {:.2} to {:.2}", change.judge, change.before, change.after))
                .collect();
            let fallen = if fallen.is_empty() { String::new() } else { format!(", while {}", fallen.join(", ")) };
            format!(
                "Changing pixels alone raises it by {} standard deviations, from {:.3} to {:.3}{fallen}.",
                signed(climb.gain(self.scores.deviation)).trim_start_matches('+'),
                climb.before,
                climb.after,
            )
        }));
        findings.extend(self.raters.as_ref().map(|raters| {
            format!("It decides {:.0} % of {} pairs as raters did.", 100.0 * raters.accuracy.value, raters.pairs)
        }));
        findings
    }

    fn where_it_looks(&self) -> Option<String> {
        let deletion = self.region.as_ref()?.deletion.first()?;
        let share = 100.0 * deletion.share;
        let ratio = deletion.ratio?;
        Some(if ratio.is_above(1.0) {
            format!(
                "Heat maps are faithful: deleting the {share:.0} % that they point at changes the score {} times as much as deleting other places.",
                ratio.factor()
            )
        } else {
            format!(
                "Heat maps are not shown to be faithful: deleting the {share:.0} % that they point at changes the score {} times as much as \
                 deleting other places.",
                ratio.factor()
            )
        })
    }

    fn what_it_reads(&self) -> Option<String> {
        let words = self.words.as_ref()?;
        if !words.reads {
            return Some("It does not read the prompt.".into());
        }
        let named: Vec<String> = words.words.iter().take(3).map(|word| format!("\"{}\"", word.word)).collect();
        (!named.is_empty()).then(|| format!("Of the prompt it reads above all: {}.", named.join(", ")))
    }
}
