//! What rewards look at: a batch of pictures, and what is derived from it once for all of them.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use crate::detector::{Detected, Detector};
use crate::{Embeddings, PictureEmbedder, Pictures, Raster, RewardError};

/// A batch of pictures with its embeddings by each CLIP and its pixels on the host, each computed when first asked for.
pub struct View<'a> {
    pictures: &'a Pictures,
    embeddings: RefCell<Vec<(Arc<PictureEmbedder>, Rc<Embeddings>)>>,
    detected: RefCell<Vec<(Arc<Detector>, Rc<Detected>)>>,
    rasters: OnceCell<Vec<Raster>>,
}

impl<'a> View<'a> {
    /// Returns the view of a batch.
    pub fn new(pictures: &'a Pictures) -> Self {
        Self { pictures, embeddings: RefCell::default(), detected: RefCell::default(), rasters: OnceCell::new() }
    }

    /// Returns the batch.
    pub fn pictures(&self) -> &Pictures {
        self.pictures
    }

    /// Returns the pictures' embeddings, of unit length; computed once for all rewards that share the embedder.
    ///
    /// # Errors
    /// Refuses pictures of a size that the embedder cannot take.
    pub fn embeddings(&self, embedder: &Arc<PictureEmbedder>) -> Result<Rc<Embeddings>, RewardError> {
        let known = |(other, _): &&(Arc<PictureEmbedder>, _)| Arc::ptr_eq(other, embedder);
        if let Some((_, found)) = self.embeddings.borrow().iter().find(known) {
            return Ok(found.clone());
        }
        let found = Rc::new(embedder.embed(self.pictures.pixels())?);
        self.embeddings.borrow_mut().push((embedder.clone(), found.clone()));
        Ok(found)
    }

    /// Returns what a detector sees in the pictures; computed once for all rewards that share it.
    pub fn detected(&self, detector: &Arc<Detector>) -> Rc<Detected> {
        if let Some((_, found)) = self.detected.borrow().iter().find(|(other, _)| Arc::ptr_eq(other, detector)) {
            return found.clone();
        }
        let found = Rc::new(detector.detect(self.pictures.pixels()));
        self.detected.borrow_mut().push((detector.clone(), found.clone()));
        found
    }

    /// Returns the pixels on the host.
    pub fn rasters(&self) -> &[Raster] {
        self.rasters.get_or_init(|| Raster::of(self.pictures.pixels()))
    }
}
