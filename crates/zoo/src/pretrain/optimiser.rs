//! AdamW over named parameters, with an exponential moving average and checkpoints that resume bit for bit.

use std::collections::BTreeMap;

use burn::optim::{AdamWConfig, AdamWState, AdaptiveMomentumState, Optimizer};
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use moa_adapter::Parameter;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use super::{PretrainError, PretrainSpec};

/// The parameters under training, their average and AdamW's moments.
pub(crate) struct TrainingState {
    /// Steps taken.
    pub(crate) step: u64,
    parameters: BTreeMap<String, Parameter>,
    average: BTreeMap<String, Tensor<1>>,
    moments: BTreeMap<String, AdamWState<1>>,
    device: Device,
}

impl TrainingState {
    /// Returns the state before the first step.
    pub(crate) fn new(parameters: BTreeMap<String, Parameter>, device: &Device) -> Self {
        let average = parameters.iter().map(|(name, p)| (name.clone(), p.flat.clone())).collect();
        Self { step: 0, parameters, average, moments: BTreeMap::new(), device: device.clone() }
    }

    /// Returns the parameters as leaves of a new graph: build the model from them, then pass them to
    /// [`TrainingState::update`].
    pub(crate) fn leaves(&self) -> BTreeMap<String, Parameter> {
        let leaf = |p: &Parameter| Parameter { shape: p.shape.clone(), flat: p.flat.clone().autodiff().require_grad() };
        self.parameters.iter().map(|(name, p)| (name.clone(), leaf(p))).collect()
    }

    /// Takes one step of AdamW with the gradient's norm clipped, and moves the average.
    ///
    /// # Errors
    /// Refuses gradients that are not finite.
    pub(crate) fn update(
        &mut self,
        leaves: &BTreeMap<String, Parameter>,
        mut gradients: Gradients,
        spec: &PretrainSpec,
    ) -> Result<(), PretrainError> {
        let gradients: BTreeMap<&String, Tensor<1>> =
            leaves.iter().filter_map(|(name, leaf)| Some((name, leaf.flat.grad_remove(&mut gradients)?))).collect();
        let squares = Tensor::cat(gradients.values().map(|g| g.clone().powi_scalar(2).sum()).collect(), 0);
        let norm = f64::from(squares.sum().into_scalar::<f32>()).sqrt();
        if !norm.is_finite() {
            return Err(PretrainError::Diverged { step: self.step });
        }
        let clip = (spec.max_grad_norm / norm.max(1e-12)).min(1.0);
        let adamw = AdamWConfig::new()
            .with_beta_1(0.9)
            .with_beta_2(0.99)
            .with_epsilon(1e-8)
            .with_weight_decay(spec.weight_decay as f32)
            .build();
        let rate = spec.learning_rate_at(self.step);
        let decay = spec.average.min((self.step as f64 + 1.0) / (self.step as f64 + 10.0));
        for (name, gradient) in gradients {
            let Some(parameter) = self.parameters.get_mut(name) else { continue };
            let (next, moments) = adamw.step(rate, parameter.flat.clone(), gradient * clip, self.moments.remove(name));
            parameter.flat = next.clone();
            self.moments.extend(moments.map(|m| (name.clone(), m)));
            if let Some(average) = self.average.get_mut(name) {
                *average = average.clone() * decay + next * (1.0 - decay);
            }
        }
        self.step += 1;
        Ok(())
    }

    /// Returns the averaged parameters.
    pub(crate) fn averaged(&self) -> BTreeMap<String, Parameter> {
        let pairs = self.parameters.iter().zip(self.average.values());
        pairs
            .map(|((name, p), flat)| (name.clone(), Parameter { shape: p.shape.clone(), flat: flat.clone() }))
            .collect()
    }

    /// Returns the averaged parameters below a prefix, without it.
    pub(crate) fn averaged_below(&self, prefix: &str) -> BTreeMap<String, Parameter> {
        let strip =
            |(name, p): (String, Parameter)| Some((name.strip_prefix(prefix)?.strip_prefix('.')?.to_owned(), p));
        self.averaged().into_iter().filter_map(strip).collect()
    }

    /// Returns the whole state as a safetensors file in f32.
    pub(crate) fn checkpoint(&self) -> Result<Vec<u8>, PretrainError> {
        let host = |tensor: &Tensor<1>| -> Vec<u8> {
            let values = tensor.clone().into_data().convert::<f32>().try_into_vec::<f32>();
            values.unwrap_or_default().iter().flat_map(|v| v.to_le_bytes()).collect()
        };
        let mut parts: Vec<(String, Vec<u8>)> = Vec::new();
        for (name, parameter) in &self.parameters {
            parts.push((format!("parameter/{name}"), host(&parameter.flat)));
            parts.push((format!("average/{name}"), host(&self.average[name])));
            if let Some(state) = self.moments.get(name) {
                parts.push((format!("moment_1/{name}"), host(&state.momentum.moment_1)));
                parts.push((format!("moment_2/{name}"), host(&state.momentum.moment_2)));
            }
        }
        let views = parts
            .iter()
            .map(|(name, bytes)| Ok((name.as_str(), TensorView::new(Dtype::F32, vec![bytes.len() / 4], bytes)?)))
            .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()?;
        let metadata = std::collections::HashMap::from([("step".to_owned(), self.step.to_string())]);
        Ok(safetensors::serialize(views, Some(metadata))?)
    }

    /// Goes back to a checkpoint of the same model.
    ///
    /// # Errors
    /// Refuses files that are no checkpoint of this model.
    pub(crate) fn restore(&mut self, bytes: &[u8]) -> Result<(), PretrainError> {
        let (_, header) = SafeTensors::read_metadata(bytes)?;
        let step = header.metadata().as_ref().and_then(|m| m.get("step")?.parse().ok());
        let step = step.ok_or(PretrainError::ForeignCheckpoint)?;
        let file = SafeTensors::deserialize(bytes)?;
        let read = |part: &str, name: &str, count: usize| -> Result<Tensor<1>, PretrainError> {
            let view = file.tensor(&format!("{part}/{name}"))?;
            if view.shape() != [count] || view.dtype() != Dtype::F32 {
                return Err(PretrainError::ForeignCheckpoint);
            }
            let values: Vec<f32> =
                view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
            Ok(Tensor::from_data(TensorData::new(values, [count]), &self.device))
        };
        for (name, parameter) in &mut self.parameters {
            let count = parameter.shape.iter().product();
            parameter.flat = read("parameter", name, count)?;
            self.average.insert(name.clone(), read("average", name, count)?);
            if step > 0 {
                let (first, second) = (read("moment_1", name, count)?, read("moment_2", name, count)?);
                let state = AdaptiveMomentumState::new(step as usize, first, second);
                self.moments.insert(name.clone(), AdamWState::new(state));
            }
        }
        self.step = step;
        Ok(())
    }
}
