//! One adapter on the host: what it adds to the parameters of a pipeline's models.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// The low-rank factors of one layer, laid out as PyTorch and every file format lay them out: it adds `(α/r)·B·A` to the layer's weight.
///
/// A convolution's weight is the matrix `[d_out, channels · kernel]` that it is in memory, so that all that holds for matrices holds for it.
#[derive(Clone, Debug, PartialEq)]
pub struct AdapterLayer {
    /// Width of the layer's input; of convolutions channels times the sides of the kernel.
    pub d_in: usize,
    /// Width of the layer's output.
    pub d_out: usize,
    /// The sides of a convolution's kernel; none of linear layers.
    pub kernel: Vec<usize>,
    /// Rank r.
    pub rank: usize,
    /// LoRA's α.
    pub alpha: f32,
    /// The projection down, `[r, d_in]`, row-major: lora_A.
    pub a: Vec<f32>,
    /// The projection up, `[d_out, r]`, row-major: lora_B.
    pub b: Vec<f32>,
}

impl AdapterLayer {
    /// Returns whether two layers have the same shape.
    pub fn same_shape(&self, other: &Self) -> bool {
        self.d_in == other.d_in && self.d_out == other.d_out && self.kernel == other.kernel
    }

    /// Returns α/r.
    pub fn scale(&self) -> f64 {
        f64::from(self.alpha) / self.rank as f64
    }

    /// Returns the shape of the weight, `[d_out, channels, …]`.
    pub fn shape(&self) -> Vec<usize> {
        let channels = self.d_in / self.kernel.iter().product::<usize>().max(1);
        [&[self.d_out, channels], &self.kernel[..]].concat()
    }

    /// Returns ΔW, `[d_out, d_in]`, row-major.
    pub fn delta(&self) -> Vec<f32> {
        let (rank, scale) = (self.rank, self.scale());
        let mut delta = vec![0.0f32; self.d_in * self.d_out];
        for (row, b) in delta.chunks_exact_mut(self.d_in).zip(self.b.chunks_exact(rank)) {
            for (b, a) in b.iter().zip(self.a.chunks_exact(self.d_in)) {
                let factor = (scale * f64::from(*b)) as f32;
                row.iter_mut().zip(a).for_each(|(sum, a)| *sum += factor * a);
            }
        }
        delta
    }
}

/// A difference that is added to a parameter as it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The parameter's shape.
    pub shape: Vec<usize>,
    /// The values, row-major.
    pub values: Vec<f32>,
}

/// DoRA's magnitude of one layer: the norms that the rows or columns of its changed weight are given.
/// <https://arxiv.org/abs/2402.09353>
#[derive(Clone, Debug, PartialEq)]
pub struct Norms {
    /// The norms.
    pub values: Vec<f32>,
    /// Whether they are norms by output (peft, LyCORIS' `wd_on_out`), not by input.
    pub by_output: bool,
}

/// In what precision an adapter's numbers are stored; in memory they are single precision always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Single precision.
    #[default]
    F32,
    /// IEEE's half precision.
    F16,
    /// bfloat16.
    Bf16,
}

impl Precision {
    /// Returns the precision that holds the numbers of both.
    #[must_use]
    pub fn joined(self, other: Self) -> Self {
        if self == other { self } else { Self::F32 }
    }
}

/// How the names of text encoders' layers begin; those of the denoiser's layers are their names in it.
const TEXT_ENCODERS: [&str; 3] = ["text_encoder", "text_encoder_2", "text_encoder_3"];

/// One adapter on the host, as everything that applies, merges or writes adapters takes it.
///
/// Layers have diffusers' names: those of the denoiser as they are in it, those of text encoders behind the encoder's name and a dot
/// (`text_encoder_2.text_model.…`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Adapter {
    /// In what its files store numbers.
    pub precision: Precision,
    /// Low-rank factors by the layer's name: ΔW = (α/r)·B·A.
    pub layers: BTreeMap<String, AdapterLayer>,
    /// Differences by the parameter's name, `….weight` or `….bias`, added to what the factors add.
    pub differences: BTreeMap<String, Difference>,
    /// DoRA's magnitudes by the layer's name.
    pub magnitudes: BTreeMap<String, Norms>,
}

impl Adapter {
    /// Returns an adapter of low-rank factors alone.
    pub fn of_layers(precision: Precision, layers: BTreeMap<String, AdapterLayer>) -> Self {
        Self { precision, layers, ..Self::default() }
    }

    /// Returns the largest rank; 0 where there are only differences.
    pub fn rank(&self) -> usize {
        self.layers.values().map(|layer| layer.rank).max().unwrap_or(0)
    }

    /// Returns rank and α where all layers have the same.
    pub fn common_rank_and_alpha(&self) -> Option<(usize, f32)> {
        let mut all = self.layers.values().map(|layer| (layer.rank, layer.alpha));
        let first = all.next()?;
        all.all(|(rank, alpha)| rank == first.0 && alpha.to_bits() == first.1.to_bits()).then_some(first)
    }

