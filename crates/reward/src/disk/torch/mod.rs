//! State dicts as `torch.save` writes them, read without running a pickle.
//!
//! Since PyTorch 1.6 the file is a zip: `data.pkl` says which tensor lies where, and `data/0`, `data/1` … are the values.
//! `data.pkl` is a program for Python's pickle machine, which may call any function. Here a machine of few instructions
//! interprets it (`pickle`): it knows the functions that plain state dicts name, builds descriptions of tensors and
//! nothing else, and refuses all others by name.

mod pickle;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use moa_adapter::TensorFile;
use pickle::{Described, ElementType};
use rawzip::{CompressionMethod, FileReader, RECOMMENDED_BUFFER_SIZE, ZipArchive, ZipArchiveEntryWayfinder};

use crate::RewardError;

/// Bytes of a head's file; heads have a few MB.
const LARGEST_HEAD: u64 = 1 << 28;
/// Bytes of `data.pkl`; a head's has a few hundred, and that of a model with a thousand tensors 200,000.
const LARGEST_PICKLE: u64 = 1 << 21;
/// Elements of one tensor, which may be spread out from fewer; the largest table of words of a CLIP has 76 million.
const MOST_ELEMENTS: usize = 1 << 28;
/// Bytes of a storage.
const LARGEST_STORAGE: u64 = 1 << 31;
/// What to do with a file that cannot be read here.
const WAY_OUT: &str = "load it where you trust it, and write the state dict again with safetensors.torch.save_file";

/// A tensor of a state dict.
#[derive(Clone, Debug, PartialEq)]
pub struct StateTensor {
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its values, row-major.
    pub values: Vec<f32>,
}

/// Reads a small state dict that `torch.save` wrote: see [`StateDict::open`].
///
/// # Errors
/// Refuses what [`StateDict::open`] does, files of more than 256 MB, and tensors whose values are damaged.
pub fn read_state_dict(path: &Path) -> Result<BTreeMap<String, StateTensor>, RewardError> {
    let bytes = File::open(path).and_then(|file| file.metadata()).map_or(0, |found| found.len());
    if bytes > LARGEST_HEAD {
        return Err(RewardError::file(path, "it has more than 256 MB, and heads have a few: name the head's file"));
    }
    let dict = StateDict::open(path)?;
    let tensor = |(name, described): (&String, &Described)| {
        let values = dict.values(name).map_err(|problem| RewardError::file(path, problem))?;
        Ok((name.clone(), StateTensor { shape: described.shape.clone(), values }))
    };
    dict.tensors.iter().map(tensor).collect()
}

/// A state dict that `torch.save` wrote, open. A tensor is read when it is asked for.
pub struct StateDict {
    path: PathBuf,
    container: Container,
    tensors: BTreeMap<String, Described>,
}

impl StateDict {
    /// Opens a dict from names to tensors, or a checkpoint that has one as `state_dict`. Entries that are no tensors are passed
    /// over, and so is `module.` before all names, which training on several devices adds; values of half and double precision
    /// become f32.
    ///
    /// # Errors
    /// Refuses files of PyTorch before 1.6, pickles that name anything but tensors, and damaged files, with a hint.
    pub fn open(path: &Path) -> Result<Self, RewardError> {
        Self::read_directory(path).map_err(|problem| RewardError::file(path, problem))
    }

    fn read_directory(path: &Path) -> Result<Self, String> {
        let mut file = File::open(path).map_err(|error| error.to_string())?;
        let mut first = [0];
        if file.read_exact(&mut first).is_ok() && first == [0x80] {
            return Err(format!(
                "it is in the format of PyTorch before 1.6, which only running its pickle can read: {WAY_OUT}"
            ));
        }
        let container = Container::open(file)?;
        if container.has("byteorder") && container.entry("byteorder", LARGEST_PICKLE)? != b"little" {
            return Err(format!("it was written on a big-endian machine: {WAY_OUT}"));
        }
        if container.has("constants.pkl") {
            return Err(format!("it is a TorchScript archive, and no state dict: {WAY_OUT}"));
        }
        let pickle = container.entry("data.pkl", LARGEST_PICKLE)?;
        let mut tensors = pickle::tensors(&pickle)?;
        if tensors.keys().all(|name| name.starts_with("module.")) {
            let plain = |(name, tensor): (String, Described)| Some((name.strip_prefix("module.")?.to_owned(), tensor));
            tensors = tensors.into_iter().filter_map(plain).collect();
        }
        Ok(Self { path: path.to_owned(), container, tensors })
    }

    fn values(&self, name: &str) -> Result<Vec<f32>, String> {
        let tensor = self.tensors.get(name).ok_or_else(|| format!("it has no tensor `{name}`"))?;
        let storage = self.container.entry(&format!("data/{}", tensor.storage.key), LARGEST_STORAGE)?;
        gather(tensor, &storage).map_err(|problem| format!("tensor `{name}` {problem}"))
    }
}

