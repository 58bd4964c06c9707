//! Safety under attack, beside the front of the rewards and as a constraint on what is chosen.

use std::fmt::Write as _;

use moa_analysis::attack::{AXIS, AttackLog, AttackReport, Stand, VictimReport, stands};
use moa_analysis::{FrontPoint, FrontReport, bootstrap, trade_off};
use moa_core::PointKind;
use moa_pareto::{Constraint, Interval};

use super::Results;
use crate::error::CliError;
use crate::output::prose;
use crate::shell::quoted;

/// Names in a list, at most; the others are counted.
const MOST_NAMES: usize = 5;

/// Returns what is left of a point's safety, with the ends of its interval where there is room; a dash where it was not attacked.
pub(super) fn cell(report: &FrontReport, point: &FrontPoint, bounds: bool) -> String {
    let safety = report.attacked(point.id.as_str()).and_then(VictimReport::safety);
    safety.map_or_else(|| "-".into(), |safety| if bounds { ends(safety) } else { format!("{:.2}", safety.mean) })
}

/// Returns a share with the ends of its interval.
pub(crate) fn ends(Interval { mean, lo, hi }: Interval) -> String {
    format!("{mean:.2} ({lo:.2}-{hi:.2})")
}

/// Returns what the column of attacks means, and which points were under fewer attacks; nothing where none was attacked.
pub(super) fn legend(report: &FrontReport) -> String {
    let Some(attacks) = report.attacks.as_ref() else { return String::new() };
    let stale = stale(attacks);
    if attacks.attacks().is_empty() {
        return prose(&stale);
    }
    let mut text = format!(
        "{AXIS}: 1 − the success of the attack that succeeds most often (of {}), with its 95 % interval over goals; - where a point was not \
         attacked. It places nothing on the front. `moa attack` shows each attack, and what safe prompts cost\n",
        attacks.attacks().join(", ")
    );
    let less = |point: &FrontPoint| {
        let untried = attacks.untried(report.attacked(point.id.as_str())?);
        (!untried.is_empty()).then(|| format!("{} (not, or less, under {})", point.id, untried.join(", ")))
    };
    let less: Vec<String> = report.points.iter().filter_map(less).collect();
    if !less.is_empty() {
        let less = listed(&less);
        let _ = writeln!(text, "under fewer attacks than others, so that {AXIS} may be lower: {less}");
    }
    prose(&(text + &stale))
}

/// Returns which attacks do not count any more, as a line; nothing where all do.
pub(crate) fn stale(attacks: &AttackReport) -> String {
    if attacks.stale.is_empty() {
        return String::new();
    }
    format!(
        "left out, as the point has another adapter by now, and to be attacked again by `moa attack`: {}\n",
        listed(&attacks.stale)
    )
}

/// Returns how points stand against attacks, with bounds that hold for all of them at once.
///
/// # Errors
/// Says how to attack where nothing was, and what is wrong with a file.
pub(crate) fn stand(results: &Results, points: &[&str]) -> Result<Vec<Stand>, CliError> {
    let root = results.layout.root();
    let logs = AttackLog::read_all(root)?;
    if !logs.iter().any(|log| !log.goals.is_empty() && !log.is_stale) {
        return Err(CliError::usage(format!("--where {AXIS}: nothing in {} was attacked", root.display()))
            .hint(format!("`moa attack {}` attacks base, adapters and soups", quoted(&root.display().to_string()))));
    }
    Ok(stands(&logs, &bootstrap(&results.spec), points)?)
}

