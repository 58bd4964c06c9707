//! Training state as one safetensors file: tensors in f32, counts, and a header that says what it is the state of.
//!
//! What a header says is the caller's own struct; with `deny_unknown_fields` on it, the state of something else is refused.

use std::collections::{BTreeMap, HashMap};

use burn::tensor::{Device, Tensor};
use moa_device::{from_host, to_host};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::Named;

/// The version of the layout; others are refused. The first had no counts by name, and was that of adapters alone.
const VERSION: u32 = 2;
/// The name of the header among the file's metadata.
const HEADER: &str = "moa";

/// Why a state cannot be written or restored. The texts read after "the checkpoint is".
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// It cannot be serialised.
    #[error("not writable ({0})")]
    Unwritable(String),
    /// It is no file of this kind, or a damaged one.
    #[error("unreadable ({0})")]
    Unreadable(String),
    /// It was written by another version.
    #[error("of version {found}, this moa reads version {VERSION} (resume with the version of moa that wrote it)")]
    Version {
        /// The file's version.
        found: u32,
    },
    /// What it says of itself is another's.
    #[error("of something else ({0})")]
    Foreign(String),
    /// A tensor has another shape.
    #[error("of another shape at `{name}`")]
    Shape {
        /// The tensor.
        name: String,
    },
    /// A tensor is missing.
    #[error("incomplete: `{name}` is missing")]
    Missing {
        /// The tensor.
        name: String,
    },
}

/// What a file says of itself.
#[derive(Serialize, Deserialize)]
struct Header {
    version: u32,
    /// Steps taken, by the names of what was stepped.
    counts: BTreeMap<String, u64>,
    /// What the caller says of it.
    about: serde_json::Value,
}

/// Gathers a state.
#[derive(Default)]
pub struct StateWriter {
    parts: Vec<(String, Vec<usize>, Vec<u8>)>,
    counts: BTreeMap<String, u64>,
}

impl StateWriter {
    /// Adds a tensor.
    pub fn add<const D: usize>(&mut self, name: &str, tensor: &Tensor<D>) {
        let values = to_host(tensor.clone());
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.parts.push((name.to_owned(), tensor.dims().to_vec(), bytes));
    }

    /// Adds tensors below a name.
    pub fn add_all<const D: usize>(&mut self, part: &str, tensors: &Named<D>) {
        for (name, tensor) in tensors {
            self.add(&format!("{part}/{name}"), tensor);
        }
    }

    /// Adds the count of a tensor's steps.
    pub(crate) fn count(&mut self, name: &str, count: u64) {
        self.counts.insert(name.to_owned(), count);
    }

    /// Returns the file's bytes; `about` says what it is the state of.
    ///
    /// # Errors
    /// Fails when the state cannot be serialised.
    pub fn finish(self, about: &impl Serialize) -> Result<Vec<u8>, StateError> {
        let unwritable = |error: &dyn std::fmt::Display| StateError::Unwritable(error.to_string());
        let views: Result<Vec<_>, _> = self
            .parts
            .iter()
            .map(|(name, dims, bytes)| Ok((name.as_str(), TensorView::new(Dtype::F32, dims.clone(), bytes)?)))
            .collect();
        let views = views.map_err(|error: safetensors::SafeTensorError| unwritable(&error))?;
        let about = serde_json::to_value(about).map_err(|error| unwritable(&error))?;
        let header = serde_json::to_string(&Header { version: VERSION, counts: self.counts, about });
        let header = header.map_err(|error| unwritable(&error))?;
        // One entry: the order of several would differ from file to file.
        let metadata = HashMap::from([(HEADER.to_owned(), header)]);
        safetensors::serialize(views, Some(metadata)).map_err(|error| unwritable(&error))
    }
}

/// A state that was written.
pub struct StateReader<'a> {
    file: SafeTensors<'a>,
    header: Header,
}

