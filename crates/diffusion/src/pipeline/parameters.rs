//! The parameters of a base by part, without opening it: of files only headers are read until a tensor is asked for.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::Device;
use moa_adapter::{Adapter, LayerShape, Parameters, ParametersError, encoder_of};

use super::source::{OPTIONAL_T5, Part, Source, TEXT_ENCODER, TEXT_ENCODER_2, TEXT_ENCODER_3, TRANSFORMER, UNET};
use super::{PipelineError, PipelineFiles};
use crate::schedule::Prediction;
use crate::single_file::SingleFile;

/// What an adapter can change of a base: its denoiser's parameters and its text encoders'.
#[derive(Clone)]
pub struct BaseParameters {
    denoiser: Parameters,
    encoders: BTreeMap<&'static str, Parameters>,
}

impl BaseParameters {
    /// Reads them from files in memory.
    ///
    /// # Errors
    /// Names the file that is missing or damaged.
    pub fn in_memory(files: &PipelineFiles<'_>) -> Result<Self, PipelineError> {
        Self::of_source(&Source::Memory(files), true)
    }

    /// Reads the headers of a folder in diffusers' layout.
    ///
    /// - `t5`: whether a T5 that pipelines may lack is wanted
    ///
    /// # Errors
    /// Names the folder, and the file that is missing or damaged.
    pub fn in_folder(folder: &Path, t5: bool) -> Result<Self, PipelineError> {
        Self::of_source(&Source::Folder(folder), t5).map_err(|source| source.within(folder))
    }

    /// Reads the header of a checkpoint in one file.
    ///
    /// # Errors
    /// Names the file, and what is unknown or missing.
    pub fn in_file(path: &Path) -> Result<Self, PipelineError> {
        // What the model predicts changes no layer.
        let file = SingleFile::open(path, Some(Prediction::Epsilon), &Device::flex())?;
        Self::of_source(&Source::File { file: &file, tokenizer: None }, true).map_err(|source| source.within(path))
    }

    fn of_source(source: &Source<'_>, t5: bool) -> Result<Self, PipelineError> {
        let load = |part: Part| source.load(part, &Device::flex(), |parameters| Ok(parameters.clone()));
        let denoiser = if source.has_part(TRANSFORMER.folder) { TRANSFORMER } else { UNET };
        let encoders = [TEXT_ENCODER, TEXT_ENCODER_2, TEXT_ENCODER_3];
        let is_wanted = |part: &Part| source.has_part(part.folder) && (t5 || !OPTIONAL_T5.contains(&part.folder));
        let encoders = encoders.into_iter().filter(is_wanted);
        Ok(Self {
            denoiser: load(denoiser)?,
            encoders: encoders.map(|part| Ok((part.folder, load(part)?))).collect::<Result<_, PipelineError>>()?,
        })
    }

    /// Returns the denoiser's parameters, or those of a text encoder by its name.
    pub fn of(&self, encoder: Option<&str>) -> Option<&Parameters> {
        encoder.map_or(Some(&self.denoiser), |encoder| self.encoders.get(encoder))
    }

    /// Returns the shape of a parameter by the name that adapters have for it.
    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        let (encoder, inside) = encoder_of(name).map_or((None, name), |(encoder, own)| (Some(encoder), own));
        let parameters = self.of(encoder)?;
        parameters.shape(parameters.stored_name(inside)?)
    }

    /// Returns the denoiser's linear layers: those with weights of two dimensions.
    pub fn adaptable(&self) -> Vec<LayerShape> {
        let layer = |tensor: String| {
            let name = tensor.strip_suffix(".weight")?.to_owned();
            let [d_out, d_in] = self.denoiser.shape(&tensor)?.try_into().ok()?;
            Some(LayerShape { name, d_in, d_out })
        };
        self.denoiser.names().into_iter().filter_map(layer).collect()
    }

    /// Refuses an adapter of another base.
    ///
    /// # Errors
    /// Names the first parameter, by name, that is missing or has another shape.
    pub fn check(&self, adapter: &Adapter) -> Result<(), ParametersError> {
        let weights = adapter.layers.iter().map(|(name, layer)| (format!("{name}.weight"), layer.shape()));
        let differences = adapter.differences.iter().map(|(name, own)| (name.clone(), own.shape.clone()));
        for (name, own) in weights.chain(differences) {
            let Some(base) = self.shape(&name) else {
                return Err(ParametersError::NotInBase { name, own });
            };
            let same = own.first() == base.first() && own.iter().product::<usize>() == base.iter().product::<usize>();
            if !same {
                return Err(ParametersError::Misfit { name, own, base });
            }
        }
        Ok(())
    }

    /// Returns an adapter as it is on this base: without DoRA's magnitudes, as the differences that they come to, and with the kernels of the
    /// base's convolutions, which some files fold into the inputs.
    ///
    /// # Errors
    /// Names a layer that the base does not have, or has in another shape.
    pub fn resolve(&self, adapter: &Adapter) -> Result<Adapter, ParametersError> {
        let mut resolved = adapter.resolved(&|encoder| self.of(encoder))?;
        resolved.unfold(|name| self.shape(name));
        Ok(resolved)
    }
}
