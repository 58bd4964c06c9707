//! Prompts as tokens and as embeddings, for search over prompts and for gradients to them: what attacks on prompts by gradients are
//! built on (Zou et al., 2307.15043; Chin et al., 2309.06135; Zhang et al., 2310.11868; Tsai et al., 2310.10012).
//!
//! Stable Diffusion XL and 3 have two or three text encoders that read one prompt. Tokens are changed by the ids of the first tokenizer
//! ([`Pipeline::tokens_of`]), and the other encoders read their text anew, as they would read the prompt. An encoder *shares* the first
//! one's vocabulary where its tokenizer has the same tokens with the same ids and its table is as long: then gradients to tokens are
//! the sum over both encoders. Otherwise they are the first one's alone.
//!
//! Texts that the second tokenizer reads as other tokens in spite of a common vocabulary are those with its pad token: both models pad
//! with `!`, which it always reads as a token of its own. Behind one that the first tokenizer reads otherwise (as part of `!!`), the
//! places of the sum are not those of one token.

use burn::tensor::Tensor;
use moa_device::as_type;

use super::{Pipeline, Reader};
use crate::tokenizer::Tokenizer;
use crate::{ConfigError, TextContext};

/// The token ids of prompts, for each text encoder: what [`Pipeline::prompt_tokens`] and [`Pipeline::tokens_of`] return.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromptTokens {
    /// `[encoder][row][token]`.
    ids: Vec<Vec<Vec<u32>>>,
}

impl PromptTokens {
    pub(super) fn new(ids: Vec<Vec<Vec<u32>>>) -> Self {
        Self { ids }
    }

    /// Returns the number of prompts.
    pub fn rows(&self) -> usize {
        self.ids.first().map_or(0, Vec::len)
    }

    /// Returns the number of text encoders.
    pub fn encoders(&self) -> usize {
        self.ids.len()
    }

    /// Returns the ids of every row for a text encoder, begin, end and pad tokens included; none where there is no such encoder. Token
    /// `i` of a prompt has place `i + 1`.
    pub fn ids(&self, encoder: usize) -> &[Vec<u32>] {
        self.ids.get(encoder).map_or(&[], Vec::as_slice)
    }

    /// Returns the rows at `indices`, which may repeat.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn select(&self, indices: &[usize]) -> Self {
        let rows = |ids: &Vec<Vec<u32>>| indices.iter().map(|row| ids[*row].clone()).collect();
        Self { ids: self.ids.iter().map(rows).collect() }
    }
}

/// Why tokens or their embeddings are refused.
#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    /// A text cannot be tokenised.
    #[error(transparent)]
    Text(#[from] ConfigError),
    /// A prompt has more tokens than there is room for.
    #[error(
        "prompt {row} has {found} tokens, and there is room for {room} beside the begin and end token: take some away"
    )]
    Room {
        /// The prompt, from 0.
        row: usize,
        /// Its tokens.
        found: usize,
        /// Most tokens.
        room: usize,
    },
    /// A token is not in an encoder's table.
    #[error(
        "prompt {row} has the token {id}, and the table of text encoder {encoder} has {size} tokens: take ids below that"
    )]
    Id {
        /// The text encoder, from 0.
        encoder: usize,
        /// The prompt, from 0.
        row: usize,
        /// The token.
        id: u32,
        /// Tokens in the table.
        size: usize,
    },
    /// Tokens of another pipeline.
    #[error(
        "the tokens are rows of {found:?} for the text encoders in order, and this pipeline's are {wanted:?} long: take those that the \
         same pipeline returns"
    )]
    Tokens {
        /// The length of rows for each encoder.
        found: Vec<usize>,
        /// What the pipeline has.
        wanted: Vec<usize>,
    },
    /// Embeddings, or their gradients, have other shapes than those of the tokens.
    #[error("the embeddings have the shapes {found:?} for the text encoders in order: make them {wanted:?}")]
    Embeddings {
        /// The shapes.
        found: Vec<[usize; 3]>,
        /// Those of the tokens.
        wanted: Vec<[usize; 3]>,
    },
}

