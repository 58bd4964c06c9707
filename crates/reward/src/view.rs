//! What rewards look at: a batch of pictures, and what is derived from it once for all of them.

use std::cell::OnceCell;

use crate::{Embedder, Embeddings, Pictures, Raster, RewardError};

/// A batch of pictures with its CLIP embeddings and its pixels on the host, each computed when first asked for.
pub struct View<'a> {
    pictures: &'a Pictures,
    embedder: &'a Embedder,
    embeddings: OnceCell<Embeddings>,
    rasters: OnceCell<Vec<Raster>>,
}

impl<'a> View<'a> {
    /// Returns the view of a batch through a CLIP.
    pub fn new(pictures: &'a Pictures, embedder: &'a Embedder) -> Self {
        Self { pictures, embedder, embeddings: OnceCell::new(), rasters: OnceCell::new() }
    }

    /// Returns the batch.
    pub fn pictures(&self) -> &Pictures {
        self.pictures
    }

    /// Returns the CLIP.
    pub fn embedder(&self) -> &Embedder {
        self.embedder
    }

    /// Returns the pictures' embeddings, of unit length.
    ///
    /// # Errors
    /// Refuses pictures of another size than the CLIP's.
    pub fn embeddings(&self) -> Result<&Embeddings, RewardError> {
        if let Some(known) = self.embeddings.get() {
            return Ok(known);
        }
        let found = self.embedder.pictures(self.pictures.pixels())?;
        Ok(self.embeddings.get_or_init(|| found))
    }

    /// Returns the pixels on the host.
    pub fn rasters(&self) -> &[Raster] {
        self.rasters.get_or_init(|| Raster::of(self.pictures.pixels()))
    }
}