impl TensorFile for StateDict {
    fn path(&self) -> &Path {
        &self.path
    }

    fn names(&self) -> Vec<&str> {
        self.tensors.keys().map(String::as_str).collect()
    }

    fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|tensor| tensor.shape.as_slice())
    }

    fn read(&self, name: &str) -> Result<Vec<f32>, String> {
        self.values(name)
    }
}

/// The zip around a state dict: `<folder>/data.pkl` and the entries beside it.
struct Container {
    archive: ZipArchive<FileReader>,
    /// By name below the folder; whether the entry is stored as it is.
    entries: BTreeMap<String, (ZipArchiveEntryWayfinder, bool)>,
}

impl Container {
    fn open(file: File) -> Result<Self, String> {
        let mut buffer = vec![0; RECOMMENDED_BUFFER_SIZE];
        let archive = ZipArchive::from_file(file, &mut buffer).map_err(|error| {
            format!("it is not a zip file of torch.save: {error} (truncated or corrupt? fetch it again)")
        })?;
        let mut entries = BTreeMap::new();
        let mut found = archive.entries(&mut buffer);
        while let Some(entry) = found.next_entry().map_err(damaged)? {
            let path = String::from_utf8_lossy(entry.file_path().as_bytes()).into_owned();
            let name = path.split_once('/').map_or("", |(_, name)| name).to_owned();
            entries.insert(name, (entry.wayfinder(), entry.compression_method() == CompressionMethod::STORE));
        }
        if !entries.contains_key("data.pkl") {
            return Err(format!("it is a zip without data.pkl, and no state dict of torch.save: {WAY_OUT}"));
        }
        Ok(Self { archive, entries })
    }

    fn has(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// Returns an entry's bytes, at most `most`, once their checksum is right.
    fn entry(&self, name: &str, most: u64) -> Result<Vec<u8>, String> {
        let Some((place, is_stored)) = self.entries.get(name) else {
            return Err(format!("its entry {name} is missing (truncated or corrupt? fetch it again)"));
        };
        if !is_stored {
            return Err(format!("its entry {name} is compressed, which torch.save never does: {WAY_OUT}"));
        }
        let promised = place.uncompressed_size_hint();
        if promised > most {
            return Err(format!("its entry {name} has {promised} bytes, and at most {most} are read: {WAY_OUT}"));
        }
        let entry = self.archive.get_entry(*place).map_err(damaged)?;
        let mut bytes = Vec::new();
        entry.verifying_reader(entry.reader()).read_to_end(&mut bytes).map_err(damaged)?;
        Ok(bytes)
    }
}

fn damaged(error: impl std::fmt::Display) -> String {
    format!("its zip is damaged: {error} (truncated or corrupt? fetch it again)")
}

/// Returns a tensor's values, in the order of its indices.
fn gather(tensor: &Described, storage: &[u8]) -> Result<Vec<f32>, String> {
    let Described { shape, strides, offset, storage: described } = tensor;
    let size = described.element.size();
    let count = shape.iter().try_fold(1_usize, |count, side| count.checked_mul(*side));
    let count = count.filter(|count| *count <= MOST_ELEMENTS);
    let count = count.ok_or_else(|| format!("of shape {shape:?} is larger than any model's"))?;
    let reach = shape
        .iter()
        .zip(strides)
        .try_fold(*offset, |reach, (side, stride)| reach.checked_add(side.saturating_sub(1).checked_mul(*stride)?));
    if count == 0 || reach.is_none_or(|reach| reach >= storage.len() / size) {
        return Err(format!("of shape {shape:?} reaches beyond its {} bytes (truncated or corrupt?)", storage.len()));
    }
    let mut values = Vec::with_capacity(count);
    let mut index = vec![0; shape.len()];
    for _ in 0..count {
        let place: usize = offset + index.iter().zip(strides).map(|(i, stride)| i * stride).sum::<usize>();
        values.push(described.element.read(&storage[place * size..(place + 1) * size]));
        for (i, side) in index.iter_mut().zip(shape).rev() {
            *i += 1;
            if *i < *side {
                break;
            }
            *i = 0;
        }
    }
    Ok(values)
}

impl ElementType {
    /// Returns the bytes of an element.
    fn size(self) -> usize {
        match self {
            Self::Double => 8,
            Self::Float => 4,
            Self::Half | Self::BFloat16 => 2,
        }
    }

    fn read(self, bytes: &[u8]) -> f32 {
        match (self, bytes) {
            (Self::Half, &[a, b]) => f16::from_le_bytes([a, b]).to_f32(),
            (Self::BFloat16, &[a, b]) => bf16::from_le_bytes([a, b]).to_f32(),
            (Self::Float, &[a, b, c, d]) => f32::from_le_bytes([a, b, c, d]),
            (Self::Double, &[a, b, c, d, e, f, g, h]) => f64::from_le_bytes([a, b, c, d, e, f, g, h]) as f32,
            _ => unreachable!("`gather` cuts `size` bytes"),
        }
    }
}
