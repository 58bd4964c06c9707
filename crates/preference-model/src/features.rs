//! The feature vectors of images.

use crate::error::{PreferenceModelError, Result};

/// A table of feature vectors, one row per image: what a CLIP or another network makes of it, or of it and its prompt.
#[derive(Clone, Debug, PartialEq)]
pub struct Features {
    width: usize,
    values: Vec<f32>,
}

impl Features {
    /// Takes the rows one after the other.
    ///
    /// # Shapes
    /// `values` is `[images, width]`.
    ///
    /// # Errors
    /// Refuses a width of 0, a last row that is not whole, and values that are not finite.
    pub fn new(width: usize, values: Vec<f32>) -> Result<Self> {
        let problem = if width == 0 {
            Some("the width is 0".to_owned())
        } else if !values.len().is_multiple_of(width) {
            Some(format!("{} values are no whole rows of {width}", values.len()))
        } else {
            values.iter().position(|value| !value.is_finite()).map(|at| {
                format!("value {} of image {} is {}: give finite numbers", at % width, at / width, values[at])
            })
        };
        match problem {
            Some(problem) => Err(PreferenceModelError::Features { problem }),
            None => Ok(Self { width, values }),
        }
    }

    /// Returns how many numbers describe an image.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Returns how many images there are.
    pub fn len(&self) -> usize {
        self.values.len() / self.width
    }

    /// Returns whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Returns an image's features.
    pub fn row(&self, image: usize) -> &[f32] {
        &self.values[image * self.width..(image + 1) * self.width]
    }
}
