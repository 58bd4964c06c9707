//! Weight files on disk, from which a tensor is read when a module asks for it.
//!
//! Files are read at positions rather than mapped: mapping is unsound while another process may change the file, and
//! `unsafe` is forbidden here (docs/decisions/011). Nothing is lost by it: a tensor's bytes go from the file straight into the buffer that
//! the tensor then owns, so one copy of the model is in memory; numbers of another type than is kept are converted half a million at a time.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use burn::tensor::{Element, FloatDType, TensorData};
use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};
use half::{bf16, f16};
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};

use super::ParametersError;

/// Numbers converted at a time.
const CHUNK: usize = 1 << 19;
/// Bytes of the largest header that safetensors allows.
const LARGEST_HEADER: u64 = 100_000_000;

/// One safetensors file, open, with its header read.
struct WeightFile {
    path: PathBuf,
    file: Mutex<File>,
    /// Where the tensors' bytes begin.
    start: u64,
}

/// The safetensors files of one model.
pub(super) struct WeightFiles {
    files: Vec<WeightFile>,
    /// Each tensor by name: the file that holds it, and where.
    tensors: BTreeMap<String, (usize, TensorInfo)>,
}

impl WeightFiles {
    /// Opens the files and reads their headers.
    pub(super) fn open(paths: &[PathBuf]) -> Result<Self, ParametersError> {
        let mut all = Self { files: Vec::new(), tensors: BTreeMap::new() };
        for path in paths {
            let (file, metadata) = WeightFile::open(path).map_err(|source| source.within(path))?;
            for (name, info) in metadata.tensors() {
                if let Some((first, _)) = all.tensors.insert(name.clone(), (all.files.len(), info.clone())) {
                    let first = &all.files[first].path;
                    return Err(ParametersError::Twice { name, first: first.clone(), second: path.clone() });
                }
            }
            all.files.push(file);
        }
        Ok(all)
    }

    /// Returns whether a file holds the tensor.
    pub(super) fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// Returns a tensor's shape.
    pub(super) fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|(_, info)| info.shape.as_slice())
    }

    /// Returns the names of all tensors, in alphabetical order.
    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        self.tensors.keys()
    }

    /// Reads a tensor of the given shape, as numbers of the type that is kept.
    pub(super) fn read(&self, name: &str, shape: &[usize], kept: FloatDType) -> Result<TensorData, ParametersError> {
        let Some((file, info)) = self.tensors.get(name) else {
            let missing = ParametersError::Missing { name: name.to_owned(), wanted: shape.to_vec() };
            return Err(match self.files.first() {
                Some(file) => missing.within(&file.path),
                None => missing,
            });
        };
        let file = &self.files[*file];
        let values = if info.shape == shape {
            file.read(name, info, kept)
        } else {
            let (name, found) = (name.to_owned(), info.shape.clone());
            Err(ParametersError::Shape { name, found, wanted: shape.to_vec() })
        };
        values.map_err(|source| source.within(&file.path))
    }
}

impl WeightFile {
    fn open(path: &Path) -> Result<(Self, Metadata), ParametersError> {
        let damaged = |problem: String| ParametersError::Damaged { problem };
        let io = |error: io::Error| ParametersError::Damaged { problem: error.to_string() };
        let mut file = File::open(path).map_err(io)?;
        let found = file.metadata().map_err(io)?.len();
        let mut length = [0; 8];
        if found < 8 {
            return Err(damaged(format!("{found} bytes are not a safetensors file")));
        }
        file.read_exact(&mut length).map_err(io)?;
        let header = u64::from_le_bytes(length);
        if header > LARGEST_HEADER.min(found - 8) {
            return Err(damaged("its first bytes are not a safetensors header".into()));
        }
        let mut text = vec![0; header as usize];
        file.read_exact(&mut text).map_err(io)?;
        let metadata: Metadata =
            serde_json::from_slice(&text).map_err(|error| damaged(format!("its header is broken: {error}")))?;
        let start = 8 + header;
        let promised = start + metadata.data_len() as u64;
        if found != promised {
            return Err(damaged(format!("it has {found} bytes, and its header promises {promised}")));
        }
        Ok((Self { path: path.to_owned(), file: Mutex::new(file), start }, metadata))
    }

    /// Reads one tensor, as numbers of the type that is kept; the file's length was checked when it was opened.
    fn read(&self, name: &str, info: &TensorInfo, kept: FloatDType) -> Result<TensorData, ParametersError> {
        let stored = match info.dtype {
            Dtype::F32 => FloatDType::F32,
            Dtype::F16 => FloatDType::F16,
            Dtype::BF16 => FloatDType::BF16,
            found => return Err(ParametersError::Type { name: name.to_owned(), found }),
        };
        let count = info.shape.iter().product();
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let seek = file.seek(SeekFrom::Start(self.start + info.data_offsets.0 as u64));
        let mut too_large = None;
        let read = seek.and_then(|_| match kept {
            FloatDType::BF16 => read_as::<bf16>(&mut *file, count, stored, bf16::from_f32),
            FloatDType::F16 => read_as::<f16>(&mut *file, count, stored, |value| {
                if value.abs() > f16::MAX.to_f32() {
                    too_large.get_or_insert(value);
                }
                f16::from_f32(value)
            }),
            _ => read_as::<f32>(&mut *file, count, stored, |value| value),
        });
        let read = read.map_err(|error| ParametersError::Damaged {
            problem: format!("tensor `{name}` cannot be read: {error}"),
        })?;
        match too_large {
            Some(value) => Err(ParametersError::TooLarge { name: name.to_owned(), value }),
            None => Ok(read),
        }
    }
}

/// Reads `count` numbers that are stored as one type into numbers of another.
fn read_as<T: Element + bytemuck::Pod>(
    file: &mut impl Read,
    count: usize,
    stored: FloatDType,
    mut from_f32: impl FnMut(f32) -> T,
) -> io::Result<TensorData> {
    let mut values = vec![T::zeroed(); count];
    if cfg!(target_endian = "little") && T::dtype() == stored.into() {
        file.read_exact(bytemuck::cast_slice_mut(&mut values))?;
        return Ok(TensorData::new(values, [count]));
    }
    let size = if stored == FloatDType::F32 { 4 } else { 2 };
    let (mut bytes, mut wide) = (vec![0; size * CHUNK.min(count)], vec![0.0; CHUNK.min(count)]);
    for out in values.chunks_mut(CHUNK) {
        let (bytes, wide) = (&mut bytes[..size * out.len()], &mut wide[..out.len()]);
        file.read_exact(bytes)?;
        if stored == FloatDType::F32 {
            let floats = bytes.as_chunks::<4>().0;
            wide.iter_mut().zip(floats).for_each(|(wide, bytes)| *wide = f32::from_le_bytes(*bytes));
        } else {
            let halves: Vec<u16> = bytes.as_chunks::<2>().0.iter().map(|bytes| u16::from_le_bytes(*bytes)).collect();
            match stored {
                FloatDType::BF16 => halves.reinterpret_cast::<bf16>().convert_to_f32_slice(wide),
                _ => halves.reinterpret_cast::<f16>().convert_to_f32_slice(wide),
            }
        }
        out.iter_mut().zip(&*wide).for_each(|(out, value)| *out = from_f32(*value));
    }
    Ok(TensorData::new(values, [count]))
}
