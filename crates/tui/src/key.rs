//! The one key table: what a key does where, what help says of it, and what is hinted at the foot of a screen.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// A screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Screen {
    /// All experiments.
    Experiments,
    /// The runs of one, and their curves.
    Sweep,
    /// Its Pareto front.
    Front,
    /// Its images.
    Pictures,
    /// Mixtures of its adapters.
    Soup,
}

impl Screen {
    pub(crate) const ALL: [Self; 5] = [Self::Experiments, Self::Sweep, Self::Front, Self::Pictures, Self::Soup];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Experiments => "Experiments",
            Self::Sweep => "Sweep",
            Self::Front => "Front",
            Self::Pictures => "Images",
            Self::Soup => "Soup",
        }
    }

    pub(crate) fn index(self) -> usize {
        Self::ALL.iter().position(|screen| *screen == self).unwrap_or(0)
    }
}

/// What keys can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    GoTo(Screen),
    NextScreen,
    PreviousScreen,
    Help,
    Palette,
    Back,
    Quit,
    TurnTheme,
    Up,
    Down,
    Left,
    Right,
    FineLeft,
    FineRight,
    PageUp,
    PageDown,
    First,
    Last,
    Open,
    Mark,
    Unmark,
    Filter,
    Order,
    Curves,
    NextMetric,
    PreviousMetric,
    Logarithm,
    Smooth,
    ZoomIn,
    ZoomOut,
    ZoomAll,
    Together,
    NextX,
    NextY,
    Parallel,
    ErrorBars,
    Dominated,
    Source,
    RaiseLow,
    LowerLow,
    LowerHigh,
    RaiseHigh,
    ClearBrush,
    Pictures,
    MixThis,
    NextSeed,
    Equal,
    Evaluate,
    Wish,
    Save,
    Cancel,
}

/// Where a binding holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    Global,
    Experiments,
    Sweep,
    Curves,
    Front,
    Pictures,
    Soup,
}

