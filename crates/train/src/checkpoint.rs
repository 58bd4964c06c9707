//! Checkpoints: factors, moments, average and epoch as one safetensors file; restoring is exact to the bit.

use std::collections::HashMap;

use burn::optim::{AdamWState, AdaptiveMomentumState};
use burn::tensor::{Device, Tensor, TensorData};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::TrainError;
use crate::optimiser::{BankOptimiser, FactorName, Factors, Side};

/// Everything that a trainer's next epoch depends on, besides the experiment itself.
pub(crate) struct Checkpoint<'a> {
    pub(crate) epoch: u32,
    /// A digest of the experiment and the runs: a checkpoint of another experiment is refused.
    pub(crate) digest: &'a str,
    pub(crate) factors: &'a Factors,
    pub(crate) average: Option<&'a Factors>,
    pub(crate) optimiser: &'a BankOptimiser,
}

/// What a checkpoint restores.
pub(crate) struct Restored {
    pub(crate) epoch: u32,
    pub(crate) factors: Factors,
    pub(crate) average: Option<Factors>,
}

const VERSION: &str = "1";

fn key(part: &str, name: &FactorName) -> String {
    let side = match name.side {
        Side::A => "a",
        Side::B => "b",
    };
    format!("{part}/{}/{side}", name.layer)
}

impl Checkpoint<'_> {
    /// Returns the checkpoint's bytes.
    pub(crate) fn write(&self) -> Result<Vec<u8>, TrainError> {
        let mut parts: Vec<(String, [usize; 3], Vec<u8>)> = Vec::new();
        let mut add = |part: &str, name: &FactorName, tensor: &Tensor<3>| {
            let values = tensor.clone().into_data().convert::<f32>().try_into_vec::<f32>().unwrap_or_default();
            let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            parts.push((key(part, name), tensor.dims(), bytes));
        };
        let mut time = 0;
        for (name, factor) in self.factors {
            add("factor", name, factor);
            if let Some(average) = self.average.and_then(|average| average.get(name)) {
                add("average", name, average);
            }
            if let Some(state) = self.optimiser.moments.get(name) {
                time = state.momentum.time;
                add("moment_1", name, &state.momentum.moment_1);
                add("moment_2", name, &state.momentum.moment_2);
            }
        }
        let views: Result<Vec<_>, _> = parts
            .iter()
            .map(|(name, dims, bytes)| Ok((name.as_str(), TensorView::new(Dtype::F32, dims.to_vec(), bytes)?)))
            .collect();
        let metadata = HashMap::from([
            ("version".to_owned(), VERSION.to_owned()),
            ("epoch".to_owned(), self.epoch.to_string()),
            ("time".to_owned(), time.to_string()),
            ("digest".to_owned(), self.digest.to_owned()),
        ]);
        let bytes = views.and_then(|views| safetensors::serialize(views, Some(metadata)));
        bytes.map_err(|error: safetensors::SafeTensorError| TrainError::Checkpoint(format!("not writable ({error})")))
    }
}

/// Reads a checkpoint into factors like `like`, and AdamW's moments into `optimiser`.
pub(crate) fn restore(
    bytes: &[u8],
    digest: &str,
    like: &Factors,
    optimiser: &mut BankOptimiser,
    device: &Device,
) -> Result<Restored, TrainError> {
    let unreadable = |error: safetensors::SafeTensorError| TrainError::Checkpoint(format!("unreadable ({error})"));
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(unreadable)?;
    let entry = |name: &str| header.metadata().as_ref().and_then(|entries| entries.get(name)).map(String::as_str);
    match entry("version") {
        Some(VERSION) => {}
        Some(other) => {
            return Err(TrainError::Checkpoint(format!("of version {other}, this moa reads version {VERSION}")));
        }
        None => return Err(TrainError::Checkpoint("without a version".into())),
    }
    if entry("digest") != Some(digest) {
        return Err(TrainError::Checkpoint("of another experiment".into()));
    }
    let number = |name: &str| entry(name).and_then(|text| text.parse::<usize>().ok());
    let (Some(epoch), Some(time)) = (number("epoch"), number("time")) else {
        return Err(TrainError::Checkpoint("without an epoch".into()));
    };
    let file = SafeTensors::deserialize(bytes).map_err(unreadable)?;
    let read = |part: &str, name: &FactorName, dims: [usize; 3]| -> Result<Option<Tensor<3>>, TrainError> {
        let Ok(view) = file.tensor(&key(part, name)) else { return Ok(None) };
        if view.shape() != dims || view.dtype() != Dtype::F32 {
            return Err(TrainError::Checkpoint(format!("of another shape at `{}`", name.layer)));
        }
        let values: Vec<f32> =
            view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        Ok(Some(Tensor::from_data(TensorData::new(values, dims), device)))
    };
    let (mut factors, mut average) = (Factors::new(), Factors::new());
    optimiser.moments.clear();
    for (name, own) in like {
        let dims = own.dims();
        let factor = read("factor", name, dims)?
            .ok_or_else(|| TrainError::Checkpoint(format!("incomplete: `{}` is missing", name.layer)))?;
        factors.insert(name.clone(), factor);
        if let Some(tensor) = read("average", name, dims)? {
            average.insert(name.clone(), tensor);
        }
        if let (Some(first), Some(second)) = (read("moment_1", name, dims)?, read("moment_2", name, dims)?) {
            let state = AdamWState::new(AdaptiveMomentumState::new(time, first, second));
            optimiser.moments.insert(name.clone(), state);
        }
    }
    Ok(Restored { epoch: epoch as u32, factors, average: Some(average).filter(|average| !average.is_empty()) })
}
