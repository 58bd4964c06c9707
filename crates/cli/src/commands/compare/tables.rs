//! The comparison as tables that people read.

use moa_analysis::Comparison;
use moa_analysis::compare::{ComparedExperiment, Figure, Fronts, Part};
use moa_pareto::{FEWEST_CLAIMED, FEWEST_PROMPTS};

use crate::output::{prose, terminal_width};
use crate::paint::{self, Look};
use crate::text::{Table, count, memory, whole};

/// One table with its heading.
struct Sheet {
    title: &'static str,
    /// The first is the heading.
    rows: Vec<Vec<String>>,
    /// Columns of words, which come first.
    words: usize,
}

/// How a figure is written.
#[derive(Clone, Copy)]
struct Style {
    /// Whether uncertainties are shown.
    full: bool,
    /// Whether there are prompts enough for arrows: of fewer nothing is claimed.
    claims: bool,
}

/// What stands for a figure that is not known.
const UNKNOWN: &str = "–";

impl Style {
    fn of(comparison: &Comparison, full: bool) -> Self {
        Self { full, claims: comparison.prompts >= FEWEST_CLAIMED }
    }

    /// Returns a figure: of one seed with half its interval over prompts, of several with the least and the greatest.
    fn figure(self, figure: Option<&Figure>, write: impl Fn(f64) -> String) -> String {
        let Some(figure) = figure else { return UNKNOWN.into() };
        let mean = write(figure.mean.mean);
        let [least, greatest] = figure.extremes();
        match figure.mean.half_width() {
            _ if !self.full => mean,
            _ if figure.seeds.len() > 1 => format!("{mean} ({} to {})", write(least), write(greatest)),
            Some(half) => format!("{mean} ± {}", write(half).trim_start_matches('+')),
            None => mean,
        }
    }

    /// Returns a difference with its direction, where that is beyond noise.
    fn difference(self, figure: Option<&Figure>, decimals: usize) -> String {
        let arrow = match figure.filter(|_| self.claims).map_or(0, Figure::sign) {
            1 => " ↑",
            -1 => " ↓",
            _ => "  ",
        };
        let text = self.figure(figure, signed(decimals));
        if figure.is_some() { text + arrow } else { text + "  " }
    }
}

fn plain(decimals: usize) -> impl Fn(f64) -> String {
    move |value| format!("{value:.decimals$}")
}

fn signed(decimals: usize) -> impl Fn(f64) -> String {
    move |value| {
        let text = format!("{value:+.decimals$}");
        // What rounds to 0 has no sign.
        if text[1..].chars().all(|c| matches!(c, '0' | '.')) { text[1..].into() } else { text.replace('-', "−") }
    }
}

/// Returns three digits, with a sign.
fn three_digits(value: f64) -> String {
    let lead = if value == 0.0 { 0.0 } else { value.abs().log10().floor() };
    signed((2.0 - lead).clamp(0.0, 6.0) as usize)(value)
}

/// Returns the tables of a part, with the rewards called by `labels` where their units count, without uncertainties where they do not fit into the terminal.
pub(super) fn table(comparison: &Comparison, labels: &[String], part: Part, fronts: Fronts, to_file: bool) -> String {
    let width = if to_file { None } else { terminal_width() };
    let text = |sheet: usize| {
        let full = render(&sheets(comparison, labels, part, Style::of(comparison, true))[sheet]);
        let widest = full.lines().map(|line| line.chars().count()).max().unwrap_or(0);
        if width.is_some_and(|width| width < widest) {
            return render(&sheets(comparison, labels, part, Style::of(comparison, false))[sheet]);
        }
        full
    };
    let sheets = sheets(comparison, labels, part, Style::of(comparison, true)).len();
    let tables: Vec<String> = (0..sheets).map(|sheet| painted(&text(sheet), to_file)).collect();
    let notes = notes(comparison, part, fronts).join("\n");
    tables.join("\n") + "\n" + &if to_file { notes } else { prose(&notes) } + "\n"
}

/// Returns a table with its title in colours, unless it goes to a file.
fn painted(text: &str, to_file: bool) -> String {
    match text.split_once('\n') {
        Some((title, rest)) if !to_file => {
            paint::paint(title, Look::Bold, paint::on_output()) + "\n" + &paint::table(rest, |_| false)
        }
        _ => text.to_owned(),
    }
}

fn render(sheet: &Sheet) -> String {
    let mut rows = sheet.rows.iter().cloned();
    let mut table = Table::new(rows.next().unwrap_or_default());
    rows.for_each(|row| table.row(row));
    format!("{}\n{}", sheet.title, table.render_with_left(sheet.words))
}

