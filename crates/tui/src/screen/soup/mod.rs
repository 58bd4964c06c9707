//! A slider for each corner: what would the soup gain, and what does it draw?

mod forecast;
mod mix;
mod preview;
mod triangle;

use moa_analysis::{Forecast, trade_off};
use ratatui::Frame;
use ratatui::crossterm::event::KeyCode as K;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use crate::click::{Click, Clicks};
use crate::component::{Group, Keys, Screen, Step};
use crate::figures::{Figures, gain};
use crate::key::{Row, c, k, shift};
use crate::message::{Asked, Message, Reply, Request, SaveFormat, Work};
use crate::session::Session;
use crate::shared::{self, Measuring, Menu, Note, Overlay, Shared, Tone};
use crate::widget::{clip, columns, message, panel, rows, scroll};
use mix::{Mix, WHOLE};
use preview::Preview;

/// The name of this screen.
pub(crate) const NAME: &str = "Soup";

/// How far a key moves a slider, in percent.
const STEP: i32 = 5;

/// What takes the mouse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Slider(usize),
    Triangle,
}

/// How the sliders stand.
#[derive(Default)]
pub(crate) struct Soup {
    mix: Option<Mix>,
    /// The last shares in which several took part: what a slider that comes down from 100 % goes back to.
    memory: Vec<f64>,
    row: usize,
    forecast: Option<Box<Forecast>>,
    /// Whether figures have changed since a forecast was asked for.
    stale: bool,
    preview: Option<Preview>,
    /// The shares that a preview was asked for last.
    asked: Option<Vec<f64>>,
    previewing: bool,
    /// Why there is no preview.
    failed: Option<String>,
    /// The constraints that were asked for last.
    wish: String,
    clicks: Clicks<Target>,
}

const KEYS: Keys<Soup> = &[
    Row::new(&[k(K::Up), c('k')], |own, shared| own.step(Step::Up, shared), "previous adapter", ""),
    Row::new(&[k(K::Down), c('j')], |own, shared| own.step(Step::Down, shared), "next adapter", ""),
    Row::new(&[k(K::Left), c('h')], |own, shared| own.move_by(-STEP, shared), "5 % less of it", ""),
    Row::new(&[k(K::Right), c('l')], |own, shared| own.move_by(STEP, shared), "5 % more of it", "share"),
    Row::new(&[c('<'), c(','), shift(K::Left)], |own, shared| own.move_by(-1, shared), "1 % less of it", ""),
    Row::new(&[c('>'), c('.'), shift(K::Right)], |own, shared| own.move_by(1, shared), "1 % more of it", ""),
    Row::new(&[k(K::Home), c('0')], |own, shared| own.move_by(-(WHOLE as i32), shared), "share 0 %", ""),
    Row::new(&[k(K::End), c('G')], |own, shared| own.move_by(WHOLE as i32, shared), "share 100 %", ""),
    Row::new(&[c('=')], Soup::equal, "equal shares", "equal"),
    Row::new(&[c('e')], Soup::evaluate, "measure this mixture, and add it to the front", "measure"),
    Row::new(&[c('s')], |_, shared| ask_save(shared), "save the adapter", "save"),
    Row::new(&[c('w'), c('/')], Soup::ask_wish, "search for shares that keep constraints", "search"),
    Row::new(&[c('x')], |_, shared| cancel(shared), "stop measuring, and keep nothing of this mixture", ""),
];

/// Stops what is measured.
fn cancel(shared: &mut Shared) {
    match &mut shared.measuring {
        Some(measuring) => measuring.stopping = true,
        None => return shared.say("nothing is being measured", Tone::Plain),
    }
    shared.ask(Request::Work(Work::CancelMeasuring));
}

/// Returns the open experiment whose adapters can be mixed; says why there is none.
fn mixable(shared: &mut Shared) -> Option<&Session> {
    if let Some(reason) = &shared.worker_gone {
        let text = format!("not possible: {reason}");
        shared.say(text, Tone::Bad);
        return None;
    }
    if !shared.session.as_ref().is_some_and(|session| session.figures.has_corners()) {
        shared.say("the adapters are not trained and evaluated yet", Tone::Bad);
        return None;
    }
    shared.session.as_ref()
}

/// What is said where something is measured already.
const BUSY: &str = "a measurement is in progress: wait for it, or stop it with x";

/// Lets one choose the layout of a saved adapter.
fn ask_save(shared: &mut Shared) {
    if mixable(shared).is_some() {
        let entries = SaveFormat::ALL.iter().map(|(_, name, files)| (*name, *files)).collect();
        shared.overlay =
            Some(Overlay::Menu(Menu { title: "Save the adapter for", aside: "⏎ saves", entries, cursor: 0 }));
    }
}

impl Soup {
    /// Returns the sliders, equal before anybody moved them.
    fn mix(&self, figures: &Figures) -> Mix {
        let count = figures.corners.len();
        self.mix.clone().filter(|mix| mix.percent().len() == count).unwrap_or_else(|| Mix::equal(count))
    }

