//! A batch of images with their prompts.

use std::ops::Range;

use burn::tensor::{Device, Tensor};
use moa_device::{from_host, to_host};

use crate::RewardError;

/// Images on a device, their prompts, and how many belong to each prompt.
///
/// The images of a prompt are neighbours: rows `0..group` show the first prompt, and so on.
#[derive(Clone, Debug)]
pub struct Pictures {
    pixels: Tensor<4>,
    prompts: Vec<String>,
    group: usize,
}

impl Pictures {
    /// Returns a batch.
    ///
    /// # Shapes
    /// - `pixels`: `[n, 3, height, width]` in [0, 1]
    /// - `prompts`: n, one per image
    ///
    /// # Errors
    /// Refuses batches that are not made of whole groups of images of one prompt each.
    pub fn new(pixels: Tensor<4>, prompts: Vec<String>, group: usize) -> Result<Self, RewardError> {
        let [pictures, channels, height, width] = pixels.dims();
        let refuse = |wanted| Err(RewardError::Batch { pictures, prompts: prompts.len(), group, wanted });
        if channels != 3 {
            let wanted = [3, height, width];
            return Err(RewardError::PictureSize { model: "every reward", found: [channels, height, width], wanted });
        }
        if prompts.len() != pictures {
            return refuse("give one prompt per image");
        }
        if group == 0 || pictures % group != 0 {
            return refuse("give as many images of every prompt as a group has");
        }
        if prompts.chunks(group).any(|prompts| prompts.iter().any(|prompt| *prompt != prompts[0])) {
            return refuse("the images of a group must share one prompt");
        }
        Ok(Self { pixels: pixels.without_autodiff(), prompts, group })
    }

    /// Returns some of the images: whole groups, by their places.
    pub(crate) fn part(&self, range: Range<usize>) -> Self {
        let pixels = self.pixels.clone().narrow(0, range.start, range.len());
        Self { pixels, prompts: self.prompts[range].to_vec(), group: self.group }
    }

    /// Returns the images on a device.
    pub(crate) fn to(&self, device: &Device) -> Self {
        Self { pixels: moved(self.pixels(), device), ..self.clone() }
    }

    /// Returns the number of images.
    pub fn len(&self) -> usize {
        self.prompts.len()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.prompts.is_empty()
    }

    /// Returns the number of images of each prompt.
    pub fn group(&self) -> usize {
        self.group
    }

    /// Returns the prompt of each image.
    pub fn prompts(&self) -> &[String] {
        &self.prompts
    }

    /// Returns the pixels, `[n, 3, height, width]` in [0, 1].
    pub fn pixels(&self) -> Tensor<4> {
        self.pixels.clone()
    }
}

/// Returns a tensor on a device: as it is, where it is there; by way of the host elsewhere, as backends have nothing else in common.
pub(crate) fn moved(x: Tensor<4>, device: &Device) -> Tensor<4> {
    let dims = x.dims();
    if x.device().without_autodiff() == *device { x } else { from_host(to_host(x), dims, device) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_that_are_not_whole_groups_are_refused() {
        let pixels = || Tensor::<4>::zeros([4, 3, 2, 2], &Device::flex());
        let prompts = |texts: [&str; 4]| texts.map(str::to_owned).to_vec();
        assert!(Pictures::new(pixels(), prompts(["a", "a", "b", "b"]), 2).is_ok());
        assert!(Pictures::new(pixels(), prompts(["a", "b", "a", "b"]), 2).is_err());
        assert!(Pictures::new(pixels(), prompts(["a", "a", "a", "b"]), 3).is_err());
        assert!(Pictures::new(pixels(), prompts(["a", "a", "a", "b"]), 0).is_err());
        assert!(Pictures::new(pixels(), vec!["a".into()], 1).is_err());
        let grey = Tensor::<4>::zeros([1, 1, 2, 2], &Device::flex());
        assert!(Pictures::new(grey, vec!["a".into()], 1).is_err());
    }
}
