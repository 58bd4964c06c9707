//! The few layers that denoiser and text encoder are made of, besides [`moa_adapter::Linear`].

use burn::tensor::module::{conv2d, layer_norm};
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, FloatDType, Int, Tensor};
use moa_adapter::{Init, Parameters, ParametersError};

/// A 2-D convolution with bias, weight `[out, in, k, k]`.
#[derive(Clone, Debug)]
pub struct Conv2d {
    pub(crate) weight: Tensor<4>,
    pub(crate) bias: Tensor<1>,
    pub(crate) stride: usize,
    padding: usize,
}

impl Conv2d {
    /// Takes `weight` and `bias`; the padding keeps the size at stride 1.
    pub fn load(
        parameters: &Parameters,
        channels: [usize; 2],
        kernel: usize,
        stride: usize,
    ) -> Result<Self, ParametersError> {
        let [d_in, d_out] = channels;
        let bound = Init::Uniform(1.0 / ((d_in * kernel * kernel) as f32).sqrt());
        let weight = parameters.get("weight", [d_out, d_in, kernel, kernel], bound)?;
        let bias = parameters.get("bias", [d_out], bound)?;
        Ok(Self { weight, bias, stride, padding: kernel / 2 })
    }

    /// Applies the convolution to `[rows, in, height, width]`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let options = ConvOptions::new([self.stride; 2], [self.padding; 2], [1, 1], 1);
        conv2d(x, self.weight.clone(), Some(self.bias.clone()), options)
    }
}

/// Group normalisation with affine parameters (Wu & He, 1803.08494).
#[derive(Clone, Debug)]
pub struct GroupNorm {
    pub(crate) weight: Tensor<1>,
    pub(crate) bias: Tensor<1>,
    pub(crate) groups: usize,
    pub(crate) epsilon: f64,
}

impl GroupNorm {
    /// Takes `weight` and `bias` of `[channels]`.
    pub fn load(
        parameters: &Parameters,
        channels: usize,
        groups: usize,
        epsilon: f64,
    ) -> Result<Self, ParametersError> {
        let weight = parameters.get("weight", [channels], Init::Ones)?;
        let bias = parameters.get("bias", [channels], Init::Zeros)?;
        Ok(Self { weight, bias, groups, epsilon })
    }

    /// Normalises `[rows, channels, height, width]`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        moa_device::group_norm(x, self.groups, &self.weight, &self.bias, self.epsilon)
    }
}

/// Layer normalisation over the last dimension.
#[derive(Clone, Debug)]
pub struct LayerNorm {
    pub(crate) weight: Tensor<1>,
    pub(crate) bias: Tensor<1>,
    pub(crate) epsilon: f64,
}

impl LayerNorm {
    /// Takes `weight` and `bias` of `[width]`.
    pub fn load(parameters: &Parameters, width: usize, epsilon: f64) -> Result<Self, ParametersError> {
        let weight = parameters.get("weight", [width], Init::Ones)?;
        let bias = parameters.get("bias", [width], Init::Zeros)?;
        Ok(Self { weight, bias, epsilon })
    }

    /// Returns the factors, `[width]`.
    pub fn weight(&self) -> Tensor<1> {
        self.weight.clone()
    }

    /// Returns what is added, `[width]`.
    pub fn bias(&self) -> Tensor<1> {
        self.bias.clone()
    }

    /// Returns what is added to the variance.
    pub fn epsilon(&self) -> f64 {
        self.epsilon
    }

    /// Normalises `[…, width]`.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        layer_norm(x, self.weight.clone(), Some(self.bias.clone()), self.epsilon)
    }
}

/// A table of vectors, looked up by index.
#[derive(Clone, Debug)]
pub struct Embedding {
    weight: Tensor<2>,
}

impl Embedding {
    /// Takes `weight` of `[count, width]`.
    pub fn load(parameters: &Parameters, count: usize, width: usize) -> Result<Self, ParametersError> {
        Ok(Self { weight: parameters.get("weight", [count, width], Init::Normal(0.02))? })
    }

    /// Returns the whole table, `[count, width]`.
    pub fn table(&self) -> Tensor<2> {
        self.weight.clone()
    }

    /// Looks up rows of equally many indices; returns `[rows, tokens, width]`.
    pub(crate) fn look_up(&self, ids: &[Vec<u32>]) -> Tensor<3> {
        let (rows, tokens) = (ids.len(), ids.first().map_or(0, Vec::len));
        let flat: Vec<i64> = ids.iter().flatten().map(|id| i64::from(*id)).collect();
        let indices = moa_device::indices_from_host(flat, &self.weight.device().without_autodiff());
        self.forward(indices.reshape([rows, tokens]))
    }

    /// Looks up `[rows, tokens]` indices; returns `[rows, tokens, width]`.
    pub fn forward(&self, indices: Tensor<2, Int>) -> Tensor<3> {
        let [rows, tokens] = indices.dims();
        let width = self.weight.dims()[1];
        self.weight.clone().select(0, indices.reshape([rows * tokens])).reshape([rows, tokens, width])
    }
}

/// Sinusoidal embeddings of numbers (Vaswani et al., 1706.03762): sines and cosines of t · 10000^(−i / (width/2 − `shift`)), the cosines
/// first where `flip` says so (diffusers' `Timesteps`).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waves {
    /// Sines and cosines.
    pub(crate) width: usize,
    pub(crate) shift: f64,
    pub(crate) flip: bool,
}

impl Waves {
    /// Returns the embedding of numbers on the host, `[numbers, width]` row-major.
    pub(crate) fn of(self, numbers: &[f32]) -> Vec<f32> {
        let half = self.width / 2;
        let frequency = |i: usize| (-(10_000f64.ln()) * i as f64 / (half as f64 - self.shift)).exp() as f32;
        let frequencies: Vec<f32> = (0..half).map(frequency).collect();
        let mut waves = Vec::with_capacity(numbers.len() * self.width);
        for t in numbers {
            let sines = frequencies.iter().map(|f| (t * f).sin());
            let cosines = frequencies.iter().map(|f| (t * f).cos());
            if self.flip {
                waves.extend(cosines.chain(sines));
            } else {
                waves.extend(sines.chain(cosines));
            }
        }
        waves
    }

    /// Returns the embedding of numbers on a device, `[numbers, width]`: one row is copied where all numbers are the same, as the
    /// timesteps of a step are.
    pub(crate) fn on(self, numbers: &[f32], device: &Device, kept: FloatDType) -> Tensor<2> {
        let same = numbers.windows(2).all(|pair| pair[0].to_bits() == pair[1].to_bits());
        let some = if same { &numbers[..numbers.len().min(1)] } else { numbers };
        let waves = moa_device::from_host(self.of(some), [some.len(), self.width], device);
        moa_device::as_type(waves.expand([numbers.len(), self.width]), kept)
    }
}

/// Splits `[rows, tokens, heads·width]` into `[rows, heads, tokens, width]`.
pub(crate) fn split_heads(x: Tensor<3>, heads: usize) -> Tensor<4> {
    let [rows, tokens, width] = x.dims();
    x.reshape([rows, tokens, heads, width / heads]).swap_dims(1, 2)
}

/// Joins `[rows, heads, tokens, width]` into `[rows, tokens, heads·width]`.
pub(crate) fn join_heads(x: Tensor<4>) -> Tensor<3> {
    let [rows, heads, tokens, width] = x.dims();
    x.swap_dims(1, 2).reshape([rows, tokens, heads * width])
}