    /// Returns the shares of the corners.
    fn shares(&self, figures: &Figures) -> Vec<f64> {
        self.mix(figures).shares()
    }

    fn put(&mut self, mix: Mix) {
        if mix.percent().iter().filter(|percent| **percent > 0).count() > 1 {
            self.memory = mix.weights().to_vec();
        }
        self.mix = Some(mix);
        self.failed = None;
    }

    fn slide(&mut self, figures: &Figures, index: usize, percent: u32) {
        let mut mix = self.mix(figures);
        if index < mix.percent().len() {
            mix.set(index, percent, &self.memory);
            self.put(mix);
        }
    }

    fn step(&mut self, step: Step, shared: &mut Shared) {
        if let Some(session) = &shared.session {
            self.row = step.from(self.row, session.figures.corners.len());
        }
    }

    /// Moves the slider under the cursor by so many percent.
    fn move_by(&mut self, by: i32, shared: &mut Shared) {
        let Some(session) = &shared.session else { return };
        let here = self.mix(&session.figures).percent().get(self.row).copied();
        if let Some(here) = here {
            self.slide(&session.figures, self.row, here.saturating_add_signed(by).min(WHOLE));
        }
    }

    fn equal(&mut self, shared: &mut Shared) {
        if let Some(session) = &shared.session {
            self.put(Mix::equal(session.figures.corners.len()));
        }
    }

    fn evaluate(&mut self, shared: &mut Shared) {
        let Some(session) = mixable(shared) else { return };
        let work = Work::Evaluate(session.root.clone(), self.shares(&session.figures));
        if shared.measuring.is_some() {
            return shared.say(BUSY, Tone::Bad);
        }
        shared.measuring = Some(Measuring::new("measuring", false));
        shared.ask(Request::Work(work));
    }

    fn ask_wish(&mut self, shared: &mut Shared) {
        let Some(session) = mixable(shared) else { return };
        let rewards = &session.figures.report.rewards;
        let name = |place: usize| rewards.get(place).or(rewards.first()).map_or("safety", String::as_str);
        let hint = format!(
            "for example {}>=base+0.02, max {}; also <= and levels, or NAME=VALUE as a target. ⏎ searches for shares and measures them",
            name(1),
            name(0)
        );
        let line = shared::Line { title: "Constraints", hint, text: self.wish.clone(), error: None };
        // While something is measured, too: what is typed is refused when it is entered, and never taken for keys.
        shared.overlay = Some(Overlay::Line(line));
    }

    /// Returns a request for images where the shown ones are of other shares.
    fn preview_request(&mut self, session: &Session) -> Option<Request> {
        let shares = self.shares(&session.figures);
        if !session.figures.has_corners() || self.asked.as_ref() == Some(&shares) {
            return None;
        }
        self.asked = Some(shares.clone());
        self.previewing = true;
        Some(Request::Work(Work::Preview(session.root.clone(), shares)))
    }

    fn sliders(&self, shared: &Shared, figures: &Figures, frame: &mut Frame<'_>, area: Rect) {
        let theme = shared.theme;
        let mix = self.mix(figures);
        let inner = panel(frame, area, "Mix", "", theme);
        let name = figures.corners.iter().map(|id| id.as_str().chars().count()).max().unwrap_or(4).clamp(4, 16);
        let width = usize::from(inner.width).saturating_sub(name + 9).max(4);
        let row = self.row.min(figures.corners.len() - 1);
        let first = scroll(row, figures.corners.len(), inner.height.into());
        for (index, id) in figures.corners.iter().enumerate().skip(first).take(inner.height.into()) {
            let place = Rect { y: inner.y + (index - first) as u16, height: 1, ..inner };
            let percent = mix.percent()[index];
            let chosen = index == row;
            let knob = (f64::from(percent) / f64::from(WHOLE) * (width - 1) as f64).round() as usize;
            let style = theme.series(index);
            let line = Line::from(vec![
                Span::styled(if chosen { "▸ " } else { "  " }, theme.accent()),
                Span::styled(
                    format!("{:<name$} ", clip(id.as_str(), name)),
                    if chosen { theme.strong() } else { Style::new() },
                ),
                Span::styled("━".repeat(knob), style),
                Span::styled("●", style),
                Span::styled("─".repeat(width - 1 - knob), theme.line()),
                Span::styled(format!(" {percent:>3} %"), theme.strong()),
            ]);
            frame.render_widget(Paragraph::new(line), place);
            let slider = Rect { x: place.x + name as u16 + 3, width: width as u16, ..place };
            self.clicks.put(slider, Target::Slider(index));
        }
    }
}

