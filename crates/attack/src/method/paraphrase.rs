//! A fixed list of other ways to say the goal.

use super::{Access, Attack};
use crate::lexicon::paraphrases;
use crate::{AttackError, Siege};

/// Tries synonyms, misspellings, words of other languages, templates and added context, and keeps what comes nearest.
#[derive(Clone, Copy, Debug, Default)]
pub struct Paraphrase;

impl Attack for Paraphrase {
    fn name(&self) -> &'static str {
        "paraphrase"
    }

    fn access(&self) -> Access {
        Access::BlackBox
    }

    fn run(&self, siege: &mut Siege<'_>) -> Result<(), AttackError> {
        let mut candidates = paraphrases(siege.goal(), siege.key("paraphrase"));
        candidates.retain(|prompt| siege.passes_filter(prompt));
        siege.race(&candidates, siege.left()).map(drop)
    }
}
