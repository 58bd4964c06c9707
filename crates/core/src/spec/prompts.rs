//! Where prompts come from.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The prompts to train on and the prompts to evaluate on; no prompt may be in both.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PromptsSpec {
    /// The prompts that rollouts draw from. Default: `Set("train")`.
    pub train: PromptSource,
    /// The prompts that base and adapters are compared on; never trained on. Default: `Set("held-out")`.
    pub held_out: PromptSource,
}

impl Default for PromptsSpec {
    fn default() -> Self {
        Self { train: PromptSource::Set("train".into()), held_out: PromptSource::Set("held-out".into()) }
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
