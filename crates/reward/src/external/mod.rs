//! Rewards from outside: any program over pipes, any service over HTTP, any ONNX model, a model behind a chat endpoint.
//!
//! `docs/reward-protocol.md` says what programs and services are asked, and what they answer.

mod ai;
mod batches;
mod error;
mod http;
mod onnx;
mod program;
mod protocol;

pub use ai::Ai;
pub use error::{ExternalError, Problem};
pub use http::Http;
pub use onnx::Onnx;
pub use program::{Program, kill_programs};
pub use protocol::PROTOCOL;