impl Scope {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Global => "Everywhere",
            Self::Experiments => "Experiments",
            Self::Sweep => "Sweep",
            Self::Curves => "Curves of runs",
            Self::Front => "Front",
            Self::Pictures => "Images",
            Self::Soup => "Soup",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key(pub(crate) KeyCode, pub(crate) KeyModifiers);

const fn c(letter: char) -> Key {
    Key(KeyCode::Char(letter), KeyModifiers::NONE)
}
const fn k(code: KeyCode) -> Key {
    Key(code, KeyModifiers::NONE)
}
const fn ctrl(letter: char) -> Key {
    Key(KeyCode::Char(letter), KeyModifiers::CONTROL)
}
const fn shift(code: KeyCode) -> Key {
    Key(code, KeyModifiers::SHIFT)
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Binding {
    pub(crate) scope: Scope,
    pub(crate) keys: &'static [Key],
    pub(crate) action: Action,
    /// What help and the palette say.
    pub(crate) says: &'static str,
    /// A word for the foot of the screen; empty for none.
    pub(crate) hint: &'static str,
}

const fn row(scope: Scope, keys: &'static [Key], action: Action, says: &'static str, hint: &'static str) -> Binding {
    Binding { scope, keys, action, says, hint }
}

use Action as A;
use KeyCode as K;
use Scope as S;

/// All keys.
pub(crate) const TABLE: &[Binding] = &[
    row(S::Global, &[c('1')], A::GoTo(Screen::Experiments), "show all experiments", ""),
    row(S::Global, &[c('2')], A::GoTo(Screen::Sweep), "show the runs of the sweep", ""),
    row(S::Global, &[c('3')], A::GoTo(Screen::Front), "show the Pareto front", ""),
    row(S::Global, &[c('4')], A::GoTo(Screen::Pictures), "show images", ""),
    row(S::Global, &[c('5')], A::GoTo(Screen::Soup), "mix adapters", ""),
    row(S::Global, &[k(K::Tab)], A::NextScreen, "go to the next screen", ""),
    row(S::Global, &[shift(K::BackTab)], A::PreviousScreen, "go to the previous screen", ""),
    row(S::Global, &[c('?'), k(K::F(1))], A::Help, "show all keys", "help"),
    row(S::Global, &[c(':'), ctrl('p')], A::Palette, "search what can be done, and do it", "actions"),
    row(S::Global, &[k(K::Esc)], A::Back, "go back, or close what is open", ""),
    row(S::Global, &[c('T')], A::TurnTheme, "turn between dark and light", ""),
    row(S::Global, &[c('q'), ctrl('c')], A::Quit, "leave", "quit"),
    // Experiments
    row(S::Experiments, &[k(K::Up), c('k')], A::Up, "previous experiment", ""),
    row(S::Experiments, &[k(K::Down), c('j')], A::Down, "next experiment", ""),
    row(S::Experiments, &[k(K::PageUp)], A::PageUp, "a page up", ""),
    row(S::Experiments, &[k(K::PageDown)], A::PageDown, "a page down", ""),
    row(S::Experiments, &[k(K::Home), c('g')], A::First, "first experiment", ""),
    row(S::Experiments, &[k(K::End), c('G')], A::Last, "last experiment", ""),
    row(S::Experiments, &[k(K::Enter)], A::Open, "open the experiment", "open"),
    row(S::Experiments, &[c('/')], A::Filter, "filter by name or reward", "filter"),
    // Sweep
    row(S::Sweep, &[k(K::Up), c('k')], A::Up, "previous run", ""),
    row(S::Sweep, &[k(K::Down), c('j')], A::Down, "next run", ""),
    row(S::Sweep, &[k(K::PageUp)], A::PageUp, "a page up", ""),
    row(S::Sweep, &[k(K::PageDown)], A::PageDown, "a page down", ""),
    row(S::Sweep, &[k(K::Home), c('g')], A::First, "first run", ""),
    row(S::Sweep, &[k(K::End), c('G')], A::Last, "last run", ""),
    row(S::Sweep, &[k(K::Enter), c('c')], A::Curves, "curves of this run and of marked ones", "curves"),
    row(S::Sweep, &[c(' ')], A::Mark, "mark the run, to compare", "mark"),
    row(S::Sweep, &[c('M')], A::Unmark, "take all marks away", ""),
    row(S::Sweep, &[c('o')], A::Order, "order by the next column", "order"),
    row(S::Sweep, &[c('/')], A::Filter, "filter runs by name", "filter"),
    row(S::Sweep, &[c('p')], A::Pictures, "images of this run and of marked ones", "images"),
    // Curves
    row(S::Curves, &[k(K::Right), c('l')], A::NextMetric, "next metric", "metric"),
    row(S::Curves, &[k(K::Left), c('h')], A::PreviousMetric, "previous metric", ""),
    row(S::Curves, &[k(K::Up), c('k')], A::Up, "previous run", ""),
    row(S::Curves, &[k(K::Down), c('j')], A::Down, "next run", ""),
    row(S::Curves, &[c(' ')], A::Mark, "keep the run beside others", "keep"),
    row(S::Curves, &[c('M')], A::Unmark, "take all marks away", ""),
    row(S::Curves, &[c('a')], A::Together, "all metrics at once, or one", "all"),
    row(S::Curves, &[c('L')], A::Logarithm, "logarithmic scale on and off", "log"),
    row(S::Curves, &[c('s')], A::Smooth, "smooth more, or not at all", "smooth"),
    row(S::Curves, &[c('+'), c('=')], A::ZoomIn, "fewer epochs", "zoom"),
    row(S::Curves, &[c('-')], A::ZoomOut, "more epochs", ""),
    row(S::Curves, &[c('0')], A::ZoomAll, "all epochs", ""),
    row(S::Curves, &[c('<'), c(',')], A::FineLeft, "earlier epochs", ""),
    row(S::Curves, &[c('>'), c('.')], A::FineRight, "later epochs", ""),
    // Front
    row(S::Front, &[k(K::Left), c('h')], A::Left, "nearest point to the left", ""),
    row(S::Front, &[k(K::Right), c('l')], A::Right, "nearest point to the right", ""),
    row(S::Front, &[k(K::Up), c('k')], A::Up, "nearest point above", ""),
    row(S::Front, &[k(K::Down), c('j')], A::Down, "nearest point below", ""),
    row(S::Front, &[c('x')], A::NextX, "next reward on the x axis", "axis"),
    row(S::Front, &[c('y')], A::NextY, "next reward on the y axis", "axis"),
    row(S::Front, &[c('a')], A::Parallel, "all rewards at once, on parallel axes", "all"),
    row(S::Front, &[c('t')], A::Source, "held-out prompts, judges, or training", "judges"),
    row(S::Front, &[c('e')], A::ErrorBars, "error bars on and off", "bars"),
    row(S::Front, &[c('d')], A::Dominated, "dominated points on and off", ""),
    row(S::Front, &[c(']')], A::RaiseLow, "brush: raise the least wanted x", "brush"),
    row(S::Front, &[c('[')], A::LowerLow, "brush: lower the least wanted x", ""),
    row(S::Front, &[c('{')], A::LowerHigh, "brush: lower the most wanted x", ""),
    row(S::Front, &[c('}')], A::RaiseHigh, "brush: raise the most wanted x", ""),
    row(S::Front, &[c('B')], A::ClearBrush, "take all brushes away", ""),
    row(S::Front, &[c(' ')], A::Mark, "mark the point, to compare", "mark"),
    row(S::Front, &[c('M')], A::Unmark, "take all marks away", ""),
    row(S::Front, &[k(K::Enter), c('p')], A::Pictures, "images of this point and of marked ones", "images"),
    row(S::Front, &[c('m')], A::MixThis, "mix from here", "mix"),
    // Images
    row(S::Pictures, &[k(K::Left), c('h')], A::Left, "previous prompts", ""),
    row(S::Pictures, &[k(K::Right), c('l')], A::Right, "next prompts", "prompts"),
    row(S::Pictures, &[k(K::Up), c('k')], A::Up, "previous point", ""),
    row(S::Pictures, &[k(K::Down), c('j')], A::Down, "next point", ""),
    row(S::Pictures, &[k(K::Home), c('g')], A::First, "first prompt", ""),
    row(S::Pictures, &[k(K::End), c('G')], A::Last, "last prompt", ""),
    row(S::Pictures, &[c(' ')], A::Mark, "show the point beside others, up to four", "compare"),
    row(S::Pictures, &[c('M')], A::Unmark, "take all marks away", ""),
    row(S::Pictures, &[c('s')], A::NextSeed, "other noise: the next image of each prompt", "noise"),
    row(S::Pictures, &[c('+'), c('=')], A::ZoomIn, "larger images", "size"),
    row(S::Pictures, &[c('-')], A::ZoomOut, "smaller images", ""),
    row(S::Pictures, &[c('m')], A::MixThis, "mix from here", "mix"),
    // Soup
    row(S::Soup, &[k(K::Up), c('k')], A::Up, "previous adapter", ""),
    row(S::Soup, &[k(K::Down), c('j')], A::Down, "next adapter", ""),
    row(S::Soup, &[k(K::Left), c('h')], A::Left, "5 % less of it", ""),
    row(S::Soup, &[k(K::Right), c('l')], A::Right, "5 % more of it", "share"),
    row(S::Soup, &[c('<'), c(','), shift(K::Left)], A::FineLeft, "1 % less of it", ""),
    row(S::Soup, &[c('>'), c('.'), shift(K::Right)], A::FineRight, "1 % more of it", ""),
    row(S::Soup, &[k(K::Home), c('0')], A::First, "nothing of it", ""),
    row(S::Soup, &[k(K::End), c('G')], A::Last, "it alone", ""),
    row(S::Soup, &[c('=')], A::Equal, "equal shares", "equal"),
    row(S::Soup, &[c('e')], A::Evaluate, "evaluate this, and put it on the front", "evaluate"),
    row(S::Soup, &[c('s')], A::Save, "save the adapter", "save"),
    row(S::Soup, &[c('w'), c('/')], A::Wish, "constraints: find shares that keep them", "solve"),
    row(S::Soup, &[c('x')], A::Cancel, "stop measuring", ""),
];

/// Returns what a key does in a scope.
pub(crate) fn find(scope: Scope, event: KeyEvent) -> Option<Action> {
    // Letters carry shift in themselves.
    let letter = matches!(event.code, KeyCode::Char(_));
    let ignored = if letter { KeyModifiers::SHIFT } else { KeyModifiers::NONE };
    // Some terminals name shift beside this key, and some do not.
    let added = if event.code == KeyCode::BackTab { KeyModifiers::SHIFT } else { KeyModifiers::NONE };
    let pressed = Key(event.code, (event.modifiers - ignored) | added);
    let find = |scope: Scope| TABLE.iter().find(|row| row.scope == scope && row.keys.contains(&pressed));
    find(scope).or_else(|| find(Scope::Global)).map(|row| row.action)
}

/// Returns the bindings of a scope, then those that hold everywhere.
pub(crate) fn bindings(scope: Scope) -> impl Iterator<Item = &'static Binding> {
    let of = |wanted: Scope| TABLE.iter().filter(move |row| row.scope == wanted);
    of(scope).chain(of(Scope::Global))
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(code, modifiers) = self;
        if modifiers.contains(KeyModifiers::CONTROL) {
            f.write_str("^")?;
        }
        if modifiers.contains(KeyModifiers::SHIFT) && *code != KeyCode::BackTab {
            f.write_str("⇧")?;
        }
        match code {
            KeyCode::Char(' ') => f.write_str("space"),
            KeyCode::Char(letter) => write!(f, "{letter}"),
            KeyCode::Up => f.write_str("↑"),
            KeyCode::Down => f.write_str("↓"),
            KeyCode::Left => f.write_str("←"),
            KeyCode::Right => f.write_str("→"),
            KeyCode::Enter => f.write_str("⏎"),
            KeyCode::Esc => f.write_str("esc"),
            KeyCode::Tab => f.write_str("tab"),
            KeyCode::BackTab => f.write_str("⇧tab"),
            KeyCode::Home => f.write_str("home"),
            KeyCode::End => f.write_str("end"),
            KeyCode::PageUp => f.write_str("pgup"),
            KeyCode::PageDown => f.write_str("pgdn"),
            KeyCode::F(number) => write!(f, "F{number}"),
            other => write!(f, "{other}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_means_two_things_in_one_place() {
        for (index, row) in TABLE.iter().enumerate() {
            for other in &TABLE[..index] {
                let clash = row.scope == other.scope && row.keys.iter().any(|key| other.keys.contains(key));
                assert!(!clash, "{} and {}", row.says, other.says);
            }
        }
    }

    #[test]
    fn letters_carry_their_shift() {
        let press = |code, modifiers| find(Scope::Sweep, KeyEvent::new(code, modifiers));
        assert_eq!(press(KeyCode::Char('G'), KeyModifiers::SHIFT), Some(Action::Last));
        assert_eq!(press(KeyCode::Char('?'), KeyModifiers::SHIFT), Some(Action::Help));
        assert_eq!(press(KeyCode::Char('c'), KeyModifiers::CONTROL), Some(Action::Quit));
        assert_eq!(press(KeyCode::Char('c'), KeyModifiers::NONE), Some(Action::Curves));
        assert_eq!(press(KeyCode::BackTab, KeyModifiers::SHIFT), Some(Action::PreviousScreen));
    }
}
