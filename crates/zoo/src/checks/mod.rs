//! What a device computes against the CPU in f32: kernels, networks of every family with their gradients, and the built-in models.
//!
//! Weights are random and inputs seeded, so that nothing but the device differs. Two devices agree where the root mean square of their
//! difference is within a bound of the values' own: what a precision rounds, with room for sums in another order.

mod kernels;
mod networks;
mod whole;

use burn::tensor::{Device, Tensor};
use moa_core::NoiseKey;
use moa_core::experiment::Precision;
use moa_device::from_host;
use moa_diffusion::Compute;

use crate::ZooError;

/// What a check computes.
type Values = Box<dyn Fn(&Compute) -> Result<Vec<f32>, ZooError>>;

/// How far results of a precision may be apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Depth {
    /// One operation.
    Kernel,
    /// A network forward.
    Network,
    /// A network's gradient, whose errors are those of two passes.
    Gradient,
}

impl Depth {
    fn bound(self, precision: Precision) -> f64 {
        let [kernel, network, gradient] = match precision {
            Precision::F32 => [1e-5, 1e-4, 1e-3],
            Precision::Tf32 | Precision::F16 => [2e-3, 8e-3, 2e-2],
            Precision::Bf16 => [1.5e-2, 4e-2, 8e-2],
        };
        match self {
            Self::Kernel => kernel,
            Self::Network => network,
            Self::Gradient => gradient,
        }
    }
}

/// One thing that a device computes.
pub struct Check {
    /// What it is.
    pub name: String,
    depth: Depth,
    values: Values,
}

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// The root mean square of the difference, relative to that of the values on the CPU; not a number where values are not.
    pub relative_rms: f64,
    /// The largest that is sound.
    pub bound: f64,
}

impl Found {
    /// Returns whether the device computes what the CPU does.
    pub fn is_sound(self) -> bool {
        self.relative_rms <= self.bound
    }
}

impl Check {
    fn new(
        name: impl Into<String>,
        depth: Depth,
        values: impl Fn(&Compute) -> Result<Vec<f32>, ZooError> + 'static,
    ) -> Self {
        Self { name: name.into(), depth, values: Box::new(values) }
    }

    /// Computes on the device and on the CPU in f32, and compares.
    ///
    /// # Errors
    /// Fails where an embedded model is damaged.
    pub fn run(&self, compute: &Compute) -> Result<Found, ZooError> {
        let exact = (self.values)(&Compute { engine: false, ..Compute::from(&Device::flex()) })?;
        let found = (self.values)(compute)?;
        let square = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>();
        let pairs = found.iter().zip(&exact);
        let off = square(&mut pairs.map(|(found, exact)| f64::from(*found) - f64::from(*exact)));
        let relative_rms = (off / square(&mut exact.iter().map(|exact| f64::from(*exact)))).sqrt();
        let relative_rms = if found.len() == exact.len() { relative_rms } else { f64::NAN };
        Ok(Found { relative_rms, bound: self.depth.bound(compute.precision) })
    }
}

/// Returns all checks, cheapest first.
pub fn checks() -> Vec<Check> {
    let mut all = kernels::checks();
    all.extend(networks::checks());
    all.extend(whole::checks());
    all
}

/// Returns seeded noise on a device, in f32.
fn noise<const D: usize>(name: &str, dims: [usize; D], device: &Device) -> Tensor<D> {
    from_host(NoiseKey::new(17).named(name).normal(dims.iter().product()), dims, device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_computes_what_burns_operations_do() {
        for check in checks() {
            let found = check.run(&Compute::from(&Device::flex())).expect("it runs");
            assert!(found.is_sound(), "{}: {found:?}", check.name);
        }
    }

    #[test]
    fn values_that_are_none_are_not_sound() {
        let check =
            Check::new("broken", Depth::Kernel, |compute| Ok(vec![1.0, if compute.engine { f32::NAN } else { 1.0 }]));
        assert!(!check.run(&Compute::from(&Device::flex())).expect("it runs").is_sound());
    }
}
