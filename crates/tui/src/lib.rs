//! The terminal UI: experiments, sweeps as they run, fronts, images, soups at the slider, experiments over each other.
//!
//! [`update()`] takes a [`Message`] and changes the [`App`], [`view()`] draws it. What takes time is a [`Request`]: to
//! [`Helpers`], which read files and do sums on threads of their own, or to a worker with models, which the caller provides.
//! Answers come back as messages, so the UI never waits. Nothing here touches the terminal: backend, clock and input are the
//! caller's.
//!
//! A screen is a component (`component::Screen`): it owns its state, its rows of the key table with what they do, and how it is drawn.
//! `screen::all` lists them. Rating in the terminal is a small UI of its own: [`rate`].

mod app;
mod click;
mod component;
mod dither;
mod experiment;
mod figures;
mod follow;
mod key;
mod library;
mod message;
mod overlay;
mod picture;
pub mod rate;
mod run;
mod screen;
mod session;
mod shared;
mod theme;
mod update;
mod view;
mod widget;

pub use app::App;
pub use experiment::Experiment;
pub use figures::{Figures, Point};
pub use follow::{Helpers, encode_now, fit, pair};
pub use library::{Entry, State};
pub use message::{Asked, Message, News, Reply, Request, SaveFormat, Work};
pub use picture::{Drawn, Painter, PictureKey, Rgb, Sheet};
pub use run::run;
pub use theme::{Background, Colours, Theme};
pub use update::update;
pub use view::view;
