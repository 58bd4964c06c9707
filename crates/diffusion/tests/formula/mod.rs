//! Weights by a formula that Python computes to the same bits (fixtures/formula.py says which), and what PyTorch computed with them.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use safetensors::tensor::{Dtype, TensorView};
use serde_json::Value;

/// Returns numbers in [−1, 1), multiples of 2⁻¹⁵.
pub(crate) fn values(name: &str, count: usize) -> Vec<f32> {
    let seed = name.bytes().fold(2_166_136_261u32, |seed, byte| (seed ^ u32::from(byte)).wrapping_mul(16_777_619));
    let value = |index: usize| {
        let mut x = (index as u32).wrapping_mul(0x9E37_79B1) ^ seed;
        x = (x ^ (x >> 16)).wrapping_mul(0x85EB_CA6B);
        x = (x ^ (x >> 13)).wrapping_mul(0xC2B2_AE35);
        x ^= x >> 16;
        ((x >> 16) as f32 - 32_768.0) / 32_768.0
    };
    (0..count).map(value).collect()
}

/// Returns the weights of a parameter.
fn weights(name: &str, shape: &[usize]) -> Vec<f32> {
    let own = values(name, shape.iter().product());
    let map = |scale: f32, offset: f32| own.iter().map(|value| offset + value * scale).collect();
    if shape.len() > 1 {
        let fan_in: usize = shape[1..].iter().product();
        map(2f32.powi((3.0 / fan_in as f64).sqrt().log2().round_ties_even() as i32), 0.0)
    } else if name.ends_with("weight") {
        map(0.25, 1.0)
    } else {
        map(0.25, 0.0)
    }
}

/// Returns the safetensors file of tensors with these shapes, `{name: shape}`.
pub(crate) fn safetensors(shapes: &Value) -> Vec<u8> {
    let shapes = shapes.as_object().expect("shapes").iter().map(|(name, shape)| {
        let shape: Vec<usize> =
            shape.as_array().expect("a shape").iter().map(|size| size.as_u64().expect("a size") as usize).collect();
        let bytes: Vec<u8> = weights(name, &shape).into_iter().flat_map(f32::to_le_bytes).collect();
        (name.clone(), (shape, bytes))
    });
    let tensors: HashMap<String, (Vec<usize>, Vec<u8>)> = shapes.collect();
    let views = tensors.iter().map(|(name, (shape, bytes))| {
        (name.clone(), TensorView::new(Dtype::F32, shape.clone(), bytes).expect("a tensor"))
    });
    safetensors::serialize(views, None).expect("a file")
}

/// Writes a model's folder: its config, and weights of the shapes.
pub(crate) fn write_model(folder: &Path, stem: &str, config: &Value, shapes: &Value) {
    fs::create_dir_all(folder).expect("a folder");
    fs::write(folder.join("config.json"), config.to_string()).expect("config");
    fs::write(folder.join(format!("{stem}.safetensors")), safetensors(shapes)).expect("weights");
}

/// Returns numbers by the formula as a tensor, doubled.
pub(crate) fn noise<const D: usize>(name: &str, dims: [usize; D]) -> Tensor<D> {
    let values = values(name, dims.iter().product()).into_iter().map(|value| 2.0 * value).collect();
    Tensor::from_data(TensorData::new::<f32, _>(values, dims), &Device::flex())
}

/// Asserts that a tensor has the shape and the values that PyTorch's has, as far as `some` says them, within 1e-4 of the largest
/// one, or of 1 where all are smaller.
pub(crate) fn assert_close<const D: usize>(found: &Tensor<D>, some: &Value, name: &str) {
    let numbers = |value: &Value| -> Vec<f64> {
        value.as_array().expect("numbers").iter().map(|number| number.as_f64().expect("a number")).collect()
    };
    let shape: Vec<f64> = found.dims().iter().map(|size| *size as f64).collect();
    assert_eq!(shape, numbers(&some["shape"]), "{name}");
    let found: Vec<f32> = found.clone().into_data().try_into_vec().expect("f32");
    let step = some["step"].as_u64().expect("a step") as usize;
    let wanted = numbers(&some["values"]);
    let found: Vec<f64> = found.iter().rev().step_by(step).map(|value| f64::from(*value)).collect();
    assert_eq!(found.len(), wanted.len(), "{name}");
    let largest = wanted.iter().fold(1.0f64, |most, value| most.max(value.abs()));
    let worst = found.iter().zip(&wanted).map(|(f, w)| (f - w).abs()).fold(0.0, f64::max);
    println!("{name}: largest difference {worst:e} of {largest}");
    assert!(worst <= 1e-4 * largest, "{name}: largest difference {worst} of {largest}");
}
