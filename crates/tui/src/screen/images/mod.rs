//! Images of up to four points: the same prompts and the same noise, one below the other.

mod list;
mod rows;

use moa_core::RunId;
use ratatui::Frame;
use ratatui::crossterm::event::KeyCode as K;
use ratatui::layout::{Constraint, Rect};

use crate::click::{Click, Clicks};
use crate::component::{Group, Keys, Screen, Step};
use crate::key::{Row, c, k};
use crate::screen::front;
use crate::session::{Pictures, Session};
use crate::shared::{Note, Shared, Tone};
use crate::widget::{columns, message, panel};

/// The name of this screen.
pub(crate) const NAME: &str = "Images";

/// How two points are set against each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Versus {
    /// All that are compared, in rows.
    #[default]
    Rows,
    /// One in the place of the other, in turn.
    Blink,
    /// Both, and their difference.
    Difference,
}

/// Where one looks.
#[derive(Default)]
pub(crate) struct Images {
    /// The first prompt that is shown.
    prompt: usize,
    /// Which image of each prompt.
    noise: usize,
    /// Whether all images of one prompt are shown, and not one of each.
    noises: bool,
    versus: Versus,
    /// Added to the height that fits.
    zoom: i16,
    differences: rows::Differences,
    clicks: Clicks<usize>,
}

const KEYS: Keys<Images> = &[
    Row::new(&[k(K::Left), c('h')], |own, shared| own.turn(Step::Up, shared), "previous prompts", ""),
    Row::new(&[k(K::Right), c('l')], |own, shared| own.turn(Step::Down, shared), "next prompts", "prompts"),
    Row::new(&[k(K::Up), c('k')], |_, shared| step(Step::Up, shared), "previous point", ""),
    Row::new(&[k(K::Down), c('j')], |_, shared| step(Step::Down, shared), "next point", ""),
    Row::new(&[k(K::Home), c('g')], |own, _| own.prompt = 0, "first prompt", ""),
    Row::new(&[k(K::End), c('G')], |own, shared| own.turn(Step::Last, shared), "last prompt", ""),
    Row::new(&[c(' ')], |_, shared| shared.mark(), "show the point beside others, up to four", "compare"),
    Row::new(&[c('M')], |_, shared| shared.unmark(), "clear all marks", ""),
    Row::new(
        &[c('n')],
        |own, _| own.noises = !own.noises,
        "all images of one prompt with its scores, or one of each",
        "noises",
    ),
    Row::new(&[c('s')], Images::next_noise, "other noise: the next image of each prompt", ""),
    Row::new(
        &[c('b')],
        |own, shared| own.turn_versus(Versus::Blink, shared),
        "blink: two points alternate in one place",
        "blink",
    ),
    Row::new(
        &[c('d')],
        |own, shared| own.turn_versus(Versus::Difference, shared),
        "difference of two points",
        "difference",
    ),
    Row::new(&[c('+'), c('=')], |own, _| own.zoom = (own.zoom + 1).min(20), "larger images", "size"),
    Row::new(&[c('-')], |own, _| own.zoom = (own.zoom - 1).max(-6), "smaller images", ""),
    Row::new(&[c('m')], |_, shared| front::mix(shared), "mix from here", "mix"),
];

/// Moves the cursor among the points.
fn step(step: Step, shared: &mut Shared) {
    let Some(session) = &mut shared.session else { return };
    let points = session.figures.points();
    let cursor = points.iter().position(|point| Some(&point.id) == session.selected.as_ref());
    let next = cursor.map_or(0, |cursor| step.from(cursor, points.len()));
    let id = points.get(next).map(|point| point.id.clone());
    session.selected = id.or(session.selected.take());
}

/// Returns how many prompts and images of each there are at most.
fn extent(session: &Session) -> (usize, usize) {
    let sheets = session.compared().into_iter().filter_map(|id| match session.sheets.get(&id) {
        Some(Pictures::Ready(sheet)) => Some((sheet.prompts(), sheet.pictures())),
        _ => None,
    });
    sheets.fold((0, 0), |(a, b), (c, d)| (a.max(c), b.max(d)))
}

