//! All experiments of the results folder.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use ratatui::Frame;
use ratatui::crossterm::event::KeyCode as K;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use crate::click::{Click, Clicks};
use crate::component::{Group, Keys, Screen, Step};
use crate::key::{Row, c, k};
use crate::library::{Entry, State};
use crate::message::Message;
use crate::screen::{compare, sweep};
use crate::shared::{self, Note, Overlay, Shared, Tone};
use crate::theme::Theme;
use crate::widget::{bar, clip, foot, message, panel, scroll};

/// The name of this screen.
pub(crate) const NAME: &str = "Experiments";

/// What was found in the results folder, and how the list stands.
#[derive(Default)]
pub(crate) struct Experiments {
    /// Nothing before the first look.
    library: Option<Vec<Entry>>,
    cursor: usize,
    filter: String,
    /// Experiments that are to be compared, in the order in which they were marked.
    marks: Vec<PathBuf>,
    clicks: Clicks<usize>,
}

const KEYS: Keys<Experiments> = &[
    Row::new(&[k(K::Up), c('k')], |own, _| own.step(Step::Up), "previous experiment", ""),
    Row::new(&[k(K::Down), c('j')], |own, _| own.step(Step::Down), "next experiment", ""),
    Row::new(&[k(K::PageUp)], |own, _| own.step(Step::PageUp), "a page up", ""),
    Row::new(&[k(K::PageDown)], |own, _| own.step(Step::PageDown), "a page down", ""),
    Row::new(&[k(K::Home), c('g')], |own, _| own.step(Step::First), "first experiment", ""),
    Row::new(&[k(K::End), c('G')], |own, _| own.step(Step::Last), "last experiment", ""),
    Row::new(&[k(K::Enter)], Experiments::open, "open the experiment", "open"),
    Row::new(&[c('/')], Experiments::ask_filter, "filter by name or reward", "filter"),
    Row::new(&[c(' ')], |own, _| own.mark(), "mark the experiment, to compare", "mark"),
    Row::new(
        &[c('c')],
        Experiments::compare,
        "compare the marked experiments: their fronts over each other",
        "compare",
    ),
    Row::new(&[c('M')], |own, _| own.marks.clear(), "clear all marks", ""),
];

impl Experiments {
    /// Returns the experiments that the filter leaves.
    fn shown(&self) -> Vec<&Entry> {
        let filter = self.filter.to_lowercase();
        let fits = |entry: &&Entry| {
            filter.is_empty()
                || entry.name.to_lowercase().contains(&filter)
                || entry.rewards.iter().any(|reward| reward.contains(&filter))
        };
        self.library.iter().flatten().filter(fits).collect()
    }

    fn step(&mut self, step: Step) {
        self.cursor = step.from(self.cursor, self.shown().len());
    }

    fn open(&mut self, shared: &mut Shared) {
        if let Some(root) = self.offers() {
            shared.open(root);
            shared.go = Some(sweep::NAME);
        }
    }

    fn mark(&mut self) {
        let Some(root) = self.offers() else { return };
        match self.marks.iter().position(|mark| *mark == root) {
            Some(place) => drop(self.marks.remove(place)),
            None => self.marks.push(root),
        }
    }

    fn compare(&mut self, shared: &mut Shared) {
        if self.marks.len() < 2 {
            return shared.say("mark at least two experiments with space, then compare them", Tone::Plain);
        }
        shared.notes.push(Note::Compare(self.marks.clone()));
        shared.go = Some(compare::NAME);
    }

    fn ask_filter(&mut self, shared: &mut Shared) {
        shared.overlay = Some(Overlay::Line(shared::Line {
            title: "Filter",
            hint: "part of a name or a reward; ⏎ keeps, esc clears".into(),
            text: self.filter.clone(),
            error: None,
        }));
    }
}

