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
use std::path::Path;

use half::{bf16, f16};
use pickle::{Described, ElementType};
use rawzip::{CompressionMethod, ZipArchive, ZipArchiveEntryWayfinder, ZipSliceArchive};

use crate::RewardError;

/// Bytes of a file; heads have a few MB.
const LARGEST_FILE: u64 = 1 << 28;
/// Bytes of `data.pkl`; a head's has a few hundred.
const LARGEST_PICKLE: usize = 1 << 20;
/// Elements of one tensor, which may be spread out from fewer.
const MOST_ELEMENTS: usize = 1 << 26;
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

/// Reads a state dict that `torch.save` wrote: a dict from names to tensors, or a checkpoint that has one as `state_dict`.
/// Entries that are no tensors are passed over; values of half and double precision become f32.
///
/// # Errors
/// Refuses files of PyTorch before 1.6, pickles that name anything but tensors, and damaged files, with a hint.
pub fn read_state_dict(path: &Path) -> Result<BTreeMap<String, StateTensor>, RewardError> {
    read(path).map_err(|problem| RewardError::file(path, problem))
}

fn read(path: &Path) -> Result<BTreeMap<String, StateTensor>, String> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    file.take(LARGEST_FILE + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err("it has more than 256 MB, and heads have a few: name the head's file".into());
    }
    if bytes.first() == Some(&0x80) {
        return Err(format!(
            "it is in the format of PyTorch before 1.6, which only running its pickle can read: {WAY_OUT}"
        ));
    }
    let container = Container::open(&bytes)?;
    if container.has("byteorder") && container.entry("byteorder")? != b"little" {
        return Err(format!("it was written on a big-endian machine: {WAY_OUT}"));
    }
    let pickle = container.entry("data.pkl")?;
    if pickle.len() > LARGEST_PICKLE {
        return Err(format!("its pickle has {} bytes, and a head's a few hundred: name the head's file", pickle.len()));
    }
    let mut storages = BTreeMap::new();
    let mut tensors = BTreeMap::new();
    for (name, tensor) in pickle::tensors(&pickle)? {
        let key = &tensor.storage.key;
        if !storages.contains_key(key) {
            storages.insert(key.clone(), container.entry(&format!("data/{key}"))?);
        }
        let values = gather(&tensor, &storages[key]).map_err(|problem| format!("tensor `{name}` {problem}"))?;
        tensors.insert(name, StateTensor { shape: tensor.shape, values });
    }
    Ok(tensors)
}

/// The zip around a state dict: `<folder>/data.pkl` and the entries beside it.
struct Container<'a> {
    archive: ZipSliceArchive<&'a [u8]>,
    /// By name below the folder; whether the entry is stored as it is.
    entries: BTreeMap<String, (ZipArchiveEntryWayfinder, bool)>,
}

impl<'a> Container<'a> {
    fn open(bytes: &'a [u8]) -> Result<Self, String> {
        let archive = ZipArchive::from_slice(bytes).map_err(|error| {
            format!("it is not a zip file of torch.save: {error} (truncated or corrupt? fetch it again)")
        })?;
        let mut entries = BTreeMap::new();
        let mut found = archive.entries();
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

    /// Returns an entry's bytes once their checksum is right.
    fn entry(&self, name: &str) -> Result<Vec<u8>, String> {
        let Some((place, is_stored)) = self.entries.get(name) else {
            return Err(format!("its entry {name} is missing (truncated or corrupt? fetch it again)"));
        };
        if !is_stored {
            return Err(format!("its entry {name} is compressed, which torch.save never does: {WAY_OUT}"));
        }
        let entry = self.archive.get_entry(*place).map_err(damaged)?;
        let mut bytes = Vec::new();
        entry.verifying_reader(entry.data()).read_to_end(&mut bytes).map_err(damaged)?;
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
    let count = count.ok_or_else(|| format!("of shape {shape:?} is larger than any head's"))?;
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
