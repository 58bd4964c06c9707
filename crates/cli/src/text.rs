//! Tables, numbers and durations as people read them.

use std::time::Duration;

/// Columns of text, aligned: the first ones to the left, the others to the right.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Returns a table with a heading.
    pub(crate) fn new<T: Into<String>>(heading: impl IntoIterator<Item = T>) -> Self {
        Self { rows: vec![heading.into_iter().map(Into::into).collect()] }
    }

    /// Adds a row.
    pub(crate) fn row<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// Returns the lines with the first column to the left; see [`Table::render_with_left`].
    pub(crate) fn render(&self) -> String {
        self.render_with_left(1)
    }

    /// Returns the lines, each ended by a line break, without blanks at their ends; the first `left` columns are aligned
    /// to the left.
    pub(crate) fn render_with_left(&self, left: usize) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| self.rows.iter().filter_map(|row| row.get(column)).map(|cell| letters(cell)).max();
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
        let mut text = String::new();
        for row in &self.rows {
            let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
                let blanks = " ".repeat(width - letters(cell));
                if column < left { format!("{cell}{blanks}") } else { format!("{blanks}{cell}") }
            });
            text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
            text.push('\n');
        }
        text
    }
}

fn letters(text: &str) -> usize {
    text.chars().count()
}

/// Returns a whole number with thousands apart: `12,345`.
pub(crate) fn whole(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Returns "1 run", "2 runs", "3 entries".
pub(crate) fn count(number: u64, noun: &str) -> String {
    let several = match noun.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'i', 'o', 'u']) => format!("{stem}ies"),
        _ => format!("{noun}s"),
    };
    format!("{} {}", whole(number), if number == 1 { noun } else { &several })
}

/// Returns a duration in the two units that matter: "41 s", "3 min 20 s", "2 h 5 min".
pub(crate) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64().round() as u64;
    let (first, second) = match seconds {
        0..60 => return format!("{seconds} s"),
        60..3600 => ((seconds / 60, "min"), (seconds % 60, "s")),
        _ => ((seconds / 3600, "h"), (seconds % 3600 / 60, "min")),
    };
    if second.0 == 0 {
        format!("{} {}", first.0, first.1)
    } else {
        format!("{} {} {} {}", first.0, first.1, second.0, second.1)
    }
}

/// Returns an estimated duration, rounded to what an estimate can say: "about 4 min".
pub(crate) fn estimate(seconds: f64) -> String {
    let seconds = seconds.max(0.0);
    let rounded = match seconds {
        s if s < 1.0 => return "about a second".into(),
        s if s < 60.0 => s.round(),
        s if s < 600.0 => (s / 15.0).round() * 15.0,
        s => (s / 60.0).round() * 60.0,
    };
    format!("about {}", duration(Duration::from_secs_f64(rounded.min(1e9))))
}

/// Returns an estimated duration as a range: "3 min to 5 min"; one figure where both ends read alike.
pub(crate) fn between([least, most]: [f64; 2]) -> String {
    let [least, most] = [least, most].map(|seconds| estimate(seconds).trim_start_matches("about ").to_owned());
    if least == most { format!("about {least}") } else { format!("{least} to {most}") }
}

/// Returns how long ago something was, in the one unit that matters: "5 min", "3 d".
pub(crate) fn age(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// Returns an amount of memory: "680 MiB", "3.2 GiB".
pub(crate) fn memory(bytes: u64) -> String {
    let mebibytes = bytes as f64 / f64::from(1 << 20);
    if mebibytes < 1000.0 { format!("{mebibytes:.0} MiB") } else { format!("{:.1} GiB", mebibytes / 1024.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_by_letters() {
        let mut table = Table::new(["point", "safety"]);
        table.row(["base", "0.5 ± 0.1"]);
        table.row(["aesthetics"]);
        assert_eq!(table.render(), "point          safety\nbase        0.5 ± 0.1\naesthetics\n");
    }

    #[test]
    fn numbers_and_nouns() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (12345, "12,345"), (1234567, "1,234,567")] {
            assert_eq!(whole(number), text);
        }
        assert_eq!((count(1, "run"), count(2000, "run")), ("1 run".into(), "2,000 runs".into()));
    }

    #[test]
    fn durations_show_two_units() {
        for (seconds, text) in [(0, "0 s"), (59, "59 s"), (60, "1 min"), (200, "3 min 20 s"), (7500, "2 h 5 min")] {
            assert_eq!(duration(Duration::from_secs(seconds)), text);
        }
        for (seconds, text) in
            [(0.2, "about a second"), (37.4, "about 37 s"), (200.0, "about 3 min 15 s"), (1000.0, "about 17 min")]
        {
            assert_eq!(estimate(seconds), text);
        }
        assert_eq!(between([170.0, 290.0]), "2 min 45 s to 4 min 45 s");
        assert_eq!(between([0.2, 0.4]), "about a second");
        for (seconds, text) in [(59, "59 s"), (200, "3 min"), (90_000, "1 d")] {
            assert_eq!(age(seconds), text);
        }
    }
}