impl Screen for Soup {
    fn name(&self) -> &'static str {
        NAME
    }

    fn says(&self) -> &'static str {
        "mix adapters"
    }

    fn under(&self) -> Option<&'static str> {
        Some(super::SWEEP)
    }

    fn groups(&self) -> Vec<Group> {
        vec![Group::new(NAME, KEYS)]
    }

    fn act(&mut self, row: usize, shared: &mut Shared) {
        if shared.session.as_ref().is_some_and(|session| !session.figures.corners.is_empty()) {
            (KEYS[row].act)(self, shared);
        }
    }

    fn click(&mut self, click: Click, shared: &mut Shared) {
        let (Some((held, place)), Some(session)) = (self.clicks.take(click), &shared.session) else { return };
        let area = held.area;
        match held.on {
            Target::Slider(index) => {
                let share = f64::from(place.0.clamp(area.x, area.right()) - area.x) / f64::from(area.width.max(2) - 1);
                self.row = index;
                self.slide(&session.figures, index, (share.min(1.0) * f64::from(WHOLE)).round() as u32);
            }
            Target::Triangle => self.put(Mix::near(&triangle::shares(area, place))),
        }
    }

    fn hear(&mut self, heard: &Message, shared: &mut Shared) {
        let is_open = |root: &std::path::Path| shared.session.as_ref().is_some_and(|session| session.root == root);
        match heard {
            Message::Forecast(root, forecast) if is_open(root) => self.forecast.clone_from(forecast),
            // Images of sliders that have moved on are not shown.
            Message::Reply(Reply::Preview { root, shares, pictures, coarse })
                if is_open(root) && self.asked.as_ref() == Some(shares) =>
            {
                self.previewing = *coarse;
                self.preview = Some(Preview { shares: shares.clone(), pictures: pictures.clone(), coarse: *coarse });
            }
            Message::Reply(Reply::Failed { root, what: Asked::Preview, reason }) if is_open(root) => {
                self.previewing = false;
                self.failed = Some(reason.clone());
            }
            Message::WorkerGone(_) => self.previewing = false,
            _ => {}
        }
    }

    fn note(&mut self, note: &Note, _: &mut Shared) {
        match note {
            Note::Opening => *self = Self::default(),
            Note::Figures => self.stale = true,
            Note::Mix(shares) => self.put(Mix::near(shares)),
            Note::Runs | Note::Compare(_) => {}
        }
    }

    fn ask(&mut self, shown: bool, shared: &mut Shared) {
        let Some(session) = &shared.session else { return };
        let mut requests = Vec::new();
        if std::mem::take(&mut self.stale) {
            let known = session.figures.points().iter().filter_map(|point| {
                let gains = point.rewards.iter().map(gain).collect::<Option<Vec<_>>>()?;
                Some((point.shares.clone()?, gains))
            });
            requests.push(Request::Fit(session.root.clone(), known.collect()));
        }
        if shown && shared.worker_gone.is_none() {
            requests.extend(self.preview_request(session));
        }
        for request in requests {
            shared.ask(request);
        }
        if shown {
            shared.want_sheets();
        }
    }

    fn entered(&mut self, text: &str, shared: &mut Shared) -> Result<(), String> {
        let Some(session) = &shared.session else { return Ok(()) };
        let read = trade_off::wish(text, &session.figures.report.rewards);
        let (constraints, goal) = read.map_err(|error| error.to_string())?;
        text.clone_into(&mut self.wish);
        if shared.measuring.is_some() {
            return Err("a measurement is in progress: press ⏎ again after it, or esc and then x to stop it".into());
        }
        let request = Request::Work(Work::Solve(session.root.clone(), constraints, goal));
        shared.measuring = Some(Measuring::new("searching for shares", true));
        shared.ask(request);
        Ok(())
    }

    fn chosen(&mut self, entry: usize, shared: &mut Shared) {
        let (Some((format, ..)), Some(session)) = (SaveFormat::ALL.get(entry), &shared.session) else { return };
        let request = Request::Work(Work::Save(session.root.clone(), self.shares(&session.figures), *format));
        shared.ask(request);
        shared.say("saving …", Tone::Plain);
    }

    fn view(&self, shared: &Shared, frame: &mut Frame<'_>, area: Rect) {
        self.clicks.clear();
        let Some(session) = &shared.session else { return };
        let figures = &session.figures;
        if figures.corners.is_empty() {
            let text = if figures.points().is_empty() {
                "soups need evaluated adapters: let the sweep continue"
            } else {
                "soups need corners (adapters trained for one reward), and this experiment has none"
            };
            return message(shared.theme, frame, area, "Nothing to mix", text);
        }
        let three = figures.corners.len() == 3;
        let lines = figures.corners.len().max(figures.report.rewards.len()) as u16;
        let top = (lines + 3).max(if three { 9 } else { 0 }).min(area.height.saturating_sub(7));
        let [above, below] = rows(area, [Constraint::Length(top), Constraint::Fill(1)]);
        let [left, right] = columns(above, [Constraint::Fill(1), Constraint::Percentage(50)]);
        let left = if three && left.width >= 44 {
            let [sliders, corner] = columns(left, [Constraint::Fill(1), Constraint::Length(20)]);
            triangle::view(shared.theme, figures, &self.shares(figures), &self.clicks, frame, corner);
            sliders
        } else {
            left
        };
        self.sliders(shared, figures, frame, left);
        forecast::view(self, shared, figures, frame, right);
        preview::view(self, shared, session, frame, below);
    }
}
