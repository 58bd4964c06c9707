//! A CLIP with its tokenizer, which remembers the texts it has embedded.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use burn::tensor::Tensor;
use moa_diffusion::Tokenizer;

use crate::raster::host;
use crate::{Clip, RewardError};

/// Rows of unit length in CLIP's joint space.
#[derive(Clone, Debug, PartialEq)]
pub struct Embeddings {
    width: usize,
    values: Vec<f32>,
}

impl Embeddings {
    /// Returns the rows in `values`, `[n, width]` row-major.
    pub fn new(width: usize, values: Vec<f32>) -> Self {
        Self { width, values }
    }

    /// Returns row `index`.
    pub fn row(&self, index: usize) -> &[f32] {
        &self.values[index * self.width..(index + 1) * self.width]
    }

    /// Returns all rows.
    pub fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks_exact(self.width)
    }
}

/// Returns the cosine of two vectors of unit length, in [−1, 1].
pub fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot: f64 = a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum();
    dot.clamp(-1.0, 1.0) as f32
}

/// Embeds pictures and texts.
pub struct Embedder {
    clip: Clip,
    tokenizer: Tokenizer,
    known: Mutex<HashMap<String, Arc<[f32]>>>,
}

impl Embedder {
    /// Returns an embedder that knows no text yet.
    pub fn new(clip: Clip, tokenizer: Tokenizer) -> Self {
        Self { clip, tokenizer, known: Mutex::default() }
    }

    /// Returns the model.
    pub fn clip(&self) -> &Clip {
        &self.clip
    }

    /// Embeds pictures, `[n, 3, image_size, image_size]` in [0, 1].
    ///
    /// # Errors
    /// Refuses pictures of another size than the model's.
    pub fn pictures(&self, pixels: Tensor<4>) -> Result<Embeddings, RewardError> {
        let [_, channels, height, width] = pixels.dims();
        let vision = &self.clip.config().vision_config;
        let wanted = [vision.num_channels, vision.image_size, vision.image_size];
        if [channels, height, width] != wanted {
            let found = [channels, height, width];
            return Err(RewardError::PictureSize { model: "CLIP's picture tower", found, wanted });
        }
        let values = host(self.clip.embed_pictures(pixels.to_device(&self.clip.device())));
        Ok(Embeddings::new(self.clip.config().projection_dim, values))
    }

    /// Embeds a text, or recalls it.
    ///
    /// Every text is embedded by itself, so that its embedding does not depend, not even in the last bit, on the texts
    /// that were asked for beside it or before a run was resumed.
    ///
    /// # Errors
    /// Refuses a text that cannot be tokenised.
    pub fn text(&self, text: &str) -> Result<Arc<[f32]>, RewardError> {
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known().get(text) {
            return Ok(found.clone());
        }
        let embedding: Arc<[f32]> = host(self.clip.embed_texts(&self.tokenizer.encode(&[text])?)).into();
        known().insert(text.to_owned(), embedding.clone());
        Ok(embedding)
    }

    /// Returns the direction of several texts that mean the same: their mean, scaled to unit length (the prompt ensemble
    /// of Radford et al., 2103.00020 §3.1.4).
    ///
    /// # Errors
    /// Refuses texts that cannot be tokenised.
    pub fn ensemble(&self, texts: &[String]) -> Result<Vec<f32>, RewardError> {
        let mut mean = vec![0.0; self.clip.config().projection_dim];
        for text in texts {
            for (sum, value) in mean.iter_mut().zip(self.text(text)?.iter()) {
                *sum += value;
            }
        }
        let length = mean.iter().map(|value| value * value).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
        Ok(mean.into_iter().map(|value| value / length).collect())
    }
}