/// Returns the two points that are set against each other; without marks the base and the one under the cursor.
fn pair(session: &Session) -> Option<[RunId; 2]> {
    let with_base = || {
        let base = session.figures.base()?.id.clone();
        Some([base, session.selected.clone()?]).filter(|[base, selected]| base != selected)
    };
    session.pair().or_else(with_base)
}

impl Images {
    fn turn(&mut self, step: Step, shared: &mut Shared) {
        if let Some(session) = &shared.session {
            self.prompt = step.from(self.prompt, extent(session).0);
        }
    }

    fn next_noise(&mut self, shared: &mut Shared) {
        if let Some(session) = &shared.session {
            self.noise = (self.noise + 1) % extent(session).1.max(1);
        }
    }

    fn turn_versus(&mut self, versus: Versus, shared: &mut Shared) {
        if shared.session.as_ref().is_some_and(|session| pair(session).is_none()) {
            return shared.say("choose another point than the base, or mark one first", Tone::Plain);
        }
        self.versus = if self.versus == versus { Versus::Rows } else { versus };
    }
}

impl Screen for Images {
    fn name(&self) -> &'static str {
        NAME
    }

    fn says(&self) -> &'static str {
        "show images"
    }

    fn under(&self) -> Option<&'static str> {
        Some(super::SWEEP)
    }

    fn groups(&self) -> Vec<Group> {
        vec![Group::new(NAME, KEYS)]
    }

    fn act(&mut self, row: usize, shared: &mut Shared) {
        (KEYS[row].act)(self, shared);
    }

    fn click(&mut self, click: Click, shared: &mut Shared) {
        let (Click::Down(_), Some((held, _))) = (click, self.clicks.take(click)) else { return };
        let Some(session) = &mut shared.session else { return };
        let id = session.figures.points().get(held.on).map(|point| point.id.clone());
        if id.is_some() && id == session.selected {
            return shared.mark();
        }
        session.selected = id;
    }

    fn note(&mut self, note: &Note, _: &mut Shared) {
        if *note == Note::Opening {
            *self = Self::default();
        }
    }

    fn ask(&mut self, shown: bool, shared: &mut Shared) {
        if shown {
            shared.want_sheets();
            shared.want_pair();
            shared.want_scores();
        }
    }

    fn view(&self, shared: &Shared, frame: &mut Frame<'_>, area: Rect) {
        self.clicks.clear();
        let Some(session) = &shared.session else { return };
        let Some(experiment) = &session.experiment else { return };
        let points = session.figures.points();
        if points.is_empty() {
            let text = "they are drawn by the evaluation, of the base first";
            return message(shared.theme, frame, area, "No images yet", text);
        }
        let longest = points.iter().map(|point| point.id.as_str().chars().count()).max().unwrap_or(8);
        let width = (longest as u16 + 6).clamp(16, (area.width / 4).max(16)).min(34);
        let [list, main] = columns(area, [Constraint::Length(width), Constraint::Fill(1)]);
        list::view(self, shared, session, frame, list);
        let (prompts, noises) = extent(session);
        let aside = match (prompts, self.noises) {
            (0, _) => String::new(),
            (_, true) => format!("prompt {} of {prompts}, {noises} noises", self.prompt + 1),
            (_, false) => format!("from prompt {} of {prompts}, noise {} of {noises}", self.prompt + 1, self.noise + 1),
        };
        let title = match self.versus {
            Versus::Rows => "Same prompts, same noise",
            Versus::Blink => "Blinking",
            Versus::Difference => "Difference: grey where they are equal",
        };
        let inner = panel(frame, main, title, &aside, shared.theme);
        rows::view(self, shared, session, experiment, frame, inner);
    }
}
