//! A safetensors file that is not written yet: what all formats have in common.

use std::borrow::Cow;
use std::io::{self, Write};

use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};
use half::{bf16, f16};
use rayon::prelude::*;
use safetensors::tensor::TensorInfo;
use safetensors::{Dtype, View};

use super::AdapterFileError;
use crate::{AdapterLayer, Difference, ParametersError, Precision};
use moa_core::Provenance;

/// The header's key of the texts about the file.
pub(super) const METADATA: &str = "__metadata__";

/// A tensor on its way into a file.
pub(super) struct Outgoing<'a> {
    shape: Vec<usize>,
    values: Cow<'a, [f32]>,
    precision: Precision,
}

impl<'a> Outgoing<'a> {
    /// Returns a tensor in a precision, or in single precision where that would lose more of it than rounding: small numbers vanish in halves.
    pub(super) fn new(shape: Vec<usize>, values: Cow<'a, [f32]>, precision: Precision) -> Self {
        let precision = if is_held(&values, precision) { precision } else { Precision::F32 };
        Self { shape, values, precision }
    }

    /// Returns a tensor with values of its own.
    pub(super) fn into_owned<'b>(self) -> Outgoing<'b> {
        Outgoing { shape: self.shape, values: Cow::Owned(self.values.into_owned()), precision: self.precision }
    }

    /// Returns a number of its own, which is single precision always.
    pub(super) fn number(value: f32) -> Self {
        Self { shape: Vec::new(), values: Cow::Owned(vec![value]), precision: Precision::F32 }
    }

    /// Returns the factor down of a layer, `[r, in, …]`.
    pub(super) fn down(layer: &'a AdapterLayer, precision: Precision) -> Self {
        let shape = [&[layer.rank], &layer.shape()[1..]].concat();
        Self::new(shape, Cow::Borrowed(&layer.a), precision)
    }

    /// Returns the factor up of a layer, `[out, r, 1, …]`.
    pub(super) fn up(layer: &'a AdapterLayer, precision: Precision) -> Self {
        Self::new(up_shape(layer), Cow::Borrowed(&layer.b), precision)
    }

    /// Returns the factor up of a layer times its scale, so that it stands for itself: readers that find no α take it to be the rank.
    pub(super) fn scaled_up(layer: &'a AdapterLayer, precision: Precision) -> Self {
        let scale = layer.scale();
        if scale.to_bits() == 1f64.to_bits() {
            return Self::up(layer, precision);
        }
        let values = layer.b.iter().map(|value| (scale * f64::from(*value)) as f32).collect();
        Self::new(up_shape(layer), Cow::Owned(values), precision)
    }

    /// Returns a difference.
    pub(super) fn difference(difference: &'a Difference, precision: Precision) -> Self {
        Self::new(difference.shape.clone(), Cow::Borrowed(&difference.values), precision)
    }
}

/// The most of a tensor's norm that rounding to a precision loses, with some to spare: half a unit in the last of 11 or 8 binary digits.
fn rounding(precision: Precision) -> f64 {
    match precision {
        Precision::F32 => f64::INFINITY,
        Precision::F16 => 1e-3,
        Precision::Bf16 => 8e-3,
    }
}

/// Returns whether a precision holds a tensor to within rounding.
fn is_held(values: &[f32], precision: Precision) -> bool {
    let rounded = |value: f32| match precision {
        Precision::F32 => value,
        Precision::F16 => f16::from_f32(value).to_f32(),
        Precision::Bf16 => bf16::from_f32(value).to_f32(),
    };
    if precision == Precision::F32 {
        return true;
    }
    let parts = values.par_chunks(1 << 16).map(|values| {
        values.iter().fold((0.0, 0.0), |(lost, all): (f64, f64), value| {
            let rest = f64::from(rounded(*value) - value);
            (lost + rest * rest, all + f64::from(*value).powi(2))
        })
    });
    let (lost, all) = parts.reduce(|| (0.0, 0.0), |one, other| (one.0 + other.0, one.1 + other.1));
    lost <= rounding(precision).powi(2) * all
}

fn up_shape(layer: &AdapterLayer) -> Vec<usize> {
    let mut shape = vec![layer.d_out, layer.rank];
    shape.resize(2 + layer.kernel.len(), 1);
    shape
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

/// Returns a safetensors file.
///
/// - `tensors`: by name
/// - `metadata`: the format's own texts in the header; where the adapter comes from stands beside them
pub(super) fn file<'a>(
    tensors: impl IntoIterator<Item = (String, Outgoing<'a>)>,
    metadata: &[(&str, String)],
    provenance: Option<&Provenance>,
) -> Result<File<'a>, AdapterFileError> {
    // As the safetensors library orders them: wider types first, then by name.
    let mut outgoing: Vec<(String, Outgoing<'a>)> = tensors.into_iter().collect();
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
