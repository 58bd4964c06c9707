//! A CLIP with its tokenizer, which remembers the texts it has embedded; and its two halves, which rewards share.

mod pictures;
mod texts;

use std::sync::Arc;

use burn::tensor::Tensor;
use moa_diffusion::Tokenizer;

pub use pictures::{PictureEmbedder, Processing};
pub use texts::TextEmbedder;

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

/// Embeds images and texts in one space.
#[derive(Clone)]
pub struct Embedder {
    pictures: Arc<PictureEmbedder>,
    texts: Arc<TextEmbedder>,
}

impl Embedder {
    /// Returns an embedder that knows no text yet. Images must come at the tower's size, and are normalised by the model's
    /// [`Preprocessor`](crate::Preprocessor).
    pub fn new(clip: Clip, tokenizer: Tokenizer) -> Self {
        let processing = Processing::Normalised(clip.preprocessor().clone());
        let (pictures, texts) = clip.into_towers();
        Self {
            pictures: Arc::new(PictureEmbedder::new(pictures, processing)),
            texts: Arc::new(TextEmbedder::new(texts, tokenizer)),
        }
    }

    /// Returns the image half.
    pub fn picture_embedder(&self) -> &Arc<PictureEmbedder> {
        &self.pictures
    }

    /// Returns the text half.
    pub fn text_embedder(&self) -> &Arc<TextEmbedder> {
        &self.texts
    }

    /// Embeds images, as [`PictureEmbedder::embed`] does.
    ///
    /// # Errors
    /// Refuses images of another size than the model's.
    pub fn pictures(&self, pixels: Tensor<4>) -> Result<Embeddings, RewardError> {
        self.pictures.embed(pixels)
    }

    /// Embeds a text, or recalls it, as [`TextEmbedder::embed`] does.
    ///
    /// # Errors
    /// Refuses a text that cannot be tokenised.
    pub fn text(&self, text: &str) -> Result<Arc<[f32]>, RewardError> {
        self.texts.embed(text)
    }
}
