//! Named parameters: one map from a checkpoint's key names to tensors, from which modules take what they need.
//!
//! A module asks for `weight` with the shape that its config implies; the map either holds it (a loaded checkpoint, or
//! the trainer's current values) or creates it (a fresh model). Key names are those of diffusers and transformers, so a
//! checkpoint is its own documentation and nothing is renamed on the way in or out.

mod changed;
mod error;
mod files;
mod folder;
mod other;
mod view;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use burn::tensor::{Device, FloatDType, Tensor};
use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};
use half::{bf16, f16};
use moa_core::NoiseKey;
use moa_device::{as_type, from_host, to_host, weights_from_host};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::Adapter;

use changed::Changed;
pub use error::ParametersError;
use files::WeightFiles;
pub use folder::weight_files;
pub use other::TensorFile;
pub use view::Origin;
use view::View;

/// How adapters' names of CLIP's layers begin.
const TEXT_MODEL: &str = "text_model.";

/// How a fresh parameter starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// All zeros.
    Zeros,
    /// All ones.
    Ones,
    /// Normal with this standard deviation.
    Normal(f32),
    /// Uniform in ±bound.
    Uniform(f32),
}

/// One named tensor, kept flat (row-major) with its shape beside it, so that parameters of any rank share one type.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// The checkpoint's shape.
    pub shape: Vec<usize>,
    /// The values, `[product of shape]`.
    pub flat: Tensor<1>,
}

enum Source {
    Stored(BTreeMap<String, Parameter>),
    Files(WeightFiles),
    Other(Arc<dyn TensorFile>),
    View(View),
    Changed(Changed),
    Fresh { key: NoiseKey, created: Mutex<BTreeMap<String, Parameter>> },
}

/// Named parameters under a prefix; cheap to clone and to scope with [`Parameters::at`].
#[derive(Clone)]
pub struct Parameters {
    source: Arc<Source>,
    prefix: String,
    device: Device,
    kept: FloatDType,
}

impl Parameters {
    fn of(source: Source, device: &Device) -> Self {
        Self { source: Arc::new(source), prefix: String::new(), device: device.clone(), kept: FloatDType::F32 }
    }

    /// Returns the parameters in another type of number than f32: what a module asks for is kept in it. Of files, nothing is widened
    /// on the way.
    pub fn in_type(&self, kept: FloatDType) -> Self {
        let source = match &*self.source {
            Source::View(view) => {
                Arc::new(Source::View(View { of: view.of.in_type(kept), origins: view.origins.clone() }))
            }
            _ => self.source.clone(),
        };
        Self { source, kept, ..self.clone() }
    }

    /// Returns parameters that are created as a model asks for them; collect them with [`Parameters::into_map`].
    pub fn fresh(key: NoiseKey, device: &Device) -> Self {
        Self::of(Source::Fresh { key, created: Mutex::default() }, device)
    }

    /// Returns parameters over a map of current values.
    pub fn stored(map: BTreeMap<String, Parameter>, device: &Device) -> Self {
        Self::of(Source::Stored(map), device)
    }

    /// Opens a model's safetensors files, one or several shards (see [`weight_files`]). A tensor is read when a module asks
    /// for it, and becomes f32 on the way, or what [`Parameters::in_type`] asks for: the files' bytes are never in memory beside the model.
    ///
    /// # Errors
    /// Refuses files that are not safetensors files or are truncated, and a tensor that is in two of them. Types and shapes
    /// are checked by [`Parameters::get`], as a model may not need every tensor of its file.
    pub fn open(paths: &[PathBuf], device: &Device) -> Result<Self, ParametersError> {
        Ok(Self::of(Source::Files(WeightFiles::open(paths)?), device))
    }

    /// Returns the parameters of a file in another format than safetensors. A tensor is read when a module asks for it.
    pub fn of_file(file: Arc<dyn TensorFile>, device: &Device) -> Self {
        Self::of(Source::Other(file), device)
    }

    /// Returns these parameters under other names. Nothing is read; a part of a fused tensor is cut out when it is asked for.
    pub fn view(&self, origins: BTreeMap<String, Origin>) -> Self {
        Self { kept: self.kept, ..Self::of(Source::View(View { of: self.clone(), origins }), &self.device) }
    }

