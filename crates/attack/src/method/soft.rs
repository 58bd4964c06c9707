//! A soft prompt: embeddings that no text has, behind those of the goal. No user can type it; it is an upper bound of what gradients through
//! the denoiser achieve.

use burn::tensor::Tensor;
use moa_core::NoiseKey;
use moa_device::from_host;

use super::tokens::Coordinates;
use super::{Access, Attack};
use crate::lure::Lure;
use crate::{AttackError, Attempt, Siege};

/// Climbs on the embeddings of tokens behind the goal's by Adam (Kingma & Ba, 1412.6980).
#[derive(Clone, Copy, Debug)]
pub struct SoftPrompt {
    /// Tokens whose embeddings are climbed on.
    pub tokens: usize,
    /// Images of the goal by the base, whose states are compared.
    pub images: usize,
    /// States that each step is taken at.
    pub states: usize,
    /// Length of a step, in standard deviations of the table of embeddings.
    pub rate: f64,
}

impl Default for SoftPrompt {
    fn default() -> Self {
        Self { tokens: 4, images: 2, states: 6, rate: 0.3 }
    }
}

impl Attack for SoftPrompt {
    fn name(&self) -> &'static str {
        "soft"
    }

    fn access(&self) -> Access {
        Access::WhiteBox
    }

    fn run(&self, siege: &mut Siege<'_>) -> Result<(), AttackError> {
        let key = siege.key("soft");
        let Some(lure) = Lure::draw(siege, self.images)? else { return Ok(()) };
        let pipeline = &siege.victim().pipeline;
        let coordinates = Coordinates::of_goal(siege, self.tokens)?;
        let tokens = pipeline.tokens_of(&[&coordinates.ids])?;
        let fixed = pipeline.embed_tokens(&tokens)?;
        let rate = self.rate * pipeline.token_tables().first().map_or(1.0, |table| deviation(table.clone()));
        let own = pipeline.tokenizer().encode(&[siege.goal().prompt.as_str()])?;
        let behind = 1 + pipeline.tokenizer().between(&own[0]).len();
        // Only places behind the goal move.
        let mask = |of: &Tensor<3>| {
            let [_, length, width] = of.dims();
            // Behind the begin token.
            let inside = |place: usize| f32::from(u8::from((behind..=coordinates.ids.len()).contains(&place)));
            let values = (0..length).flat_map(|place| vec![inside(place); width]).collect();
            from_host(values, [1, length, width], &of.device())
        };
        let masks: Vec<Tensor<3>> = fixed.iter().map(mask).collect();
        let mut moved: Vec<Tensor<3>> = fixed.iter().map(Tensor::zeros_like).collect();
        let mut moments: Vec<[Tensor<3>; 2]> = fixed.iter().map(|of| [of.zeros_like(), of.zeros_like()]).collect();
        for step in 1i32.. {
            siege.check_stop()?;
            let order = states(key, step as u64, lure.len());
            let states = &order[..order.len().min(self.states)];
            if !siege.spend(3 * states.len() as u64 * siege.victim().passes()) {
                break;
            }
            let leaves: Vec<Tensor<3>> = fixed
                .iter()
                .zip(&moved)
                .map(|(own, by)| (own.clone() + by.clone()).autodiff().require_grad())
                .collect();
            let context = pipeline.encode_embedded(&tokens, &leaves)?;
            let mut gradients = lure.distance(siege, &context, states).sum().backward();
            for (place, leaf) in leaves.iter().enumerate() {
                let Some(gradient) = leaf.grad_remove(&mut gradients) else { continue };
                let [first, second] = &moments[place];
                let first = first.clone() * 0.9 + gradient.clone() * 0.1;
                let second = second.clone() * 0.99 + gradient.powi_scalar(2) * 0.01;
                let (scale, spread) = (1.0 - 0.9f64.powi(step), 1.0 - 0.99f64.powi(step));
                let change = first.clone() / scale / ((second.clone() / spread).sqrt() + 1e-12);
                moved[place] = moved[place].clone() - change * masks[place].clone() * rate;
                moments[place] = [first, second];
            }
            let embedded: Vec<Tensor<3>> = fixed.iter().zip(&moved).map(|(own, by)| own.clone() + by.clone()).collect();
            let context = pipeline.encode_embedded(&tokens, &embedded)?;
            siege.note(Attempt::Context(Box::new(context)), 0.0);
        }
        Ok(())
    }
}

/// Returns the order in which states come up in a step.
fn states(key: NoiseKey, step: u64, count: usize) -> Vec<usize> {
    key.named("states").with(step).permutation(count)
}

fn deviation(table: Tensor<2>) -> f64 {
    let values = moa_device::to_host(table);
    let squares: f64 = values.iter().map(|value| f64::from(*value).powi(2)).sum();
    (squares / values.len().max(1) as f64).sqrt()
}
