//! Pipelines with adapters: beside the base's weights where a bank applies them, else added into the weights.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use moa_adapter::{Adapter, AdapterBank, AdapterLayer, Parameters, ParametersError, encoder_of};

use super::file::tokenizer_beside;
use super::source::{OPTIONAL_T5, Source, VAE};
use super::{BaseParameters, Pipeline, PipelineError, PipelineFiles, open};
use crate::schedule::Prediction;
use crate::single_file::SingleFile;

/// Where a pipeline was read from, so that it can be read again.
#[derive(Debug)]
pub(super) enum Files {
    /// Files in memory.
    Memory(BTreeMap<String, Vec<u8>>),
    /// A folder.
    Folder(PathBuf),
    /// A checkpoint in one file.
    File(PathBuf, Option<Prediction>),
}

impl Files {
    /// Keeps files that are in memory.
    pub(super) fn in_memory(files: &PipelineFiles<'_>) -> Self {
        Self::Memory(files.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec())).collect())
    }
}

/// A base with an adapter, ready to draw.
pub struct Adapted {
    /// The base; with its weights changed where a bank does not do.
    pub pipeline: Pipeline,
    /// The adapter, where one does.
    pub bank: Option<AdapterBank>,
}

impl Pipeline {
    /// Returns the pipeline with an adapter at full strength: a bank over the same weights where the adapter is plain (see
    /// [`Adapter::is_plain`]), else the base read again with the adapter added into its weights, text encoders included. Without an adapter it
    /// is the pipeline alone.
    ///
    /// # Errors
    /// As [`Pipeline::with`].
    pub fn adapted(&self, adapter: Option<&Adapter>) -> Result<Adapted, PipelineError> {
        let Some(adapter) = adapter else { return Ok(Adapted { pipeline: self.clone(), bank: None }) };
        let shapes = self.adaptable();
        let fits = |(name, layer): (&String, &AdapterLayer)| {
            shapes.iter().any(|shape| (&shape.name, shape.d_in, shape.d_out) == (name, layer.d_in, layer.d_out))
        };
        if adapter.is_plain() && adapter.layers.iter().all(fits) {
            return Ok(Adapted { pipeline: self.clone(), bank: AdapterBank::of(&[adapter], self.device()) });
        }
        Ok(Adapted { pipeline: self.with(&[(adapter.clone(), 1.0)].into())?, bank: None })
    }

    /// Returns an adapter as it is on this base; see [`BaseParameters::resolve`].
    ///
    /// # Errors
    /// Names a layer that the base does not have, or has in another shape. A pipeline that was put together from its parts has no files.
    pub fn settled(&self, adapter: &Adapter) -> Result<Adapter, PipelineError> {
        let parameters = match self.files.as_deref() {
            None => return Err(PipelineError::NoFiles),
            Some(Files::Memory(files)) => {
                let files = files.iter().map(|(name, bytes)| (&name[..], &bytes[..])).collect();
                BaseParameters::in_memory(&files)
            }
            Some(Files::Folder(folder)) => BaseParameters::in_folder(folder, self.compute.t5),
            Some(Files::File(path, _)) => BaseParameters::in_file(path),
        };
        parameters?.resolve(adapter).map_err(PipelineError::Adapter)
    }

    /// Returns the pipeline with adapters added into its weights, each at a strength. The base's files are read again.
    ///
    /// # Errors
    /// Names a layer that the base does not have, or has in another shape; and as opening does. A pipeline that was put together from its
    /// parts has no files.
    pub fn with(&self, adapters: &Arc<[(Adapter, f64)]>) -> Result<Self, PipelineError> {
        match self.files.as_deref() {
            None => Err(PipelineError::NoFiles),
            Some(Files::Memory(files)) => {
                let files: PipelineFiles<'_> = files.iter().map(|(name, bytes)| (&name[..], &bytes[..])).collect();
                self.read_again(&Source::Memory(&files), adapters)
            }
            Some(Files::Folder(folder)) => {
                self.read_again(&Source::Folder(folder), adapters).map_err(|source| source.within(folder))
            }
            Some(Files::File(path, prediction)) => {
                let file = SingleFile::open(path, *prediction, &self.compute.device)?;
                let tokenizer = tokenizer_beside(path);
                let source = Source::File { file: &file, tokenizer: tokenizer.is_dir().then_some(&*tokenizer) };
                self.read_again(&source, adapters).map_err(|source| source.within(path))
            }
        }
    }

    fn read_again(&self, source: &Source<'_>, adapters: &Arc<[(Adapter, f64)]>) -> Result<Self, PipelineError> {
        let all = || adapters.iter().flat_map(|(adapter, _)| adapter.names());
        let is_read = |encoder: &str| source.has_part(encoder) && (self.compute.t5 || !OPTIONAL_T5.contains(&encoder));
        let is_missing = |name: &&str| encoder_of(name).is_some_and(|(encoder, _)| !is_read(encoder));
        if let Some(name) = all().find(is_missing) {
            return Err(PipelineError::NoEncoder(name.to_owned()));
        }
        Ok(Self { files: self.files.clone(), ..open::open(&Source::Changed(source, adapters), &self.compute)? })
    }
}

/// Returns the parameters of a part with what adapters add; as they are where these change nothing of it.
///
/// # Errors
/// Names a layer that the part does not have.
pub(super) fn changed(
    parameters: &Parameters,
    folder: &str,
    adapters: &Arc<[(Adapter, f64)]>,
) -> Result<Parameters, ParametersError> {
    if folder == VAE.folder {
        return Ok(parameters.clone());
    }
    let encoder = folder.starts_with("text_encoder").then_some(folder);
    let of_part = |name: &str| match (encoder_of(name), encoder) {
        (Some((of, own)), Some(encoder)) if of == encoder => Some(own.to_owned()),
        (None, None) => Some(name.to_owned()),
        _ => None,
    };
    for (adapter, _) in adapters.iter() {
        let weights = adapter.layers.iter().map(|(name, layer)| (format!("{name}.weight"), layer.shape()));
        let differences = adapter.differences.iter().map(|(name, own)| (name.clone(), own.shape.clone()));
        for (parameter, own) in weights.chain(differences) {
            let Some(name) = of_part(&parameter) else { continue };
            if parameters.stored_name(&name).is_none() {
                return Err(ParametersError::NotInBase { name: parameter, own });
            }
        }
    }
    Ok(parameters.changed(adapters.clone(), encoder))
}
