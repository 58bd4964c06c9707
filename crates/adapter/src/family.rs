//! The families of bases that adapters are made for, told by names and shapes of layers.

use std::fmt;

use crate::Adapter;
use crate::adapter::{encoder_of, layer_of};
use crate::names::transformer::is_of_transformer;

/// A family of base models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Stable Diffusion 1.
    Sd1,
    /// Stable Diffusion 2.
    Sd2,
    /// Stable Diffusion XL.
    SdXl,
    /// The refiner of Stable Diffusion XL.
    SdXlRefiner,
    /// Stable Diffusion 3 medium, or 3.5 medium.
    Sd3,
    /// Stable Diffusion 3.5 medium.
    Sd35Medium,
    /// Stable Diffusion 3.5 large.
    Sd35Large,
    /// FLUX.1.
    Flux1,
    /// Qwen-Image.
    QwenImage,
    /// Z-Image.
    ZImage,
    /// Wan.
    Wan,
}

impl Family {
    /// Returns whether two families can be the same base: 3 medium and 3.5 medium have layers in common.
    pub fn agrees(self, other: Self) -> bool {
        let is_medium = |family| matches!(family, Self::Sd3 | Self::Sd35Medium | Self::Sd35Large);
        self == other || (is_medium(self) && is_medium(other) && (self == Self::Sd3 || other == Self::Sd3))
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sd1 => "Stable Diffusion 1",
            Self::Sd2 => "Stable Diffusion 2",
            Self::SdXl => "Stable Diffusion XL",
            Self::SdXlRefiner => "the refiner of Stable Diffusion XL",
            Self::Sd3 => "Stable Diffusion 3",
            Self::Sd35Medium => "Stable Diffusion 3.5 medium",
            Self::Sd35Large => "Stable Diffusion 3.5 large",
            Self::Flux1 => "FLUX.1",
            Self::QwenImage => "Qwen-Image",
            Self::ZImage => "Z-Image",
            Self::Wan => "Wan",
        })
    }
}

/// A layer as families are told by it.
pub(crate) struct Named<'a> {
    /// The part of the pipeline that it belongs to.
    pub(crate) part: Part,
    /// Its name.
    pub(crate) name: &'a str,
    /// Width of its input.
    pub(crate) inputs: Option<usize>,
}

/// What a layer is part of, as far as families are told by it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// A U-Net.
    UNet,
    /// A transformer.
    Transformer,
    /// A text encoder.
    Text,
}

impl Adapter {
    /// Returns the family that names and shapes of layers belong to.
    pub fn family(&self) -> Option<Family> {
        let layers = self.layers.iter().map(|(name, layer)| (&name[..], layer.shape()[1]));
        let differences = self
            .differences
            .iter()
            .map(|(name, difference)| (layer_of(name), difference.shape.get(1).copied().unwrap_or(0)));
        let named = layers.chain(differences).filter(|(name, _)| encoder_of(name).is_none()).map(|(name, inputs)| {
            let part = if is_of_transformer(name) { Part::Transformer } else { Part::UNet };
            Named { part, name, inputs: Some(inputs) }
        });
        Family::of(&named.collect::<Vec<_>>()).map(|(family, _)| family)
    }
}

impl Family {
    /// Returns the family that layers belong to, and how that is told.
    pub(crate) fn of(layers: &[Named<'_>]) -> Option<(Self, String)> {
        let inputs = |part: Part, ends: &[&str]| {
            let mut own = layers.iter().filter(|layer| layer.part == part);
            own.find(|layer| ends.iter().any(|end| layer.name.ends_with(end)) && layer.inputs.is_some())?.inputs
        };
        let any = |parts: &[&str]| layers.iter().any(|layer| parts.iter().any(|part| layer.name.contains(part)));
        if let Some(width) = inputs(Part::UNet, &["attn2.to_k", "attn2.to_v"]) {
            let family = match width {
                768 => Family::Sd1,
                1024 => Family::Sd2,
                2048 => Family::SdXl,
                1280 => Family::SdXlRefiner,
                _ => return None,
            };
            return Some((family, format!("cross-attention reads text states of width {width}")));
        }
        if any(&["img_mlp", "img_mod.1", "img_mod_1"]) && any(&["transformer_blocks"]) && !any(&["double_blocks"]) {
            return Some((Family::QwenImage, "by the names of its layers".into()));
        }
        if any(&["single_transformer_blocks", "double_blocks"]) {
            return Some((Family::Flux1, "by the names of its layers".into()));
        }
        if any(&["noise_refiner", "layers.0.attention.", "layers_0_attention_", "adaLN_modulation_0"])
            && !any(&["joint_blocks"])
        {
            return Some((Family::ZImage, "by the names of its layers".into()));
        }
        if any(&["cross_attn.", "cross_attn_"]) && any(&["blocks.", "blocks_"]) {
            return Some((Family::Wan, "by the names of its layers".into()));
        }
        let of_attention =
            ["attn.to_q", "attn.to_k", "attn.to_v", "attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"];
        let width = inputs(Part::Transformer, &of_attention)?;
        let family = match width {
            1536 if any(&[".attn2.", "_attn2_"]) => Family::Sd35Medium,
            1536 => Family::Sd3,
            2432 => Family::Sd35Large,
            3072 => Family::Flux1,
            _ => return None,
        };
        Some((family, format!("its transformer is {width} wide")))
    }
}
