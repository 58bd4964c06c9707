//! Devices: the only doors between host and device, counted; and what LibTorch has operations of its own for.
//!
//! A model computes with burn's tensors and never says on what. Three things are the device's business all the same: a copy to the
//! host waits until the device has done all that it was asked for, so that every one must be known; a copy from the host waits,
//! too, unless it is made through pinned memory; and LibTorch computes some operations, and gradients, in one go where burn composes
//! them.

mod copies;
mod fused;
#[cfg(feature = "libtorch")]
mod libtorch;
mod tape;

pub use copies::{Copies, copies, from_host, indices_from_host, scalar_to_host, to_host, weights_from_host};
pub use fused::{add, as_type, geglu, gelu_tanh, group_norm, linear, modulate, rms_norm, silu};
#[cfg(feature = "libtorch")]
pub use libtorch::{LibTorch, Runtime, runtime, tune};
pub use tape::Tape;

use burn::tensor::Device;

/// Returns whether a device's tensors lie in the host's memory.
pub fn is_host(device: &Device) -> bool {
    let device = device.clone().without_autodiff();
    if device == Device::flex() {
        return true;
    }
    #[cfg(feature = "libtorch")]
    if device == libtorch::cpu() {
        return true;
    }
    false
}

/// Returns whether LibTorch computes on a device.
pub fn is_libtorch(device: &Device) -> bool {
    cfg!(feature = "libtorch") && device.clone().without_autodiff() != Device::flex()
}
