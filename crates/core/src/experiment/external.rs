//! Rewards from outside: programs, HTTP services and ONNX models. `docs/reward-protocol.md` says what they are asked.

mod check;
mod list;
mod onnx;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use onnx::{OnnxActivation, OnnxChannels, OnnxLayout, OnnxReduction, OnnxSpec, Reduce};

/// A program that is started once, reads images as JSON lines from its stdin and writes their scores to its stdout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProgramSpec {
    /// The program and its arguments, e.g. `["python", "score.py"]`; no shell reads them.
    pub command: Vec<String>,
    /// The folder that the program runs in, and that its own path counts from if it is relative with a `/` in it. Default,
    /// and what a relative one counts from: the folder of the experiment file.
    #[serde(default)]
    pub folder: Option<PathBuf>,
    /// Images in one request. Default: 16.
    #[serde(default = "batch")]
    pub batch: u32,
    /// Requests that may wait in the program at once. Default: 2, so that it never waits for images to be encoded.
    #[serde(default = "in_flight")]
    pub in_flight: u32,
    /// Seconds that the program may be silent while a request waits; then it is killed. Default: 60.
    #[serde(default = "timeout_seconds")]
    pub timeout_seconds: u32,
    /// Seconds from its start to its greeting, in which it loads what it needs. Default: 300.
    #[serde(default = "start_seconds")]
    pub start_seconds: u32,
    /// How often in a row it may end or be killed for silence, and is started again. Default: 1.
    #[serde(default = "program_retries")]
    pub retries: u32,
    /// The scores that count as 0 and as 1 in the hypervolume. Default: 0 and 1.
    #[serde(default, with = "list::optional")]
    pub range: Option<[f64; 2]>,
}

/// A service that answers JSON by POST.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpSpec {
    /// The address, e.g. `http://127.0.0.1:8000/score`. `https` needs a proxy on this machine that adds TLS.
    pub url: String,
    /// Images in one request. Default: 16.
    #[serde(default = "batch")]
    pub batch: u32,
    /// Requests at once. Default: 2.
    #[serde(default = "in_flight")]
    pub in_flight: u32,
    /// Seconds for one request, answer included. Default: 60.
    #[serde(default = "timeout_seconds")]
    pub timeout_seconds: u32,
    /// How often a request is repeated where no connection is made, none answers in time, or the status is 500 or more; the
    /// waits between are 0.5 s, 1 s, 2 s … up to 8 s. Default: 3.
    #[serde(default = "http_retries")]
    pub retries: u32,
    /// The scores that count as 0 and as 1 in the hypervolume. Default: 0 and 1.
    #[serde(default, with = "list::optional")]
    pub range: Option<[f64; 2]>,
}

/// A model behind a chat endpoint that judges images: an OpenAI-compatible service, such as vLLM or llama.cpp on this machine.
///
/// Address and key are in the environment and never in a file; nothing else is contacted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AiSpec {
    /// The model, as the service calls it.
    pub model: String,
    /// A text of what it is to look for, such as `rubric.md`. A relative path counts from the folder of the experiment file. Default:
    /// moa's own.
    #[serde(default)]
    pub rubric: Option<PathBuf>,
    /// The environment variable with the address, such as `http://127.0.0.1:8000/v1`. Default: `MOA_AI_URL`.
    #[serde(default = "ai_address")]
    pub address: String,
    /// The environment variable with the key, which may be unset. Default: `MOA_AI_KEY`.
    #[serde(default = "ai_key")]
    pub key: String,
    /// Whether pairs are asked in both orders, so that a preference for a position cancels. Default: true.
    #[serde(default = "both_orders")]
    pub both_orders: bool,
    /// Questions at once. Default: 4.
    #[serde(default = "ai_in_flight")]
    pub in_flight: u32,
    /// How often a request is repeated where none answers, the service is busy, or fails. Default: 4.
    #[serde(default = "ai_retries")]
    pub retries: u32,
    /// Seconds for a question, with its repetitions and both orders. Default: 120.
    #[serde(default = "ai_timeout_seconds")]
    pub timeout_seconds: u32,
    /// The most tokens that a process spends, as the service counts them. Default: no bound.
    #[serde(default)]
    pub tokens: Option<u64>,
}

fn ai_address() -> String {
    "MOA_AI_URL".into()
}

fn ai_key() -> String {
    "MOA_AI_KEY".into()
}

fn both_orders() -> bool {
    true
}

fn ai_in_flight() -> u32 {
    4
}

fn ai_retries() -> u32 {
    4
}

fn ai_timeout_seconds() -> u32 {
    120
}

impl AiSpec {
    /// Makes the rubric's path absolute.
    pub(super) fn anchor(&mut self, folder: &Path) {
        if let Some(rubric) = &mut self.rubric {
            *rubric = folder.join(&*rubric);
        }
    }
}

fn batch() -> u32 {
    16
}

fn in_flight() -> u32 {
    2
}

fn timeout_seconds() -> u32 {
    60
}

fn start_seconds() -> u32 {
    300
}

fn program_retries() -> u32 {
    1
}

fn http_retries() -> u32 {
    3
}

impl ProgramSpec {
    /// Makes the folder absolute; relative ones count from `folder`.
    pub(super) fn anchor(&mut self, folder: &Path) {
        self.folder = Some(self.folder.as_ref().map_or_else(|| folder.to_path_buf(), |own| folder.join(own)));
    }
}
