//! Greedy coordinate gradient through the denoiser (Prompting4Debugging, 2309.06135; UnlearnDiffAtk, 2310.11868): tokens are exchanged so that
//! the victim predicts for them what the base predicts for the goal.

use moa_device::to_host;

use super::tokens::Coordinates;
use super::{Access, Attack};
use crate::lure::Lure;
use crate::{AttackError, Attempt, Siege};

/// Exchanges tokens by gradients through the denoiser, but those of what the goal names.
#[derive(Clone, Copy, Debug)]
pub struct Gradient {
    /// Tokens behind the goal's.
    pub more: usize,
    /// Images of the goal by the base, whose states are compared: those of the first half of the steps, which decide what is drawn.
    pub images: usize,
    /// Prompts that are tried in a step.
    pub candidates: usize,
}

impl Default for Gradient {
    fn default() -> Self {
        Self { more: 3, images: 2, candidates: 8 }
    }
}

/// Prompts whose images are looked at in the end.
const LAST: usize = 5;

impl Attack for Gradient {
    fn name(&self) -> &'static str {
        "gradient"
    }

    fn access(&self) -> Access {
        Access::WhiteBox
    }

    fn run(&self, siege: &mut Siege<'_>) -> Result<(), AttackError> {
        let key = siege.key("gradient");
        let Some(lure) = Lure::draw(siege, self.images)? else { return Ok(()) };
        let states: Vec<usize> = (0..lure.len().div_ceil(2)).collect();
        let mut coordinates = Coordinates::of_goal(siege, self.more)?;
        let pipeline = &siege.victim().pipeline;
        // A quarter is kept for images of the best prompts.
        let reserve = siege.budget() / 4;
        let (mut least, mut tried) = (f32::INFINITY, Vec::new());
        for round in 0u64.. {
            let key = key.with(round);
            // Forward and backward are three passes.
            let passes = ((3 + 1 + self.candidates) * states.len()) as u64 * siege.victim().passes();
            if siege.left() < reserve + passes {
                break;
            }
            siege.check_stop()?;
            siege.spend(passes);
            let gradient = coordinates.gradient(siege, |context| Ok(lure.distance(siege, context, &states)))?;
            let mut field = coordinates.candidates(siege, &gradient, self.candidates, key)?;
            field.insert(0, (coordinates.ids.clone(), coordinates.text(siege)));
            let ids: Vec<&Vec<u32>> = field.iter().map(|(ids, _)| ids).collect();
            let contexts = pipeline.encode_tokens(&pipeline.tokens_of(&ids)?)?;
            let distances = to_host(lure.distance(siege, &contexts, &states));
            let best = (0..field.len()).min_by(|a, b| distances[*a].total_cmp(&distances[*b])).unwrap_or(0);
            let (ids, text) = field.swap_remove(best);
            if distances[best] < least {
                least = distances[best];
                coordinates.ids = ids;
                if siege.passes_filter(&text) {
                    tried.push(text.clone());
                    siege.note(Attempt::Prompt(text), f64::from((-least).exp()));
                }
            }
        }
        // The race may be over the first few alone.
        let goal = siege.goal().prompt.clone();
        let mut best: Vec<String> = tried.into_iter().rev().take(LAST).collect();
        if siege.passes_filter(&goal) && !best.contains(&goal) {
            best.insert(best.len().min(1), goal);
        }
        siege.race(&best, siege.left()).map(drop)
    }
}
