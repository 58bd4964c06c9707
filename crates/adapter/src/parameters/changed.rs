//! Parameters with adapters added: a base as it is with them at full strength, whatever they change.

use std::sync::Arc;

use burn::tensor::{FloatDType, Tensor};
use moa_device::{as_type, from_host, to_host};

use super::{Init, Parameters, ParametersError, TEXT_MODEL};
use crate::Adapter;

/// Parameters of a model, and what is added to them.
pub(super) struct Changed {
    pub(super) of: Parameters,
    pub(super) adapters: Arc<[(Adapter, f64)]>,
    /// How the names of the model's layers begin in adapters.
    pub(super) prefix: String,
}

impl Changed {
    /// Reads a parameter of the given shape, `[product of shape]`.
    pub(super) fn flat(
        &self,
        name: &str,
        shape: &[usize],
        init: Init,
        kept: FloatDType,
    ) -> Result<Tensor<1>, ParametersError> {
        // See `Parameters::stored_name`.
        let names = [format!("{}{name}", self.prefix), format!("{}{TEXT_MODEL}{name}", self.prefix)];
        let of =
            |(adapter, strength)| Some((names.iter().find(|name| Adapter::changes(adapter, name))?, adapter, strength));
        let own: Vec<(&String, &Adapter, &f64)> =
            self.adapters.iter().map(|(adapter, strength)| (adapter, strength)).filter_map(of).collect();
        if own.is_empty() {
            return self.of.in_type(kept).flat(name, shape, init);
        }
        let base = self.of.in_type(FloatDType::F32).flat(name, shape, init)?;
        let mut values = to_host(base);
        let mut sum = values.clone();
        for (full, adapter, strength) in own {
            // Each from the base, so that DoRAs beside others mean what they mean alone.
            let mut changed = values.clone();
            adapter.apply(full, &mut changed, shape, *strength)?;
            sum.iter_mut().zip(changed.iter().zip(&values)).for_each(|(sum, (changed, base))| *sum += changed - base);
        }
        values = sum;
        let count = values.len();
        Ok(as_type(from_host(values, [count], self.of.device()), kept))
    }
}
