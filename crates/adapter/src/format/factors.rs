//! What all formats have in common: a factor down and one up for every layer, as matrices in PyTorch's orientation.

use std::collections::{BTreeMap, HashMap};

use rayon::prelude::*;
use safetensors::Dtype;
use safetensors::tensor::TensorView;

use super::AdapterFileError;
use crate::parameters::widen;
use crate::{Adapter, AdapterLayer, ParametersError};

/// Which factor a tensor is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// `[r, d_in]`: lora_A, lora.down, lora_down.
    Down = 0,
    /// `[d_out, r]`: lora_B, lora.up, lora_up.
    Up = 1,
}

/// The factors of a file as they are found, by layer.
#[derive(Default)]
pub(super) struct Factors<'a> {
    pairs: BTreeMap<String, [Option<TensorView<'a>>; 2]>,
}

impl<'a> Factors<'a> {
    pub(super) fn insert(&mut self, layer: &str, side: Side, tensor: TensorView<'a>) {
        self.pairs.entry(layer.to_owned()).or_default()[side as usize] = Some(tensor);
    }

    /// Returns the rank of the first layer, from the shape of its factor.
    pub(super) fn rank(&self) -> Result<usize, AdapterFileError> {
        let (name, pair) = self.pairs.iter().next().ok_or(AdapterFileError::Empty)?;
        let down = pair[0].as_ref().and_then(|tensor| tensor.shape().first().copied());
        down.filter(|rank| *rank > 0).ok_or_else(|| AdapterFileError::Unpaired(name.clone()))
    }

    /// Returns the adapter.
    ///
    /// # Errors
    /// Refuses incomplete and misshapen layers, other ranks, and values that are not finite.
    pub(super) fn into_adapter(self, rank: usize, alpha: f32) -> Result<Adapter, AdapterFileError> {
        if self.pairs.is_empty() {
            return Err(AdapterFileError::Empty);
        }
        let layer = |(name, pair): (String, [Option<TensorView<'a>>; 2])| {
            let [Some(down), Some(up)] = pair else { return Err(AdapterFileError::Unpaired(name)) };
            let (&[down_rank, d_in], &[d_out, up_rank]) = (down.shape(), up.shape()) else {
                return Err(misshapen(name, &down, &up, rank));
            };
            if down_rank != rank || up_rank != rank {
                return Err(misshapen(name, &down, &up, rank));
            }
            let (a, b) = (widen(&name, &down)?, widen(&name, &up)?);
            if a.iter().chain(&b).any(|value| !value.is_finite()) {
                return Err(AdapterFileError::NotFinite(name));
            }
            let layer = AdapterLayer { d_in, d_out, a: transposed(&a, rank, d_in), b: transposed(&b, d_out, rank) };
            Ok((name, layer))
        };
        let layers = self.pairs.into_par_iter().map(layer).collect::<Result<_, _>>()?;
        Ok(Adapter { rank, alpha, layers })
    }
}

fn misshapen(layer: String, down: &TensorView<'_>, up: &TensorView<'_>, rank: usize) -> AdapterFileError {
    AdapterFileError::Shape { layer, a: down.shape().to_vec(), b: up.shape().to_vec(), rank }
}

/// Returns the safetensors file of an adapter in f32.
///
/// - `names`: of the tensors of a layer: down, up, and that of its α, if it has one
pub(super) fn write(
    adapter: &Adapter,
    names: impl Fn(&str) -> (String, String, Option<String>) + Sync,
    metadata: HashMap<String, String>,
) -> Result<Vec<u8>, AdapterFileError> {
    let bytes = |values: Vec<f32>| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = adapter
        .layers
        .par_iter()
        .flat_map_iter(|(name, layer)| {
            let (down, up, alpha) = names(name);
            let a = transposed(&layer.a, layer.d_in, adapter.rank);
            let b = transposed(&layer.b, adapter.rank, layer.d_out);
            let factors =
                [(down, vec![adapter.rank, layer.d_in], bytes(a)), (up, vec![layer.d_out, adapter.rank], bytes(b))];
            factors.into_iter().chain(alpha.map(|name| (name, vec![], bytes(vec![adapter.alpha]))))
        })
        .collect();
    let views = tensors
        .iter()
        .map(|(name, shape, bytes)| Ok((name, TensorView::new(Dtype::F32, shape.clone(), bytes)?)))
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()
        .map_err(ParametersError::from)?;
    Ok(safetensors::serialize(views, Some(metadata)).map_err(ParametersError::from)?)
}

/// Returns the transpose of a row-major `[rows, columns]` matrix.
fn transposed(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    (0..columns).flat_map(|c| (0..rows).map(move |r| values[r * columns + c])).collect()
}