/// Returns the tables of a part as Markdown.
pub(super) fn markdown(comparison: &Comparison, labels: &[String], part: Part, fronts: Fronts) -> String {
    let line = |cells: &[String]| {
        let cells = cells.iter().map(|cell| cell.trim().replace('|', "\\|"));
        format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
    };
    let mut text = Vec::new();
    for sheet in sheets(comparison, labels, part, Style::of(comparison, true)) {
        text.push(format!("**{}**\n\n", sheet.title));
        for (number, row) in sheet.rows.iter().enumerate() {
            text.push(line(row));
            if number == 0 {
                let rule = (0..row.len()).map(|column| if column < sheet.words { "---" } else { "---:" });
                text.push(format!("| {} |\n", rule.collect::<Vec<_>>().join(" | ")));
            }
        }
        text.push("\n".into());
    }
    text.extend(notes(comparison, part, fronts).into_iter().map(|note| format!("- {note}\n")));
    text.concat()
}

fn sheets(comparison: &Comparison, labels: &[String], part: Part, style: Style) -> Vec<Sheet> {
    match part {
        Part::Experiments => vec![fronts(comparison, style), costs(comparison, style), beside(comparison, style)],
        Part::Points => vec![gains(comparison, labels, style), judged(comparison, style)],
        Part::Pairs => vec![pairs(comparison, style)],
    }
}

fn sheet(title: &'static str, words: usize, heading: Vec<String>) -> Sheet {
    Sheet { title, rows: vec![heading], words }
}

fn words(text: &[&str]) -> Vec<String> {
    text.iter().map(|word| (*word).to_owned()).collect()
}

fn fronts(comparison: &Comparison, style: Style) -> Sheet {
    let mut heading = words(&["experiment", "method", "seeds", "hypervolume"]);
    let baseline = comparison.baseline.map(|place| &comparison.experiments[place].name);
    heading.extend(baseline.map(|name| format!("over {name}  ")));
    heading.extend(words(&["mean own gain  "]));
    heading.extend(baseline.map(|name| format!("over {name}  ")));
    heading.extend(comparison.rewards.iter().map(|reward| format!("own gain: {reward}  ")));
    let mut sheet = sheet("Fronts and own gains", 2, heading);
    for one in &comparison.experiments {
        let mut row = vec![one.name.clone(), one.method.clone(), one.folders.len().to_string()];
        row.push(style.figure(one.hypervolume.as_ref(), plain(3)));
        let over = |name: &String, difference: &Option<Figure>, decimals: usize| match difference {
            None if *name == one.name => "baseline  ".into(),
            difference => style.difference(difference.as_ref(), decimals),
        };
        row.extend(baseline.map(|name| over(name, &one.over_baseline, 3)));
        row.push(style.difference(one.own_mean.as_ref(), 2));
        row.extend(baseline.map(|name| over(name, &one.own_over_baseline, 2)));
        row.extend(one.own.iter().map(|own| style.difference(own.as_ref(), 2)));
        sheet.rows.push(row);
    }
    sheet
}

fn costs(comparison: &Comparison, style: Style) -> Sheet {
    let mut heading = words(&["experiment", "passes", "seconds", "images"]);
    heading.extend(words(&["gain / 1,000 passes", "gain / s", "gain / 1,000 images", "memory"]));
    let on_device = comparison.experiments.iter().any(|one| one.cost.device_memory.is_some());
    heading.extend(on_device.then(|| "of the device".to_owned()));
    let mut sheet = sheet("Cost of an adapter, and mean own gain for it", 1, heading);
    let short = Style { full: false, ..style };
    for one in &comparison.experiments {
        let cost = &one.cost;
        let number = |value: f64| whole(value.round() as u64);
        let bytes = |value: f64| memory(value as u64);
        let mut row = vec![one.name.clone()];
        row.push(short.figure(cost.passes.as_ref(), number));
        row.push(short.figure(cost.seconds.as_ref(), plain(1)));
        row.push(short.figure(cost.images.as_ref(), number));
        for gain in [&cost.per_1000_passes, &cost.per_second, &cost.per_1000_images] {
            row.push(style.figure(gain.as_ref(), three_digits));
        }
        row.push(short.figure(cost.peak_memory.as_ref(), bytes));
        row.extend(on_device.then(|| short.figure(cost.device_memory.as_ref(), bytes)));
        sheet.rows.push(row);
    }
    sheet
}

fn beside(comparison: &Comparison, style: Style) -> Sheet {
    let mut heading = words(&["experiment", "distance to base", "judges / own gain"]);
    heading.extend(comparison.judges.iter().map(|judge| format!("{judge}  ")));
    let mut sheet = sheet("What else changes: distance, and gains of the judges", 1, heading);
    for one in &comparison.experiments {
        let mut row = vec![one.name.clone()];
        row.push(style.figure(one.distance.as_ref(), plain(1)));
        row.push(style.figure(one.slope.as_ref(), signed(2)));
        row.extend(one.judges.iter().map(|gain| style.difference(gain.as_ref(), 3)));
        sheet.rows.push(row);
    }
    sheet
}

