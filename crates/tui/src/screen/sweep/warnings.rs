//! What a reader must know of runs, and of the sweep as a whole.

use moa_core::{RunRecord, metric};
use moa_pareto::FEWEST_PROMPTS;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

use super::Sweep;
use crate::experiment::Experiment;
use crate::session::Session;
use crate::theme::Theme;
use crate::widget::{panel, wrapped};

/// Ratios of new to old probabilities further from 1 than this are suspicious.
const RATIO_OFF: f64 = 0.2;
/// Groups without spread above this share are worth a warning.
const SILENT: f64 = 0.5;

/// Returns what a reader must know of a run: what the sweep warned of, and what its last epoch shows.
pub(super) fn findings(experiment: &Experiment, run: &RunRecord) -> Vec<String> {
    let mut found = run.warnings.clone();
    if let Some(ratio) = experiment.last(&run.id, metric::RATIO_MEAN).filter(|ratio| (ratio - 1.0).abs() > RATIO_OFF) {
        found.push(format!("ratio {ratio:.2} is far from 1: updates are too large"));
    }
    if let Some(silent) = experiment.last(&run.id, metric::SILENT_GROUPS).filter(|silent| *silent > SILENT) {
        found.push(format!("{:.0} % of the groups have no spread, and give no gradient", 100.0 * silent));
    }
    found
}

/// Returns what a reader must know of the sweep as a whole.
fn of_sweep(session: &Session, experiment: &Experiment) -> Vec<String> {
    let mut found = experiment.warnings.clone();
    let prompts = session.figures.report.prompts;
    if (1..FEWEST_PROMPTS).contains(&prompts) {
        found.push(format!(
            "{prompts} held-out prompts are too few for intervals: at least {FEWEST_PROMPTS} are needed"
        ));
    }
    found
}

/// Returns the warnings with whose they are: of the run under the cursor first, then of the sweep, then of other runs, so many of those.
fn found(own: &Sweep, session: &Session, experiment: &Experiment, most: usize) -> Vec<(String, String)> {
    let selected = experiment.runs.iter().position(|run| Some(&run.id) == session.selected.as_ref());
    let others = (0..experiment.runs.len()).filter(|place| Some(*place) != selected);
    let of_run = |place: usize| {
        let texts = own.findings.get(place).into_iter().flatten();
        texts.map(move |text| (experiment.runs[place].id.to_string(), text.clone()))
    };
    let whole = of_sweep(session, experiment);
    let mut found: Vec<(String, String)> = selected.into_iter().flat_map(of_run).collect();
    found.extend(whole.into_iter().map(|text| ("sweep".to_owned(), text)));
    found.extend(others.flat_map(of_run).take(most));
    found
}

/// Returns how many lines the warnings take in so many columns, with their title.
pub(super) fn height(own: &Sweep, session: &Session, experiment: &Experiment, width: usize) -> u16 {
    let lines = found(own, session, experiment, 20).into_iter();
    let lines = lines.map(|(name, text)| wrapped(&format!("⚠ {name}: {text}"), width).len());
    1 + lines.sum::<usize>().min(60) as u16
}

/// Draws the warnings.
pub(super) fn view(
    own: &Sweep,
    theme: Theme,
    session: &Session,
    experiment: &Experiment,
    frame: &mut Frame<'_>,
    area: Rect,
) {
    let found = found(own, session, experiment, usize::from(area.height));
    let whole = of_sweep(session, experiment).len();
    let count = own.findings.iter().map(Vec::len).sum::<usize>() + whole;
    let count = if count == 0 { String::new() } else { count.to_string() };
    let inner = panel(frame, area, "Warnings", &count, theme);
    if found.is_empty() {
        return frame.render_widget(Paragraph::new("none").style(theme.dim()), inner);
    }
    let line = |(name, text): &(String, String)| {
        Line::from(vec![
            Span::styled("⚠ ", theme.warn()),
            Span::styled(format!("{name}: "), theme.strong()),
            Span::raw(text.clone()),
        ])
    };
    let lines: Vec<Line<'_>> = found.iter().take(inner.height.into()).map(line).collect();
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: true }), inner);
}
