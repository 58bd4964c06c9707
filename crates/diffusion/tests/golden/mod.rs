//! What diffusers computed, in an io.safetensors beside a pipeline or an adapter.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use safetensors::{Dtype, SafeTensors};

/// Returns the place of a fixture.
pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// What diffusers computed.
pub(crate) struct Golden {
    bytes: Vec<u8>,
    metadata: HashMap<String, String>,
}

impl Golden {
    pub(crate) fn read(name: &str) -> Self {
        let bytes = fs::read(fixture(name).join("io.safetensors")).expect("io");
        let (_, metadata) = SafeTensors::read_metadata(&bytes).expect("metadata");
        let metadata = metadata.metadata().clone().unwrap_or_default();
        Self { bytes, metadata }
    }

    pub(crate) fn lines(&self, name: &str) -> Vec<String> {
        self.metadata[name].lines().map(str::to_owned).collect()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        SafeTensors::deserialize(&self.bytes).expect("io").tensor(name).is_ok()
    }

    pub(crate) fn floats(&self, name: &str) -> (Vec<usize>, Vec<f32>) {
        let file = SafeTensors::deserialize(&self.bytes).expect("io");
        let view = file.tensor(name).expect(name);
        assert_eq!(view.dtype(), Dtype::F32, "{name}");
        let values = view.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().expect("4 bytes")));
        (view.shape().to_vec(), values.collect())
    }

    pub(crate) fn tensor<const D: usize>(&self, name: &str) -> Tensor<D> {
        let (shape, values) = self.floats(name);
        Tensor::from_data(TensorData::new(values, shape), &Device::flex())
    }

    /// Asserts that values are diffusers', within 1e-4 of the largest one, or of 1 where all are smaller.
    pub(crate) fn assert_close<const D: usize>(&self, found: &Tensor<D>, name: &str) {
        let wanted = self.tensor::<D>(name);
        assert_eq!(found.dims(), wanted.dims(), "{name}");
        let largest = wanted.clone().abs().max().into_scalar::<f32>().max(1.0);
        let worst = (found.clone() - wanted).abs().max().into_scalar::<f32>();
        println!("{name}: largest difference {worst:e} of {largest}");
        assert!(worst <= 1e-4 * largest, "{name}: largest difference {worst} of {largest}");
    }
}
