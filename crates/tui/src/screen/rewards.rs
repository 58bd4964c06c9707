//! The report cards of the rewards: what each looks at, and what fools it.

use std::path::PathBuf;

use moa_analysis::explanation::{Explanation, RewardCard, Verdict, signed};
use ratatui::Frame;
use ratatui::crossterm::event::KeyCode as K;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

use crate::click::{Click, Clicks};
use crate::component::{Group, Keys, Screen, Step};
use crate::key::{Row, c, k};
use crate::message::{Message, Request};
use crate::shared::{Note, Shared};
use crate::theme::Theme;
use crate::widget::{clip, columns, message, panel, rows};

const NAME: &str = "Rewards";

/// What is known of the cards.
#[derive(Default)]
enum State {
    /// They were not asked for yet.
    #[default]
    Unknown,
    Asked,
    /// The experiment has none.
    Absent,
    Ready(Box<Explanation>),
    Failed(String),
}

/// Which card is shown, and from which line on.
#[derive(Default)]
pub(crate) struct Rewards {
    root: Option<PathBuf>,
    state: State,
    cursor: usize,
    scroll: u16,
    clicks: Clicks<usize>,
}

const KEYS: Keys<Rewards> = &[
    Row::new(&[k(K::Left), c('h')], |own, _| own.step(Step::Up), "previous reward", ""),
    Row::new(&[k(K::Right), c('l')], |own, _| own.step(Step::Down), "next reward", "reward"),
    Row::new(&[k(K::Up), c('k')], |own, _| own.scroll = own.scroll.saturating_sub(1), "scroll the card up", ""),
    Row::new(
        &[k(K::Down), c('j')],
        |own, _| own.scroll = own.scroll.saturating_add(1),
        "scroll the card down",
        "scroll",
    ),
    Row::new(&[c('R')], |own, _| own.state = State::Unknown, "read the cards again", ""),
];

impl Rewards {
    fn cards(&self) -> &[RewardCard] {
        match &self.state {
            State::Ready(explanation) => &explanation.cards,
            _ => &[],
        }
    }

    fn step(&mut self, step: Step) {
        self.cursor = step.from(self.cursor, self.cards().len());
        self.scroll = 0;
    }

    /// Draws the names of the rewards.
    fn names(&self, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
        let mut x = area.x;
        for (place, card) in self.cards().iter().enumerate() {
            let text = format!(" {} ", card.reward);
            let width = (text.chars().count() as u16).min(area.right().saturating_sub(x));
            let place_of = Rect { x, width, height: 1, ..area };
            let style = if place == self.cursor { theme.selected() } else { theme.dim() };
            frame.render_widget(Paragraph::new(Span::styled(text, style)), place_of);
            self.clicks.put(place_of, place);
            x += width;
        }
    }

    fn card(&self, theme: Theme, card: &RewardCard, frame: &mut Frame<'_>, area: Rect) {
        let (left, right) = if area.width >= 100 {
            let [left, right] = columns(area, [Constraint::Fill(1), Constraint::Length(52)]);
            (left, right)
        } else {
            let [left, right] = rows(area, [Constraint::Fill(2), Constraint::Fill(3)]);
            (left, right)
        };
        let scores = &card.scores;
        let aside = format!("mean {:.3}, SD {:.3}", scores.mean, scores.deviation);
        let inner = panel(frame, left, &card.reward, &aside, theme);
        let mut lines: Vec<Line<'_>> = card.findings().into_iter().map(|text| Line::raw(format!("• {text}"))).collect();
        lines.extend(card.notes.iter().map(|note| Line::styled(format!("• {note}"), theme.dim())));
        frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: true }).scroll((self.scroll, 0)), inner);
        let inner = panel(frame, right, "Edits", "change in SD, pairs reordered", theme);
        let mut lines: Vec<Line<'_>> = card.edits.iter().map(|edit| line_of(theme, edit)).collect();
        if let Some(concepts) = card.concepts.as_ref().filter(|concepts| !concepts.terms.is_empty()) {
            let title = format!("Concepts explain {:.0} % of the variance", 100.0 * concepts.explained);
            lines.extend([Line::default(), Line::styled(title, theme.strong())]);
            lines.extend(concepts.terms.iter().map(|term| {
                Line::from(vec![
                    Span::raw(format!("{:<26}", clip(&term.concept, 26))),
                    Span::raw(signed(term.coefficient)),
                ])
            }));
        }
        if !card.agreement.is_empty() {
            lines.extend([Line::default(), Line::styled("Agrees with", theme.strong())]);
            lines.extend(card.agreement.iter().map(|agreement| {
                Line::raw(format!("{:<26}{}", clip(&agreement.with, 26), agreement.correlation.signed()))
            }));
        }
        frame.render_widget(Paragraph::new(lines).scroll((self.scroll, 0)), inner);
    }
}

