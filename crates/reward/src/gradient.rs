//! Scores with a gradient to the images.
//!
//! Each reward computes its scores from leaves of autodiff: the pixels themselves, or the images' embeddings by a CLIP. One
//! backward pass gives the gradient of all rewards' weighted sum at those leaves; then each CLIP takes the gradient of its
//! embeddings back to the pixels, once for all rewards on it, a few rows at a time however many images a reward compares
//! (Gao et al., 2101.06983, call that gradient caching).

use std::cell::{OnceCell, RefCell};
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;

use burn::tensor::Tensor;
use moa_device::from_host;

use crate::clip::Followed;
use crate::detector::{Detected, Detector};
use crate::view::ByModel;
use crate::{PictureEmbedder, Pictures, Raster, RewardError, TextEmbedder};

/// A reward whose scores have a gradient to the images.
pub trait Differentiable {
    /// Returns one score per image, `[n]`, with autodiff: the numbers of [`Reward::score`](crate::Reward::score) up to rounding,
    /// computed from the view's pixels or embeddings.
    ///
    /// # Errors
    /// Says why the images cannot be scored.
    fn score(&self, view: &GradientView<'_>) -> Result<Tensor<1>, RewardError>;

    /// Returns the CLIP whose embeddings it scores; nothing where it scores pixels.
    fn embedder(&self) -> Option<&PictureEmbedder> {
        None
    }

    /// Returns whether the gradient takes several times as long as it might, as no engine of the CPU computes it.
    fn has_slow_gradient(&self) -> bool {
        self.embedder().is_some_and(PictureEmbedder::has_slow_gradient)
    }
}

/// A batch of images as leaves of autodiff: its pixels, and its embeddings by each CLIP, computed once when first asked for.
pub struct GradientView<'a> {
    pictures: &'a Pictures,
    pixels: OnceCell<Tensor<4>>,
    embeddings: RefCell<Vec<Embedded>>,
    detected: ByModel<Detector, Detected>,
    rasters: OnceCell<Vec<Raster>>,
}

/// The embeddings of the batch by one CLIP.
struct Embedded {
    embedder: Arc<PictureEmbedder>,
    leaf: Tensor<2>,
    followed: Followed,
}

impl<'a> GradientView<'a> {
    /// Returns the view of a batch.
    pub fn new(pictures: &'a Pictures) -> Self {
        Self {
            pictures,
            pixels: OnceCell::new(),
            embeddings: RefCell::default(),
            detected: ByModel::default(),
            rasters: OnceCell::new(),
        }
    }

    /// Returns the batch.
    pub fn pictures(&self) -> &Pictures {
        self.pictures
    }

    /// Returns the pixels with autodiff, `[n, 3, height, width]` in [0, 1].
    pub fn pixels(&self) -> Tensor<4> {
        self.pixels.get_or_init(|| self.pictures.pixels().autodiff().require_grad()).clone()
    }

    /// Returns what a detector sees in the images, with autodiff from the pixels; computed once for all rewards that share it.
    pub fn detected(&self, detector: &Arc<Detector>) -> Rc<Detected> {
        let Ok(found) = self.detected.get(detector, || Ok::<_, Infallible>(detector.detect(self.pixels())));
        found
    }

    /// Returns the pixels on the host, for what has no gradient.
    pub fn rasters(&self) -> &[Raster] {
        self.rasters.get_or_init(|| Raster::of(self.pictures.pixels()))
    }

    /// Returns the images' embeddings with autodiff, `[n, width]`, of unit length, on the images' device.
    ///
    /// # Errors
    /// Refuses images of a size that the embedder cannot take.
    pub fn embeddings(&self, embedder: &Arc<PictureEmbedder>) -> Result<Tensor<2>, RewardError> {
        if let Some(found) = self.embeddings.borrow().iter().find(|known| Arc::ptr_eq(&known.embedder, embedder)) {
            return Ok(found.leaf.clone());
        }
        let pixels = self.pictures.pixels();
        let device = pixels.device();
        let (embeddings, followed) = embedder.follow(pixels)?;
        let leaf = embeddings.to_device(&device).autodiff().require_grad();
        self.embeddings.borrow_mut().push(Embedded { embedder: embedder.clone(), leaf: leaf.clone(), followed });
        Ok(leaf)
    }

    /// Returns the cosine of each image with its prompt, `[n]`, with autodiff.
    ///
    /// # Errors
    /// Refuses images of a size that the embedder cannot take, and prompts that cannot be tokenised.
    pub fn prompt_cosines(
        &self,
        pictures: &Arc<PictureEmbedder>,
        texts: &TextEmbedder,
    ) -> Result<Tensor<1>, RewardError> {
        let embeddings = self.embeddings(pictures)?;
        let (dims, mut values) = (embeddings.dims(), Vec::new());
        for prompt in self.pictures.prompts() {
            values.extend_from_slice(&texts.embed(prompt)?);
        }
        let texts = from_host(values, dims, &self.pictures.pixels().device());
        Ok((embeddings * texts).sum_dim(1).squeeze_dim(1))
    }

    /// Returns the gradient of a number that was computed from this view, `[n, 3, height, width]`, without autodiff.
    pub(crate) fn pull_back(self, total: &Tensor<1>) -> Tensor<4> {
        let mut gradients = total.backward();
        let pixels = self.pictures.pixels();
        let direct = self.pixels.into_inner().and_then(|leaf| leaf.grad_remove(&mut gradients));
        let mut sum = direct.unwrap_or_else(|| pixels.zeros_like());
        for Embedded { embedder, leaf, followed } in self.embeddings.into_inner() {
            if let Some(gradient) = leaf.grad_remove(&mut gradients) {
                sum = sum + embedder.pull_back(pixels.clone(), followed, gradient);
            }
        }
        sum
    }
}
