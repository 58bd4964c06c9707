//! CLIP: images and texts in one space (Radford et al., 2103.00020), `CLIPModel` of transformers.

mod config;
mod follow;
mod native;
mod towers;
mod vision;

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor};
use moa_adapter::{Init, Parameter, Parameters, ParametersError};
use moa_core::NoiseKey;
use moa_device::from_host;

pub use config::{ClipConfig, Preprocessor, VisionConfig};
pub(crate) use follow::Followed;
pub use towers::{PictureTower, TextTower};
pub use vision::VisionEncoder;

const LOGIT_SCALE: &str = "logit_scale";

/// An image tower and a text tower with projections into a joint space.
///
/// Gradients flow through everything, so the same type is trained and used.
#[derive(Clone, Debug)]
pub struct Clip {
    config: ClipConfig,
    preprocessor: Preprocessor,
    texts: TextTower,
    pictures: PictureTower,
    logit_scale: Tensor<1>,
}

impl Clip {
    /// Takes the parameters by transformers' names (`text_model.*`, `vision_model.*`, `text_projection.weight`,
    /// `visual_projection.weight`, `logit_scale`), with the default [`Preprocessor`].
    ///
    /// To start from scratch, load the parameters of [`Clip::fresh`]: they have the config's logit scale.
    ///
    /// # Errors
    /// Says which tensor is missing or has another shape.
    pub fn load(config: &ClipConfig, p: &Parameters) -> Result<Self, ParametersError> {
        Ok(Self {
            texts: TextTower::load(config, p)?,
            pictures: PictureTower::load(config, p)?,
            logit_scale: p.get::<0>(LOGIT_SCALE, [], Init::Ones)?.reshape([1]),
            preprocessor: Preprocessor::default(),
            config: config.clone(),
        })
    }

    /// Returns the parameters of an untrained CLIP by name; the same key gives the same values.
    ///
    /// # Errors
    /// None in practice: fresh parameters have the shapes that the config implies.
    pub fn fresh(
        config: &ClipConfig,
        key: NoiseKey,
        device: &Device,
    ) -> Result<BTreeMap<String, Parameter>, ParametersError> {
        let parameters = Parameters::fresh(key, device);
        Self::load(config, &parameters)?;
        let mut map = parameters.into_map();
        let flat = from_host(vec![config.logit_scale_init_value], [1], device);
        map.insert(LOGIT_SCALE.to_owned(), Parameter { shape: Vec::new(), flat });
        Ok(map)
    }

    /// Returns the same model with another preprocessor.
    pub fn with_preprocessor(self, preprocessor: Preprocessor) -> Self {
        Self { preprocessor, ..self }
    }

    /// Returns the config.
    pub fn config(&self) -> &ClipConfig {
        &self.config
    }

    /// Returns how pixels become the tower's input.
    pub fn preprocessor(&self) -> &Preprocessor {
        &self.preprocessor
    }

    /// Returns the device that the model is on.
    pub fn device(&self) -> Device {
        self.logit_scale.device()
    }

    /// Returns the model's two halves.
    pub fn into_towers(self) -> (PictureTower, TextTower) {
        (self.pictures, self.texts)
    }

    /// Returns the factor on cosines in the contrastive loss, e^`logit_scale`, `[1]`.
    pub fn logit_scale(&self) -> Tensor<1> {
        self.logit_scale.clone().exp()
    }

    /// Returns images' embeddings, of unit length.
    ///
    /// # Shapes
    /// - `pixels`: `[rows, 3, image_size, image_size]` in [0, 1]; normalised inside by the [`Preprocessor`]
    /// - returns `[rows, projection_dim]`
    pub fn embed_pictures(&self, pixels: Tensor<4>) -> Tensor<2> {
        self.embed_normalised(self.preprocessor.normalise(pixels))
    }

    /// Returns images' embeddings, and the last layer's states of their patches: see [`PictureTower::embed_with_patches`]. Pixels are
    /// in [0, 1].
    pub fn embed_with_patches(&self, pixels: Tensor<4>) -> (Tensor<2>, Tensor<3>) {
        self.pictures.embed_with_patches(self.preprocessor.normalise(pixels))
    }

    /// Returns the embeddings, of unit length, of images that are normalised already.
    pub fn embed_normalised(&self, pixels: Tensor<4>) -> Tensor<2> {
        self.pictures.embed(pixels)
    }

    /// Returns texts' embeddings, of unit length.
    ///
    /// # Shapes
    /// - `ids`: one row of token ids per text, each ending with the end token; rows may differ in length, and are cut to
    ///   the longest text that the tower knows (the end token stays)
    /// - returns `[rows, projection_dim]`
    pub fn embed_texts(&self, ids: &[Vec<u32>]) -> Tensor<2> {
        self.texts.embed(ids)
    }
}
