//! What an adapter file contains, in whichever layout: the one model of an adapter, of which every trainer's file is a spelling.
//!
//! A file is a list of [`Layer`]s of the denoiser and of text encoders. A layer has [`Part`]s, which are added to its weight and bias,
//! each with its own rank and scale; DoRA has a [`Magnitude`] besides. Layouts are tables of names over it (`keys`, `names`), and
//! conventions of α (`scale`). Tensors are views of the file's bytes, and are widened when they are asked for.
//!
//! [`Contents::adapter`] makes the [`crate::Adapter`] of it that everything else takes.

mod about;
mod adapter;
mod blocks;
mod error;
mod keys;
mod names;
mod other;
mod part;
mod read;
mod scale;
mod tensor;

use std::collections::BTreeMap;
use std::fmt;

pub use about::About;
pub use blocks::Block;
pub use error::{ContentsError, Other};
pub use part::{Delta, Form, Kind, Part, Product, Side, Target};
pub use tensor::Stored;

pub use crate::family::Family;

/// A model of the pipeline that layers belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Component {
    /// A U-Net that denoises.
    UNet,
    /// A transformer that denoises.
    Transformer,
    /// The first text encoder.
    TextEncoder,
    /// The second one.
    TextEncoder2,
    /// The third one.
    TextEncoder3,
}

impl Component {
    /// All, as they are listed.
    pub const ALL: [Self; 5] =
        [Self::UNet, Self::Transformer, Self::TextEncoder, Self::TextEncoder2, Self::TextEncoder3];

    /// Returns diffusers' name of it.
    pub fn name(self) -> &'static str {
        match self {
            Self::UNet => "unet",
            Self::Transformer => "transformer",
            Self::TextEncoder => "text_encoder",
            Self::TextEncoder2 => "text_encoder_2",
            Self::TextEncoder3 => "text_encoder_3",
        }
    }
}

/// Where an α or a field comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// A tensor of the layer.
    Tensors,
    /// `adapter_config.json`.
    Config,
    /// `lora_adapter_metadata` in the file's header.
    Header,
    /// Another text in the file's header.
    Text(&'static str),
    /// The caller.
    Given,
    /// Nothing: α is taken to be the rank.
    Rank,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tensors => f.write_str("the layer's own tensor"),
            Self::Config => f.write_str("adapter_config.json"),
            Self::Header => f.write_str("`lora_adapter_metadata` in the file's header"),
            Self::Text(key) => write!(f, "`{key}` in the file's header"),
            Self::Given => f.write_str("--alpha"),
            Self::Rank => f.write_str("the rank"),
        }
    }
}

/// DoRA's magnitude: the norms that the rows or columns of the changed weight are given. <https://arxiv.org/abs/2402.09353>
#[derive(Clone, Debug, PartialEq)]
pub struct Magnitude<'a> {
    /// The norms, as many as there are outputs or inputs.
    pub norms: Stored<'a>,
    /// Whether they are norms by output (peft, LyCORIS' `wd_on_out`), not by input.
    pub by_output: bool,
}

/// A layer that an adapter changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer<'a> {
    /// The file's own name of it, without the part that says which tensor it is.
    pub name: String,
    /// The model that it belongs to.
    pub component: Component,
    /// diffusers' names of it within the component: none where no table knows it, several where one layer of the file is several of
    /// diffusers', whose rows follow each other.
    pub canonical: Vec<String>,
    /// What is added.
    pub parts: Vec<Part<'a>>,
    /// DoRA's magnitude, if it is one.
    pub magnitude: Option<Magnitude<'a>>,
}

/// Weights of the base's token tables that come along with an adapter (OneTrainer's `bundle_emb`).
#[derive(Clone, Debug, PartialEq)]
pub struct Embedding<'a> {
    /// The word.
    pub word: String,
    /// Its vectors.
    pub vectors: Stored<'a>,
}

/// What an adapter file contains.
#[derive(Clone, Debug, PartialEq)]
pub struct Contents<'a> {
    /// The layers, by their names in the file.
    pub layers: Vec<Layer<'a>>,
    /// Words that come along.
    pub embeddings: Vec<Embedding<'a>>,
    /// Where alphas come from, each origin once.
    pub alphas_from: Vec<Origin>,
    /// The texts in the file's header.
    pub metadata: BTreeMap<String, String>,
    /// The base that `adapter_config.json` names.
    pub base: Option<String>,
}

impl Contents<'_> {
    /// Takes an α for all factors, where the file says none and it is taken to be the rank; returns whether that was so.
    ///
    /// # Errors
    /// Refuses an α that makes no sense.
    pub fn set_alpha(&mut self, alpha: f32) -> Result<bool, ContentsError> {
        if self.alphas_from != [Origin::Rank] {
            return Ok(false);
        }
        for layer in &mut self.layers {
            for part in &mut layer.parts {
                let Some(rank) = part.rank else { continue };
                scale::check(&layer.name, alpha.into(), Origin::Given)?;
                (part.alpha, part.scale) = (Some(alpha), alpha / rank as f32);
            }
        }
        self.alphas_from = vec![Origin::Given];
        Ok(true)
    }
}

impl Layer<'_> {
    /// Returns what the layer adds to its weight, DoRA's magnitude apart; nothing where only biases or norms change.
    ///
    /// # Errors
    /// Refuses parts of different sizes.
    pub fn delta(&self) -> Result<Option<Delta>, ContentsError> {
        let mut sum: Option<Delta> = None;
        for part in self.parts.iter().filter(|part| part.target == Target::Weight) {
            match &mut sum {
                None => sum = Some(part.delta()),
                Some(sum) => sum.add(&part.delta(), &self.name)?,
            }
        }
        Ok(sum)
    }
}
