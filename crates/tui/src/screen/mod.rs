//! The screens: one file or folder for each.

mod compare;
mod experiments;
mod front;
mod images;
mod rewards;
mod soup;
mod sweep;

use crate::component::Screen;

pub(crate) use compare::NAME as COMPARE;
use experiments::NAME as EXPERIMENTS;
use images::NAME as IMAGES;
pub(crate) use soup::NAME as SOUP;
pub(crate) use sweep::NAME as SWEEP;

/// Returns all screens, in the order of their keys. Adding one is its file, and its line here.
pub(crate) fn all() -> Vec<Box<dyn Screen>> {
    vec![
        Box::new(experiments::Experiments::default()),
        Box::new(sweep::Sweep::default()),
        Box::new(front::Front::default()),
        Box::new(images::Images::default()),
        Box::new(soup::Soup::default()),
        Box::new(compare::Compare::default()),
        Box::new(rewards::Rewards::default()),
    ]
}