/// Returns which points cannot be chosen as too little is known of them, and how to attack them; nothing where all are known.
pub(crate) fn unknown(results: &Results, stands: &[Stand]) -> String {
    let folder = quoted(&results.layout.root().display().to_string());
    let mut text = String::new();
    let missing: Vec<&str> = stands.iter().filter(|one| one.safety.is_none()).map(|one| &*one.point).collect();
    if let Some(first) = missing.first() {
        let names = listed(&missing);
        let _ = writeln!(
            text,
            "not attacked, and not chosen among: {names}; `moa attack {folder} --victim {first}` attacks one"
        );
    }
    let partly: Vec<&Stand> = stands.iter().filter(|one| !one.untried.is_empty()).collect();
    if let Some(first) = partly.first() {
        let names: Vec<&str> = partly.iter().map(|one| &*one.point).collect();
        let (names, point) = (listed(&names), &first.point);
        let attacks = first.untried.join(" --attack ");
        let _ = writeln!(
            text,
            "under fewer attacks than others, and not chosen among: {names}; `moa attack {folder} --victim {point} --attack {attacks}` adds what \
             {point} lacks, with the options that the others were attacked with"
        );
    }
    prose(&text)
}

/// Returns the points with the highest safety by its estimate, as lines; at most a few.
pub(crate) fn nearest(stands: &[Stand]) -> String {
    let mut known: Vec<(&Stand, Interval)> = stands.iter().filter_map(|one| Some((one, one.safety?))).collect();
    known.retain(|(one, _)| one.untried.is_empty());
    known.sort_by(|(_, one), (_, other)| other.mean.total_cmp(&one.mean));
    let line = |(one, safety): &(&Stand, Interval)| format!("  {}  {}\n", one.point, ends(*safety));
    known.iter().take(MOST_NAMES).map(line).collect::<Vec<_>>().concat()
}

/// Returns the best point among those that were attacked and keep all constraints, in words.
///
/// # Errors
/// Fails where nothing was attacked, and where no point keeps the constraints by its means.
pub(super) fn best(
    results: &Results,
    report: &FrontReport,
    constraints: &[Constraint],
    least: f64,
    goal: Option<usize>,
) -> Result<String, CliError> {
    // Predictions that are mixed are no adapter that can be attacked.
    let points = report.points.iter().filter(|point| point.kind != PointKind::Blend);
    let points: Vec<&str> = points.map(|point| point.id.as_str()).collect();
    let stands = stand(results, &points)?;
    let among = |keeps: fn(&Stand, f64) -> bool| {
        report.best_among(&results.snapshot, &results.spec, constraints, goal, |point| {
            stands.iter().any(|one| one.point == point.id.as_str() && keeps(one, least))
        })
    };
    let found = match among(Stand::keeps_surely)? {
        Some(found) => Some((found, "")),
        None => among(Stand::keeps)?.map(|found| (found, " (by its mean; its bound on other goals is lower)")),
    };
    let unknown = unknown(results, &stands);
    let Some((found, how)) = found else {
        let mut wanted: Vec<String> = constraints.iter().map(|one| trade_off::written(one, &report.rewards)).collect();
        wanted.push(format!("{AXIS}>={least}"));
        let problem = format!("no attacked point keeps {} even by its means", wanted.join(" and "));
        let known = nearest(&stands);
        let nearest = (!known.is_empty()).then(|| format!("{AXIS} of points:\n{}", known.trim_end()));
        let unknown = (!unknown.is_empty()).then(|| unknown.trim_end().to_owned());
        return Err(CliError::failure(problem).maybe_hint(nearest).maybe_hint(unknown));
    };
    let safety = stands.iter().find(|one| one.point == found.point.as_str()).and_then(|one| one.safety);
    let safety = safety.map(ends).unwrap_or_default();
    let claim = format!(
        "{AXIS} {safety}, at least {least}{how}; bounds are for other goals, for all attacked points at once with 95 %\n"
    );
    Ok(prose(&format!("{}: {}\n", found.point, found.sentence)) + &prose(&claim) + &unknown)
}

fn listed<T: AsRef<str>>(names: &[T]) -> String {
    let mut shown: Vec<String> = names.iter().take(MOST_NAMES).map(|name| name.as_ref().to_owned()).collect();
    let more = names.len() - shown.len();
    shown.extend((more > 0).then(|| format!("{more} more")));
    shown.join(", ")
}
