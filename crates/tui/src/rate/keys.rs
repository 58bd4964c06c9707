//! The keys of each kind of question, as on the raters' page. The same table makes help and hints.

use moa_preferences::{Mark, Winner};
use moa_rating::{Answer, Mode};
use ratatui::crossterm::event::{KeyCode as K, KeyEvent};

use super::app::{App, Overlay};
use crate::key::{Key, Row, c, ctrl, k};

/// What keys do to the UI; keys of digits say which.
pub(super) type Act = fn(&mut App, Key);
pub(super) type Rows = &'static [Row<Act>];

/// The keys of tags, in their order.
pub(super) const TAG_KEYS: [char; 17] =
    ['q', 'w', 'e', 'r', 'y', 'i', 'o', 'p', 'f', 'h', 'l', 'z', 'x', 'c', 'v', 'n', 'm'];

const PAIRS: Rows = &[
    Row::new(&[k(K::Left), c('1'), c('a')], |app, _| app.better(Winner::A), "the left image is better", "left"),
    Row::new(&[k(K::Right), c('2'), c('b')], |app, _| app.better(Winner::B), "the right image is better", "right"),
    Row::new(&[c('t'), k(K::Down)], |app, _| app.better(Winner::Tie), "tie", "tie"),
];

const RANKING: Rows = &[
    Row::new(
        &[c('1'), c('2'), c('3'), c('4'), c('5'), c('6'), c('7'), c('8'), c('9')],
        |app, key| app.rank(number(key) - 1),
        "the next image in order; again takes it out",
        "next",
    ),
    Row::new(&[c('t'), c('=')], |app, _| app.tie_next(), "the next image ties with the last", "tie"),
    Row::new(&[c('c')], |app, _| app.clear_ranks(), "clear the ranks", "clear"),
    Row::new(&[k(K::Enter), c('d')], |app, _| app.finish_ranking(), "done: one that is left comes last", "done"),
];

const LABELS: Rows = &[
    Row::new(&[c('j'), c('b'), k(K::Left)], |app, _| app.decide(Answer::Mark(Mark::Bad)), "bad", "bad"),
    Row::new(&[c('k'), c('g'), k(K::Right)], |app, _| app.decide(Answer::Mark(Mark::Good)), "good", "good"),
];

const SCORES: Rows = &[Row::new(
    &[c('1'), c('2'), c('3'), c('4'), c('5'), c('6'), c('7'), c('8'), c('9'), c('0')],
    |app, key| app.score(if number(key) == 0 { 10 } else { number(key) as u32 }),
    "the score; 0 is 10",
    "score",
)];

/// The keys of all questions. A tag may have `q`.
pub(super) const EVERYWHERE: Rows = &[
    Row::new(&[c('s'), c(' ')], |app, _| app.skip(), "skip", "skip"),
    Row::new(&[c('u'), k(K::Backspace)], |app, _| app.undo(), "undo; as often as you like", "undo"),
    Row::new(
        &[k(K::Tab)],
        |app, _| app.lay(Overlay::Progress),
        "how far all raters are, and what was learned",
        "progress",
    ),
    Row::new(&[c('?'), k(K::F(1))], |app, _| app.lay(Overlay::Help), "this help", "keys"),
    Row::new(&[ctrl('c'), ctrl('q'), c('q')], |app, _| app.quit(), "quit; every answer is on the disk", "quit"),
];

/// Returns the keys of a kind of question.
pub(super) fn of(mode: Mode) -> Rows {
    match mode {
        Mode::Pairs => PAIRS,
        Mode::Ranking { .. } => RANKING,
        Mode::Labels => LABELS,
        Mode::Scores { .. } => SCORES,
    }
}

/// Returns a key as the tables have it: as on the page, capital letters are the same keys.
pub(super) fn key(event: KeyEvent) -> Key {
    match Key::from(event) {
        Key(K::Char(letter), modifiers) => Key(K::Char(letter.to_ascii_lowercase()), modifiers),
        key => key,
    }
}

/// Returns the digit of a key; 0 for others.
fn number(key: Key) -> usize {
    let Key(K::Char(digit), _) = key else { return 0 };
    digit.to_digit(10).unwrap_or(0) as usize
}

/// Returns how hints and help name the keys of a row.
pub(super) fn named(row: &Row<Act>, mode: Mode, all: bool) -> String {
    let keys = row.binding.keys;
    match (mode, keys.len()) {
        (Mode::Ranking { images }, 9) => format!("1–{images}"),
        (Mode::Scores { best: 10 }, 10) => "1–9 0".into(),
        (Mode::Scores { best }, 10) => format!("1–{best}"),
        _ => keys.iter().take(if all { keys.len() } else { 1 }).map(ToString::to_string).collect::<Vec<_>>().join(" "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_means_two_things_in_one_kind_of_question() {
        for mode in [Mode::Pairs, Mode::Ranking { images: 9 }, Mode::Labels, Mode::Scores { best: 10 }] {
            let rows = of(mode).iter().chain(EVERYWHERE).flat_map(|row| row.binding.keys);
            let keys: Vec<Key> = rows.copied().collect();
            for (place, key) in keys.iter().enumerate() {
                assert!(!keys[..place].contains(key), "{mode:?}: {key}");
            }
            // A ranking's `c` clears; a tag with that key is clicked. `q` quits where no tag has it.
            let tags = TAG_KEYS.iter().filter(|letter| keys.contains(&c(**letter)) && !['c', 'q'].contains(letter));
            assert_eq!(tags.count(), 0, "{mode:?}");
        }
    }
}
