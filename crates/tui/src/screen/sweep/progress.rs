//! How far a sweep is, how long it will take, and what its training adds up to.

use moa_core::metric;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::Sweep;
use crate::experiment::Experiment;
use crate::session::Session;
use crate::shared::Shared;
use crate::theme::Theme;
use crate::widget::{Axis, Braille, bar, panel, plot};

/// Draws two lines: what the sweep does, how far it is, how fast, how long still.
pub(super) fn view(
    own: &Sweep,
    shared: &Shared,
    session: &Session,
    experiment: &Experiment,
    frame: &mut Frame<'_>,
    area: Rect,
) {
    let theme = shared.theme;
    let (least, _) = own.epochs_done;
    let epochs = experiment.epochs();
    let (evaluated, points) = experiment.evaluated();
    let complete = evaluated >= points && least >= epochs;
    let course = session.course(shared.now);
    let judging = course.as_ref().and_then(|(course, _)| course.judging()).filter(|_| experiment.live);
    let waited_for = judging.map(|judging| {
        let place = judging.place().map_or(String::new(), |place| format!("   {place}"));
        format!("{} of {} pairs judged{place}", judging.answered, judging.wanted)
    });
    let waiting = course.as_ref().and_then(|(course, _)| course.waiting()).filter(|_| experiment.live);
    let waited_for =
        waited_for.or_else(|| waiting.map(|(arrived, wanted)| format!("{arrived} of {wanted} prompts arrived")));
    let share = course.as_ref().map_or(0.0, |(course, _)| course.share());
    let (what, share, left) = match course {
        _ if !experiment.live && complete => ("complete", 1.0, None),
        _ if !experiment.live => ("stopped; the same `moa sweep` resumes", share, None),
        Some((course, elapsed)) => (course.activity(), share, Some(course.left(elapsed))),
        None => ("starting", 0.0, None),
    };
    let width = usize::from(area.width);
    let [filled, empty] = bar(share, width.saturating_sub(52).clamp(8, 40), theme.accent(), theme.line());
    let mut first =
        vec![filled, empty, Span::raw(format!(" {:>3.0} %  ", 100.0 * share)), Span::styled(what, theme.strong())];
    if let Some(left) = left {
        first.push(Span::styled(format!("  {left}"), theme.dim()));
    }
    let mut parts = vec![format!("{least} of {epochs} epochs"), format!("{evaluated} of {points} points evaluated")];
    if let Some(seconds) = own.seconds_per_epoch {
        let training = &experiment.spec.training;
        let images = experiment.runs.len() as f64
            * f64::from(training.prompts_per_epoch)
            * f64::from(training.images_per_prompt);
        parts.push(format!("{:.1} images/s", images / seconds));
        parts.push(format!("{seconds:.1} s per epoch"));
    }
    if !experiment.device.is_empty() {
        parts.push(experiment.device.clone());
    }
    // What there is no room for is left out as a whole.
    let fits = |text: String, part: &String| {
        let longer = if text.is_empty() { part.clone() } else { format!("{text}   {part}") };
        if longer.chars().count() <= width { longer } else { text }
    };
    let second = match waited_for {
        Some(text) => Line::styled(text, theme.accent()),
        None => Line::styled(parts.iter().fold(String::new(), fits), theme.dim()),
    };
    frame.render_widget(Paragraph::new(vec![Line::from(first), second]), area);
}

/// Draws the hypervolume of the training images over time.
pub(super) fn volume(own: &Sweep, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let aside = own.volumes.last().map_or(String::new(), |(_, volume)| format!("{volume:.4}"));
    let inner = panel(frame, area, "Hypervolume of training", &aside, theme);
    if own.volumes.len() < 2 {
        let text = if own.volumes.is_empty() { "after the first epoch" } else { "after the second epoch" };
        return frame.render_widget(Paragraph::new(text).style(theme.dim()), inner);
    }
    let x = Axis::whole(1.0, f64::from(own.volumes.last().map_or(2, |(epoch, _)| *epoch)));
    let y = Axis::around(own.volumes.iter().map(|(_, volume)| *volume), false);
    let plot = plot(frame.buffer_mut(), inner, x, y, theme);
    let mut lines = Braille::new(plot.area);
    let place = |(epoch, volume): (u32, f64)| Some((plot.x.share(f64::from(epoch))?, plot.y.share(volume)?));
    let places: Vec<(f64, f64)> = own.volumes.iter().filter_map(|point| place(*point)).collect();
    for pair in places.windows(2) {
        let (from, to) = (lines.place(pair[0].0, pair[0].1), lines.place(pair[1].0, pair[1].1));
        lines.line(from, to, theme.accent());
    }
    lines.render(frame.buffer_mut());
}

/// Returns what the columns of rewards show, in words.
pub(super) fn basis(experiment: &Experiment) -> &'static str {
    let gain = |reward: &String| metric::reward_of_any_gain(&experiment.progress_metric(reward)).is_some();
    if experiment.rewards.iter().any(gain) { "gain over the base" } else { "mean of the prompts drawn" }
}
