//! Adapters as the command line names them.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use moa_adapter::contents::{Contents, ContentsError, Family};
use moa_adapter::{Adapter, base_named_by, provenance_of};
use moa_core::Provenance;
use moa_core::provenance::{ForeignFile, Made};
use moa_diffusion::{Adapted, BaseParameters, Pipeline};
use rayon::prelude::*;

use crate::error::CliError;
use crate::output::note;
use crate::results;
use crate::text::{count, memory};

/// What adapters' files are called, moa's own first.
pub(crate) const TENSORS: [&str; 4] =
    ["adapter.safetensors", "adapter_model.safetensors", "pytorch_lora_weights.safetensors", "lora.safetensors"];
/// What stands beside files with peft's names.
pub(crate) const CONFIG: &str = "adapter_config.json";
/// The largest file that is read into memory: adapters are smaller, and even models of people's GPUs are.
const LARGEST: u64 = 16 << 30;

/// An adapter's file in memory, and its neighbour.
pub(crate) struct AdapterFile {
    pub(crate) path: PathBuf,
    pub(crate) bytes: Vec<u8>,
    /// `adapter_config.json`, if it is there.
    pub(crate) config: Option<String>,
    /// The base that the files name.
    pub(crate) base: Option<String>,
}

impl AdapterFile {
    /// Reads a file.
    ///
    /// # Errors
    /// Says which file cannot be read; other things than files of a sensible size are not begun with.
    pub(crate) fn read(path: &Path) -> Result<Self, CliError> {
        let failed =
            |path: &Path, reason: String| CliError::failure(format!("failed to read {}: {reason}", path.display()));
        let about = fs::metadata(path).map_err(|error| failed(path, error.to_string()))?;
        if !about.is_file() {
            return Err(failed(path, "it is no regular file".into()));
        }
        let size = about.len();
        if size > LARGEST {
            let reason = format!("it has {}, and no adapter has more than {}", memory(size), memory(LARGEST));
            return Err(failed(path, reason));
        }
        let bytes = fs::read(path).map_err(|error| failed(path, error.to_string()))?;
        let beside = path.with_file_name(CONFIG);
        let config = match fs::read_to_string(&beside) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(failed(&beside, error.to_string())),
        };
        let base = base_named_by(&bytes, config.as_deref());
        Ok(Self { path: path.to_owned(), bytes, config, base })
    }

    /// Returns what the file contains.
    ///
    /// # Errors
    /// Names the file, and why it is refused.
    pub(crate) fn contents(&self) -> Result<Contents<'_>, CliError> {
        Contents::read(&self.bytes, self.config.as_deref()).map_err(|error| self.refused(&error))
    }

    pub(crate) fn refused(&self, error: &ContentsError) -> CliError {
        CliError::failure(format!("failed to read {}: {error}", self.path.display()))
    }
}

/// An adapter and what to call it.
#[derive(Clone, Debug)]
pub(crate) struct NamedAdapter {
    pub(crate) name: String,
    pub(crate) adapter: Adapter,
    /// The base model that the files name, if they name one.
    pub(crate) base: Option<String>,
    /// The families that its layers and its header tell, where they do.
    pub(crate) families: Vec<(Family, String)>,
    /// Where the file says that it comes from, if it does.
    pub(crate) provenance: Option<Provenance>,
    file: PathBuf,
    /// Whether α was given, as the file says none.
    took_alpha: bool,
}

/// Reads the adapters that paths name: a folder of one, a file, or an experiment's results for all of its runs.
///
/// - `alpha`: of files that say none and need one
///
/// # Errors
/// Says which path names no adapter, and which adapter is damaged and how.
pub(crate) fn read(paths: &[PathBuf], alpha: Option<f32>) -> Result<Vec<NamedAdapter>, CliError> {
    let files: Vec<Vec<PathBuf>> = paths.iter().map(|path| files(path)).collect::<Result<_, _>>()?;
    let files: Vec<PathBuf> = files.into_iter().flatten().collect();
    let adapters: Vec<NamedAdapter> =
        files.par_iter().map(|file| NamedAdapter::read(file, alpha)).collect::<Result<_, _>>()?;
    check_alpha(alpha, &adapters)?;
    Ok(adapters)
}

