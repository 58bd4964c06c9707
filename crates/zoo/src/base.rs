//! Base models by name: the embedded one, folders in diffusers' layout, and models of the hub that were downloaded.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use moa_core::experiment::{BaseName, WITHOUT_T5};
use moa_diffusion::hub::HubModel;
use moa_diffusion::pipeline::{LAYOUT, OPTIONAL_T5, tokenizer_beside};
use moa_diffusion::schedule::Prediction;
use moa_diffusion::{BaseParameters, Compute, Pipeline};
use sha2::{Digest, Sha256};

use crate::ZooError;
use crate::embedded::{self, hexadecimal};

/// Bytes of the largest header that safetensors allows.
const LARGEST_HEADER: u64 = 100_000_000;

/// A base model that was found.
#[derive(Clone, Debug)]
pub struct BaseModel {
    name: String,
    place: Place,
    /// Whether prompts are read with T5, where the model has it.
    t5: bool,
}

/// Where a base model lies.
#[derive(Clone, Debug)]
enum Place {
    Embedded,
    Folder(PathBuf),
    File { path: PathBuf, prediction: Option<Prediction> },
}

/// A file of a base model.
#[derive(Clone, Debug)]
pub enum BaseFile {
    /// Its bytes.
    Bytes(Vec<u8>),
    /// Where it lies.
    Path(PathBuf),
}

impl BaseModel {
    /// Returns the embedded model.
    pub fn embedded() -> Self {
        Self { name: embedded::EMOJI_32.into(), place: Place::Embedded, t5: true }
    }

    /// Finds the model that a name stands for (see [`BaseName`]). A folder's name may be that of a checkpoint in one file, too:
    /// `x.safetensors`, or `x.safetensors@v_prediction` where the file does not tell what the model predicts. A name that ends in [`WITHOUT_T5`] leaves T5 out. `cache` is the folder where the hub's downloads lie.
    ///
    /// # Errors
    /// Says that there is no such folder, or no such download, with a hint.
    pub fn find(name: &str, cache: Option<&Path>) -> Result<Self, ZooError> {
        let (model, t5) = name.strip_suffix(WITHOUT_T5).map_or((name, true), |model| (model, false));
        let place = match BaseName::of(model) {
            BaseName::BuiltIn => Place::Embedded,
            BaseName::Folder(folder) if folder.is_dir() => Place::Folder(folder.to_owned()),
            BaseName::Folder(_) => {
                let (path, prediction) = checkpoint(model);
                match path.extension() {
                    Some(ending) if path.is_file() && ending == "safetensors" => Place::File { path, prediction },
                    _ if path.is_file() => return Err(ZooError::BaseIsFile(path)),
                    _ => return Err(ZooError::UnknownBase(name.to_owned())),
                }
            }
            BaseName::Hub(_) => match HubModel::parse(model) {
                Some(model) => Place::Folder(model?.find(cache.ok_or(ZooError::NoCache)?)?),
                None => return Err(ZooError::UnknownBase(name.to_owned())),
            },
        };
        Ok(Self { name: name.to_owned(), place, t5 })
    }

    /// Returns the name that the model was found by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is the embedded model, which alone has prompt sets and judges.
    pub fn is_embedded(&self) -> bool {
        matches!(self.place, Place::Embedded)
    }

    /// Opens the model.
    ///
    /// # Errors
    /// Names the file, and the field or tensor.
    pub fn open(&self, compute: impl Into<Compute>) -> Result<Pipeline, ZooError> {
        let mut compute = compute.into();
        compute.t5 &= self.t5;
        match &self.place {
            Place::Embedded => embedded::open_pipeline(compute),
            Place::Folder(folder) => Pipeline::open_folder(folder, compute).map_err(ZooError::Base),
            Place::File { path, prediction } => Pipeline::open_file(path, *prediction, compute).map_err(ZooError::Base),
        }
    }

    /// Returns the parameters that adapters can change; of files only headers are read.
    ///
    /// # Errors
    /// Names the file that is missing or damaged.
    pub fn parameters(&self) -> Result<BaseParameters, ZooError> {
        match &self.place {
            Place::Embedded => embedded::base_parameters(),
            Place::Folder(folder) => BaseParameters::in_folder(folder, self.t5).map_err(ZooError::Base),
            Place::File { path, .. } => BaseParameters::in_file(path).map_err(ZooError::Base),
        }
    }

