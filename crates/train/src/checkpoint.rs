//! Checkpoints: factors, moments, average and epoch as one safetensors file; restoring is exact to the bit.

use std::collections::HashMap;

use burn::optim::{AdamWState, AdaptiveMomentumState};
use burn::tensor::{Device, Tensor, TensorData};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};

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

const VERSION: u32 = 1;
/// The name of the header among the file's metadata.
const HEADER: &str = "moa";

/// What a checkpoint says of itself.
#[derive(Serialize, Deserialize)]
struct Header {
    version: u32,
    epoch: u32,
    /// AdamW's steps.
    time: usize,
    digest: String,
}

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
        let header = Header { version: VERSION, epoch: self.epoch, time, digest: self.digest.to_owned() };
        let header = serde_json::to_string(&header).unwrap_or_default();
        // One entry: the order of several would differ from file to file.
        let metadata = HashMap::from([(HEADER.to_owned(), header)]);
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
    let entry = header.metadata().as_ref().and_then(|entries| entries.get(HEADER));
    let header: Header = entry
        .and_then(|text| serde_json::from_str(text).ok())
        .ok_or_else(|| TrainError::Checkpoint("without a readable header".into()))?;
    if header.version != VERSION {
        let reason = format!("of version {}, this moa reads version {VERSION}", header.version);
        return Err(TrainError::Checkpoint(reason));
    }
    if header.digest != digest {
        return Err(TrainError::Checkpoint("of another experiment".into()));
    }
    let (epoch, time) = (header.epoch, header.time);
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
    Ok(Restored { epoch, factors, average: Some(average).filter(|average| !average.is_empty()) })
}
