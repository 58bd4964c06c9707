//! CLIP: pictures and texts in one space (Radford et al., 2103.00020), `CLIPModel` of transformers.

mod config;
mod vision;

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor, TensorData};
use moa_adapter::{Init, Linear, Parameter, Parameters, ParametersError};
use moa_core::NoiseKey;
use moa_diffusion::TextEncoder;

pub use config::{ClipConfig, Preprocessor, VisionConfig};
pub use vision::VisionEncoder;

const LOGIT_SCALE: &str = "logit_scale";

/// A picture tower and a text tower with projections into a joint space.
///
/// Gradients flow through everything, so the same type is trained and used.
#[derive(Clone, Debug)]
pub struct Clip {
    config: ClipConfig,
    preprocessor: Preprocessor,
    text: TextEncoder,
    vision: VisionEncoder,
    text_projection: Linear,
    visual_projection: Linear,
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
        let joint = config.projection_dim;
        Ok(Self {
            text: TextEncoder::load(&config.text_config, p)?,
            vision: VisionEncoder::load(&config.vision_config, &p.at("vision_model"))?,
            text_projection: Linear::load(&p.at("text_projection"), config.text_config.hidden_size, joint, false)?,
            visual_projection: Linear::load(
                &p.at("visual_projection"),
                config.vision_config.hidden_size,
                joint,
                false,
            )?,
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
        let flat = Tensor::from_data(TensorData::new(vec![config.logit_scale_init_value], [1]), device);
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

    /// Returns the factor on cosines in the contrastive loss, e^`logit_scale`, `[1]`.
    pub fn logit_scale(&self) -> Tensor<1> {
        self.logit_scale.clone().exp()
    }

    /// Returns pictures' embeddings, of unit length.
    ///
    /// # Shapes
    /// - `pixels`: `[rows, 3, image_size, image_size]` in [0, 1]; normalised inside by the [`Preprocessor`]
    /// - returns `[rows, projection_dim]`
    pub fn embed_pictures(&self, pixels: Tensor<4>) -> Tensor<2> {
        let device = pixels.device().without_autodiff();
        let channel = |values: [f32; 3]| Tensor::<1>::from_floats(values, &device).reshape([1, 3, 1, 1]);
        let mean = channel(self.preprocessor.image_mean);
        let scale = channel(self.preprocessor.image_std.map(f32::recip));
        self.embed_normalised((pixels - mean) * scale)
    }

    /// Returns the embeddings, of unit length, of pictures that are normalised already.
    pub fn embed_normalised(&self, pixels: Tensor<4>) -> Tensor<2> {
        let states = self.vision.forward(pixels);
        unit_length(self.visual_projection.forward(self.vision.pool(states), None))
    }

    /// Returns texts' embeddings, of unit length.
    ///
    /// # Shapes
    /// - `ids`: one row of token ids per text, each ending with the end token; rows may differ in length, and are cut to
    ///   the longest text that the tower knows (the end token stays)
    /// - returns `[rows, projection_dim]`
    pub fn embed_texts(&self, ids: &[Vec<u32>]) -> Tensor<2> {
        let ids = evened(ids, self.config.text_config.max_position_embeddings);
        let states = self.text.forward(&ids);
        unit_length(self.text_projection.forward(self.text.pool(states, &ids), None))
    }
}

/// Returns the rows scaled to unit length.
fn unit_length(x: Tensor<2>) -> Tensor<2> {
    // The offset keeps the gradient finite at 0 and is lost in rounding elsewhere.
    let length = (x.clone().square().sum_dim(1) + 1e-12).sqrt();
    x / length
}

/// Returns rows of one length: shorter ones repeat their last token, which attention from the left cannot see from the
/// first end token; longer ones than `limit` lose tokens before their last.
fn evened(ids: &[Vec<u32>], limit: usize) -> Vec<Vec<u32>> {
    let length = ids.iter().map(Vec::len).max().unwrap_or(0).min(limit);
    ids.iter()
        .map(|row| {
            let end = row.last().copied().unwrap_or(0);
            let mut row = row.clone();
            if row.len() > length {
                row.truncate(length - 1);
            }
            row.resize(length, end);
            row
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_tokens_are_evened_at_the_end_token() {
        let rows = evened(&[vec![7, 1, 9], vec![7, 9], vec![7, 1, 2, 3, 9]], 4);
        assert_eq!(rows, [vec![7, 1, 9, 9], vec![7, 9, 9, 9], vec![7, 1, 2, 9]]);
    }
}
