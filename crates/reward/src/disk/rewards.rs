//! The rewards that are read from files.

use std::sync::Arc;

use burn::tensor::Tensor;

use super::Checker;
use crate::{
    Differentiable, GradientView, LinearHead, PictureEmbedder, Reward, RewardError, TextEmbedder, View, cosine,
};

/// A factor times the cosine of image and prompt: the CLIP score (Hessel et al., 2104.08718) and preference models of
/// CLIP's form such as PickScore (Kirstain et al., 2305.01569).
///
/// The CLIP score is 100 · cos, torchmetrics' before it cuts at 0: a cut would tell a policy nothing there. Hessel et al.
/// write 2.5 · max(cos, 0), which ranks images in the same order.
pub(crate) struct ClipScore {
    name: String,
    scale: f32,
    pictures: Arc<PictureEmbedder>,
    texts: Arc<TextEmbedder>,
}

impl ClipScore {
    /// Returns the CLIP score.
    pub(crate) fn percent(name: String, pictures: Arc<PictureEmbedder>, texts: Arc<TextEmbedder>) -> Self {
        Self { name, scale: 100.0, pictures, texts }
    }

    /// Returns a preference model's score; `scale` is the model's e^`logit_scale`.
    pub(crate) fn logits(name: String, scale: f32, pictures: Arc<PictureEmbedder>, texts: Arc<TextEmbedder>) -> Self {
        Self { name, scale, pictures, texts }
    }
}

impl Reward for ClipScore {
    fn name(&self) -> &str {
        &self.name
    }

    fn score(&self, view: &View<'_>) -> Result<Vec<f32>, RewardError> {
        let embeddings = view.embeddings(&self.pictures)?;
        let score = |(picture, prompt): (&[f32], &String)| Ok(self.scale * cosine(picture, &self.texts.embed(prompt)?));
        embeddings.rows().zip(view.pictures().prompts()).map(score).collect()
    }

    fn differentiable(&self) -> Option<&dyn Differentiable> {
        Some(self)
    }
}

impl Differentiable for ClipScore {
    fn score(&self, view: &GradientView<'_>) -> Result<Tensor<1>, RewardError> {
        Ok(view.prompt_cosines(&self.pictures, &self.texts)? * self.scale)
    }

    fn embedder(&self) -> Option<&PictureEmbedder> {
        Some(&self.pictures)
    }
}

/// LAION's aesthetic predictor: w·e + b, where e is the image's embedding of unit length: an estimate of people's rating, where
/// ratings are in [1, 10]; not clamped.
pub(crate) struct LaionAesthetics {
    name: String,
    head: LinearHead,
    pictures: Arc<PictureEmbedder>,
}

impl LaionAesthetics {
    pub(crate) fn new(name: String, head: LinearHead, pictures: Arc<PictureEmbedder>) -> Self {
        Self { name, head, pictures }
    }
}

impl Reward for LaionAesthetics {
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

impl Differentiable for LaionAesthetics {
    fn score(&self, view: &GradientView<'_>) -> Result<Tensor<1>, RewardError> {
        Ok(self.head.apply_to(view.embeddings(&self.pictures)?))
    }

    fn embedder(&self) -> Option<&PictureEmbedder> {
        Some(&self.pictures)
    }
}

/// Minus the largest cosine − threshold over the safety checker's concepts, with its 0.01 of special care: how far an image
/// stays from being refused. Below −0.0005 diffusers blackens the image.
///
/// It is continuous but for the 0.01, and shares the checker's limits: it knows sexual content, and no violence.
pub(crate) struct SafetyChecker {
    name: String,
    checker: Arc<Checker>,
}

impl SafetyChecker {
    pub(crate) fn new(name: String, checker: Arc<Checker>) -> Self {
        Self { name, checker }
    }
}

impl Reward for SafetyChecker {
    fn name(&self) -> &str {
        &self.name
    }

    fn score(&self, view: &View<'_>) -> Result<Vec<f32>, RewardError> {
        let embeddings = view.embeddings(self.checker.pictures())?;
        Ok(embeddings.rows().map(|row| -self.checker.verdict(row).margin).collect())
    }

    fn differentiable(&self) -> Option<&dyn Differentiable> {
        Some(self)
    }
}

impl Differentiable for SafetyChecker {
    fn score(&self, view: &GradientView<'_>) -> Result<Tensor<1>, RewardError> {
        Ok(-self.checker.margins(view.embeddings(self.checker.pictures())?))
    }

    fn embedder(&self) -> Option<&PictureEmbedder> {
        Some(self.checker.pictures())
    }
}
