//! What a fitted preference sees of an image and its prompt.

use std::sync::Arc;

use crate::{Embedder, Embeddings, PictureEmbedder, Pictures, RewardError, TextEmbedder};

/// The features `[e, √d·(e ⊙ t)]` of an image with embedding e and its prompt with embedding t, both of unit length with d numbers
/// each, by one CLIP: a linear head on them knows what an image is like, and how that fits what was asked.
///
/// The factor brings the numbers of both halves to the same size.
#[derive(Clone)]
pub struct PreferenceFeatures {
    pictures: Arc<PictureEmbedder>,
    texts: Arc<TextEmbedder>,
}

impl PreferenceFeatures {
    /// Returns the features by the two halves of one CLIP.
    pub fn new(pictures: Arc<PictureEmbedder>, texts: Arc<TextEmbedder>) -> Self {
        Self { pictures, texts }
    }

    /// Returns how many features an image has.
    pub fn width(&self) -> usize {
        2 * self.pictures.width()
    }

    /// Returns the image half of the CLIP.
    pub fn embedder(&self) -> &Arc<PictureEmbedder> {
        &self.pictures
    }

    /// Computes the features of images.
    ///
    /// # Shapes
    /// Returns `[n, width]`, row by row.
    ///
    /// # Errors
    /// Refuses images of a size that the CLIP cannot take, and prompts that cannot be tokenised.
    pub fn of(&self, pictures: &Pictures) -> Result<Vec<f32>, RewardError> {
        self.rows(&self.pictures.embed(pictures.pixels())?, pictures.prompts())
    }

    /// Returns the features of images that are embedded.
    pub(super) fn rows(&self, embeddings: &Embeddings, prompts: &[String]) -> Result<Vec<f32>, RewardError> {
        let mut values = Vec::with_capacity(prompts.len() * self.width());
        for (row, prompt) in embeddings.rows().zip(prompts) {
            values.extend_from_slice(row);
            values.extend(row.iter().zip(&self.factors(prompt)?).map(|(e, factor)| e * factor));
        }
        Ok(values)
    }

    /// Returns √d·t: what an image's embedding is multiplied by.
    pub(super) fn factors(&self, prompt: &str) -> Result<Vec<f32>, RewardError> {
        let text = self.texts.embed(prompt)?;
        let scale = (text.len() as f32).sqrt();
        Ok(text.iter().map(|t| scale * t).collect())
    }
}

impl From<&Embedder> for PreferenceFeatures {
    fn from(embedder: &Embedder) -> Self {
        Self::new(embedder.picture_embedder().clone(), embedder.text_embedder().clone())
    }
}
