//! CLIP's two halves, each a tower with its projection into the joint space.

use std::sync::{Arc, OnceLock};

use burn::tensor::{Device, Tensor};
use moa_adapter::{Linear, Parameters, ParametersError};
use moa_diffusion::TextEncoder;

use super::native::Engine;
use super::{ClipConfig, VisionConfig, VisionEncoder};

/// Most weights in layers of a tower that the engine of the CPU takes, 2²⁹: it holds them twice more, up to 4 GiB in f32. ViT-L has
/// 302 million, ViT-H 630 million.
const MOST_WEIGHTS: usize = 1 << 29;

/// An image tower with its projection: `CLIPVisionModelWithProjection` of transformers.
#[derive(Clone, Debug)]
pub struct PictureTower {
    vision: VisionEncoder,
    projection: Linear,
    width: usize,
    /// Made when a gradient is first asked for.
    engine: Arc<OnceLock<Engine>>,
}

impl PictureTower {
    /// Takes `vision_model.*`, or `vision_model.vision_model.*` as in safety checkers, and `visual_projection.weight`.
    ///
    /// # Errors
    /// Says which tensor is missing or has another shape.
    pub fn load(config: &ClipConfig, p: &Parameters) -> Result<Self, ParametersError> {
        let (vision, width) = (&config.vision_config, config.projection_dim);
        let mut tower = p.at("vision_model");
        // Fresh parameters have no shapes yet, and take the plain names.
        if tower.shape("vision_model.embeddings.class_embedding").is_some() {
            tower = tower.at("vision_model");
        }
        Ok(Self {
            vision: VisionEncoder::load(vision, &tower)?,
            projection: Linear::load(&p.at("visual_projection"), vision.hidden_size, width, false)?,
            width,
            engine: Arc::default(),
        })
    }

    /// Returns the tower's config.
    pub fn config(&self) -> &VisionConfig {
        self.vision.config()
    }

    /// Returns the width of the joint space.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Returns the device that the tower is on.
    pub fn device(&self) -> Device {
        self.vision.device()
    }

    /// Returns images' embeddings, of unit length.
    ///
    /// # Shapes
    /// - `pixels`: `[rows, 3, image_size, image_size]`, normalised
    /// - returns `[rows, width]`
    pub fn embed(&self, pixels: Tensor<4>) -> Tensor<2> {
        self.project(self.vision.forward(pixels))
    }

    /// Returns images' embeddings as [`PictureTower::embed`] does, and the last layer's states of their patches, row by row, without a
    /// norm: `[rows, patches, hidden_size]`.
    pub fn embed_with_patches(&self, pixels: Tensor<4>) -> (Tensor<2>, Tensor<3>) {
        let states = self.vision.forward(pixels);
        let patches = states.dims()[1] - 1;
        (self.project(states.clone()), states.narrow(1, 1, patches))
    }

    /// Returns the engine of the CPU, on burn's own device there (`flex`); nothing elsewhere, LibTorch on the CPU included, whose
    /// operations are fast enough, and for towers that are too large to be held twice more.
    pub(super) fn engine(&self) -> Option<&Engine> {
        if self.device().without_autodiff() != Device::flex() || self.is_beyond_the_engine() {
            return None;
        }
        Some(self.engine.get_or_init(|| Engine::new(self.vision.parts(&self.projection))))
    }

    /// Returns whether the tower is on the CPU (`flex`) and too large for the engine there: burn's operations, several times as slow,
    /// compute its gradient.
    pub(crate) fn has_slow_gradient(&self) -> bool {
        self.device().without_autodiff() == Device::flex() && self.is_beyond_the_engine()
    }

    fn is_beyond_the_engine(&self) -> bool {
        weights(self.config()) > MOST_WEIGHTS
    }

    /// Returns the vision transformer.
    pub(super) fn vision(&self) -> &VisionEncoder {
        &self.vision
    }

    /// Returns the embeddings, of unit length, of the last layer's states.
    pub(super) fn project(&self, states: Tensor<3>) -> Tensor<2> {
        unit_length(self.projection.forward(self.vision.pool(states), None))
    }
}

/// A text tower with its projection: `CLIPTextModelWithProjection` of transformers.
#[derive(Clone, Debug)]
pub struct TextTower {
    text: TextEncoder,
    projection: Linear,
    width: usize,
}

impl TextTower {
    /// Takes `text_model.*` and `text_projection.weight`.
    ///
    /// # Errors
    /// Says which tensor is missing or has another shape.
    pub fn load(config: &ClipConfig, p: &Parameters) -> Result<Self, ParametersError> {
        let (text, width) = (&config.text_config, config.projection_dim);
        Ok(Self {
            text: TextEncoder::load(text, p)?,
            projection: Linear::load(&p.at("text_projection"), text.hidden_size, width, false)?,
            width,
        })
    }

    /// Returns the width of the joint space.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Returns texts' embeddings, of unit length.
    ///
    /// # Shapes
    /// - `ids`: one row of token ids per text, each ending with the end token; rows may differ in length, and are cut to
    ///   the longest text that the tower knows (the end token stays)
    /// - returns `[rows, width]`
    pub fn embed(&self, ids: &[Vec<u32>]) -> Tensor<2> {
        let ids = evened(ids, self.text.config().max_position_embeddings);
        let states = self.text.forward(&ids);
        unit_length(self.projection.forward(self.text.pool(states, &ids), None))
    }
}

/// Returns the number of weights in the layers of a tower.
fn weights(config: &VisionConfig) -> usize {
    config.num_hidden_layers * config.hidden_size * (4 * config.hidden_size + 2 * config.intermediate_size)
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
    fn the_engine_of_the_cpu_takes_vit_l_and_leaves_vit_h_to_slower_operations() {
        let vit = |layers: usize, width: usize| VisionConfig {
            image_size: 224,
            patch_size: 14,
            num_channels: 3,
            hidden_size: width,
            intermediate_size: 4 * width,
            num_hidden_layers: layers,
            num_attention_heads: 16,
            hidden_act: moa_diffusion::text::Activation::Gelu,
            layer_norm_eps: 1e-5,
            model_type: "clip_vision_model".into(),
        };
        assert!(weights(&vit(24, 1024)) <= MOST_WEIGHTS, "ViT-L");
        assert!(weights(&vit(32, 1280)) > MOST_WEIGHTS, "ViT-H");
    }

    #[test]
    fn rows_of_tokens_are_evened_at_the_end_token() {
        let rows = evened(&[vec![7, 1, 9], vec![7, 9], vec![7, 1, 2, 3, 9]], 4);
        assert_eq!(rows, [vec![7, 1, 9, 9], vec![7, 9, 9, 9], vec![7, 1, 2, 9]]);
    }
}
