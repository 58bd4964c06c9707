//! The rewards that are read from files.

use std::sync::Arc;

use burn::tensor::Tensor;
use moa_device::from_host;

use super::Checker;
use super::image_reward::ImageRewardModel;
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

    /// Returns HPSv2's score (Wu et al., 2306.09341) in the unit of its tables, 100 · cos; its `score` gives the cosine itself.
    pub(crate) fn hps(name: String, pictures: Arc<PictureEmbedder>, texts: Arc<TextEmbedder>) -> Self {
        Self::percent(name, pictures, texts)
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

/// ImageReward: how people would rate an image for its prompt, in standard deviations of the scores that it was standardised on.
pub(crate) struct ImageReward {
    name: String,
    model: Arc<ImageRewardModel>,
}

impl ImageReward {
    pub(crate) fn new(name: String, model: Arc<ImageRewardModel>) -> Self {
        Self { name, model }
    }
}

impl Reward for ImageReward {
    fn name(&self) -> &str {
        &self.name
    }

    fn score(&self, view: &View<'_>) -> Result<Vec<f32>, RewardError> {
        self.model.scores(view.pictures().prompts(), view.rasters())
    }

    fn differentiable(&self) -> Option<&dyn Differentiable> {
        Some(self)
    }
}

impl Differentiable for ImageReward {
    /// The gradient is computed here, a few images at a time, and given as that of a linear function with the scores' values: an image's
    /// score depends on no other image.
    fn score(&self, view: &GradientView<'_>) -> Result<Tensor<1>, RewardError> {
        let (scores, gradient) = self.model.gradient(view.pictures(), view.rasters())?;
        let (leaf, fixed) = (view.pixels(), view.pictures().pixels());
        let count = scores.len();
        let scores = from_host(scores, [count], &fixed.device());
        let along = ((leaf - fixed) * gradient).reshape([count as i64, -1]).sum_dim(1).squeeze_dim(1);
        Ok(along + scores)
    }

    fn has_slow_gradient(&self) -> bool {
        self.model.has_slow_gradient()
    }
}
