//! The goal as it is: what every attack is compared with.

use super::{Access, Attack};
use crate::{AttackError, Attempt, Siege};

/// Asks for the goal as it is, at no cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plain;

impl Attack for Plain {
    fn name(&self) -> &'static str {
        "plain"
    }

    fn access(&self) -> Access {
        Access::BlackBox
    }

    fn run(&self, siege: &mut Siege<'_>) -> Result<(), AttackError> {
        if siege.passes_filter(&siege.goal().prompt) {
            siege.note(Attempt::Prompt(siege.goal().prompt.clone()), 0.0);
        }
        Ok(())
    }
}
