//! Copies between host and device.

use std::cell::Cell;

use burn::tensor::{Device, Int, Tensor, TensorData};

/// How many copies a thread has made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copies {
    /// From a device to the host: each waits until the device has done all that it was asked for.
    pub to_host: u64,
    /// From the host to a device.
    pub from_host: u64,
}

thread_local! {
    static COPIES: Cell<Copies> = const { Cell::new(Copies { to_host: 0, from_host: 0 }) };
}

/// Returns how many copies this thread has made so far.
pub fn copies() -> Copies {
    COPIES.get()
}

/// Returns the values of a tensor on the host, row-major, in f32 whatever the device keeps; waits for the device.
pub fn to_host<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    COPIES.set(Copies { to_host: COPIES.get().to_host + 1, ..COPIES.get() });
    let values = tensor.without_autodiff().into_data().convert::<f32>().try_into_vec();
    values.unwrap_or_else(|_| unreachable!("the data has been converted to f32"))
}

/// Returns the value of a tensor that holds one, as [`to_host`] does; not a number where there is none.
pub fn scalar_to_host<const D: usize>(tensor: Tensor<D>) -> f32 {
    to_host(tensor).first().copied().unwrap_or(f32::NAN)
}

/// Returns a tensor on a device, in f32. On a GPU the copy is made beside what the device is at, and nothing waits for it.
///
/// # Panics
/// When there are not as many values as the dimensions say.
pub fn from_host<const D: usize>(values: Vec<f32>, dims: [usize; D], device: &Device) -> Tensor<D> {
    COPIES.set(Copies { from_host: COPIES.get().from_host + 1, ..COPIES.get() });
    #[cfg(feature = "libtorch")]
    if !crate::is_host(device) {
        let tensor = crate::libtorch::beside(&values, dims, device);
        return if device.is_autodiff() { tensor.autodiff() } else { tensor };
    }
    Tensor::from_data(TensorData::new(values, dims), device)
}

/// Returns a model's weights on a device, flat, in the type of number that they have.
pub fn weights_from_host(values: TensorData, device: &Device) -> Tensor<1> {
    COPIES.set(Copies { from_host: COPIES.get().from_host + 1, ..COPIES.get() });
    let kept = values.dtype();
    Tensor::from_data(values, (device, kept))
}

/// Returns indices on a device, as [`from_host`] returns numbers.
pub fn indices_from_host(values: Vec<i64>, device: &Device) -> Tensor<1, Int> {
    COPIES.set(Copies { from_host: COPIES.get().from_host + 1, ..COPIES.get() });
    #[cfg(feature = "libtorch")]
    if !crate::is_host(device) {
        return crate::libtorch::indices_beside(&values, device);
    }
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count]), device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_counted_by_thread_and_keep_what_they_carry() {
        let device = Device::flex();
        let before = copies();
        let tensor = from_host(vec![1.0, 2.0, 3.0, 4.0], [2, 2], &device);
        assert_eq!(to_host(tensor.transpose()), [1.0, 3.0, 2.0, 4.0]);
        let indices = indices_from_host(vec![1, 0], &device);
        assert_eq!(to_host(from_host(vec![5.0, 6.0], [2], &device).select(0, indices)), [6.0, 5.0]);
        let after = copies();
        assert_eq!([after.to_host - before.to_host, after.from_host - before.from_host], [2, 3]);
        assert_eq!(std::thread::spawn(copies).join().expect("it counts"), Copies::default());
    }
}
