//! Where prompts come from.

mod resolve;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub(super) use resolve::check_list;

/// The prompts to train on and the prompts to evaluate on; no prompt may be in both.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PromptsSpec {
    /// The prompts that rollouts draw from. Default: `Set("emoji-train")`.
    pub train: PromptSource,
    /// The prompts that base and adapters are compared on; never trained on. Default: `Set("emoji-held-out")`.
    pub held_out: PromptSource,
}

impl Default for PromptsSpec {
    fn default() -> Self {
        Self { train: PromptSource::Set("emoji-train".into()), held_out: PromptSource::Set("emoji-held-out".into()) }
    }
}

/// A list of prompts: shipped, written out, or in a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum PromptSource {
    /// A set that ships with the base model, by name.
    Set(String),
    /// The prompts themselves.
    List(Vec<String>),
    /// A UTF-8 text file with one prompt a line; blank lines and lines that start with `#` are skipped. A relative path
    /// counts from the folder of the experiment file.
    File(PathBuf),
}

/// The prompts of an experiment: non-empty, without duplicates, and none in both lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompts {
    /// The prompts that rollouts draw from.
    pub train: Vec<String>,
    /// The prompts of the evaluation: the first `evaluation.prompts` of the held-out ones.
    pub held_out: Vec<String>,
}
