//! Weight files on disk, from which a tensor is read when a module asks for it.
//!
//! Files are read at positions rather than mapped: mapping is unsound while another process may change the file, and
//! `unsafe` is forbidden here (docs/decisions/011). Nothing is lost by it: a tensor's bytes go from the file straight into the buffer that
//! the tensor then owns, so one copy of the model is in memory, and halves are widened through a buffer of 1 MiB.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};
use half::{bf16, f16};
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};

use super::ParametersError;

/// Halves widened at a time.
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

    /// Reads a tensor of the given shape, widened to f32.
    pub(super) fn read(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ParametersError> {
        let Some((file, info)) = self.tensors.get(name) else {
            let missing = ParametersError::Missing { name: name.to_owned(), wanted: shape.to_vec() };
            return Err(match self.files.first() {
                Some(file) => missing.within(&file.path),
                None => missing,
            });
        };
        let file = &self.files[*file];
        let values = if info.shape == shape {
            file.read(name, info)
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
            return Err(damaged(format!("{found} bytes are no safetensors file")));
        }
        file.read_exact(&mut length).map_err(io)?;
        let header = u64::from_le_bytes(length);
        if header > LARGEST_HEADER.min(found - 8) {
            return Err(damaged("its first bytes are no safetensors header".into()));
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

    /// Reads one tensor; the file's length was checked when it was opened.
    fn read(&self, name: &str, info: &TensorInfo) -> Result<Vec<f32>, ParametersError> {
        let mut values = vec![0.0; info.shape.iter().product()];
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let seek = file.seek(SeekFrom::Start(self.start + info.data_offsets.0 as u64));
        let read = seek.and_then(|_| match info.dtype {
            Dtype::F32 => read_floats(&mut *file, &mut values).map(|()| true),
            Dtype::F16 => read_halves(&mut *file, &mut values, |halves, out| {
                halves.reinterpret_cast::<f16>().convert_to_f32_slice(out);
            }),
            Dtype::BF16 => read_halves(&mut *file, &mut values, |halves, out| {
                halves.reinterpret_cast::<bf16>().convert_to_f32_slice(out);
            }),
            _ => Ok(false),
        });
        match read {
            Ok(true) => Ok(values),
            Ok(false) => Err(ParametersError::Type { name: name.to_owned(), found: info.dtype }),
            Err(error) => Err(ParametersError::Damaged { problem: format!("tensor `{name}` cannot be read: {error}") }),
        }
    }
}

fn read_floats(file: &mut impl Read, values: &mut [f32]) -> io::Result<()> {
    file.read_exact(bytemuck::cast_slice_mut(values))?;
    if cfg!(target_endian = "big") {
        for value in values {
            *value = f32::from_bits(value.to_bits().swap_bytes());
        }
    }
    Ok(())
}

fn read_halves(file: &mut impl Read, values: &mut [f32], widen: impl Fn(&[u16], &mut [f32])) -> io::Result<bool> {
    let mut halves = vec![0_u16; CHUNK.min(values.len())];
    for out in values.chunks_mut(CHUNK) {
        let halves = &mut halves[..out.len()];
        file.read_exact(bytemuck::cast_slice_mut(halves))?;
        for half in &mut *halves {
            *half = u16::from_le(*half);
        }
        widen(halves, out);
    }
    Ok(true)
}
