//! What all formats have in common: a factor down and one up for every layer, as matrices in PyTorch's orientation.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use half::{bf16, f16};
use rayon::prelude::*;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, View};

use super::AdapterFileError;
use crate::parameters::widen;
use crate::{Adapter, AdapterLayer, ParametersError, Precision};

/// Which factor a tensor is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// `[r, d_in]`: lora_A, lora.down, lora_down.
    Down = 0,
    /// `[d_out, r]`: lora_B, lora.up, lora_up.
    Up = 1,
}

/// The factors of a file as they are found, by layer.
#[derive(Default)]
pub(super) struct Factors<'a> {
    pairs: BTreeMap<String, [Option<TensorView<'a>>; 2]>,
}

impl<'a> Factors<'a> {
    pub(super) fn insert(&mut self, layer: &str, side: Side, tensor: TensorView<'a>) {
        self.pairs.entry(layer.to_owned()).or_default()[side as usize] = Some(tensor);
    }

    /// Returns the rank of the first layer, from the shape of its factor.
    pub(super) fn rank(&self) -> Result<usize, AdapterFileError> {
        let (name, pair) = self.pairs.iter().next().ok_or(AdapterFileError::Empty)?;
        let down = pair[0].as_ref().and_then(|tensor| tensor.shape().first().copied());
        down.filter(|rank| *rank > 0).ok_or_else(|| AdapterFileError::Unpaired(name.clone()))
    }

    /// Returns the adapter.
    ///
    /// # Errors
    /// Refuses incomplete and misshapen layers, other ranks, and values that are not finite.
    pub(super) fn into_adapter(self, rank: usize, alpha: f32) -> Result<Adapter, AdapterFileError> {
        if self.pairs.is_empty() {
            return Err(AdapterFileError::Empty);
        }
        let layer = |(name, pair): (String, [Option<TensorView<'a>>; 2])| {
            let [Some(down), Some(up)] = pair else { return Err(AdapterFileError::Unpaired(name)) };
            let (&[down_rank, d_in], &[d_out, up_rank]) = (down.shape(), up.shape()) else {
                return Err(misshapen(name, &down, &up, rank));
            };
            if down_rank != rank || up_rank != rank {
                return Err(misshapen(name, &down, &up, rank));
            }
            let (a, b) = (widen(&name, &down)?, widen(&name, &up)?);
            if !(all_finite(&a) && all_finite(&b)) {
                return Err(AdapterFileError::NotFinite(name));
            }
            Ok((name, AdapterLayer { d_in, d_out, a, b }, stored(&down).joined(stored(&up))))
        };
        let found = self.pairs.into_par_iter().map(layer).collect::<Result<Vec<_>, _>>()?;
        let precision = found.iter().map(|(.., precision)| *precision).reduce(Precision::joined).unwrap_or_default();
        let layers = found.into_iter().map(|(name, layer, _)| (name, layer)).collect();
        Ok(Adapter { rank, alpha, precision, layers })
    }
}

/// Returns whether all values are finite, in one pass without branches: the exponent of others has all its bits set.
fn all_finite(values: &[f32]) -> bool {
    const EXPONENT: u32 = 0x7f80_0000;
    !values.iter().fold(false, |found, value| found | (value.to_bits() & EXPONENT == EXPONENT))
}

/// Returns the precision of a tensor that [`widen`] has read.
fn stored(tensor: &TensorView<'_>) -> Precision {
    match tensor.dtype() {
        Dtype::F16 => Precision::F16,
        Dtype::BF16 => Precision::Bf16,
        _ => Precision::F32,
    }
}

fn misshapen(layer: String, down: &TensorView<'_>, up: &TensorView<'_>, rank: usize) -> AdapterFileError {
    AdapterFileError::Shape { layer, a: down.shape().to_vec(), b: up.shape().to_vec(), rank }
}

/// A tensor on its way into a file.
struct Outgoing<'a> {
    shape: Vec<usize>,
    values: Cow<'a, [f32]>,
    precision: Precision,
}

impl View for Outgoing<'_> {
    fn dtype(&self) -> Dtype {
        match self.precision {
            Precision::F32 => Dtype::F32,
            Precision::F16 => Dtype::F16,
            Precision::Bf16 => Dtype::BF16,
        }
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let values = &self.values[..];
        match self.precision {
            Precision::F32 if cfg!(target_endian = "little") => Cow::Borrowed(bytemuck::cast_slice(values)),
            Precision::F32 => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Precision::F16 => values.iter().flat_map(|value| f16::from_f32(*value).to_le_bytes()).collect(),
            Precision::Bf16 => values.iter().flat_map(|value| bf16::from_f32(*value).to_le_bytes()).collect(),
        }
    }

    fn data_len(&self) -> usize {
        self.values.len() * if self.precision == Precision::F32 { 4 } else { 2 }
    }
}

/// Returns the safetensors file of an adapter in its precision; alphas are single precision always.
///
/// - `names`: of the tensors of a layer: down, up, and that of its α, if it has one
pub(super) fn write(
    adapter: &Adapter,
    names: impl Fn(&str) -> (String, String, Option<String>),
    metadata: HashMap<String, String>,
) -> Result<Vec<u8>, AdapterFileError> {
    let (rank, precision) = (adapter.rank, adapter.precision);
    let tensors = adapter.layers.iter().flat_map(|(name, layer)| {
        let (down, up, alpha) = names(name);
        let factor = |shape: [usize; 2], values| Outgoing { shape: shape.to_vec(), values, precision };
        let factors = [
            (down, factor([rank, layer.d_in], Cow::Borrowed(&layer.a[..]))),
            (up, factor([layer.d_out, rank], Cow::Borrowed(&layer.b[..]))),
        ];
        let alpha = alpha.map(|name| {
            let values = Cow::Owned(vec![adapter.alpha]);
            (name, Outgoing { shape: Vec::new(), values, precision: Precision::F32 })
        });
        factors.into_iter().chain(alpha)
    });
    Ok(safetensors::serialize(tensors, Some(metadata)).map_err(ParametersError::from)?)
}
