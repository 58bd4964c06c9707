//! Rating in the terminal: the questions of a desk, with the keys of the raters' page.
//!
//! A UI of its own beside the one on experiments, made in the same way: [`update()`] takes a [`Message`] and changes the [`App`],
//! [`view()`] draws it. What takes time is a [`Request`] to [`Helpers`]: a [`Clerk`] writes answers and asks for questions, and images
//! are decoded and painted before their question is shown. A question is shown when the answer to the one before is on the disk. No
//! image's origin or file name gets here.

mod app;
mod clerk;
mod decode;
mod helpers;
mod keys;
mod layout;
mod message;
mod overlay;
mod ranks;
mod run;
mod update;
mod view;

pub use app::App;
pub use clerk::{Asked, Clerk, Held, Order, Reply};
pub use decode::picture;
pub use helpers::{Helpers, serve_now};
pub use message::{Message, Request};
pub use run::run;
pub use update::update;
pub use view::view;
