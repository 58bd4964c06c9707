//! Adapters added into the weights of a base.

use std::collections::BTreeMap;

use crate::adapter::{Adapter, AdapterLayer, Difference, Norms, encoder_of};
use crate::{Parameters, ParametersError};

/// An adapter with the strength at which it is added.
pub type Change<'a> = (&'a Adapter, f64);

impl Adapter {
    /// Returns whether the adapter changes a parameter.
    ///
    /// - `parameter`: its full name, `….weight` or `….bias`, behind the text encoder's name where it is one of those
    pub fn changes(&self, parameter: &str) -> bool {
        let layer = parameter.strip_suffix(".weight");
        layer.is_some_and(|layer| self.layers.contains_key(layer) || self.magnitudes.contains_key(layer))
            || self.differences.contains_key(parameter)
    }

    /// Adds what the adapter adds to a parameter of the base, times `strength`; of a DoRA
    /// `W' = W + s·(m/‖W + ΔW‖ · (W + ΔW) − W)`, as LyCORIS does.
    ///
    /// - `values`: row-major, of the base's `shape`
    ///
    /// # Errors
    /// Refuses a parameter of another shape, and leaves it as it was.
    pub fn apply(
        &self,
        parameter: &str,
        values: &mut [f32],
        shape: &[usize],
        strength: f64,
    ) -> Result<(), ParametersError> {
        let misfit = |own: &[usize]| ParametersError::Misfit {
            name: parameter.to_owned(),
            own: own.to_vec(),
            base: shape.to_vec(),
        };
        let rows = shape.first().copied().unwrap_or(1);
        let fits =
            |own: &[usize]| own.first().copied().unwrap_or(1) == rows && own.iter().product::<usize>() == values.len();
        let layer = parameter.strip_suffix(".weight");
        let factors = layer.and_then(|layer| self.layers.get(layer));
        let difference = self.differences.get(parameter);
        let norms = layer.and_then(|layer| self.magnitudes.get(layer));
        if let Some(own) = factors.map(AdapterLayer::shape).filter(|own| !fits(own)) {
            return Err(misfit(&own));
        }
        if let Some(own) = difference.filter(|difference| !fits(&difference.shape)) {
            return Err(misfit(&own.shape));
        }
        let inputs = shape.get(1).copied().unwrap_or(1);
        if let Some(norms) = norms
            && norms.values.len() != if norms.by_output { rows } else { inputs }
        {
            return Err(misfit(&[norms.values.len()]));
        }
        let mut delta = factors.map(AdapterLayer::delta);
        if let Some(difference) = difference {
            match &mut delta {
                Some(delta) => delta.iter_mut().zip(&difference.values).for_each(|(sum, value)| *sum += value),
                none => *none = Some(difference.values.clone()),
            }
        }
        let strength = strength as f32;
        match (norms, delta) {
            (Some(norms), delta) => apply_with_norms(norms, values, &delta.unwrap_or_default(), rows, inputs, strength),
            (None, Some(delta)) => values.iter_mut().zip(&delta).for_each(|(value, delta)| *value += strength * delta),
            (None, None) => {}
        }
        Ok(())
    }

    /// Returns the adapter without DoRA's magnitudes: what they come to on this base are differences.
    ///
    /// - `base`: gives the denoiser's parameters, or those of a text encoder by its name
    ///
    /// # Errors
    /// Names a layer that the base does not have, or has in another shape.
    pub fn resolved<'b>(
        &self,
        base: &dyn for<'n> Fn(Option<&'n str>) -> Option<&'b Parameters>,
    ) -> Result<Self, ParametersError> {
        let mut resolved = Self { magnitudes: BTreeMap::new(), ..self.clone() };
        for name in self.magnitudes.keys() {
            let (encoder, own) = match encoder_of(name) {
                Some((encoder, own)) => (Some(encoder), own),
                None => (None, &name[..]),
            };
            let parameter = format!("{own}.weight");
            let found = base(encoder).and_then(|parameters| {
                let stored = parameters.stored_name(&parameter)?;
                Some((parameters, stored, parameters.shape(stored)?))
            });
            let Some((parameters, stored, shape)) = found else {
                let own = self.layers.get(name).map(AdapterLayer::shape).unwrap_or_default();
                return Err(ParametersError::NotInBase { name: format!("{name}.weight"), own });
            };
            let weight = moa_device::to_host(parameters.flat(stored, &shape, crate::Init::Zeros)?);
            let mut changed = weight.clone();
            self.apply(&format!("{name}.weight"), &mut changed, &shape, 1.0)?;
            let values = changed.iter().zip(&weight).map(|(changed, weight)| changed - weight).collect();
            resolved.layers.remove(name);
            resolved.differences.insert(format!("{name}.weight"), Difference { shape, values });
        }
        Ok(resolved)
    }
}

fn apply_with_norms(norms: &Norms, weight: &mut [f32], delta: &[f32], rows: usize, inputs: usize, strength: f32) {
    if weight.is_empty() {
        return;
    }
    let (row, kernel) = (weight.len() / rows, weight.len() / (rows * inputs));
    let group = |place: usize| if norms.by_output { place / row } else { place % row / kernel };
    let mut found = vec![0f64; norms.values.len()];
    let changed: Vec<f32> = (0..weight.len()).map(|at| weight[at] + delta.get(at).unwrap_or(&0.0)).collect();
    for (place, value) in changed.iter().enumerate() {
        found[group(place)] += f64::from(*value).powi(2);
    }
    // As LyCORIS does, so that a row of zeros stays one.
    let factors: Vec<f32> =
        norms.values.iter().zip(&found).map(|(wanted, found)| wanted / (found.sqrt() as f32 + f32::EPSILON)).collect();
    for (place, weight) in weight.iter_mut().enumerate() {
        *weight += strength * (changed[place] * factors[group(place)] - *weight);
    }
}
