//! One file for each screen: its state, what its keys do, and how it is drawn.

pub(crate) mod curves;
pub(crate) mod details;
pub(crate) mod experiments;
pub(crate) mod front;
pub(crate) mod help;
pub(crate) mod palette;
pub(crate) mod parallel;
pub(crate) mod pictures;
pub(crate) mod prompt;
pub(crate) mod scatter;
pub(crate) mod soup;
pub(crate) mod sweep;
pub(crate) mod triangle;

pub(crate) use curves::CurvesState;
pub(crate) use front::FrontState;
pub(crate) use pictures::PicturesState;
pub(crate) use soup::SoupState;
pub(crate) use sweep::SweepState;

use crate::key::Action;

/// Returns where a cursor goes among `count` rows.
pub(crate) fn moved(cursor: usize, count: usize, action: Action) -> usize {
    let last = count.saturating_sub(1);
    match action {
        Action::Up => cursor.saturating_sub(1),
        Action::Down => cursor + 1,
        Action::PageUp => cursor.saturating_sub(10),
        Action::PageDown => cursor + 10,
        Action::First => 0,
        Action::Last => last,
        _ => cursor,
    }
    .min(last)
}
