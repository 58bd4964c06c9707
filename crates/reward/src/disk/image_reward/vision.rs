//! BLIP's image encoder: a vision transformer (Dosovitskiy et al., 2010.11929), with timm's names.

use std::collections::BTreeMap;

use burn::tensor::Tensor;
use moa_adapter::{Init, Origin, Parameters, ParametersError};
use moa_diffusion::LayerNorm;
use moa_diffusion::text::{Tower, TowerConfig};

use super::config::TextConfig;

/// Names inside a layer, and transformers' in a CLIP, whose layers are the same.
const LAYER: [(&str, &str); 5] = [
    ("norm1.", "layer_norm1."),
    ("norm2.", "layer_norm2."),
    ("attn.proj.", "self_attn.out_proj."),
    ("mlp.fc1.", "mlp.fc1."),
    ("mlp.fc2.", "mlp.fc2."),
];

/// Layers of larger encoders than there are.
const MOST_LAYERS: usize = 1 << 10;

/// What an image encoder's tensors tell of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sizes {
    /// Height and width of an image, in pixels.
    pub(super) side: usize,
    patch: usize,
    tower: TowerConfig,
}

impl Sizes {
    /// Reads the sizes off the tensors below `visual_encoder`.
    pub(super) fn of(p: &Parameters, text: &TextConfig) -> Result<Self, String> {
        let size = |name: &str, axis: usize| {
            let found = p.shape(name).and_then(|shape| shape.get(axis).copied());
            found.ok_or_else(|| format!("it has no tensor `{}.{name}`: is it ImageReward's state dict?", p.prefix()))
        };
        let (width, patch) = (size("patch_embed.proj.weight", 0)?, size("patch_embed.proj.weight", 2)?);
        let patches = size("pos_embed", 1)?.saturating_sub(1);
        let along = patches.isqrt();
        if along == 0 || along * along != patches || patch == 0 {
            return Err(format!(
                "its images have {patches} patches of {patch} × {patch} pixels: moa reads square images"
            ));
        }
        let layers = (0..MOST_LAYERS).take_while(|i| p.has(&format!("blocks.{i}.norm1.weight"))).count();
        let tower = text.vision(width, size("blocks.0.mlp.fc1.weight", 0)?, layers)?;
        Ok(Self { side: along * patch, patch, tower })
    }

    /// Returns roughly how many numbers the gradient of one image keeps in the encoder.
    pub(super) fn kept(&self) -> usize {
        let tokens = (self.side / self.patch).pow(2) + 1;
        let TowerConfig { hidden_size, intermediate_size, num_attention_heads, num_hidden_layers, .. } = self.tower;
        let layer = tokens * (9 * hidden_size + 3 * intermediate_size) + 2 * num_attention_heads * tokens * tokens;
        layer * num_hidden_layers
    }

    fn tokens(&self) -> usize {
        (self.side / self.patch).pow(2) + 1
    }
}

/// The image encoder.
pub(super) struct Vision {
    sizes: Sizes,
    class: Tensor<3>,
    positions: Tensor<3>,
    /// `[hidden_size, 3 · patch²]`.
    patches: Tensor<2>,
    bias: Tensor<1>,
    tower: Tower,
    norm: LayerNorm,
}

impl Vision {
    /// Takes the parameters below `visual_encoder`.
    ///
    /// # Errors
    /// Says which tensor is missing or has another shape.
    pub(super) fn load(sizes: &Sizes, p: &Parameters) -> Result<Self, ParametersError> {
        let (width, patch) = (sizes.tower.hidden_size, sizes.patch);
        let projection = p.at("patch_embed.proj");
        let patches = projection.get("weight", [width, 3, patch, patch], Init::Zeros)?;
        Ok(Self {
            class: p.get("cls_token", [1, 1, width], Init::Zeros)?,
            positions: p.get("pos_embed", [1, sizes.tokens(), width], Init::Zeros)?,
            patches: patches.reshape([width, 3 * patch * patch]),
            bias: projection.get("bias", [width], Init::Zeros)?,
            tower: Tower::load(&layers(p), &sizes.tower)?,
            norm: LayerNorm::load(&p.at("norm"), width, sizes.tower.layer_norm_eps)?,
            sizes: sizes.clone(),
        })
    }

    /// Returns the states of the class token (first) and of every patch, normed.
    ///
    /// # Shapes
    /// - `pixels`: `[rows, 3, side, side]`, normalised
    /// - returns `[rows, 1 + patches, hidden_size]`
    pub(super) fn forward(&self, pixels: Tensor<4>) -> Tensor<3> {
        let rows = pixels.dims()[0];
        let (patch, width) = (self.sizes.patch, self.sizes.tower.hidden_size);
        let along = self.sizes.side / patch;
        // A convolution whose stride is its kernel is a matrix product over patches.
        let flat = pixels
            .reshape([rows, 3, along, patch, along, patch])
            .permute([0, 2, 4, 1, 3, 5])
            .reshape([rows * along * along, 3 * patch * patch]);
        let patches = flat.matmul(self.patches.clone().transpose()) + self.bias.clone().unsqueeze();
        let patches = patches.reshape([rows, along * along, width]);
        let class = self.class.clone().expand([rows, 1, width]);
        let x = Tensor::cat(vec![class, patches], 1) + self.positions.clone();
        self.norm.forward(self.tower.forward(x, false))
    }
}

/// Returns the layers' parameters under transformers' names.
fn layers(p: &Parameters) -> Parameters {
    let (prefix, mut origins) = (format!("{}.", p.prefix()), BTreeMap::new());
    for name in p.names() {
        let Some(tensor) = name.strip_prefix(&prefix) else { continue };
        let of_layer = tensor.strip_prefix("blocks.").and_then(|rest| rest.split_once('.'));
        let Some((layer, inside)) = of_layer else { continue };
        if let Some(kind) = inside.strip_prefix("attn.qkv.") {
            for (part, name) in ["q", "k", "v"].into_iter().enumerate() {
                let origin = Origin::Rows { name: tensor.to_owned(), part, parts: 3 };
                origins.insert(format!("layers.{layer}.self_attn.{name}_proj.{kind}"), origin);
            }
        } else if let Some((from, to)) = LAYER.iter().find(|(from, _)| inside.starts_with(from)) {
            let name = format!("layers.{layer}.{to}{}", &inside[from.len()..]);
            origins.insert(name, Origin::Whole(tensor.to_owned()));
        }
    }
    p.view(origins)
}
