//! A tensor as a view of its file's bytes, widened to single precision on demand.

use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};
use half::{bf16, f16};
use safetensors::Dtype;
use safetensors::tensor::TensorView;

use super::ContentsError;

/// A tensor of a file, not copied.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored<'a> {
    name: String,
    shape: Vec<usize>,
    dtype: Dtype,
    bytes: &'a [u8],
}

/// The types of numbers that are read: floating-point ones, and whole ones, in which some programs keep alphas.
const READ: [Dtype; 8] =
    [Dtype::F64, Dtype::F32, Dtype::F16, Dtype::BF16, Dtype::F8_E4M3, Dtype::F8_E5M2, Dtype::I64, Dtype::I32];

impl<'a> Stored<'a> {
    /// Returns a tensor of a file.
    ///
    /// # Errors
    /// Refuses other types of numbers than F64, F32, F16, BF16, F8_E4M3, F8_E5M2, I64 and I32, and values that are not finite.
    pub(super) fn new(name: &str, view: &TensorView<'a>) -> Result<Self, ContentsError> {
        let (shape, dtype, bytes) = (view.shape().to_vec(), view.dtype(), view.data());
        if !READ.contains(&dtype) {
            return Err(ContentsError::Type { name: name.to_owned(), found: dtype });
        }
        let stored = Self { name: name.to_owned(), shape, dtype, bytes };
        if stored.is_finite() { Ok(stored) } else { Err(ContentsError::NotFinite(stored.name)) }
    }

    /// Returns the tensor's name in the file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the shape.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Returns the type of number in the file.
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// Returns the values in single precision, row-major.
    pub fn values(&self) -> Vec<f32> {
        let bytes = self.bytes;
        match self.dtype {
            Dtype::F64 => eights(bytes).map(|bytes| f64::from_le_bytes(bytes) as f32).collect(),
            Dtype::I64 => eights(bytes).map(|bytes| i64::from_le_bytes(bytes) as f32).collect(),
            Dtype::I32 => fours(bytes).map(|bytes| i32::from_le_bytes(bytes) as f32).collect(),
            Dtype::F16 => twos(bytes).collect::<Vec<u16>>().reinterpret_cast::<f16>().to_f32_vec(),
            Dtype::BF16 => twos(bytes).collect::<Vec<u16>>().reinterpret_cast::<bf16>().to_f32_vec(),
            // The upper byte of an IEEE half.
            Dtype::F8_E5M2 => bytes.iter().map(|byte| f16::from_bits(u16::from(*byte) << 8).to_f32()).collect(),
            Dtype::F8_E4M3 => bytes.iter().map(|byte| e4m3(*byte)).collect(),
            _ => fours(bytes).map(f32::from_le_bytes).collect(),
        }
    }

    /// Returns whether all values are finite, from the bits alone: the exponents of others have all bits set.
    fn is_finite(&self) -> bool {
        let bytes = self.bytes;
        // Counted, not searched, so that whole vectors are compared at a time.
        let none = |count: usize| count == 0;
        match self.dtype {
            Dtype::F32 => {
                let all = 0x7f80_0000;
                none(fours(bytes).filter(|bytes| u32::from_le_bytes(*bytes) & all == all).count())
            }
            Dtype::F64 => eights(bytes).all(|bytes| (f64::from_le_bytes(bytes) as f32).is_finite()),
            Dtype::F16 => none(twos(bytes).filter(|bits| bits & 0x7c00 == 0x7c00).count()),
            Dtype::BF16 => none(twos(bytes).filter(|bits| bits & 0x7f80 == 0x7f80).count()),
            Dtype::F8_E5M2 => none(bytes.iter().filter(|byte| *byte & 0x7c == 0x7c).count()),
            Dtype::F8_E4M3 => none(bytes.iter().filter(|byte| *byte & 0x7f == 0x7f).count()),
            _ => true,
        }
    }
}

fn twos(bytes: &[u8]) -> impl Iterator<Item = u16> {
    bytes.chunks_exact(2).map(|bytes| u16::from_le_bytes([bytes[0], bytes[1]]))
}

fn fours(bytes: &[u8]) -> impl Iterator<Item = [u8; 4]> {
    bytes.chunks_exact(4).map(|bytes| [bytes[0], bytes[1], bytes[2], bytes[3]])
}

fn eights(bytes: &[u8]) -> impl Iterator<Item = [u8; 8]> {
    bytes.chunks_exact(8).map(|b| [b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]])
}

/// Returns the number that a byte is in E4M3 (bias 7, subnormal numbers, no infinities): "FP8 Formats for Deep Learning",
/// <https://arxiv.org/abs/2209.05433>.
fn e4m3(byte: u8) -> f32 {
    let (exponent, mantissa) = (i32::from(byte >> 3 & 0xf), f32::from(byte & 7));
    let size = match exponent {
        0 => mantissa / 8.0 * 2f32.powi(-6),
        15 if byte & 7 == 7 => f32::NAN,
        _ => (1.0 + mantissa / 8.0) * 2f32.powi(exponent - 7),
    };
    if byte & 0x80 == 0 { size } else { -size }
}