    /// Returns the names of what is adapted: layers with factors, and parameters with differences.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.layers.keys().chain(self.differences.keys()).map(String::as_str)
    }

    /// Returns whether the adapter is of the kind that moa trains: factors on linear layers of the denoiser and nothing else, so that
    /// a bank applies it beside others over one base.
    pub fn is_plain(&self) -> bool {
        let is_plain = |(name, layer): (&String, &AdapterLayer)| layer.kernel.is_empty() && encoder_of(name).is_none();
        self.differences.is_empty() && self.magnitudes.is_empty() && self.layers.iter().all(is_plain)
    }

    /// Returns the adapter with all that it adds multiplied, by layer.
    ///
    /// - `factor`: of a layer by its name, of a difference by its parameter's; what it gives 0 is left out
    #[must_use]
    pub fn scaled(&self, factor: impl Fn(&str) -> f64) -> Self {
        let scaled = |(name, layer): (&String, &AdapterLayer)| {
            let factor = factor(name);
            let alpha = (f64::from(layer.alpha) * factor) as f32;
            (factor != 0.0).then(|| (name.clone(), AdapterLayer { alpha, ..layer.clone() }))
        };
        let multiplied = |(name, difference): (&String, &Difference)| {
            let factor = factor(name);
            let values = difference.values.iter().map(|value| (factor * f64::from(*value)) as f32).collect();
            (factor != 0.0).then(|| (name.clone(), Difference { values, ..difference.clone() }))
        };
        let kept = |(name, _): &(&String, &Norms)| factor(name) != 0.0;
        Self {
            precision: self.precision,
            layers: self.layers.iter().filter_map(scaled).collect(),
            differences: self.differences.iter().filter_map(multiplied).collect(),
            magnitudes: self
                .magnitudes
                .iter()
                .filter(kept)
                .map(|(name, norms)| (name.clone(), norms.clone()))
                .collect(),
        }
    }

    /// Gives weights the shapes that they have in the base, where these are the same matrices: 1×1 convolutions that a file has as linear layers, and
    /// kernels that are folded into the inputs.
    ///
    /// - `shape`: of a base's parameter by its name
    pub fn unfold(&mut self, shape: impl Fn(&str) -> Option<Vec<usize>>) {
        let same = |own: &[usize], base: &[usize]| {
            own.first() == base.first() && own.iter().product::<usize>() == base.iter().product::<usize>()
        };
        for (name, layer) in &mut self.layers {
            if let Some(base) = shape(&format!("{name}.weight")).filter(|base| same(&layer.shape(), base)) {
                layer.kernel = base[2..].to_vec();
            }
        }
        for (name, difference) in &mut self.differences {
            if let Some(base) = shape(name).filter(|base| same(&difference.shape, base)) {
                difference.shape = base;
            }
        }
    }

    /// Returns the name of a parameter or layer that holds a value that is not finite.
    pub fn not_finite(&self) -> Option<&str> {
        let diverged = |values: &[f32]| !all_finite(values);
        let layer = |layer: &AdapterLayer| !layer.alpha.is_finite() || diverged(&layer.a) || diverged(&layer.b);
        let in_layers = self.layers.par_iter().find_first(|(_, own)| layer(own)).map(|(name, _)| name);
        let in_differences = || self.differences.iter().find(|(_, own)| diverged(&own.values)).map(|(name, _)| name);
        let in_norms = || self.magnitudes.iter().find(|(_, own)| diverged(&own.values)).map(|(name, _)| name);
        in_layers.or_else(in_differences).or_else(in_norms).map(String::as_str)
    }
}

/// Returns the layer that a parameter belongs to.
pub(crate) fn layer_of(parameter: &str) -> &str {
    parameter.strip_suffix(".weight").or_else(|| parameter.strip_suffix(".bias")).unwrap_or(parameter)
}

/// Returns the text encoder that a layer belongs to, and its name in it; nothing of the denoiser's.
pub fn encoder_of(name: &str) -> Option<(&'static str, &str)> {
    TEXT_ENCODERS.iter().find_map(|encoder| Some((*encoder, name.strip_prefix(encoder)?.strip_prefix('.')?)))
}

/// Returns whether all values are finite, in one pass without branches: the exponent of others has all its bits set.
fn all_finite(values: &[f32]) -> bool {
    const EXPONENT: u32 = 0x7f80_0000;
    !values.iter().fold(false, |found, value| found | (value.to_bits() & EXPONENT == EXPONENT))
}

/// Returns the transpose of a row-major `[rows, columns]` matrix.
pub(crate) fn transposed(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    (0..columns).flat_map(|c| (0..rows).map(move |r| values[r * columns + c])).collect()
}
