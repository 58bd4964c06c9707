//! Writes one pass of `emoji-32` with an adapter, for other libraries to be compared with.
//!
//! `cargo run --release -p moa-zoo --example denoise -- ADAPTER_DIR OUT.safetensors`
//!
//! The file holds `sample` [2, 12, 16, 16], `timesteps` [2], `context` [2, 24, 96], `base` and `adapted` (the outputs without and with
//! the adapter, shaped as the sample).

use std::collections::HashMap;
use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use moa_adapter::{Adapter, AdapterBank};
use moa_core::NoiseKey;
use safetensors::Dtype;
use safetensors::tensor::TensorView;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, out] = &arguments[..] else { return Err("usage: denoise ADAPTER_DIR OUT.safetensors".into()) };
    let device = Device::flex();
    let pipeline = moa_zoo::open_pipeline(&device)?;
    let read = |name: &str| std::fs::read(Path::new(folder).join(name));
    let config = String::from_utf8(read("adapter_config.json")?)?;
    let adapter = Adapter::read(&read("adapter.safetensors").or_else(|_| read("adapter_model.safetensors"))?, &config)?;
    let bank = AdapterBank::of(&[&adapter], &device).ok_or("an adapter is a bank of one")?;

    let [channels, height, width] = pipeline.latent_shape();
    let dims = [2, channels, height, width];
    let values = NoiseKey::new(1).named("denoise").normal(dims.iter().product());
    let sample = Tensor::<4>::from_data(TensorData::new(values, dims), &device);
    let timesteps = [800.0f32, 250.0];
    let context =
        pipeline.encode_prompts(&["a cat on a red background", "a bomb left of a tree on a blue background"])?;
    let denoise = |bank| pipeline.denoise(sample.clone(), &timesteps, &context, bank);
    let (base, adapted) = (denoise(None), denoise(Some(&bank)));

    let bytes = |tensor: &[f32]| tensor.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let host = |data: TensorData| data.convert::<f32>().try_into_vec::<f32>().unwrap_or_default();
    let map = |tensor: Tensor<4>| (tensor.dims().to_vec(), bytes(&host(tensor.into_data())));
    let tensors = [
        ("sample", map(sample.clone())),
        ("timesteps", (vec![2], bytes(&timesteps))),
        ("context", (context.states.dims().to_vec(), bytes(&host(context.states.clone().into_data())))),
        ("base", map(base)),
        ("adapted", map(adapted)),
    ];
    let views = tensors
        .iter()
        .map(|(name, (shape, bytes))| Ok((*name, TensorView::new(Dtype::F32, shape.clone(), bytes)?)))
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()?;
    std::fs::write(out, safetensors::serialize(views, Some(HashMap::new()))?)?;
    Ok(())
}
