//! Text alignment: the CLIP score of image and prompt (Hessel et al., 2104.08718).

use burn::tensor::Tensor;

use crate::{Differentiable, Embedder, GradientView, PictureEmbedder, Reward, RewardError, View, cosine};

/// (1 + cos) / 2 of the embeddings of image and prompt.
pub struct Alignment {
    name: String,
    embedder: Embedder,
}

impl Alignment {
    /// Returns the reward under a name.
    pub fn new(name: impl Into<String>, embedder: Embedder) -> Self {
        Self { name: name.into(), embedder }
    }
}

impl Reward for Alignment {
    fn name(&self) -> &str {
        &self.name
    }

    fn score(&self, view: &View<'_>) -> Result<Vec<f32>, RewardError> {
        let embeddings = view.embeddings(self.embedder.picture_embedder())?;
        let rows = embeddings.rows();
        rows.zip(view.pictures().prompts())
            .map(|(picture, prompt)| Ok(f32::midpoint(1.0, cosine(picture, &self.embedder.text(prompt)?))))
            .collect()
    }

    fn differentiable(&self) -> Option<&dyn Differentiable> {
        Some(self)
    }
}

impl Differentiable for Alignment {
    fn score(&self, view: &GradientView<'_>) -> Result<Tensor<1>, RewardError> {
        let cosines = view.prompt_cosines(self.embedder.picture_embedder(), self.embedder.text_embedder())?;
        Ok((cosines + 1.0) * 0.5)
    }

    fn embedder(&self) -> Option<&PictureEmbedder> {
        Some(self.embedder.picture_embedder())
    }
}