fn line_of(theme: Theme, edit: &moa_analysis::explanation::EditEffect) -> Line<'static> {
    let verdict = edit.verdict();
    let style = match verdict {
        Verdict::Fooled | Verdict::Blind | Verdict::Unsteady => theme.bad(),
        Verdict::Steady | Verdict::Notices => theme.good(),
        _ => Style::new(),
    };
    let figures = match (edit.change, edit.reordered) {
        (Some(change), Some(reordered)) => format!("{:>6} {:>4.0} %", signed(change.value), 100.0 * reordered),
        _ => "cannot be scored".into(),
    };
    Line::from(vec![
        Span::raw(format!("{:<19}", clip(&edit.edit, 18))),
        Span::styled(format!("{:<9}", verdict.word()), style),
        Span::raw(figures),
    ])
}

impl Screen for Rewards {
    fn name(&self) -> &'static str {
        NAME
    }

    fn says(&self) -> &'static str {
        "what each reward looks at, and what fools it"
    }

    fn under(&self) -> Option<&'static str> {
        Some(super::SWEEP)
    }

    fn groups(&self) -> Vec<Group> {
        vec![Group::new(NAME, KEYS)]
    }

    fn is_active(&self) -> bool {
        !self.cards().is_empty()
    }

    fn act(&mut self, row: usize, shared: &mut Shared) {
        (KEYS[row].act)(self, shared);
    }

    fn click(&mut self, click: Click, _: &mut Shared) {
        if let (Click::Down(_), Some((held, _))) = (click, self.clicks.take(click)) {
            self.cursor = held.on;
            self.scroll = 0;
        }
    }

    fn hear(&mut self, heard: &Message, _: &mut Shared) {
        if let Message::Cards(root, result) = heard
            && Some(root) == self.root.as_ref()
        {
            self.state = match result {
                Ok(Some(explanation)) => State::Ready(explanation.clone()),
                Ok(None) => State::Absent,
                Err(reason) => State::Failed(reason.clone()),
            };
            self.cursor = self.cursor.min(self.cards().len().saturating_sub(1));
        }
    }

    fn note(&mut self, note: &Note, _: &mut Shared) {
        if *note == Note::Opening {
            *self = Self::default();
        }
    }

    fn ask(&mut self, shown: bool, shared: &mut Shared) {
        if !shown || !matches!(self.state, State::Unknown) {
            return;
        }
        let Some(experiment) = shared.session.as_ref().and_then(|session| session.experiment.as_ref()) else { return };
        let layout = experiment.layout.clone();
        self.root = Some(layout.root().to_path_buf());
        self.state = State::Asked;
        shared.ask(Request::ReadCards(layout));
    }

    fn view(&self, shared: &Shared, frame: &mut Frame<'_>, area: Rect) {
        self.clicks.clear();
        let theme = shared.theme;
        match &self.state {
            State::Unknown | State::Asked => {
                message(theme, frame, area, "Reading", "the report cards of the rewards …");
            }
            State::Absent => {
                let text = "`moa explain` on these results says what each reward looks at, and what fools it; R reads its cards";
                message(theme, frame, area, "The rewards were not looked into", text);
            }
            State::Failed(reason) => message(theme, frame, area, "The cards cannot be read", reason),
            State::Ready(explanation) => {
                let [names, rest] = rows(area, [Constraint::Length(2), Constraint::Fill(1)]);
                self.names(theme, frame, names);
                if let Some(card) = explanation.cards.get(self.cursor) {
                    self.card(theme, card, frame, rest);
                }
            }
        }
    }
}
