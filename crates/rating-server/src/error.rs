//! Why the server could not be started.

use std::io;

/// Why the server could not be started.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The port is taken, or this machine has no 127.0.0.1.
    #[error("listen on 127.0.0.1:{port}: {source}")]
    Listen {
        /// The port.
        port: u16,
        /// What the system says.
        source: io::Error,
    },
    /// A token that could be guessed.
    #[error("the token has {length} characters: give at least 16 letters and digits, or none")]
    Token {
        /// How many characters it has.
        length: usize,
    },
    /// No random numbers, or no thread.
    #[error("start the server: {0}")]
    Start(io::Error),
}