    /// Returns these parameters with what adapters add. A parameter is changed when it is asked for, in single precision.
    ///
    /// - `encoder`: the text encoder that the parameters belong to; nothing of a denoiser's
    pub fn changed(&self, adapters: Arc<[(Adapter, f64)]>, encoder: Option<&str>) -> Self {
        let prefix = encoder.map_or_else(String::new, |encoder| format!("{encoder}."));
        let changed = Changed { of: self.clone(), adapters, prefix };
        Self { kept: self.kept, ..Self::of(Source::Changed(changed), &self.device) }
    }

    /// Reads a safetensors file's bytes; half-precision values are widened to f32.
    ///
    /// # Errors
    /// Refuses bytes that are not a safetensors file, and tensors of other types than F32, F16 and BF16. Integer tensors
    /// named `position_ids` (old transformers checkpoints carry them) are passed over.
    pub fn read(bytes: &[u8], device: &Device) -> Result<Self, ParametersError> {
        let mut map = BTreeMap::new();
        for (name, view) in SafeTensors::deserialize(bytes)?.tensors() {
            if name.ends_with("position_ids") {
                continue;
            }
            let values = widen(&name, &view)?;
            let flat = from_host(values, [view.shape().iter().product::<usize>()], device);
            map.insert(name, Parameter { shape: view.shape().to_vec(), flat });
        }
        Ok(Self::stored(map, device))
    }

    /// Returns the parameters below `child`.
    pub fn at(&self, child: impl std::fmt::Display) -> Self {
        Self { prefix: self.path(child), ..self.clone() }
    }

    /// Returns the prefix: the full name of the module that these parameters belong to.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Returns the device that the parameters are on.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Returns the type of number that tensors are handed out in.
    pub fn kept(&self) -> FloatDType {
        self.kept
    }

    /// Returns whether a stored parameter exists; always true of fresh ones.
    pub fn has(&self, name: &str) -> bool {
        match &*self.source {
            Source::Stored(map) => map.contains_key(&self.path(name)),
            Source::Files(files) => files.has(&self.path(name)),
            Source::Other(file) => file.shape(&self.path(name)).is_some(),
            Source::View(view) => view.shape(&self.path(name)).is_some(),
            Source::Changed(changed) => changed.of.has(&self.path(name)),
            Source::Fresh { .. } => true,
        }
    }

    /// Returns the shape of a stored parameter, for models whose sizes no config tells.
    pub fn shape(&self, name: &str) -> Option<Vec<usize>> {
        let name = self.path(name);
        match &*self.source {
            Source::Stored(map) => map.get(&name).map(|parameter| parameter.shape.clone()),
            Source::Files(files) => files.shape(&name).map(<[usize]>::to_vec),
            Source::Other(file) => file.shape(&name).map(<[usize]>::to_vec),
            Source::View(view) => view.shape(&name),
            Source::Changed(changed) => changed.of.shape(&name),
            Source::Fresh { .. } => None,
        }
    }

