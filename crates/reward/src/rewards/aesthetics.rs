//! Aesthetics: a linear head on CLIP's image embedding, the form of LAION's aesthetic predictor.

use std::sync::Arc;

use burn::tensor::Tensor;

use crate::{Differentiable, GradientView, LinearHead, PictureEmbedder, Reward, RewardError, View};

/// w·e + b, where e is the image's embedding and (w, b) a head fitted to ratings (see [`crate::rater`]): an estimate of the rating,
/// where ratings are in [0, 1]; not clamped.
pub struct Aesthetics {
    name: String,
    head: LinearHead,
    pictures: Arc<PictureEmbedder>,
}

impl Aesthetics {
    /// Returns the reward under a name.
    ///
    /// # Errors
    /// Refuses a head of another width than the CLIP's joint space.
    pub fn new(name: impl Into<String>, head: LinearHead, pictures: Arc<PictureEmbedder>) -> Result<Self, RewardError> {
        if head.weights.len() != pictures.width() {
            let value = format!("{} numbers", head.weights.len());
            let wanted = "one number per dimension of CLIP's joint space: do head and CLIP belong together?";
            return Err(RewardError::Field { file: "the aesthetics head", field: "weights", value, wanted });
        }
        Ok(Self { name: name.into(), head, pictures })
    }
}

impl Reward for Aesthetics {
    fn name(&self) -> &str {
        &self.name
    }

    fn score(&self, view: &View<'_>) -> Result<Vec<f32>, RewardError> {
        Ok(view.embeddings(&self.pictures)?.rows().map(|row| self.head.apply(row)).collect())
    }

    fn differentiable(&self) -> Option<&dyn Differentiable> {
        Some(self)
    }
}

impl Differentiable for Aesthetics {
    fn score(&self, view: &GradientView<'_>) -> Result<Tensor<1>, RewardError> {
        Ok(self.head.apply_to(view.embeddings(&self.pictures)?))
    }

    fn embedder(&self) -> Option<&PictureEmbedder> {
        Some(&self.pictures)
    }
}
