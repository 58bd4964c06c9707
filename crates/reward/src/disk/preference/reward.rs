//! The reward.

use std::sync::{Arc, PoisonError, RwLock};

use burn::tensor::Tensor;
use moa_device::{from_host, to_host};
use moa_preference_model::RewardModel;

use super::{FittedPreference, PreferenceFeatures};
use crate::{Differentiable, Embeddings, GradientView, PictureEmbedder, Reward, RewardError, View};

/// Where a reward's model stands, which may be replaced while the reward is in use. Copies are the same place.
#[derive(Clone, Debug, Default)]
pub struct ModelSlot(Arc<RwLock<Option<Arc<RewardModel>>>>);

impl ModelSlot {
    /// Replaces the model; what is scored at this moment goes on with the one before.
    pub fn set(&self, model: RewardModel) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(model));
    }

    fn get(&self) -> Option<Arc<RewardModel>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The lower confidence bound `mean − pessimism·√variance` of what raters prefer, in logits of choice: of two images of a prompt whose
/// scores differ by 1, the better is preferred with 73 %. With pessimism 0 it is the mean.
///
/// The variance is large where nobody has judged, so that with pessimism training gains nothing by going there (Coste et al.,
/// 2310.02743, bound it by the least of an ensemble; here it is the posterior's).
pub struct Preference {
    name: String,
    model: ModelSlot,
    pessimism: f64,
    features: PreferenceFeatures,
}

impl Preference {
    /// Returns the reward of a fitted preference, whose CLIP `features` is.
    ///
    /// # Errors
    /// Refuses a CLIP of another width than the one that it was fitted on.
    pub fn new(
        name: impl Into<String>,
        fitted: FittedPreference,
        pessimism: f64,
        features: PreferenceFeatures,
    ) -> Result<Self, RewardError> {
        let (wanted, found) = (fitted.model.space().width(), features.width());
        if wanted != found {
            let problem = format!(
                "it takes {wanted} features, and this CLIP gives {found}: name the CLIP that it was fitted on, {}, as `clip`, or fit it again",
                fitted.origin.embedding
            );
            return Err(RewardError::file(fitted.path, problem));
        }
        let unfitted = Self::unfitted(name, pessimism, features);
        unfitted.model.set(fitted.model);
        Ok(unfitted)
    }

    /// Returns a reward that is to be fitted before it scores: see [`Reward::slot`].
    pub fn unfitted(name: impl Into<String>, pessimism: f64, features: PreferenceFeatures) -> Self {
        Self { name: name.into(), model: ModelSlot::default(), pessimism, features }
    }

    fn model(&self) -> Result<Arc<RewardModel>, RewardError> {
        self.model.get().ok_or_else(|| RewardError::Unjudged { reward: self.name.clone() })
    }

    fn scores(&self, model: &RewardModel, features: &[f32]) -> Vec<f32> {
        features.chunks_exact(self.features.width()).map(|x| model.lower(x, self.pessimism) as f32).collect()
    }
}

impl Reward for Preference {
    fn name(&self) -> &str {
        &self.name
    }

    fn score(&self, view: &View<'_>) -> Result<Vec<f32>, RewardError> {
        let embeddings = view.embeddings(self.features.embedder())?;
        Ok(self.scores(&*self.model()?, &self.features.rows(&embeddings, view.pictures().prompts())?))
    }

    fn slot(&self) -> Option<(&ModelSlot, &PreferenceFeatures)> {
        Some((&self.model, &self.features))
    }

    fn differentiable(&self) -> Option<&dyn Differentiable> {
        Some(self)
    }
}

impl Differentiable for Preference {
    /// Scores are computed in f64, as those without gradient; what autodiff sees is their tangent in the embeddings.
    fn score(&self, view: &GradientView<'_>) -> Result<Tensor<1>, RewardError> {
        let model = self.model()?;
        let leaf = view.embeddings(self.features.embedder())?;
        let (dims, device) = (leaf.dims(), view.pictures().pixels().device());
        let [count, width] = dims;
        let values = to_host(leaf.clone().inner());
        let prompts = view.pictures().prompts();
        let features = self.features.rows(&Embeddings::new(width, values), prompts)?;
        let mut slopes = Vec::with_capacity(count * width);
        for (x, prompt) in features.chunks_exact(self.features.width()).zip(prompts) {
            let slope = model.lower_gradient(x, self.pessimism);
            let (of_image, of_product) = slope.split_at(width);
            let factors = self.features.factors(prompt)?;
            let pairs = of_image.iter().zip(of_product).zip(factors);
            slopes.extend(pairs.map(|((image, product), factor)| (image + product * f64::from(factor)) as f32));
        }
        let slopes: Tensor<2> = from_host(slopes, dims, &device);
        let scores: Tensor<1> = from_host(self.scores(&model, &features), [count], &device);
        let moved = leaf.clone() - leaf.detach();
        let slope: Tensor<1> = (moved * slopes).sum_dim(1).squeeze_dim(1);
        Ok(slope + scores)
    }

    fn embedder(&self) -> Option<&PictureEmbedder> {
        Some(self.features.embedder())
    }
}
