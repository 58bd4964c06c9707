//! The images that may be judged, in the coordinates of their own spread.

use std::sync::Arc;

use crate::error::{PreferenceModelError, Result};
use crate::features::Features;
use crate::linear::{Matrix, dot, norm2};
use crate::space::{Space, SpaceSettings};

/// All images of an experiment, judged or not, in one space. It is computed once; models are fitted to it again and again.
#[derive(Clone, Debug)]
pub struct Pool {
    space: Arc<Space>,
    coordinates: Matrix,
}

impl Pool {
    /// Finds the space of these images, and places them in it.
    ///
    /// # Errors
    /// Those of [`Space::of`].
    pub fn new(features: &Features, settings: &SpaceSettings) -> Result<Self> {
        let space = Space::of(features, settings)?;
        let coordinates = space.coordinates(features);
        Ok(Self { space: Arc::new(space), coordinates })
    }

    /// Finds the space of what images of one prompt differ in, and places the images in it; `prompts` has each image's prompt
    /// ([`Space::within`]).
    ///
    /// # Errors
    /// Those of [`Space::within`].
    pub fn of_prompts(features: &Features, prompts: &[usize], settings: &SpaceSettings) -> Result<Self> {
        let space = Space::within(features, prompts, settings)?;
        let coordinates = space.coordinates(features);
        Ok(Self { space: Arc::new(space), coordinates })
    }

    /// Places images in a space that is known, such as that of a fitted model.
    ///
    /// # Errors
    /// Refuses features of another width.
    pub fn within(space: Arc<Space>, features: &Features) -> Result<Self> {
        if features.width() != space.width() {
            let problem = format!("images have {} features, the space has {}", features.width(), space.width());
            return Err(PreferenceModelError::Features { problem });
        }
        let coordinates = space.coordinates(features);
        Ok(Self { space, coordinates })
    }

    /// Returns how many images there are.
    pub fn len(&self) -> usize {
        self.coordinates.rows
    }

    /// Returns whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.coordinates.rows == 0
    }

    /// Returns the space.
    pub fn space(&self) -> &Arc<Space> {
        &self.space
    }

    pub(crate) fn coordinates(&self) -> &Matrix {
        &self.coordinates
    }

    /// Returns the distance of two images, in standard deviations over the pool: in coordinates that all have variance 1.
    pub fn distance(&self, a: usize, b: usize) -> f64 {
        let (a, b) = (self.coordinates.row(a), self.coordinates.row(b));
        (norm2(a) + norm2(b) - 2.0 * dot(a, b)).max(0.0).sqrt()
    }
}
