//! The points beside the plot: sortable, with as many columns as there is room for.

use moa_core::RunId;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::dots::{Dot, names};
use super::{Front, Target};
use crate::session::Session;
use crate::shared::Shared;
use crate::theme::mark;
use crate::widget::{clip, panel, scroll, short, signed};

/// What the list is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Sort {
    /// The experiment's order.
    #[default]
    Experiment,
    /// A column, the greatest first.
    Column(usize),
    /// Whether a point is on the front, the surest first.
    Place,
}

impl Sort {
    /// Returns what comes after this, with so many columns.
    pub(super) fn next(self, columns: usize) -> Self {
        match self {
            Self::Experiment if columns > 0 => Self::Column(0),
            Self::Column(column) if column + 1 < columns => Self::Column(column + 1),
            Self::Experiment | Self::Column(_) => Self::Place,
            Self::Place => Self::Experiment,
        }
    }
}

/// A value with its sign, and the blank behind it.
const VALUE: usize = 8;
/// Half an interval behind it.
const HALF: usize = 7;
/// The place on the front, with the blank before it.
const PLACE: usize = 15;

/// Two marks with blanks, and the letter of the group.
const MARKS: usize = 6;
/// Names are not cut further.
const SHORTEST_NAME: usize = 10;

/// Returns how wide names are, unless they have to give way.
fn longest(front: &Front, dots: &[Dot<'_>]) -> usize {
    dots.iter().take(500).map(|dot| front.name(dot.id).chars().count()).max().unwrap_or(4).clamp(6, 22)
}

/// Returns how many columns of the terminal the list takes with all its columns.
pub(super) fn needed(front: &Front, dots: &[Dot<'_>], count: usize) -> u16 {
    (MARKS + longest(front, dots) + 1 + VALUE * count) as u16
}

/// Returns the places of the dots in the order of the list.
pub(super) fn order(front: &Front, session: &Session, dots: &[Dot<'_>]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..dots.len()).filter(|dot| dots[*dot].wanted).collect();
    match front.sort {
        Sort::Experiment => {}
        Sort::Column(column) => {
            let mean = |dot: &usize| dots[*dot].values.get(column).map_or(f64::NEG_INFINITY, |value| value.mean);
            order.sort_by(|a, b| mean(b).total_cmp(&mean(a)));
        }
        Sort::Place => {
            let rank = |dot: &usize| {
                let placing = session.figures.point(dots[*dot].id).map(|point| point.placing);
                placing.map_or((3, 0.0), |placing| (placing.standing() as u8, -placing.sure()))
            };
            order.sort_by(|a, b| rank(a).0.cmp(&rank(b).0).then(rank(a).1.total_cmp(&rank(b).1)));
        }
    }
    order
}

/// Returns the letter of the set of points that are not distinguishable from one.
pub(super) fn group(session: &Session, id: &RunId) -> Option<char> {
    let report = &session.figures.report;
    let own = |members: &Vec<usize>| members.iter().any(|place| report.points.get(*place).is_some_and(|p| p.id == *id));
    let set = report.groups.iter().position(own)?;
    char::from_u32(u32::from('A') + set as u32).filter(char::is_ascii_uppercase)
}

/// Draws the list.
pub(super) fn view(
    front: &Front,
    shared: &Shared,
    session: &Session,
    dots: &[Dot<'_>],
    frame: &mut Frame<'_>,
    area: Rect,
) {
    let theme = shared.theme;
    let columns = names(front, session);
    let aside = match front.sort {
        Sort::Experiment => String::new(),
        Sort::Column(column) => format!("by {}", columns.get(column).map_or("", String::as_str)),
        Sort::Place => "by place on the front".into(),
    };
    let fit = Fit::new(front, dots, columns.len(), area.width.into());
    let aside = match fit.order[..] {
        [first, .., last] if fit.order.len() < columns.len() => {
            let keys = if front.listed { "← → the others" } else { "i: the others" };
            format!("{} to {} of {}, {keys}", first + 1, last + 1, columns.len())
        }
        _ => aside,
    };
    let inner = panel(frame, area, "Points", &aside, theme);
    if inner.height < 2 {
        return;
    }
    let order = order(front, session, dots);
    frame.render_widget(Paragraph::new(fit.heading(columns)).style(theme.dim()), Rect { height: 1, ..inner });
    let list = Rect { y: inner.y + 1, height: inner.height - 1, ..inner };
    let cursor = order.iter().position(|dot| Some(dots[*dot].id) == session.selected.as_ref());
    let first = scroll(cursor.unwrap_or(0), order.len(), list.height.into());
    for (row, dot) in order.iter().enumerate().skip(first).take(list.height.into()) {
        let place = Rect { y: list.y + (row - first) as u16, height: 1, ..list };
        let style = if Some(row) == cursor { theme.selected() } else { Style::new() };
        frame.render_widget(Paragraph::new(fit.line(front, shared, session, &dots[*dot])).style(style), place);
        front.clicks.put(place, Target::Row(row));
    }
}

/// How wide each column is.
struct Fit {
    name: usize,
    /// Whether half the intervals, and places on the front, have room.
    halves: bool,
    place: bool,
    /// The columns that have room.
    order: Vec<usize>,
}

impl Fit {
    fn new(front: &Front, dots: &[Dot<'_>], count: usize, width: usize) -> Self {
        let used = MARKS;
        let longest = longest(front, dots);
        // Names give way to columns.
        let name = longest.min(width.saturating_sub(used + 1 + VALUE * count).max(SHORTEST_NAME));
        let room = width.saturating_sub(used + name + 1);
        let columns = count.min(room / VALUE);
        let place = room >= columns * VALUE + PLACE;
        let halves = room >= columns * (VALUE + HALF) + PLACE;
        let first = front.first.min(count - columns);
        let order: Vec<usize> = (first..first + columns).collect();
        Self { name, halves, place, order }
    }

    fn column(&self) -> usize {
        VALUE + if self.halves { HALF } else { 0 }
    }

    fn heading(&self, names: &[String]) -> String {
        let width = self.column();
        let column = |column: &usize| format!("{:<width$}", clip(&names[*column], width - 1));
        let columns: String = self.order.iter().map(column).collect();
        format!("{:indent$}{columns}{}", "", if self.place { "place" } else { "" }, indent = self.name + 7)
    }

    fn line(&self, front: &Front, shared: &Shared, session: &Session, dot: &Dot<'_>) -> Line<'static> {
        let theme = shared.theme;
        let sign = match () {
            () if dot.provisional => "◌",
            () => mark(dot.kind),
        };
        let name_style = if dot.behind { theme.dim() } else { theme.strong() };
        let mut spans = vec![
            match session.marks.iter().position(|mark| mark == dot.id) {
                Some(place) => Span::styled("■ ", theme.series(place)),
                None => Span::raw("  "),
            },
            Span::styled(format!("{sign} "), theme.kind(dot.kind)),
            Span::styled(group(session, dot.id).map_or("  ".to_owned(), |letter| format!("{letter} ")), theme.dim()),
            Span::styled(format!("{:<name$} ", clip(front.name(dot.id), self.name), name = self.name), name_style),
        ];
        let gains = super::dots::shows_gains(front, session);
        for column in &self.order {
            let value = dot.values[*column];
            let style = match () {
                () if !gains || value.hi <= value.lo => Style::new(),
                () if value.lo > 0.0 => theme.good(),
                () if value.hi < 0.0 => theme.bad(),
                () => Style::new(),
            };
            let text = if gains { signed(value.mean) } else { format!("{:.3}", value.mean) };
            spans.push(Span::styled(format!("{text:<width$}", width = VALUE - 1), style));
            if self.halves {
                let half = (value.hi - value.lo) / 2.0;
                let text = if half > 0.0 { format!("±{}", short(half)) } else { String::new() };
                spans.push(Span::styled(format!("{text:<HALF$}"), theme.dim()));
            }
            spans.push(Span::raw(" "));
        }
        if self.place {
            let text = match session.figures.point(dot.id) {
                Some(point) => session.place(point),
                None => "in training".into(),
            };
            spans.push(Span::styled(text, theme.dim()));
        }
        Line::from(spans)
    }
}
