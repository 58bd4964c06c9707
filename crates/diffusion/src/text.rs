//! CLIP's text transformer: `CLIPTextModel` and `CLIPTextModelWithProjection` of transformers (Radford et al., 2103.00020); and
//! [`T5Encoder`].

mod config;
mod open_clip;
mod t5;
mod tower;

use burn::tensor::Tensor;
use moa_adapter::{Linear, Parameters, ParametersError};
use moa_device::indices_from_host;

pub use config::{Activation, TextConfig, TowerConfig};
pub use open_clip::open_clip_layer;
pub use t5::{T5Config, T5Encoder};
pub use tower::{Block, Tower};

use crate::nn::{Embedding, LayerNorm};

/// The text encoder.
#[derive(Clone, Debug)]
pub struct TextEncoder {
    config: TextConfig,
    tokens: Embedding,
    positions: Embedding,
    tower: Tower,
    final_norm: LayerNorm,
    projection: Option<Linear>,
}

/// What an encoder says of texts.
#[derive(Clone, Debug)]
pub struct TextStates {
    /// The states before the last layer, without a norm: `hidden_states[-2]` of transformers, which Stable Diffusion XL reads.
    pub penultimate: Tensor<3>,
    /// The states after the last layer and the final norm: `last_hidden_state`, which Stable Diffusion 1 and 2 read.
    pub last: Tensor<3>,
}

impl TextEncoder {
    /// Takes the encoder's parameters, with or without transformers' `text_model.` before the names.
    ///
    /// # Errors
    /// Says which tensor is missing or has another shape.
    pub fn load(config: &TextConfig, p: &Parameters) -> Result<Self, ParametersError> {
        let p = &if p.has("text_model.final_layer_norm.weight") { p.at("text_model") } else { p.clone() };
        let width = config.hidden_size;
        Ok(Self {
            tokens: Embedding::load(&p.at("embeddings.token_embedding"), config.vocab_size, width)?,
            positions: Embedding::load(&p.at("embeddings.position_embedding"), config.max_position_embeddings, width)?,
            tower: Tower::load(&p.at("encoder"), &config.tower())?,
            final_norm: LayerNorm::load(&p.at("final_layer_norm"), width, config.layer_norm_eps)?,
            projection: None,
            config: config.clone(),
        })
    }

    /// Takes the parameters of a `CLIPTextModelWithProjection`, whose `projection_dim` wide projection follows the pooling.
    ///
    /// # Errors
    /// As [`TextEncoder::load`].
    pub fn load_with_projection(config: &TextConfig, p: &Parameters) -> Result<Self, ParametersError> {
        let width = config.projected_width();
        let projection = Linear::load(&p.at("text_projection"), config.hidden_size, width, false)?;
        Ok(Self { projection: Some(projection), ..Self::load(config, p)? })
    }

    /// Returns the config.
    pub fn config(&self) -> &TextConfig {
        &self.config
    }

    /// Returns the states of every token, after the final norm.
    ///
    /// # Shapes
    /// - `ids`: rows of equally many token ids (at most `max_position_embeddings`)
    /// - returns `[rows, tokens, hidden_size]`
    pub fn forward(&self, ids: &[Vec<u32>]) -> Tensor<3> {
        self.forward_embedded(self.embed(ids))
    }

    /// Returns the states of every token, as [`TextEncoder::forward`] does, from the tokens' embeddings, to which gradients flow.
    ///
    /// # Shapes
    /// - `embedded`: as [`TextEncoder::embed`] returns them, `[rows, tokens, hidden_size]`
    /// - returns the same shape
    pub fn forward_embedded(&self, embedded: Tensor<3>) -> Tensor<3> {
        self.final_norm.forward(self.tower.forward(self.place(embedded), true))
    }

    /// Returns the states of every token, each `[rows, tokens, hidden_size]`, from ids as [`TextEncoder::forward`] takes them.
    pub fn states(&self, ids: &[Vec<u32>]) -> TextStates {
        self.states_embedded(self.embed(ids))
    }

    /// Returns the states of every token, as [`TextEncoder::states`] does, from embeddings as [`TextEncoder::forward_embedded`] takes
    /// them.
    pub fn states_embedded(&self, embedded: Tensor<3>) -> TextStates {
        let [penultimate, last] = self.tower.last_two(self.place(embedded), true);
        TextStates { penultimate, last: self.final_norm.forward(last) }
    }

    /// Returns the embeddings of all tokens, `[vocab_size, hidden_size]`.
    pub fn table(&self) -> Tensor<2> {
        self.tokens.table()
    }

    /// Returns the embeddings of tokens, `[rows, tokens, hidden_size]`, before their positions are added; ids as
    /// [`TextEncoder::forward`] takes them.
    pub fn embed(&self, ids: &[Vec<u32>]) -> Tensor<3> {
        self.tokens.look_up(ids)
    }

    /// Adds the positions' embeddings.
    fn place(&self, embedded: Tensor<3>) -> Tensor<3> {
        let tokens = embedded.dims()[1];
        embedded + self.positions.table().narrow(0, 0, tokens).unsqueeze()
    }

    /// Returns one vector for each text, `[rows, projection_dim]`: the [pooled](TextEncoder::pool) state, projected where the
    /// encoder has a projection.
    ///
    /// - `last`: the states after the final norm, `[rows, tokens, hidden_size]`
    pub fn pool_and_project(&self, last: Tensor<3>, ids: &[Vec<u32>]) -> Tensor<2> {
        let pooled = self.pool(last, ids);
        match &self.projection {
            Some(projection) => projection.forward(pooled, None),
            None => pooled,
        }
    }

    /// Returns the state of each text's end token, `[rows, hidden_size]`.
    pub fn pool(&self, states: Tensor<3>, ids: &[Vec<u32>]) -> Tensor<2> {
        let [rows, tokens, width] = states.dims();
        let ends: Vec<i64> = ids.iter().enumerate().map(|(row, ids)| (row * tokens + self.end(ids)) as i64).collect();
        let ends = indices_from_host(ends, &states.device().without_autodiff());
        states.reshape([rows * tokens, width]).select(0, ends)
    }

    /// Returns the position of the first end token, as transformers finds it: 0 where there is none. Configs that say 2 are older than the field's meaning: there the largest
    /// id marks the end.
    fn end(&self, ids: &[u32]) -> usize {
        if self.config.eos_token_id == 2 {
            let largest = ids.iter().max().copied().unwrap_or(0);
            return ids.iter().position(|id| *id == largest).unwrap_or(0);
        }
        ids.iter().position(|id| i64::from(*id) == self.config.eos_token_id).unwrap_or(0)
    }
}
