//! CLIP's image tower: `CLIPVisionModel` of transformers.

use burn::tensor::{Device, Tensor};
use moa_adapter::{Init, Linear, Parameters, ParametersError};
use moa_device::to_host;
use moa_diffusion::text::Tower;
use moa_diffusion::{Embedding, LayerNorm};

use super::VisionConfig;
use super::native::Parts;

/// The image tower.
#[derive(Clone, Debug)]
pub struct VisionEncoder {
    config: VisionConfig,
    class: Tensor<1>,
    patches: Tensor<4>,
    positions: Embedding,
    pre_norm: LayerNorm,
    tower: Tower,
    post_norm: LayerNorm,
}

impl VisionEncoder {
    /// Takes the tower's parameters, with transformers' names below `vision_model`.
    ///
    /// # Errors
    /// Says which tensor is missing or has another shape.
    pub fn load(config: &VisionConfig, p: &Parameters) -> Result<Self, ParametersError> {
        let (width, patch) = (config.hidden_size, config.patch_size);
        let fan_in = config.num_channels * patch * patch;
        let shape = [width, config.num_channels, patch, patch];
        let tokens = config.patches().pow(2) + 1;
        let embeddings = p.at("embeddings");
        let deviation = 1.0 / (width as f32).sqrt();
        Ok(Self {
            class: embeddings.get("class_embedding", [width], Init::Normal(deviation))?,
            patches: embeddings.get("patch_embedding.weight", shape, Init::Uniform(1.0 / (fan_in as f32).sqrt()))?,
            positions: Embedding::load(&embeddings.at("position_embedding"), tokens, width)?,
            // Spelt so upstream.
            pre_norm: LayerNorm::load(&p.at("pre_layrnorm"), width, config.layer_norm_eps)?,
            tower: Tower::load(&p.at("encoder"), &config.tower())?,
            post_norm: LayerNorm::load(&p.at("post_layernorm"), width, config.layer_norm_eps)?,
            config: config.clone(),
        })
    }

    /// Returns the config.
    pub fn config(&self) -> &VisionConfig {
        &self.config
    }

    /// Returns the device that the tower is on.
    pub fn device(&self) -> Device {
        self.class.device()
    }

    /// Returns the states of the class token (first) and of every patch, before the last norm.
    ///
    /// # Shapes
    /// - `pixels`: `[rows, 3, image_size, image_size]`, normalised
    /// - returns `[rows, 1 + patches², hidden_size]`
    pub fn forward(&self, pixels: Tensor<4>) -> Tensor<3> {
        self.tower.forward(self.tokens(pixels), false)
    }

    /// Returns the encoder's parts for the engine of the CPU.
    pub(super) fn parts<'a>(&'a self, projection: &'a Linear) -> Parts<'a> {
        let config = &self.config;
        let d_in = config.num_channels * config.patch_size.pow(2);
        let patches = self.patches.clone().inner().reshape([config.hidden_size, d_in]).transpose();
        let (mut start, class) = (to_host(self.positions.table().inner()), to_host(self.class.clone().inner()));
        start.iter_mut().zip(class).for_each(|(value, class)| *value += class);
        Parts {
            config,
            patches: to_host(patches),
            start,
            pre_norm: &self.pre_norm,
            tower: &self.tower,
            post_norm: &self.post_norm,
            projection,
        }
    }

    /// Returns the transformer between [`VisionEncoder::tokens`] and [`VisionEncoder::pool`].
    pub(super) fn tower(&self) -> &Tower {
        &self.tower
    }

    /// Returns what the first layer takes: the class token and every patch with its position, normed. Shapes as in
    /// [`VisionEncoder::forward`].
    pub(super) fn tokens(&self, pixels: Tensor<4>) -> Tensor<3> {
        let [rows, channels, height, width] = pixels.dims();
        let (side, patch) = (self.config.patches(), self.config.patch_size);
        debug_assert_eq!([height, width], [self.config.image_size; 2]);
        let hidden = self.config.hidden_size;
        // A convolution whose stride is its kernel is a matrix product over patches.
        let flat = pixels
            .reshape([rows, channels, side, patch, side, patch])
            .permute([0, 2, 4, 1, 3, 5])
            .reshape([rows * side * side, channels * patch * patch]);
        let weight = self.patches.clone().reshape([hidden, channels * patch * patch]).transpose();
        let patches = flat.matmul(weight).reshape([rows, side * side, hidden]);
        let class = self.class.clone().reshape([1, 1, hidden]).expand([rows, 1, hidden]);
        let x = Tensor::cat(vec![class, patches], 1) + self.positions.table().unsqueeze();
        self.pre_norm.forward(x)
    }

    /// Returns the normed state of the class token, `[rows, hidden_size]`.
    pub fn pool(&self, states: Tensor<3>) -> Tensor<2> {
        let [rows, _, width] = states.dims();
        self.post_norm.forward(states.narrow(1, 0, 1).reshape([rows, width]))
    }
}
