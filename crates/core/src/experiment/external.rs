//! Rewards from outside: programs, HTTP services and ONNX models. `docs/reward-protocol.md` says what they are asked.

mod check;
mod list;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

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

/// A model in an ONNX file that takes images alone; one number of its output is the score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OnnxSpec {
    /// The file. A relative path counts from the folder of the experiment file.
    pub model: PathBuf,
    /// The input that takes the images. Default: the only one.
    #[serde(default)]
    pub input: Option<String>,
    /// The output that holds the score. Default: the only one.
    #[serde(default)]
    pub output: Option<String>,
    /// Height and width, in pixels, that images are brought to: cropped about the centre to that shape, then resized with
    /// antialiased bicubic interpolation. Default: what the model's input says.
    #[serde(default, with = "list::optional")]
    pub size: Option<[u32; 2]>,
    /// Subtracted from red, green and blue in [0, 1]. Default: 0, 0, 0.
    #[serde(default = "no_mean", with = "list::exact")]
    pub mean: [f64; 3],
    /// What red, green and blue are divided by then. Default: 1, 1, 1; a model that wants 0 to 255 takes 1/255 = 0.00392157.
    #[serde(default = "no_deviation", with = "list::exact")]
    pub std: [f64; 3],
    /// The order of the input's axes. Default: `Nchw`.
    #[serde(default)]
    pub layout: OnnxLayout,
    /// Which of the output's numbers is the score, from 0: the class of a classifier. Default: the only one.
    #[serde(default)]
    pub index: Option<u32>,
    /// What makes the output a score. Default: `Identity`.
    #[serde(default)]
    pub activation: OnnxActivation,
    /// Whether the score is negated, as rewards are maximised and the model gives a cost. Default: false.
    #[serde(default)]
    pub negate: bool,
    /// The scores that count as 0 and as 1 in the hypervolume. Default: 0 and 1, or −1 and 0 if negated.
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

/// The order of an image input's axes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnnxLayout {
    /// Image, channel, row, column: PyTorch's.
    #[default]
    Nchw,
    /// Image, row, column, channel: TensorFlow's.
    Nhwc,
}

/// What makes a model's output a score.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnnxActivation {
    /// The number as it is.
    #[default]
    Identity,
    /// 1 / (1 + e^−x): the probability behind one logit.
    Sigmoid,
    /// e^x over the sum of e^x of all numbers of the image: the probability of a class behind logits.
    Softmax,
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

fn no_mean() -> [f64; 3] {
    [0.0; 3]
}

fn no_deviation() -> [f64; 3] {
    [1.0; 3]
}

impl ProgramSpec {
    /// Makes the folder absolute; relative ones count from `folder`.
    pub(super) fn anchor(&mut self, folder: &Path) {
        self.folder = Some(self.folder.as_ref().map_or_else(|| folder.to_path_buf(), |own| folder.join(own)));
    }
}

impl OnnxSpec {
    /// Makes the file's path absolute; relative ones count from `folder`.
    pub(super) fn anchor(&mut self, folder: &Path) {
        self.model = folder.join(&self.model);
    }
}
