//! What all formats have in common: a factor down and one up for every layer, as matrices in PyTorch's orientation.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Write};

use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};
use half::{bf16, f16};
use rayon::prelude::*;
use safetensors::tensor::{TensorInfo, TensorView};
use safetensors::{Dtype, View};

use super::AdapterFileError;
use crate::parameters::widen;
use crate::{Adapter, AdapterLayer, ParametersError, Precision};
use moa_core::Provenance;

/// The header's key of the texts about the file.
pub(super) const METADATA: &str = "__metadata__";

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
                return Err(match down.shape().len() {
                    4 => AdapterFileError::Convolution { layer: name, shape: down.shape().to_vec() },
                    _ => misshapen(name, &down, &up, rank),
                });
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
            Precision::F16 => {
                let mut bits = vec![0; values.len()];
                bits.reinterpret_cast_mut::<f16>().convert_from_f32_slice(values);
                Cow::Owned(bytes_of(&bits))
            }
            Precision::Bf16 => {
                let mut bits = vec![0; values.len()];
                bits.reinterpret_cast_mut::<bf16>().convert_from_f32_slice(values);
                Cow::Owned(bytes_of(&bits))
            }
        }
    }

    fn data_len(&self) -> usize {
        self.values.len() * if self.precision == Precision::F32 { 4 } else { 2 }
    }
}

/// Returns the bytes of numbers of two bytes, little-endian.
fn bytes_of(bits: &[u16]) -> Vec<u8> {
    if cfg!(target_endian = "little") {
        return bytemuck::cast_slice(bits).to_vec();
    }
    bits.iter().flat_map(|bits| bits.to_le_bytes()).collect()
}

/// A safetensors file that is not written yet: nothing of its tensors is copied.
pub(super) struct File<'a> {
    header: Vec<u8>,
    tensors: Vec<Outgoing<'a>>,
}

impl File<'_> {
    /// Returns the length in bytes.
    pub(super) fn len(&self) -> usize {
        self.header.len() + self.tensors.iter().map(View::data_len).sum::<usize>()
    }

    /// Writes the file.
    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(&self.header)?;
        self.tensors.iter().try_for_each(|tensor| out.write_all(&tensor.data()))
    }
}

/// Returns the safetensors file of an adapter in its precision; alphas are single precision always.
///
/// - `names`: of the tensors of a layer: down, up, and that of its α, if it has one
/// - `metadata`: the format's own texts in the header; where the adapter comes from stands beside them
pub(super) fn file<'a>(
    adapter: &'a Adapter,
    names: impl Fn(&str) -> (String, String, Option<String>),
    metadata: &[(&str, String)],
    provenance: Option<&Provenance>,
) -> Result<File<'a>, AdapterFileError> {
    let (rank, precision) = (adapter.rank, adapter.precision);
    let outgoing = adapter.layers.iter().flat_map(|(name, layer)| {
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
    // As the safetensors library orders them: wider types first, then by name.
    let mut outgoing: Vec<(String, Outgoing<'a>)> = outgoing.collect();
    outgoing.sort_by(|(name, one), (other, next)| next.dtype().cmp(&one.dtype()).then_with(|| name.cmp(other)));
    let mut offset = 0;
    let mut header = serde_json::Map::new();
    let metadata = metadata.iter().map(|(key, value)| ((*key).to_owned(), value.clone()));
    let texts = metadata.chain(provenance.map(Provenance::to_header).unwrap_or_default());
    let texts = texts.map(|(key, value)| (key, value.into())).collect();
    header.insert(METADATA.into(), serde_json::Value::Object(texts));
    for (name, tensor) in &outgoing {
        let end = offset + tensor.data_len();
        let info = TensorInfo { dtype: tensor.dtype(), shape: tensor.shape.clone(), data_offsets: (offset, end) };
        header.insert(
            name.clone(),
            serde_json::to_value(info).map_err(safetensors::SafeTensorError::from).map_err(ParametersError::from)?,
        );
        offset = end;
    }
    let header = header_bytes(header);
    Ok(File { header, tensors: outgoing.into_iter().map(|(_, tensor)| tensor).collect() })
}

/// Returns the first bytes of a safetensors file: the header's length, and the header.
pub(super) fn header_bytes(header: serde_json::Map<String, serde_json::Value>) -> Vec<u8> {
    let mut text = serde_json::Value::Object(header).to_string().into_bytes();
    text.resize(text.len().next_multiple_of(8), b' ');
    let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
    bytes.append(&mut text);
    bytes
}
