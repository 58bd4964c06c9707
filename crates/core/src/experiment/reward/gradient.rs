//! Which rewards have a gradient.

use super::RewardKind;

impl RewardKind {
    /// Returns whether the reward can be differentiated with respect to the image.
    pub fn has_gradient(&self) -> bool {
        !matches!(
            self,
            Self::Compressibility { .. }
                | Self::Incompressibility { .. }
                | Self::Program(_)
                | Self::Http(_)
                | Self::Onnx(_)
        )
    }
}
