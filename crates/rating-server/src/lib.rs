//! The page on which people rate images, and the server on this machine that it talks to.
//!
//! [`serve`] answers on 127.0.0.1 alone, and only requests with the token of the address. The page is one file with its styles and
//! script, and asks no other server for anything.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let desk: moa_rating::Desk = todo!();
//! let server = moa_rating_server::serve(desk, moa_rating_server::Options::default())?;
//! println!("{}", server.address());
//! // … until Ctrl-C:
//! server.stop();
//! # Ok(())
//! # }
//! ```

mod api;
mod error;
mod guard;
mod options;
mod page;
mod reply;
mod server;

pub use error::ServerError;
pub use options::Options;
pub use server::{Handle, serve};
