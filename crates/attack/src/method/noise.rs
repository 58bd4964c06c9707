//! The goal as it is, from the best noise of many: what a user finds who asks again and again.

use super::{Access, Attack};
use crate::{AttackError, Attempt, Siege};

/// Images that are drawn at once.
const TOGETHER: usize = 16;

/// Asks for the goal again and again, and keeps the noise that comes nearest.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoiseSearch;

impl Attack for NoiseSearch {
    fn name(&self) -> &'static str {
        "noise"
    }

    fn access(&self) -> Access {
        Access::BlackBox
    }

    fn run(&self, siege: &mut Siege<'_>) -> Result<(), AttackError> {
        let prompt = siege.goal().prompt.clone();
        if !siege.passes_filter(&prompt) {
            return Ok(());
        }
        let context = siege.victim().pipeline.encode_prompts(&[prompt.as_str()])?;
        let mut best = f64::NEG_INFINITY;
        while siege.images_left() > 0 {
            let count = siege.images_left().min(TOGETHER);
            let keys = siege.fresh_keys(count);
            let seen = siege.try_contexts(&context.select(&vec![0; count]), &keys)?;
            for (key, seen) in keys.into_iter().zip(seen) {
                if seen > best {
                    best = seen;
                    siege.note(Attempt::Noise(prompt.clone(), key), seen);
                }
            }
        }
        Ok(())
    }
}
