//! Greedy coordinate gradient through the denoiser (Prompting4Debugging, 2309.06135; UnlearnDiffAtk, 2310.11868): tokens are exchanged so that
//! the victim predicts for them what the base predicts for the goal.

use moa_device::to_host;

use super::tokens::Coordinates;
use super::{Access, Attack};
use crate::lure::Lure;
use crate::{AttackError, Attempt, Siege};

/// Exchanges tokens by gradients through the denoiser.
#[derive(Clone, Copy, Debug)]
pub struct Gradient {
    /// Tokens that are added behind the goal's.
    pub suffix: usize,
    /// Images of the goal by the base, whose states are compared.
    pub images: usize,
    /// States that a gradient is taken at.
    pub states: usize,
    /// Prompts that are tried in a step.
    pub candidates: usize,
    /// States that each of them is tried at.
    pub tried_at: usize,
}

impl Default for Gradient {
    fn default() -> Self {
        Self { suffix: 4, images: 2, states: 8, candidates: 8, tried_at: 4 }
    }
}

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
        let mut coordinates = Coordinates::of_goal(siege, self.suffix, key.named("suffix"))?;
        let mut tried: Vec<(f64, String)> = Vec::new();
        // A quarter is kept for images of the best prompts.
        let reserve = siege.budget() / 4;
        let guided = siege.victim().price() / siege.victim().rules.len().max(1) as u64;
        for round in 0u64.. {
            let key = key.with(round);
            let order = key.named("states").permutation(lure.len());
            let states: Vec<usize> = order.iter().copied().take(self.states).collect();
            let few = &states[..states.len().min(self.tried_at)];
            // Forward and backward are three passes.
            let passes = 3 * states.len() + (1 + self.candidates) * few.len();
            if siege.left() < reserve + passes as u64 * guided {
                break;
            }
            siege.spend(passes as u64 * guided);
            let gradient = coordinates.gradient(siege, |context| lure.distance(siege, context, &states))?;
            let mut field = coordinates.candidates(siege, &gradient, self.candidates, key.named("candidates"))?;
            field.insert(0, (coordinates.ids.clone(), coordinates.text(siege)));
            let ids: Vec<&Vec<u32>> = field.iter().map(|(ids, _)| ids).collect();
            let pipeline = siege.victim().pipeline;
            let contexts = pipeline.encode_tokens(&pipeline.tokens_of(&ids)?)?;
            let distances = to_host(lure.distance(siege, &contexts, few)?);
            let best = (0..field.len()).min_by(|a, b| distances[*a].total_cmp(&distances[*b])).unwrap_or(0);
            for (place, (_, text)) in field.iter().enumerate().filter(|(place, _)| *place == best || *place == 0) {
                if siege.passes_filter(text) && !tried.iter().any(|(_, other)| other == text) {
                    tried.push((f64::from(distances[place]), text.clone()));
                }
            }
            coordinates.ids = field.swap_remove(best).0;
            let text = coordinates.text(siege);
            if siege.passes_filter(&text) {
                siege.note(Attempt::Prompt(text), f64::from((-distances[best]).exp()));
            }
        }
        // The last prompts are those that every step before has led to.
        let mut best: Vec<String> = tried.into_iter().rev().map(|(_, text)| text).take(6).collect();
        if siege.passes_filter(&siege.goal().prompt) {
            best.push(siege.goal().prompt.clone());
        }
        siege.race(&best, siege.left()).map(drop)
    }
}