/// Reads the one adapter that each path names.
///
/// # Errors
/// As [`read_one`] and [`read`].
pub(crate) fn read_each(paths: &[PathBuf], alpha: Option<f32>) -> Result<Vec<NamedAdapter>, CliError> {
    let adapters: Vec<NamedAdapter> =
        paths.par_iter().map(|path| NamedAdapter::read(&one_file(path)?, alpha)).collect::<Result<_, _>>()?;
    check_alpha(alpha, &adapters)?;
    Ok(adapters)
}

/// Refuses an α that no file took.
fn check_alpha(alpha: Option<f32>, adapters: &[NamedAdapter]) -> Result<(), CliError> {
    match alpha.filter(|_| !adapters.iter().any(|adapter| adapter.took_alpha)) {
        None => Ok(()),
        Some(alpha) => Err(CliError::usage(format!("--alpha {alpha}: the files say what their alpha is"))
            .hint("leave it out; `moa inspect` says what it is and from where")),
    }
}

/// Returns the one adapter file that a path names.
fn one_file(path: &Path) -> Result<PathBuf, CliError> {
    let files = files(path)?;
    if let [file] = &files[..] {
        return Ok(file.clone());
    }
    let message = format!("{}: there are {} adapters", path.display(), files.len());
    Err(CliError::usage(message).hint(format!("name one of them: {}", files[0].display())))
}

/// Reads the one adapter that a path names: a folder of one, or a file.
///
/// # Errors
/// As [`read`], and when the path names several.
pub(crate) fn read_one(path: &Path, alpha: Option<f32>) -> Result<NamedAdapter, CliError> {
    let adapters = [NamedAdapter::read(&one_file(path)?, alpha)?];
    check_alpha(alpha, &adapters)?;
    let [adapter] = adapters;
    Ok(adapter)
}

/// Returns the adapters' files that a path names.
///
/// # Errors
/// Says that a path names no adapter.
pub(crate) fn files(path: &Path) -> Result<Vec<PathBuf>, CliError> {
    // An experiment file, or its name, means the runs of its results.
    let is_adapter = path.is_file() && path.extension().is_none_or(|ending| ending != "ron");
    if path.exists() && !path.is_file() && !path.is_dir() {
        return Err(CliError::usage(format!("{}: it is no regular file", path.display())));
    }
    let missing = |error: CliError| {
        if path.exists() {
            return error;
        }
        CliError::usage(format!("{}: there is no adapter: no such file, folder or experiment", path.display()))
    };
    let path = &if is_adapter { path.to_path_buf() } else { results::find(path).map_err(missing)? };
    if path.is_file() {
        return Ok(vec![path.clone()]);
    }
    let inside = |folder: &Path| TENSORS.iter().map(|name| folder.join(name)).find(|file| file.is_file());
    if let Some(file) = inside(path) {
        return Ok(vec![file]);
    }
    let entries = ["runs", "adapters"].iter().flat_map(|folder| fs::read_dir(path.join(folder))).flatten().flatten();
    let mut runs: Vec<PathBuf> = entries.filter_map(|entry| inside(&entry.path())).collect();
    if runs.is_empty() {
        return match only_file_in(path) {
            Some(file) => Ok(vec![file]),
            None => Err(CliError::usage(format!("{}: there is no adapter", path.display()))
                .hint(format!("name a folder with {} and {CONFIG}, or the results of an experiment", TENSORS[0]))),
        };
    }
    runs.sort();
    Ok(runs)
}

/// Returns the only safetensors file of a folder, whatever it is called; nothing of a base's.
fn only_file_in(folder: &Path) -> Option<PathBuf> {
    if folder.join("model_index.json").exists() {
        return None;
    }
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let files: Vec<PathBuf> =
        entries.filter(|file| file.extension().is_some_and(|ending| ending == "safetensors")).collect();
    match &files[..] {
        [only] => Some(only.clone()),
        _ => None,
    }
}

