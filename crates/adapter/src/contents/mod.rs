//! What an adapter file contains, in whichever layout: the one model of an adapter, of which every trainer's file is a spelling.
//!
//! A file is a list of [`Layer`]s of the denoiser and of text encoders. A layer has [`Part`]s, which are added to its weight and bias,
//! each with its own rank and scale; DoRA has a [`Magnitude`] besides. Layouts are tables of names over it (`keys`, `names`), and
//! conventions of α (`scale`). Tensors are views of the file's bytes, and are widened when they are asked for.
//!
//! [`crate::Adapter`] is what moa trains and applies; this is what there is to be applied.

mod about;
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

pub use about::{About, Family};
pub use blocks::Block;
pub use error::{ContentsError, Other};
pub use part::{Delta, Form, Kind, Part, Product, Side, Target};
pub use tensor::Stored;

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

    /// Applies the layer to the weight of the base: adds what there is to be added, times `strength`, and for a DoRA gives rows or
    /// columns their norms: `W' = W + s·(m/‖W + ΔW‖ · (W + ΔW) − W)`.
    ///
    /// - `weight`: row-major, of the base's `shape`, `[out, in, …]`
    ///
    /// # Errors
    /// Refuses a weight of another size. It may then be changed in part.
    pub fn apply(&self, weight: &mut [f32], shape: &[usize], strength: f32) -> Result<(), ContentsError> {
        let misfit = |own: usize| ContentsError::Base { layer: self.name.clone(), own, base: shape.to_vec() };
        if part::size(shape) != weight.len() as u128 {
            return Err(misfit(weight.len()));
        }
        let delta = self.delta()?.map_or_else(Vec::new, |delta| delta.values);
        if !delta.is_empty() && delta.len() != weight.len() {
            return Err(misfit(delta.len()));
        }
        let Some(magnitude) = &self.magnitude else {
            weight.iter_mut().zip(&delta).for_each(|(weight, delta)| *weight += strength * delta);
            return Ok(());
        };
        let norms = magnitude.norms.values();
        let (out, inputs) = (shape.first().copied().unwrap_or(0), shape.get(1).copied().unwrap_or(0));
        if norms.len() != if magnitude.by_output { out } else { inputs } || weight.is_empty() {
            return Err(misfit(norms.len()));
        }
        let (row, kernel) = (weight.len() / out, weight.len() / (out * inputs));
        let group = |place: usize| if magnitude.by_output { place / row } else { place % row / kernel };
        let mut found = vec![0f64; norms.len()];
        let changed: Vec<f32> = (0..weight.len()).map(|at| weight[at] + delta.get(at).unwrap_or(&0.0)).collect();
        for (place, value) in changed.iter().enumerate() {
            found[group(place)] += f64::from(*value).powi(2);
        }
        // As LyCORIS does, so that a row of zeros stays one.
        let factors: Vec<f32> =
            norms.iter().zip(&found).map(|(wanted, found)| wanted / (found.sqrt() as f32 + f32::EPSILON)).collect();
        for (place, weight) in weight.iter_mut().enumerate() {
            *weight += strength * (changed[place] * factors[group(place)] - *weight);
        }
        Ok(())
    }
}