impl<'a> StateReader<'a> {
    /// Opens a file's bytes.
    ///
    /// # Errors
    /// Refuses what is no state, damaged, or of another version.
    pub fn open(bytes: &'a [u8]) -> Result<Self, StateError> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let unreadable = |error: &dyn std::fmt::Display| StateError::Unreadable(error.to_string());
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|error| unreadable(&error))?;
        let text = metadata.metadata().as_ref().and_then(|entries| entries.get(HEADER));
        let text = text.ok_or_else(|| StateError::Unreadable("it has no header".into()))?;
        // First the version alone: the rest may look different in another.
        let Version { version } = serde_json::from_str(text).map_err(|error| unreadable(&error))?;
        if version != VERSION {
            return Err(StateError::Version { found: version });
        }
        let header = serde_json::from_str(text).map_err(|error| unreadable(&error))?;
        let file = SafeTensors::deserialize(bytes).map_err(|error| unreadable(&error))?;
        Ok(Self { file, header })
    }

    /// Returns what the file says it is the state of.
    ///
    /// # Errors
    /// Refuses a header of another form.
    pub fn about<T: DeserializeOwned>(&self) -> Result<T, StateError> {
        T::deserialize(&self.header.about).map_err(|error| StateError::Foreign(error.to_string()))
    }

    /// Returns how many steps a tensor has taken; `None` where it has taken none.
    pub(crate) fn counted(&self, name: &str) -> Option<u64> {
        self.header.counts.get(name).copied()
    }

    /// Returns a tensor; `None` where the file has none of this name.
    ///
    /// # Errors
    /// Refuses a tensor of another shape.
    pub fn tensor<const D: usize>(
        &self,
        name: &str,
        dims: [usize; D],
        device: &Device,
    ) -> Result<Option<Tensor<D>>, StateError> {
        let Ok(view) = self.file.tensor(name) else { return Ok(None) };
        if view.shape() != dims || view.dtype() != Dtype::F32 {
            return Err(StateError::Shape { name: name.to_owned() });
        }
        let values: Vec<f32> =
            view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        Ok(Some(from_host(values, dims, device)))
    }

    /// Returns the tensors below a name, as many and as large as those of `like`.
    ///
    /// # Errors
    /// Refuses tensors that are missing or of another shape.
    pub fn all<const D: usize>(&self, part: &str, like: &Named<D>, device: &Device) -> Result<Named<D>, StateError> {
        let read = |(name, own): (&String, &Tensor<D>)| {
            let full = format!("{part}/{name}");
            let found = self.tensor(&full, own.dims(), device)?.ok_or(StateError::Missing { name: full })?;
            Ok((name.clone(), found))
        };
        like.iter().map(read).collect()
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;

    use super::*;
    use crate::{AdamW, Average};
    use moa_core::experiment::OptimiserSpec;

    fn tensors(values: [f32; 3]) -> Named<2> {
        let tensor = Tensor::from_data(TensorData::new(values.to_vec(), [3, 1]), &Device::flex());
        Named::from([("w".to_owned(), tensor)])
    }

    fn host(tensors: &Named<2>) -> Vec<f32> {
        tensors["w"].clone().into_data().try_into_vec().expect("f32")
    }

    #[test]
    fn a_restored_optimiser_takes_the_steps_that_it_would_have_taken() {
        let mut adamw = AdamW::new(&OptimiserSpec::default());
        let mut weights = tensors([1.0, -2.0, 0.5]);
        let mut average = Average::of(&weights);
        for step in [[0.1, 0.2, -0.3], [0.4, -0.1, 0.0]] {
            adamw.step(0.1, &mut weights, tensors(step));
            average.follow(&weights, 0.9);
        }
        let mut file = StateWriter::default();
        file.add_all("weights", &weights);
        adamw.save(&mut file);
        average.save(&mut file);
        let bytes = file.finish(&"a test").expect("writes");

        let read = StateReader::open(&bytes).expect("opens");
        assert_eq!(read.about::<String>().expect("a text"), "a test");
        let (like, device) = (tensors([0.0; 3]), Device::flex());
        let mut restored = read.all("weights", &like, &device).expect("complete");
        let mut again = AdamW::new(&OptimiserSpec::default());
        again.load(&read, &like, &device).expect("fits");
        assert_eq!(host(Average::load(&read, &like, &device).expect("complete").tensors()), host(average.tensors()));
        adamw.step(0.1, &mut weights, tensors([-0.2, 0.3, 0.1]));
        again.step(0.1, &mut restored, tensors([-0.2, 0.3, 0.1]));
        assert_eq!(host(&weights), host(&restored));
    }

    #[test]
    fn what_is_no_state_says_so() {
        let bytes = StateWriter::default().finish(&1).expect("writes");
        assert!(matches!(StateReader::open(&bytes[..bytes.len() / 2]), Err(StateError::Unreadable(_))));
        assert!(matches!(StateReader::open(b""), Err(StateError::Unreadable(_))));
        let older = HashMap::from([(HEADER.to_owned(), r#"{"version":1,"epoch":3}"#.to_owned())]);
        let older = safetensors::serialize(Vec::<(&str, TensorView<'_>)>::new(), Some(older)).expect("writes");
        assert!(matches!(StateReader::open(&older), Err(StateError::Version { found: 1 })));
        let read = StateReader::open(&bytes).expect("opens");
        let missing = read.all("weights", &tensors([0.0; 3]), &Device::flex());
        assert!(matches!(missing, Err(StateError::Missing { .. })));
        assert!(matches!(read.about::<String>(), Err(StateError::Foreign(_))));
        // Steps are counted, and the moments are gone.
        let mut file = StateWriter::default();
        file.count("w", 3);
        let bytes = file.finish(&1).expect("writes");
        let read = StateReader::open(&bytes).expect("opens");
        let loaded = AdamW::new(&OptimiserSpec::default()).load(&read, &tensors([0.0; 3]), &Device::flex());
        assert!(matches!(loaded, Err(StateError::Missing { name }) if name == "moment_1/w"));
    }
}
