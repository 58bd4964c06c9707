//! Where the server listens.

use std::time::Duration;

/// Where the server listens, and what it puts up with.
#[derive(Clone, Debug)]
pub struct Options {
    /// The port on 127.0.0.1. Default: 0, any that is free.
    pub port: u16,
    /// The token of the address, at least 16 letters and digits. With the token and port of an earlier server, its pages go on
    /// where they were. Default: a random one.
    pub token: Option<String>,
    /// Bytes of a request's body. Default: 64 KiB.
    pub largest_body: usize,
    /// How long a request may take to arrive, and its answer to be made. Default: 20 seconds.
    pub timeout: Duration,
    /// Connections at once; further ones wait. Default: 64.
    pub connections: usize,
    /// What is rated, as the page's title. Default: "moa rate".
    pub title: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: 0,
            token: None,
            largest_body: 64 * 1024,
            timeout: Duration::from_secs(20),
            connections: 64,
            title: "moa rate".into(),
        }
    }
}
