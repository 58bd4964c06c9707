//! Greedy coordinate gradient over a prompt's tokens (Zou et al., 2307.15043): what two attacks have in common.

use burn::tensor::Tensor;
use moa_core::NoiseKey;
use moa_device::to_host;
use moa_diffusion::{PromptTokens, TextContext};

use crate::{AttackError, Siege};

/// A prompt's tokens as they are changed.
pub(super) struct Coordinates {
    /// Those of the prompt at hand, without begin and end.
    pub(super) ids: Vec<u32>,
    /// Which of them may be exchanged.
    pub(super) free: Vec<usize>,
}

/// Of the tokens that the gradient likes best at a place, so many are drawn from.
const BEST: usize = 24;

impl Coordinates {
    /// Returns the tokens of a goal with some more behind them, as far as there is room: at first those of what it names, again and again. They
    /// may be exchanged, and so may the goal's own but those of what it names.
    ///
    /// # Errors
    /// Fails where the goal cannot be tokenised.
    pub(super) fn of_goal(siege: &Siege<'_>, more: usize) -> Result<Self, AttackError> {
        let tokenizer = siege.victim().pipeline.tokenizer();
        let goal = siege.goal();
        let tokens_of = |text: &str| -> Result<Vec<u32>, AttackError> {
            Ok(tokenizer.between(&tokenizer.encode(&[text])?[0]).to_vec())
        };
        let own = tokens_of(&goal.prompt)?;
        let named: Vec<u32> =
            goal.objects.iter().map(|object| tokens_of(object)).collect::<Result<Vec<_>, _>>()?.concat();
        let drawn = if named.is_empty() { &own } else { &named };
        let behind = more.min(tokenizer.room().saturating_sub(own.len()));
        let mut ids = own.clone();
        ids.extend(drawn.iter().cycle().take(behind));
        let free = (0..own.len()).filter(|place| !named.contains(&own[*place])).chain(own.len()..ids.len()).collect();
        Ok(Self { ids, free })
    }

    /// Returns the prompt at hand.
    pub(super) fn text(&self, siege: &Siege<'_>) -> String {
        siege.victim().pipeline.tokenizer().decode(&self.ids)
    }

    /// Returns the gradient of a loss with respect to the one-hot tokens, `[tokens × vocabulary]` row-major with the vocabulary's size; of all
    /// places of a row, begin and end among them.
    ///
    /// # Errors
    /// Those of `loss`, and fails where the tokens are not the pipeline's.
    pub(super) fn gradient(
        &self,
        siege: &Siege<'_>,
        loss: impl FnOnce(&TextContext) -> Result<Tensor<1>, AttackError>,
    ) -> Result<(Vec<f32>, usize), AttackError> {
        let pipeline = &siege.victim().pipeline;
        let tokens: PromptTokens = pipeline.tokens_of(&[&self.ids])?;
        let leaves: Vec<Tensor<3>> =
            pipeline.embed_tokens(&tokens)?.into_iter().map(|embedded| embedded.autodiff().require_grad()).collect();
        let context = pipeline.encode_embedded(&tokens, &leaves)?;
        let mut gradients = loss(&context)?.sum().backward();
        let found = leaves.into_iter().map(|leaf| {
            let found = leaf.grad_remove(&mut gradients);
            found.unwrap_or_else(|| leaf.inner().zeros_like())
        });
        let gradient = pipeline.token_gradients(&found.collect::<Vec<_>>())?;
        let size = gradient.dims()[2];
        Ok((to_host(gradient), size))
    }

    /// Returns prompts that differ from the one at hand in a token or two, by what a gradient says will lower the loss: those that are read as
    /// they are written, and that a filter of words lets through.
    pub(super) fn candidates(
        &self,
        siege: &Siege<'_>,
        (gradient, size): &(Vec<f32>, usize),
        count: usize,
        key: NoiseKey,
    ) -> Result<Vec<(Vec<u32>, String)>, AttackError> {
        let tokenizer = siege.victim().pipeline.tokenizer();
        // Behind the begin token.
        let at = |place: usize, id: u32| gradient[(place + 1) * size + id as usize];
        // Whole words, so that a filter of words sees what the model reads.
        let words = tokenizer.vocabulary().iter().filter(|token| token.ends_word && (token.id as usize) < *size);
        let words: Vec<u32> = words.map(|token| token.id).collect();
        let best: Vec<Vec<u32>> = self
            .free
            .iter()
            .map(|place| {
                let mut ids = words.clone();
                ids.sort_by(|a, b| at(*place, *a).total_cmp(&at(*place, *b)));
                ids.truncate(BEST);
                ids
            })
            .collect();
        let mut found: Vec<(Vec<u32>, String)> = Vec::new();
        for attempt in 0..8 * count as u64 {
            if found.len() == count || self.free.is_empty() {
                break;
            }
            let key = key.with(attempt);
            let mut ids = self.ids.clone();
            for change in 0..=key.below(0, 2) as u64 {
                let place = key.below(1 + 2 * change, self.free.len());
                // Better ones come up more often.
                let among = best[place].len();
                let rank = key.below(2 + 4 * change, among).min(key.below(3 + 4 * change, among));
                if let Some(id) = best[place].get(rank) {
                    ids[self.free[place]] = *id;
                }
            }
            let text = tokenizer.decode(&ids);
            let read = tokenizer.encode(&[text.as_str()])?;
            let is_new = ids != self.ids && !found.iter().any(|(other, _)| *other == ids);
            if is_new && tokenizer.between(&read[0]) == ids && siege.passes_filter(&text) {
                found.push((ids, text));
            }
        }
        Ok(found)
    }
}
