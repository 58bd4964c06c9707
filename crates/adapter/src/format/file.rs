//! A safetensors file that is not written yet: what all formats have in common.

use std::borrow::Cow;
use std::io::{self, Write};

use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};
use half::{bf16, f16};
use safetensors::tensor::TensorInfo;
use safetensors::{Dtype, View};

use super::AdapterFileError;
use crate::{AdapterLayer, Difference, ParametersError, Precision};
use moa_core::Provenance;

/// The header's key of the texts about the file.
pub(super) const METADATA: &str = "__metadata__";

/// A tensor on its way into a file.
pub(super) struct Outgoing<'a> {
    pub(super) shape: Vec<usize>,
    pub(super) values: Cow<'a, [f32]>,
    pub(super) precision: Precision,
}

impl<'a> Outgoing<'a> {
    /// Returns a number of its own, which is single precision always.
    pub(super) fn number(value: f32) -> Self {
        Self { shape: Vec::new(), values: Cow::Owned(vec![value]), precision: Precision::F32 }
    }

    /// Returns the factor down of a layer, `[r, in, …]`.
    pub(super) fn down(layer: &'a AdapterLayer, precision: Precision) -> Self {
        let shape = [&[layer.rank], &layer.shape()[1..]].concat();
        Self { shape, values: Cow::Borrowed(&layer.a), precision }
    }

    /// Returns the factor up of a layer, `[out, r, 1, …]`.
    pub(super) fn up(layer: &'a AdapterLayer, precision: Precision) -> Self {
        Self { shape: up_shape(layer), values: Cow::Borrowed(&layer.b), precision }
    }

    /// Returns the factor up of a layer times its scale, so that it stands for itself: readers that find no α take it to be the rank.
    pub(super) fn scaled_up(layer: &'a AdapterLayer, precision: Precision) -> Self {
        let scale = layer.scale();
        if scale.to_bits() == 1f64.to_bits() {
            return Self::up(layer, precision);
        }
        let values = layer.b.iter().map(|value| (scale * f64::from(*value)) as f32).collect();
        Self { shape: up_shape(layer), values: Cow::Owned(values), precision }
    }

    /// Returns a difference.
    pub(super) fn difference(difference: &'a Difference, precision: Precision) -> Self {
        Self { shape: difference.shape.clone(), values: Cow::Borrowed(&difference.values), precision }
    }
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