    /// Returns the name under which a parameter is stored that adapters call `name`; transformers before 5 put `text_model.` before the
    /// names of CLIP's layers, and adapters still do.
    pub fn stored_name<'n>(&self, name: &'n str) -> Option<&'n str> {
        [Some(name), name.strip_prefix(TEXT_MODEL)].into_iter().flatten().find(|name| self.shape(name).is_some())
    }

    /// Returns the parameter `name` of the given shape, or creates it.
    ///
    /// # Errors
    /// Says which tensor is missing or has another shape.
    pub fn get<const D: usize>(&self, name: &str, shape: [usize; D], init: Init) -> Result<Tensor<D>, ParametersError> {
        Ok(self.flat(name, &shape, init)?.reshape(shape))
    }

    /// Returns the parameter `name` of the given shape with its values in a row, `[product of shape]`, or creates it.
    ///
    /// # Errors
    /// Says which tensor is missing or has another shape.
    pub fn flat(&self, name: &str, shape: &[usize], init: Init) -> Result<Tensor<1>, ParametersError> {
        let name = self.path(name);
        let parameter = match &*self.source {
            Source::Stored(map) => match map.get(&name) {
                None => return Err(ParametersError::Missing { name, wanted: shape.to_vec() }),
                Some(found) if found.shape != shape => {
                    return Err(ParametersError::Shape { name, found: found.shape.clone(), wanted: shape.to_vec() });
                }
                Some(found) => found.clone(),
            },
            Source::Files(files) => {
                let flat = weights_from_host(files.read(&name, shape, self.kept)?, &self.device);
                Parameter { shape: shape.to_vec(), flat }
            }
            Source::Other(file) => {
                let values = other::read(&**file, &name, shape)?;
                let count = values.len();
                Parameter { shape: shape.to_vec(), flat: from_host(values, [count], &self.device) }
            }
            Source::View(view) => Parameter { shape: shape.to_vec(), flat: view.flat(&name, shape)? },
            Source::Changed(changed) => {
                Parameter { shape: shape.to_vec(), flat: changed.flat(&name, shape, init, self.kept)? }
            }
            Source::Fresh { key, created } => {
                let parameter = create(key.named(&name), shape, init, &self.device);
                created.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(name, parameter.clone());
                parameter
            }
        };
        Ok(as_type(parameter.flat, self.kept))
    }

    /// Returns the names of all tensors, of fresh parameters those that were created so far.
    pub fn names(&self) -> Vec<String> {
        match &*self.source {
            Source::Stored(map) => map.keys().cloned().collect(),
            Source::Files(files) => files.names().cloned().collect(),
            Source::Other(file) => file.names().into_iter().map(str::to_owned).collect(),
            Source::View(view) => view.origins.keys().cloned().collect(),
            Source::Changed(changed) => changed.of.names(),
            Source::Fresh { created, .. } => {
                created.lock().unwrap_or_else(std::sync::PoisonError::into_inner).keys().cloned().collect()
            }
        }
    }

    /// Returns all parameters that are in memory, by full name; of opened files and views none, as they keep no tensor.
    pub fn into_map(self) -> BTreeMap<String, Parameter> {
        match &*self.source {
            Source::Stored(map) => map.clone(),
            Source::Files(_) | Source::Other(_) | Source::View(_) | Source::Changed(_) => BTreeMap::new(),
            Source::Fresh { created, .. } => created.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone(),
        }
    }

    /// Returns the parameters as a safetensors file in half precision (F16).
    ///
    /// # Errors
    /// Fails when the map cannot be serialised.
    pub fn write_half(
        map: &BTreeMap<String, Parameter>,
        metadata: HashMap<String, String>,
    ) -> Result<Vec<u8>, ParametersError> {
        let halves: Vec<(&String, &Vec<usize>, Vec<u8>)> = map
            .iter()
            .map(|(name, parameter)| {
                let values = to_host(parameter.flat.clone());
                (name, &parameter.shape, values.iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect())
            })
            .collect();
        let views = halves
            .iter()
            .map(|(name, shape, bytes)| Ok((*name, TensorView::new(Dtype::F16, (*shape).clone(), bytes)?)))
            .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()?;
        Ok(safetensors::serialize(views, Some(metadata))?)
    }

    fn path(&self, child: impl std::fmt::Display) -> String {
        if self.prefix.is_empty() { child.to_string() } else { format!("{}.{child}", self.prefix) }
    }
}

fn create(key: NoiseKey, shape: &[usize], init: Init, device: &Device) -> Parameter {
    let count = shape.iter().product();
    let values = match init {
        Init::Zeros => vec![0.0; count],
        Init::Ones => vec![1.0; count],
        Init::Normal(deviation) => key.normal(count).into_iter().map(|x| x * deviation).collect(),
        Init::Uniform(bound) => (0..count as u64).map(|i| (key.uniform(i) as f32 * 2.0 - 1.0) * bound).collect(),
    };
    Parameter { shape: shape.to_vec(), flat: from_host(values, [count], device) }
}

/// Returns the bits of numbers of two bytes, little-endian.
fn halves(bytes: &[u8]) -> Vec<u16> {
    bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect()
}

pub(crate) fn widen(name: &str, view: &TensorView<'_>) -> Result<Vec<f32>, ParametersError> {
    let bytes = view.data();
    match view.dtype() {
        Dtype::F32 if cfg!(target_endian = "little") => Ok(bytemuck::pod_collect_to_vec(bytes)),
        Dtype::F32 => Ok(bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()),
        Dtype::F16 => Ok(halves(bytes).reinterpret_cast::<f16>().to_f32_vec()),
        Dtype::BF16 => Ok(halves(bytes).reinterpret_cast::<bf16>().to_f32_vec()),
        found => Err(ParametersError::Type { name: name.to_owned(), found }),
    }
}
