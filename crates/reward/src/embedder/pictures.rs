//! Images into CLIP's joint space.

use burn::tensor::Tensor;
use moa_device::{from_host, to_host};
use rayon::prelude::*;

use super::Embeddings;
use crate::clip::Followed;
use crate::disk::PictureProcessor;
use crate::raster::Raster;
use crate::{PictureTower, Preprocessor, RewardError};

/// Images that are embedded at once where they are large: it bounds the memory of a batch's states.
const ROWS: usize = 16;

/// How images become a tower's input.
#[derive(Clone, Debug, PartialEq)]
pub enum Processing {
    /// Images come at the tower's size and are normalised.
    Normalised(Preprocessor),
    /// Images of any size are rounded to bytes, resized, cropped and normalised, as transformers does.
    Processed(PictureProcessor),
}

/// An image tower with what turns images into its input.
#[derive(Clone, Debug)]
pub struct PictureEmbedder {
    tower: PictureTower,
    processing: Processing,
}

impl PictureEmbedder {
    /// Returns the embedder.
    pub fn new(tower: PictureTower, processing: Processing) -> Self {
        Self { tower, processing }
    }

    /// Returns the width of the joint space.
    pub fn width(&self) -> usize {
        self.tower.width()
    }

    /// Returns the height and width of the images that it takes; nothing where it takes images of any size.
    pub fn only_size(&self) -> Option<[u32; 2]> {
        let side = self.tower.config().image_size as u32;
        matches!(self.processing, Processing::Normalised(_)).then_some([side; 2])
    }

    /// Returns whether the gradient of embeddings takes several times as long as it might, as the tower is too large for the
    /// engine of the CPU.
    pub(crate) fn has_slow_gradient(&self) -> bool {
        self.tower.has_slow_gradient()
    }

    /// Embeds images. Images that hold values that are not finite get embeddings that are not.
    ///
    /// # Shapes
    /// - `pixels`: `[n, 3, height, width]` in [0, 1]
    ///
    /// # Errors
    /// Refuses images of another size than the tower's where they are not processed.
    pub fn embed(&self, pixels: Tensor<4>) -> Result<Embeddings, RewardError> {
        let device = self.tower.device();
        let values = match &self.processing {
            Processing::Normalised(preprocessor) => {
                self.check_size(pixels.dims())?;
                to_host(self.tower.embed(preprocessor.normalise(pixels.to_device(&device))))
            }
            Processing::Processed(processor) => {
                let mut values = Vec::new();
                for rasters in Raster::of(pixels).chunks(ROWS) {
                    values.extend(to_host(self.tower.embed(self.processed(processor, rasters))));
                }
                values
            }
        };
        Ok(Embeddings::new(self.width(), values))
    }

    /// Embeds images as [`PictureEmbedder::embed`] does, and returns beside it what their gradient needs.
    ///
    /// # Shapes
    /// - `pixels`: `[n, 3, height, width]` in [0, 1]
    /// - returns `[n, width]`
    ///
    /// # Errors
    /// Refuses images of another size than the tower's where they are not processed.
    pub(crate) fn follow(&self, pixels: Tensor<4>) -> Result<(Tensor<2>, Followed), RewardError> {
        let input = match &self.processing {
            Processing::Normalised(preprocessor) => {
                self.check_size(pixels.dims())?;
                preprocessor.normalise(pixels.to_device(&self.tower.device()))
            }
            Processing::Processed(processor) => self.processed(processor, &Raster::of(pixels)),
        };
        Ok(self.tower.follow(input))
    }

    /// Returns the gradient with respect to images from the one with respect to their embeddings.
    ///
    /// # Shapes
    /// - `pixels`: what was given to [`PictureEmbedder::follow`]
    /// - `gradient`: `[n, width]`
    /// - returns the shape of `pixels`
    pub(crate) fn pull_back(&self, pixels: Tensor<4>, followed: Followed, gradient: Tensor<2>) -> Tensor<4> {
        let (device, dims) = (pixels.device(), pixels.dims());
        let gradient = self.tower.pull_back(followed, gradient.to_device(&self.tower.device()));
        match &self.processing {
            Processing::Normalised(preprocessor) => preprocessor.scaled(gradient).to_device(&device),
            Processing::Processed(processor) => {
                let [_, channels, height, width] = gradient.dims();
                let gradient = to_host(gradient);
                let of_input: Vec<&[f32]> = gradient.chunks_exact(channels * height * width).collect();
                let pairs = Raster::of(pixels).into_par_iter().zip(of_input);
                let values = pairs.flat_map_iter(|(raster, gradient)| processor.gradient(&raster, gradient)).collect();
                from_host(values, dims, &device)
            }
        }
    }

    /// Returns images as the tower's input, `[n, 3, image_size, image_size]`.
    fn processed(&self, processor: &PictureProcessor, rasters: &[Raster]) -> Tensor<4> {
        let side = self.tower.config().image_size;
        let input: Vec<f32> = rasters.par_iter().flat_map_iter(|raster| processor.process(raster)).collect();
        from_host(input, [rasters.len(), 3, side, side], &self.tower.device())
    }

    fn check_size(&self, [_, channels, height, width]: [usize; 4]) -> Result<(), RewardError> {
        let config = self.tower.config();
        let (found, wanted) = ([channels, height, width], [config.num_channels, config.image_size, config.image_size]);
        if found == wanted {
            return Ok(());
        }
        Err(RewardError::PictureSize { model: "CLIP's image tower", found, wanted })
    }
}