impl NamedAdapter {
    fn read(path: &Path, alpha: Option<f32>) -> Result<Self, CliError> {
        let file = AdapterFile::read(path)?;
        let mut contents = file.contents()?;
        let took_alpha = match alpha {
            None => false,
            Some(alpha) => contents.set_alpha(alpha).map_err(|error| file.refused(&error))?,
        };
        let adapter = contents.adapter().map_err(|error| file.refused(&error))?;
        if let Some(embedding) = contents.embeddings.first() {
            let word = &embedding.word;
            note(&format!("warning: {}: the word `{word}` that comes along is left out", path.display()));
        }
        let about = contents.about();
        let families = [about.by_shapes, about.by_header].into_iter().flatten().collect();
        // What files are called everywhere says nothing; their folder does.
        let is_usual = path.file_name().is_some_and(|name| TENSORS.iter().any(|usual| name == *usual));
        let named = if is_usual { path.parent().and_then(Path::file_name) } else { path.file_stem() };
        let name = named.map_or_else(|| "adapter".into(), |name| name.to_string_lossy().into_owned());
        // The adapter is good whatever its header says of it.
        let provenance = provenance_of(&file.bytes).unwrap_or_else(|error| {
            note(&format!("warning: {}: failed to {error}; where it comes from is left out", path.display()));
            None
        });
        Ok(Self { name, adapter, base: file.base.clone(), families, provenance, file: path.to_owned(), took_alpha })
    }

    /// Returns the SHA-256 of the factors, which is the same in every format.
    ///
    /// # Errors
    /// Says which adapter cannot be laid out as a file.
    pub(crate) fn sha256(&self) -> Result<String, CliError> {
        let failed = |error| CliError::failure(format!("failed to hash {}: {error}", self.file.display()));
        self.adapter.sha256().map_err(failed)
    }

    /// Returns where the adapter comes from: what its file says, else that another program made it.
    ///
    /// # Errors
    /// As [`NamedAdapter::sha256`].
    pub(crate) fn origin(&self, base: &str) -> Result<Provenance, CliError> {
        if let Some(provenance) = &self.provenance {
            return Ok(provenance.clone());
        }
        let file = self.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Provenance::now(base, None, Made::Elsewhere(ForeignFile { file, sha256: self.sha256()? })))
    }

    /// Returns the file that holds the factors.
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// Refuses an adapter of another base model.
    ///
    /// # Errors
    /// Names the first parameter that does not fit.
    pub(crate) fn check_fit(&self, parameters: &BaseParameters, base: &str) -> Result<(), CliError> {
        parameters.check(&self.adapter).map_err(|error| self.does_not_fit(base, &error))
    }

    /// Returns a base with the adapter.
    ///
    /// # Errors
    /// As [`NamedAdapter::check_fit`].
    pub(crate) fn on(&self, pipeline: &Pipeline, base: &str) -> Result<Adapted, CliError> {
        pipeline.adapted(Some(&self.adapter)).map_err(|error| self.does_not_fit(base, &error))
    }

    fn does_not_fit(&self, base: &str, error: &dyn std::error::Error) -> CliError {
        let mut hint = "name the base that it was trained on with --base".to_owned();
        if let Some((family, _)) = self.families.first() {
            hint = format!("it is for {family}: {hint}");
        }
        let message = format!("{} does not fit the base model {base}: {error}", self.file.display());
        CliError::failure(message).hint(hint)
    }
}

/// Returns how large an adapter is, in words.
pub(crate) fn size(adapter: &Adapter) -> String {
    let layers = count(adapter.layers.len() as u64, "layer");
    let text = match adapter.common_rank_and_alpha() {
        Some((rank, alpha)) => format!("rank {rank}, alpha {alpha}, {layers}"),
        None if adapter.layers.is_empty() => String::new(),
        None => match adapter.layers.values().map(|layer| layer.rank).min() {
            Some(least) if least < adapter.rank() => format!("rank {least} to {}, {layers}", adapter.rank()),
            _ => format!("rank {}, {layers}", adapter.rank()),
        },
    };
    let more = [(adapter.differences.len(), "difference"), (adapter.magnitudes.len(), "DoRA magnitude")];
    let more = more.into_iter().filter(|(number, _)| *number > 0).map(|(number, what)| count(number as u64, what));
    let all: Vec<String> = Some(text).filter(|text| !text.is_empty()).into_iter().chain(more).collect();
    all.join(", ")
}