/// Returns the gradient with respect to one-hot tokens from that of their embeddings: since a token's embedding is its one-hot row times
/// the table, ∂L/∂onehot = ∂L/∂embedding · tableᵀ (Ebrahimi et al., 1712.06751). Its value for a token, less that for the token that is
/// there, is how much the loss changes to first order when the one takes the place of the other.
///
/// # Shapes
/// - `gradient`: `[rows, tokens, width]`; some of the places will do (`narrow`)
/// - `table`: `[vocabulary, width]`
/// - returns `[rows, tokens, vocabulary]`, in the gradient's type of number
pub fn one_hot_gradient(gradient: &Tensor<3>, table: &Tensor<2>) -> Tensor<3> {
    let ([rows, tokens, width], [vocabulary, _]) = (gradient.dims(), table.dims());
    let table = as_type(table.clone(), gradient.dtype().into());
    gradient.clone().reshape([rows * tokens, width]).matmul(table.transpose()).reshape([rows, tokens, vocabulary])
}

impl Pipeline {
    /// Returns the tokenizer of the first text encoder, by which the tokens of prompts are changed.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.conditioner.readers()[0].tokenizer
    }

    /// Returns for each text encoder whether its vocabulary is the first one's, so that its gradients are gradients to the first one's
    /// tokens. The first one's own is.
    pub fn shares_vocabulary(&self) -> Vec<bool> {
        self.conditioner.readers().iter().map(|reader| reader.shares).collect()
    }

    /// Returns the tokens of prompts, as every text encoder reads them.
    ///
    /// # Errors
    /// Fails when a prompt cannot be tokenised.
    pub fn prompt_tokens(&self, prompts: &[impl AsRef<str>]) -> Result<PromptTokens, ConfigError> {
        self.conditioner.tokens(prompts)
    }

    /// Returns the tokens of prompts from those between begin and end, by the first tokenizer's ids; the other text encoders read their
    /// text ([`Tokenizer::decode`]).
    ///
    /// The tokens are taken as they are: whether a text is read as them is for the caller to check (see [`Tokenizer::vocabulary`]). Where
    /// none is, a text encoder that shares the vocabulary gets the same tokens.
    ///
    /// # Errors
    /// Refuses more tokens than [`Tokenizer::room`], and ids that are not in the encoder's table.
    pub fn tokens_of(&self, prompts: &[impl AsRef<[u32]>]) -> Result<PromptTokens, TokensError> {
        let of = |tokenizer: &Tokenizer, row: usize| {
            let tokens = prompts[row].as_ref();
            let too_many = || TokensError::Room { row, found: tokens.len(), room: tokenizer.room() };
            tokenizer.row(tokens).ok_or_else(too_many)
        };
        let tokenizer = self.tokenizer();
        let first: Vec<Vec<u32>> = (0..prompts.len()).map(|row| of(tokenizer, row)).collect::<Result<_, _>>()?;
        let mut ids = vec![first];
        for Reader { tokenizer: other, shares, .. } in &self.conditioner.readers()[1..] {
            let texts: Vec<String> = ids[0].iter().map(|ids| tokenizer.decode(ids)).collect();
            let mut rows = other.encode(&texts)?;
            if *shares {
                let read = tokenizer.encode(&texts)?;
                let cannot_be_typed = (0..prompts.len()).filter(|row| read[*row] != ids[0][*row]);
                for row in cannot_be_typed {
                    rows[row] = of(other, row)?;
                }
            }
            ids.push(rows);
        }
        let tokens = PromptTokens::new(ids);
        self.check_tokens(&tokens)?;
        Ok(tokens)
    }

    /// Returns what the denoiser is conditioned on by tokens, one row each: what [`Pipeline::encode_prompts`] returns for their prompts.
    ///
    /// # Errors
    /// Refuses the tokens of another pipeline.
    pub fn encode_tokens(&self, tokens: &PromptTokens) -> Result<TextContext, TokensError> {
        self.check_tokens(tokens)?;
        Ok(self.conditioner.encode_tokens(tokens))
    }

    /// Returns each text encoder's embeddings of all tokens, `[vocabulary, width]`, in the type of number that it computes in.
    pub fn token_tables(&self) -> Vec<Tensor<2>> {
        self.conditioner.readers().iter().map(|reader| reader.encoder.table()).collect()
    }

    /// Returns each text encoder's embeddings of tokens, before positions are added, `[rows, tokens, width]`.
    ///
    /// # Errors
    /// Refuses the tokens of another pipeline.
    pub fn embed_tokens(&self, tokens: &PromptTokens) -> Result<Vec<Tensor<3>>, TokensError> {
        self.check_tokens(tokens)?;
        let readers = self.conditioner.readers().iter().enumerate();
        Ok(readers.map(|(index, reader)| reader.encoder.embed(tokens.ids(index))).collect())
    }

    /// Returns what the denoiser is conditioned on by embeddings that stand for those of tokens; gradients flow to the embeddings that
    /// autodiff follows. With [`Pipeline::embed_tokens`] of the same tokens it returns the very values of [`Pipeline::encode_tokens`].
    ///
    /// burn's graphs are good for one backward pass: encode again for each, or take the gradient to a leaf of the context's states first
    /// and carry the sum back once.
    ///
    /// - `tokens`: where texts end, whose state is pooled
    ///
    /// # Shapes
    /// - `embedded`: for each text encoder, embeddings before positions are added, `[rows, tokens, width]`, in any type of number
    ///
    /// # Errors
    /// Refuses the tokens of another pipeline, and embeddings of other shapes.
    pub fn encode_embedded(&self, tokens: &PromptTokens, embedded: &[Tensor<3>]) -> Result<TextContext, TokensError> {
        self.check_tokens(tokens)?;
        self.check_embedded(tokens.rows(), embedded)?;
        let tables = self.token_tables();
        let embedded: Vec<Tensor<3>> =
            embedded.iter().zip(tables).map(|(own, table)| as_type(own.clone(), table.dtype().into())).collect();
        Ok(self.conditioner.encode_embedded(tokens, &embedded))
    }

    /// Returns the gradient with respect to the one-hot tokens of prompts, summed over the text encoders that share the first one's
    /// vocabulary (see [`one_hot_gradient`]). For Stable Diffusion's 77 tokens of 49 408 that is 15 MB for each row.
    ///
    /// # Shapes
    /// - `gradients`: for each text encoder, that of its embeddings, `[rows, tokens, width]`
    /// - returns `[rows, tokens, vocabulary]`, the vocabulary by the first tokenizer's ids
    ///
    /// # Errors
    /// Refuses gradients of other shapes.
    pub fn token_gradients(&self, gradients: &[Tensor<3>]) -> Result<Tensor<3>, TokensError> {
        self.check_embedded(gradients.first().map_or(0, |gradient| gradient.dims()[0]), gradients)?;
        let readers = self.conditioner.readers().iter().zip(gradients).filter(|(reader, _)| reader.shares);
        let parts = readers.map(|(reader, gradient)| one_hot_gradient(gradient, &reader.encoder.table()));
        Ok(parts.reduce(Tensor::add).unwrap_or_else(|| unreachable!("the first encoder has its own vocabulary")))
    }

    /// Refuses tokens that are not this pipeline's.
    fn check_tokens(&self, tokens: &PromptTokens) -> Result<(), TokensError> {
        let readers = self.conditioner.readers();
        let wanted: Vec<usize> = readers.iter().map(|reader| reader.tokenizer.length()).collect();
        let lengths = |(ids, wanted): (&Vec<Vec<u32>>, &usize)| {
            ids.iter().map(Vec::len).find(|length| length != wanted).unwrap_or(*wanted)
        };
        let found: Vec<usize> = tokens.ids.iter().zip(&wanted).map(lengths).collect();
        if found != wanted || tokens.encoders() != wanted.len() {
            return Err(TokensError::Tokens { found, wanted });
        }
        for (encoder, reader) in readers.iter().enumerate() {
            let size = reader.encoder.vocab_size();
            for (row, ids) in tokens.ids(encoder).iter().enumerate() {
                if let Some(id) = ids.iter().find(|id| **id as usize >= size) {
                    return Err(TokensError::Id { encoder, row, id: *id, size });
                }
            }
        }
        Ok(())
    }

    /// Refuses embeddings of other shapes than those of so many rows of tokens.
    fn check_embedded(&self, rows: usize, embedded: &[Tensor<3>]) -> Result<(), TokensError> {
        let shape = |reader: &Reader| [rows, reader.tokenizer.length(), reader.encoder.width()];
        let wanted: Vec<[usize; 3]> = self.conditioner.readers().iter().map(shape).collect();
        let found: Vec<[usize; 3]> = embedded.iter().map(Tensor::dims).collect();
        if found == wanted { Ok(()) } else { Err(TokensError::Embeddings { found, wanted }) }
    }
}
