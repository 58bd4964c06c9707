//! The simulated rater's own rating.

use super::per_picture;
use crate::{Reward, RewardError, View, rater};

/// The rating of the formula that stands for a person's taste where raters are simulated ([`rater`]), 0 to 1.
pub struct Taste {
    name: String,
}

impl Taste {
    /// Returns the reward under a name.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into() }
    }
}

impl Reward for Taste {
    fn name(&self) -> &str {
        &self.name
    }

    fn score(&self, view: &View<'_>) -> Result<Vec<f32>, RewardError> {
        Ok(per_picture(view, |raster| rater::rate(raster).total()))
    }
}