fn gains(comparison: &Comparison, labels: &[String], style: Style) -> Sheet {
    let mut heading = words(&["experiment", "point"]);
    heading.extend(labels.iter().map(|label| format!("{label}  ")));
    heading.extend(comparison.rewards.iter().map(|reward| format!("{reward} / sd  ")));
    heading.push("distance to base".into());
    let mut sheet = sheet("Gains over the base", 2, heading);
    for (one, point) in points(comparison) {
        let mut row = vec![one.name.clone(), point.id.to_string()];
        row.extend(point.rewards.iter().map(|gain| style.difference(Some(&gain.gain), 3)));
        row.extend(point.rewards.iter().map(|gain| style.difference(gain.in_deviations.as_ref(), 2)));
        row.push(style.figure(point.distance.as_ref(), plain(1)));
        sheet.rows.push(row);
    }
    sheet
}

fn judged(comparison: &Comparison, style: Style) -> Sheet {
    let mut heading = words(&["experiment", "point"]);
    heading.extend(comparison.judges.iter().map(|judge| format!("{judge}  ")));
    let mut sheet = sheet("Gains of the judges", 2, heading);
    for (one, point) in points(comparison) {
        let find = |judge: &String| point.judges.iter().find(|gain| gain.name == *judge).map(|gain| &gain.gain);
        let mut row = vec![one.name.clone(), point.id.to_string()];
        row.extend(comparison.judges.iter().map(|judge| style.difference(find(judge), 3)));
        sheet.rows.push(row);
    }
    sheet
}

fn points(
    comparison: &Comparison,
) -> impl Iterator<Item = (&ComparedExperiment, &moa_analysis::compare::ComparedPoint)> {
    comparison.experiments.iter().flat_map(|one| one.points.iter().map(move |point| (one, point)))
}

fn pairs(comparison: &Comparison, style: Style) -> Sheet {
    let mut sheet = sheet("Differences", 2, words(&["experiment", "less", "hypervolume  ", "own gain  "]));
    for pair in &comparison.pairs {
        let [one, other] = pair.of.map(|place| comparison.experiments[place].name.clone());
        let (volume, own) = (pair.hypervolume.as_ref(), pair.own.as_ref());
        sheet.rows.push(vec![one, other, style.difference(volume, 3), style.difference(own, 2)]);
    }
    sheet
}

/// Returns what the tables' figures are.
fn notes(comparison: &Comparison, part: Part, fronts: Fronts) -> Vec<String> {
    let mut notes = Vec::new();
    let seeds = comparison.has_seeds();
    let prompts = count(comparison.prompts as u64, "prompt");
    let single = format!("± is half the 95 % interval over {prompts}");
    notes.push(match (seeds, comparison.experiments.iter().any(|one| one.folders.len() == 1)) {
        (true, true) => format!("(a to b) is the least and the greatest seed; of a single one {single}"),
        (true, false) => "mean over seeds, with the least and the greatest".into(),
        (false, _) => format!("{single}; it does not cover other seeds of training"),
    });
    let every = if seeds { ", and every seed is on that side" } else { "" };
    notes.push(format!("↑ ↓ above or below 0: the 95 % interval of the paired difference excludes 0{every}"));
    if part == Part::Pairs && comparison.pairs.len() > 1 {
        notes.push(format!(
            "each of the {} pairs is tested separately: one in twenty pairs that do not differ is marked",
            comparison.pairs.len()
        ));
    }
    if comparison.prompts < FEWEST_PROMPTS {
        notes.push(format!(
            "{prompts}: too few for intervals by resampling (at least {FEWEST_PROMPTS}), which are what a reward's range allows, and \
             missing where it has none"
        ));
    }
    if part != Part::Points
        && let Some(base) = comparison.base_hypervolume
    {
        let of = match fronts {
            Fronts::All => "base, adapters, soups and blends",
            Fronts::Trained => "base and adapters",
        };
        let ends = comparison.rewards.iter().zip(&comparison.scales);
        let ends = ends.map(|(reward, scale)| format!("{reward} {:.3} to {:.3}", scale.reference, scale.best));
        let own = comparison.given.iter().all(|given| *given);
        let from = if own {
            "as the experiments say"
        } else {
            "the worst and the best mean of the base and the adapters of one reward, over all folders"
        };
        notes.push(format!(
            "hypervolume of {of}, {base:.3} for the base alone; 0 and 1 are {from}: {}",
            ends.collect::<Vec<_>>().join(", ")
        ));
    }
    if part != Part::Points {
        notes.push(
            "own gain: the adapter trained for one reward alone, over the base, in the base's standard deviations within prompts".into(),
        );
    }
    if part == Part::Experiments {
        notes.push(
            "costs without probes and evaluation; a pass forward and backward counts as three; memory is the most that the whole sweep \
             held when an epoch ended"
                .into(),
        );
        notes.push(
            "distance, judges: mean over the adapters of one reward; distance is the root mean square of pixel differences, of 255; \
             judges in their own units"
                .into(),
        );
        notes.push(
            "judges / own gain: how much the judges that watch a reward change while it rises by one standard deviation of the base's \
             prompts, in such deviations of theirs, over the probes of training; below 0 they fall"
                .into(),
        );
    }
    notes
}
