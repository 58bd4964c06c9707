//! What rewards look at: a batch of images, and what is derived from it once for all of them.

use std::cell::{OnceCell, RefCell};
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;

use crate::detector::{Detected, Detector};
use crate::{Embeddings, PictureEmbedder, Pictures, Raster, RewardError};

/// What models make of one batch, each computed when first asked for.
pub(crate) struct ByModel<M, T>(RefCell<Vec<(Arc<M>, Rc<T>)>>);

impl<M, T> Default for ByModel<M, T> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<M, T> ByModel<M, T> {
    /// Returns what a model has made, or has it made.
    pub(crate) fn get<E>(&self, model: &Arc<M>, make: impl FnOnce() -> Result<T, E>) -> Result<Rc<T>, E> {
        if let Some((_, found)) = self.0.borrow().iter().find(|(other, _)| Arc::ptr_eq(other, model)) {
            return Ok(found.clone());
        }
        let made = Rc::new(make()?);
        self.0.borrow_mut().push((model.clone(), made.clone()));
        Ok(made)
    }
}

/// A batch of images with its embeddings by each CLIP and its pixels on the host, each computed when first asked for.
pub struct View<'a> {
    pictures: &'a Pictures,
    embeddings: ByModel<PictureEmbedder, Embeddings>,
    detected: ByModel<Detector, Detected>,
    rasters: OnceCell<Vec<Raster>>,
}

impl<'a> View<'a> {
    /// Returns the view of a batch.
    pub fn new(pictures: &'a Pictures) -> Self {
        Self { pictures, embeddings: ByModel::default(), detected: ByModel::default(), rasters: OnceCell::new() }
    }

    /// Returns the batch.
    pub fn pictures(&self) -> &Pictures {
        self.pictures
    }

    /// Returns the images' embeddings, of unit length; computed once for all rewards that share the embedder.
    ///
    /// # Errors
    /// Refuses images of a size that the embedder cannot take.
    pub fn embeddings(&self, embedder: &Arc<PictureEmbedder>) -> Result<Rc<Embeddings>, RewardError> {
        self.embeddings.get(embedder, || embedder.embed(self.pictures.pixels()))
    }

    /// Returns what a detector sees in the images; computed once for all rewards that share it.
    pub fn detected(&self, detector: &Arc<Detector>) -> Rc<Detected> {
        let Ok(found) = self.detected.get(detector, || Ok::<_, Infallible>(detector.detect(self.pictures.pixels())));
        found
    }

    /// Returns the pixels on the host.
    pub fn rasters(&self) -> &[Raster] {
        self.rasters.get_or_init(|| Raster::of(self.pictures.pixels()))
    }
}
