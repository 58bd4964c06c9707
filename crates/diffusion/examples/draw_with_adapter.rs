//! Draws two images with an adapter, without and with it, for other libraries to be compared with.
//!
//! `cargo run --release -p moa-diffusion --example draw_with_adapter -- PIPELINE ADAPTER_DIR OUT.safetensors`
//!
//! The file holds `noise`, and `base` and `adapted`: the latents after five deterministic steps with guidance 3, without and with the
//! adapter (all `[2, c, h, w]`); `base.pictures` and `adapted.pictures` `[2, 3, H, W]`. Its metadata holds the `prompts`, a line each.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use moa_adapter::{Adapter, AdapterBank};
use moa_core::NoiseKey;
use moa_diffusion::sampler::{Next, keyed_noise, step};
use moa_diffusion::{Conditions, Denoiser, Pipeline};
use safetensors::Dtype;
use safetensors::tensor::TensorView;

const PROMPTS: [&str; 2] = ["a photo of a red apple on a table", "two dogs under an old tree"];
const STEPS: usize = 5;
const GUIDANCE: f32 = 3.0;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, adapter, out] = &arguments[..] else {
        return Err("usage: draw_with_adapter PIPELINE ADAPTER_DIR OUT.safetensors".into());
    };
    let device = Device::flex();
    let pipeline = Pipeline::open_folder(Path::new(folder), &device)?;
    let read = |name: &str| fs::read(Path::new(adapter).join(name));
    let config = String::from_utf8(read("adapter_config.json")?)?;
    let adapter = Adapter::read(&read("adapter.safetensors").or_else(|_| read("adapter_model.safetensors"))?, &config)?;
    let bank = AdapterBank::of(&[&adapter], &device).ok_or("an adapter is a bank of one")?;

    let keys = [0, 1].map(|row| NoiseKey::new(1).named("draw").with(row));
    let noise = keyed_noise(&pipeline, &keys);
    let context = pipeline.encode_prompts(&PROMPTS)?;
    let conditions = Conditions { context, guidance: Some((pipeline.unconditional()?, GUIDANCE)) };
    let drawn = |bank: Option<&AdapterBank>| {
        let mut x = noise.clone();
        for rule in pipeline.schedule().deterministic(STEPS) {
            let none = || unreachable!("the steps are deterministic");
            x = step(&pipeline, Denoiser::from(bank), &rule, x, &conditions, None, Next::Draw(&none)).next;
        }
        x
    };
    let (base, adapted) = (drawn(None), drawn(Some(&bank)));

    let host = |data: TensorData| data.convert::<f32>().try_into_vec::<f32>().unwrap_or_default();
    let stored = |tensor: Tensor<4>| {
        let shape = tensor.dims().to_vec();
        (shape, host(tensor.into_data()).iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>())
    };
    let tensors = [
        ("noise", stored(noise.clone())),
        ("base.pictures", stored(pipeline.decode(base.clone()))),
        ("adapted.pictures", stored(pipeline.decode(adapted.clone()))),
        ("base", stored(base)),
        ("adapted", stored(adapted)),
    ];
    let views = tensors
        .iter()
        .map(|(name, (shape, bytes))| Ok((*name, TensorView::new(Dtype::F32, shape.clone(), bytes)?)))
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()?;
    let metadata = HashMap::from([("prompts".to_owned(), PROMPTS.join("\n"))]);
    fs::write(out, safetensors::serialize(views, Some(metadata))?)?;
    Ok(())
}