    /// Returns the model's files by their path in diffusers' layout: configs, tokenizers and safetensors. Pickles, images
    /// and other files beside them are left out.
    ///
    /// # Errors
    /// Fails when a folder cannot be listed.
    pub fn files(&self) -> Result<BTreeMap<String, BaseFile>, ZooError> {
        let on_disk = match &self.place {
            Place::Embedded => {
                let files = embedded::pipeline_files().into_iter();
                return Ok(files.map(|(name, bytes)| (name, BaseFile::Bytes(bytes))).collect());
            }
            Place::Folder(folder) => listed(folder, self.t5),
            Place::File { path, .. } => with_tokenizer(path),
        };
        let files = on_disk.map_err(|error| self.unlisted(&error))?;
        Ok(files.into_iter().map(|(name, path)| (name, BaseFile::Path(path))).collect())
    }

    /// Returns the SHA-256 of what results with this base depend on, in hexadecimal, by name: `base`, and of the
    /// embedded model those that score and judge beside it.
    ///
    /// Of a folder, `base` covers every config and tokenizer file whole, and of each safetensors file size and header (names,
    /// types, shapes and places of all tensors), not the tensors' values: hashing gigabytes at each start takes longer than
    /// reading them. Weights that were trained further under the same names pass for the same.
    ///
    /// # Errors
    /// Fails when a file cannot be read.
    pub fn sha256(&self) -> Result<BTreeMap<String, String>, ZooError> {
        let files = match &self.place {
            Place::Embedded => return Ok(embedded::hashes()),
            Place::Folder(folder) => listed(folder, self.t5),
            Place::File { path, .. } => with_tokenizer(path),
        };
        Ok(BTreeMap::from([("base".into(), hash(files.map_err(|error| self.unlisted(&error))?)?)]))
    }

    fn unlisted(&self, error: &io::Error) -> ZooError {
        unreadable(Path::new(&self.name), error)
    }
}

/// Splits the name of a checkpoint in one file from what it says of the model's prediction.
fn checkpoint(name: &str) -> (PathBuf, Option<Prediction>) {
    let kinds = [("@epsilon", Prediction::Epsilon), ("@v_prediction", Prediction::VPrediction)];
    let said = kinds.into_iter().find_map(|(ending, kind)| Some((name.strip_suffix(ending)?, kind)));
    said.map_or((name.into(), None), |(path, kind)| (path.into(), Some(kind)))
}

/// Returns a checkpoint in one file and the tokenizer's files beside it, by their path in the checkpoint's folder.
fn with_tokenizer(path: &Path) -> io::Result<BTreeMap<String, PathBuf>> {
    let mut files = BTreeMap::new();
    let folder = tokenizer_beside(path);
    if folder.is_dir() {
        list("tokenizer", &folder, &mut files)?;
    }
    if let Some(name) = path.file_name() {
        files.insert(name.to_string_lossy().into_owned(), path.to_owned());
    }
    Ok(files)
}

/// Returns the files of a pipeline's folder by their path inside it, with those of a T5 that it can do without, or not.
fn listed(folder: &Path, t5: bool) -> io::Result<BTreeMap<String, PathBuf>> {
    let mut files = BTreeMap::new();
    for part in LAYOUT.into_iter().filter(|part| t5 || !OPTIONAL_T5.contains(part)) {
        let inside = folder.join(part);
        if inside.is_file() {
            files.insert(part.to_owned(), inside);
        } else if inside.is_dir() {
            list(part, &inside, &mut files)?;
        }
    }
    Ok(files)
}

/// Adds the configs, tokenizer files and safetensors of a part's folder.
fn list(part: &str, folder: &Path, files: &mut BTreeMap<String, PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        if path.is_file()
            && ["json", "txt", "safetensors"].contains(&ending)
            && let Some(name) = path.file_name()
        {
            files.insert(format!("{part}/{}", name.to_string_lossy()), path);
        }
    }
    Ok(())
}

fn hash(files: BTreeMap<String, PathBuf>) -> Result<String, ZooError> {
    let mut digest = Sha256::new();
    for (name, path) in files {
        let (size, bytes) = identity(&path).map_err(|error| unreadable(&path, &error))?;
        digest.update(name.as_bytes());
        digest.update(size.to_le_bytes());
        digest.update((bytes.len() as u64).to_le_bytes());
        digest.update(bytes);
    }
    Ok(hexadecimal(&digest.finalize()))
}

/// Returns a file's size, and its bytes; of safetensors the header's bytes.
fn identity(path: &Path) -> io::Result<(u64, Vec<u8>)> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let mut bytes = Vec::new();
    if path.extension().is_some_and(|ending| ending == "safetensors") {
        let mut length = [0; 8];
        file.read_exact(&mut length)?;
        file.take(u64::from_le_bytes(length).min(LARGEST_HEADER)).read_to_end(&mut bytes)?;
    } else {
        file.read_to_end(&mut bytes)?;
    }
    Ok((size, bytes))
}

fn unreadable(path: &Path, error: &io::Error) -> ZooError {
    ZooError::Unreadable { path: path.to_owned(), problem: error.to_string() }
}
