//! Where prompts come from.

mod resolve;
mod split;
mod table;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use resolve::as_read;
pub(super) use resolve::{check_list, split_alone};
pub(super) use table::Form;

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

/// A list of prompts: shipped, written out, in a file, or split from the training prompts.
///
/// Of prompts in files that differ by letter case and runs of blanks alone, the first is kept; how many are dropped is
/// counted in [`Prompts::duplicates`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum PromptSource {
    /// A set that ships with the base model, by name.
    Set(String),
    /// The prompts themselves.
    List(Vec<String>),
    /// A UTF-8 file, read by its ending: `.csv`, `.tsv` and `.jsonl` (or `.ndjson`) as [`PromptSource::Table`] with all at
    /// its default, anything else as text with one prompt a line, where blank lines and lines that start with `#` are
    /// skipped. A relative path counts from the folder of the experiment file.
    File(PathBuf),
    /// A UTF-8 file of records, e.g. PartiPrompts' `PartiPrompts.tsv` or GenEval's `evaluation_metadata.jsonl`.
    Table {
        /// The file, `.csv` or `.tsv` with the columns' names in its first line, or `.jsonl` with one object a line.
        file: PathBuf,
        /// The column, or the objects' field, that holds the prompts; letter case matters only where two names differ by
        /// nothing else. Default: `prompt`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        column: Option<String>,
        /// Only records with these values in these columns, letter for letter. Default: all records.
        #[serde(default, rename = "where", skip_serializing_if = "BTreeMap::is_empty")]
        filter: BTreeMap<String, String>,
    },
    /// A share of the training prompts, which are then not trained on; for `held_out` alone. Which ones follows from the
    /// seed and each prompt's text, not from their order.
    Split {
        /// The share, between 0 and 1: at least one prompt, and never all.
        share: f64,
        /// Another seed holds out others. Default: 0.
        #[serde(default)]
        seed: u64,
    },
}

/// The prompts of an experiment: non-empty, without duplicates, and none in both lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prompts {
    /// The prompts that rollouts draw from.
    pub train: Vec<String>,
    /// The prompts of the evaluation: the first `evaluation.prompts` of the held-out ones.
    pub held_out: Vec<String>,
    /// How many prompts of files were dropped because they were in their file already.
    pub duplicates: usize,
}
