//! The terminal UI: experiments, sweeps as they run, fronts, images, and soups at the slider.
//!
//! [`update()`] takes a [`Message`] and changes the [`App`], [`view()`] draws it. What takes time is a [`Request`]: to
//! [`Helpers`], which read files and do sums on threads of their own, or to a worker with models, which the caller provides.
//! Answers come back as messages, so the UI never waits. Nothing here touches the terminal: backend, clock and input are the
//! caller's.

mod app;
mod experiment;
mod figures;
mod follow;
mod key;
mod library;
mod message;
mod mix;
mod picture;
mod run;
mod screen;
mod session;
mod theme;
mod update;
mod view;
mod widget;
mod wish;

pub use app::App;
pub use experiment::Experiment;
pub use figures::{Figures, Point, Score};
pub use follow::{Helpers, encode_now};
pub use key::Screen;
pub use library::{Entry, State};
pub use message::{Asked, Message, News, Reply, Request, SaveFormat, Work};
pub use mix::Model;
pub use picture::{PictureKey, Rgb, Sheet};
pub use run::run;
pub use theme::{Background, Colours, Theme};
pub use update::update;
pub use view::view;
