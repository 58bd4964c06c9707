//! Safety: 1 − P(unsafe), by concept embeddings in CLIP space (the form of Stable Diffusion's safety checker; Rando et
//! al., 2210.04610, describe that one and its limits).

use std::sync::Arc;

use burn::tensor::Tensor;
use burn::tensor::activation::sigmoid;

use crate::{Differentiable, Embedder, GradientView, PictureEmbedder, Reward, RewardError, SafetyHead, View, cosine};

/// Π_c (1 − p_c) with p_c = σ(a_c · (cos(e, t_c) − θ_c)) over the unsafe concepts c, where e is the picture's embedding
/// and t_c the direction of the concept's texts.
///
/// It only knows the concepts of its head: a picture can be unsafe in ways that it cannot see.
pub struct Safety {
    name: String,
    probes: Vec<Probe>,
    pictures: Arc<PictureEmbedder>,
}

struct Probe {
    direction: Vec<f32>,
    slope: f32,
    threshold: f32,
}

impl Safety {
    /// Returns the reward under a name; the concepts' texts are embedded once, here.
    ///
    /// # Errors
    /// Refuses texts that cannot be tokenised.
    pub fn new(name: impl Into<String>, head: &SafetyHead, embedder: &Embedder) -> Result<Self, RewardError> {
        let probe = |concept: &crate::SafetyConcept| {
            let direction = embedder.text_embedder().ensemble(&concept.texts)?;
            Ok(Probe { direction, slope: concept.slope, threshold: concept.threshold })
        };
        let probes = head.concepts.iter().map(probe).collect::<Result<_, RewardError>>()?;
        Ok(Self { name: name.into(), probes, pictures: embedder.picture_embedder().clone() })
    }
}

impl Reward for Safety {
    fn name(&self) -> &str {
        &self.name
    }

    fn score(&self, view: &View<'_>) -> Result<Vec<f32>, RewardError> {
        let safe = |row: &[f32]| {
            let absent = |probe: &Probe| {
                let logit = probe.slope * (cosine(row, &probe.direction) - probe.threshold);
                1.0 / (1.0 + f64::from(logit).exp())
            };
            self.probes.iter().map(absent).product::<f64>() as f32
        };
        Ok(view.embeddings(&self.pictures)?.rows().map(safe).collect())
    }

    fn differentiable(&self) -> Option<&dyn Differentiable> {
        Some(self)
    }
}

impl Differentiable for Safety {
    fn score(&self, view: &GradientView<'_>) -> Result<Tensor<1>, RewardError> {
        let embeddings = view.embeddings(&self.pictures)?;
        let device = view.pictures().pixels().device();
        let mut product: Option<Tensor<1>> = None;
        for Probe { direction, slope, threshold } in &self.probes {
            let direction = Tensor::<1>::from_floats(direction.as_slice(), &device).unsqueeze_dim(1);
            let cosines = embeddings.clone().matmul(direction).squeeze_dim(1);
            let absent = sigmoid((cosines - *threshold) * -*slope);
            product = Some(match product {
                Some(product) => product * absent,
                None => absent,
            });
        }
        Ok(product.unwrap_or_else(|| Tensor::ones([view.pictures().len()], &device).autodiff()))
    }

    fn embedder(&self) -> Option<&PictureEmbedder> {
        Some(&self.pictures)
    }
}