impl Screen for Experiments {
    fn name(&self) -> &'static str {
        NAME
    }

    fn says(&self) -> &'static str {
        "show all experiments"
    }

    fn is_free(&self) -> bool {
        true
    }

    fn groups(&self) -> Vec<Group> {
        vec![Group::new(NAME, KEYS)]
    }

    fn act(&mut self, row: usize, shared: &mut Shared) {
        (KEYS[row].act)(self, shared);
    }

    fn back(&mut self, _: &mut Shared) -> bool {
        !std::mem::take(&mut self.filter).is_empty()
    }

    fn click(&mut self, click: Click, shared: &mut Shared) {
        if let (Click::Down(_), Some((held, _))) = (click, self.clicks.take(click)) {
            if self.cursor == held.on {
                self.open(shared);
            }
            self.cursor = held.on;
        }
    }

    fn hear(&mut self, message: &Message, _: &mut Shared) {
        if let Message::Library(entries) = message {
            // The list is by age: the cursor stays on its experiment, wherever that goes.
            let kept = self.offers();
            self.library = Some(entries.clone());
            let shown = self.shown();
            let place = shown.iter().position(|entry| Some(&entry.root) == kept.as_ref());
            self.cursor = place.unwrap_or(self.cursor.min(shown.len().saturating_sub(1)));
        }
    }

    fn typed(&mut self, text: &str, _: &mut Shared) {
        text.clone_into(&mut self.filter);
        self.cursor = 0;
    }

    fn given_up(&mut self, _: &mut Shared) {
        self.filter.clear();
    }

    fn offers(&self) -> Option<PathBuf> {
        self.shown().get(self.cursor).map(|entry| entry.root.clone())
    }

    fn view(&self, shared: &Shared, frame: &mut Frame<'_>, area: Rect) {
        self.clicks.clear();
        let theme = shared.theme;
        let folder = shared.results.as_ref().map_or_else(String::new, |folder| folder.display().to_string());
        let Some(library) = &self.library else {
            return message(theme, frame, area, NAME, &format!("reading {folder} …"));
        };
        if library.is_empty() {
            let text = format!("{folder} holds no results; `moa sweep experiments/quick.ron` makes some in a minute");
            return message(theme, frame, area, "No experiments yet", &text);
        }
        let shown = self.shown();
        let aside = match self.filter.as_str() {
            "" => folder,
            filter => format!("{} of {} with “{filter}”", shown.len(), library.len()),
        };
        let mut inner = panel(frame, area, NAME, &aside, theme);
        if let Some(Entry { state: State::Broken(reason), .. }) = shown.get(self.cursor) {
            inner = foot(frame, inner, reason, theme.warn());
        }
        let fit = Fit::new(&shown, inner.width.into());
        frame.render_widget(Paragraph::new(fit.heading()).style(theme.dim()), inner);
        let list = Rect { y: inner.y + 1, height: inner.height.saturating_sub(1), ..inner };
        let first = scroll(self.cursor, shown.len(), list.height.into());
        for (index, entry) in shown.iter().enumerate().skip(first).take(list.height.into()) {
            let place = Rect { y: list.y + (index - first) as u16, height: 1, ..list };
            let chosen = index == self.cursor;
            let style = if chosen { theme.selected() } else { Style::new() };
            let mark = self.marks.iter().position(|mark| *mark == entry.root);
            let line = fit.line(entry, chosen, mark, shared.now, theme);
            frame.render_widget(Paragraph::new(line).style(style), place);
            self.clicks.put(place, index);
        }
    }
}

/// Which columns there is room for.
struct Fit {
    width: usize,
    name: usize,
    bar: usize,
    volume: bool,
    age: bool,
}

impl Fit {
    fn new(shown: &[&Entry], width: usize) -> Self {
        let longest = shown.iter().map(|entry| entry.name.chars().count()).max().unwrap_or(0);
        let name = longest.clamp(10, if width >= 100 { 40 } else { 24 }).min(width.saturating_sub(32).max(10));
        // Marks, name, state and how many weightings are done are always there.
        let left = width.saturating_sub(4 + name + 2 + 9 + 2 + 8);
        Self { width, name, bar: if left >= 34 { 11 } else { 0 }, volume: left >= 23, age: left >= 10 }
    }

    fn heading(&self) -> String {
        let (name, weightings) = (self.name, self.bar + 8);
        let text = format!("    {:<name$}  {:<9}  {:<weightings$}", "name", "state", "weightings");
        let volume = if self.volume { "  hypervolume" } else { "" };
        let age = if self.age { "      age" } else { "" };
        clip(&format!("{text}{volume}{age}  rewards"), self.width)
    }

    fn line(&self, entry: &Entry, chosen: bool, mark: Option<usize>, now: SystemTime, theme: Theme) -> Line<'static> {
        let (state, style) = match entry.state {
            State::Running => ("● running", theme.good()),
            State::Complete => ("complete", Style::new()),
            State::Stopped => ("stopped", theme.dim()),
            State::Broken(_) => ("✗ broken", theme.bad()),
        };
        let (done, all) = entry.weightings;
        let mut spans = vec![
            Span::styled(if chosen { "▸ " } else { "  " }, theme.accent()),
            mark.map_or(Span::raw("  "), |place| Span::styled("■ ", theme.series(place))),
            Span::styled(format!("{:<name$}", clip(&entry.name, self.name), name = self.name), theme.strong()),
            Span::styled(format!("  {state:<9}  "), style),
        ];
        if self.bar > 0 {
            spans.extend(bar(done as f64 / all.max(1) as f64, self.bar - 1, theme.accent(), theme.line()));
            spans.push(Span::raw(" "));
        }
        spans.push(Span::raw(format!("{:<8}", format!("{done}/{all}"))));
        if self.volume {
            let volume = entry.hypervolume.map_or("–".into(), |volume| format!("{volume:.4}"));
            spans.push(Span::raw(format!("  {volume:>11}")));
        }
        if self.age {
            let age = now.duration_since(entry.modified).unwrap_or(Duration::ZERO);
            spans.push(Span::styled(format!("  {:>7}", ago(age)), theme.dim()));
        }
        let used: usize = spans.iter().map(Span::width).sum();
        let rewards = clip(&format!("  {}", entry.rewards.join(" ")), self.width.saturating_sub(used));
        spans.push(Span::styled(rewards, theme.dim()));
        Line::from(spans)
    }
}

/// Returns how long ago something was.
fn ago(age: Duration) -> String {
    match age.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3600 => format!("{} min", seconds / 60),
        seconds @ 3600..86400 => format!("{} h", seconds / 3600),
        seconds => format!("{} d", seconds / 86400),
    }
}
