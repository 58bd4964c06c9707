//! Texts into CLIP's joint space.

use moa_device::to_host;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use moa_diffusion::Tokenizer;

use crate::{RewardError, TextTower};

/// A text tower with its tokenizer, which remembers the texts it has embedded.
pub struct TextEmbedder {
    tower: TextTower,
    tokenizer: Tokenizer,
    known: Mutex<HashMap<String, Arc<[f32]>>>,
}

impl TextEmbedder {
    /// Returns an embedder that knows no text yet.
    pub fn new(tower: TextTower, tokenizer: Tokenizer) -> Self {
        Self { tower, tokenizer, known: Mutex::default() }
    }

    /// Embeds a text, or recalls it; returns a row of unit length.
    ///
    /// Every text is embedded by itself, so that its embedding does not depend, not even in the last bit, on the texts
    /// that were asked for beside it or before a run was resumed.
    ///
    /// # Errors
    /// Refuses a text that cannot be tokenised.
    pub fn embed(&self, text: &str) -> Result<Arc<[f32]>, RewardError> {
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known().get(text) {
            return Ok(found.clone());
        }
        let embedding: Arc<[f32]> = to_host(self.tower.embed(&self.tokenizer.encode(&[text])?)).into();
        known().insert(text.to_owned(), embedding.clone());
        Ok(embedding)
    }
}
