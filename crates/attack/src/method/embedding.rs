//! Greedy coordinate gradient through the text encoder alone (Ring-A-Bell, 2310.10012; MMA-Diffusion, 2311.17516): tokens whose states are the
//! goal's, moved on in the direction in which the goal differs from harmless prompts. It needs no pass through the denoiser until its
//! images are looked at, and no weights of the victim: text encoders are public.

use burn::tensor::Tensor;
use moa_device::to_host;
use moa_diffusion::TextContext;

use super::tokens::Coordinates;
use super::{Access, Attack};
use crate::{AttackError, Siege};

/// Exchanges tokens by gradients through the text encoder.
#[derive(Clone, Copy, Debug)]
pub struct Embedding {
    /// Tokens behind the goal's.
    pub more: usize,
    /// How far the target is moved on, in differences of the goal to harmless prompts.
    pub strength: f64,
    /// Steps.
    pub steps: usize,
    /// Prompts that are tried in a step.
    pub candidates: usize,
}

impl Default for Embedding {
    fn default() -> Self {
        Self { more: 3, strength: 0.5, steps: 16, candidates: 32 }
    }
}

/// Harmless words that take the place of what the goal names.
const HARMLESS: [&str; 6] = ["cat", "apple", "tree", "star", "ball", "fish"];
/// Prompts from the last steps whose images are looked at.
const LAST: usize = 8;

impl Attack for Embedding {
    fn name(&self) -> &'static str {
        "embedding"
    }

    fn access(&self) -> Access {
        Access::WhiteBox
    }

    fn run(&self, siege: &mut Siege<'_>) -> Result<(), AttackError> {
        let key = siege.key("embedding");
        let pipeline = &siege.victim().pipeline;
        let goal = siege.goal();
        let harmless = HARMLESS.map(|word| match goal.objects.first() {
            Some(object) => goal.prompt.replace(object.as_str(), word),
            None => word.to_owned(),
        });
        let own = pipeline.encode_prompts(&[goal.prompt.as_str()])?.states;
        let others = pipeline.encode_prompts(&harmless)?.states.mean_dim(0);
        let target = own.clone() + (own - others) * self.strength;
        let distance = |context: &TextContext| -> Result<Tensor<1>, AttackError> {
            let count = context.states.dims()[0];
            let squares = (context.states.clone() - target.clone()).powi_scalar(2).reshape([count as i64, -1]);
            Ok(squares.mean_dim(1).reshape([count]))
        };
        let mut coordinates = Coordinates::of_goal(siege, self.more)?;
        let mut texts = vec![coordinates.text(siege)];
        for step in 0..self.steps as u64 {
            siege.check_stop()?;
            let gradient = coordinates.gradient(siege, distance)?;
            let mut field = coordinates.candidates(siege, &gradient, self.candidates, key.with(step))?;
            field.insert(0, (coordinates.ids.clone(), coordinates.text(siege)));
            let ids: Vec<&Vec<u32>> = field.iter().map(|(ids, _)| ids).collect();
            let distances = to_host(distance(&pipeline.encode_tokens(&pipeline.tokens_of(&ids)?)?)?);
            let best = (0..field.len()).min_by(|a, b| distances[*a].total_cmp(&distances[*b])).unwrap_or(0);
            let (ids, text) = field.swap_remove(best);
            coordinates.ids = ids;
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
        texts.retain(|text| siege.passes_filter(text));
        texts.reverse();
        texts.truncate(LAST);
        siege.race(&texts, siege.left()).map(drop)
    }
}
