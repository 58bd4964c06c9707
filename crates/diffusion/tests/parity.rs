//! The denoiser and the text encoder against diffusers and transformers (fixtures/README.md says how they were made).

use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use moa_adapter::Parameters;
use moa_diffusion::{TextConfig, TextEncoder, Unet, UnetConfig};
use safetensors::SafeTensors;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn floats(file: &SafeTensors<'_>, name: &str) -> (Vec<usize>, Vec<f32>) {
    let view = file.tensor(name).expect(name);
    let values = view.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().expect("4 bytes"))).collect();
    (view.shape().to_vec(), values)
}

fn tensor<const D: usize>(file: &SafeTensors<'_>, name: &str) -> Tensor<D> {
    let (shape, values) = floats(file, name);
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

fn assert_close<const D: usize>(found: Tensor<D>, file: &SafeTensors<'_>, name: &str) {
    let (shape, wanted) = floats(file, name);
    assert_eq!(found.dims().to_vec(), shape, "{name}");
    let found = found.into_data().try_into_vec::<f32>().expect("f32");
    let worst = found.iter().zip(&wanted).map(|(f, w)| (f - w).abs()).fold(0.0, f32::max);
    assert!(worst <= 1e-4, "{name}: largest difference {worst}");
}

fn unet_matches(folder: &str) {
    let folder = fixture(folder);
    let config = fs::read_to_string(folder.join("config.json")).expect("config");
    let config: UnetConfig = serde_json::from_str(&config).expect("config");
    config.check().expect("known");
    let weights = fs::read(folder.join("diffusion_pytorch_model.safetensors")).expect("weights");
    let unet = Unet::load(&config, &Parameters::read(&weights, &Device::flex()).expect("weights")).expect("fits");
    let io = fs::read(folder.join("io.safetensors")).expect("io");
    let io = SafeTensors::deserialize(&io).expect("io");
    let (_, timesteps) = floats(&io, "timestep");
    let context = tensor::<3>(&io, "encoder_hidden_states").into();
    let output = unet.forward(tensor(&io, "sample"), &timesteps, &context, None);
    assert_close(output, &io, "output");
}

#[test]
fn the_unet_of_emoji_32_in_miniature_matches_diffusers() {
    unet_matches("unet_tiny");
}

#[test]
fn the_unet_of_stable_diffusion_1_in_miniature_matches_diffusers() {
    unet_matches("unet_sd");
}

#[test]
fn the_text_encoder_matches_transformers() {
    let folder = fixture("clip_tiny");
    let config = fs::read_to_string(folder.join("config.json")).expect("config");
    let mut config: TextConfig = serde_json::from_str(&config).expect("config");
    let weights = fs::read(folder.join("model.safetensors")).expect("weights");
    let parameters = Parameters::read(&weights, &Device::flex()).expect("weights");
    let io = fs::read(folder.join("io.safetensors")).expect("io");
    let io = SafeTensors::deserialize(&io).expect("io");
    let ids = io.tensor("input_ids").expect("ids");
    let tokens = ids.shape()[1];
    let ids: Vec<u32> =
        ids.data().chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().expect("8 bytes")) as u32).collect();
    let ids: Vec<Vec<u32>> = ids.chunks(tokens).map(<[u32]>::to_vec).collect();
    let encoder = TextEncoder::load(&config, &parameters).expect("fits");
    let states = encoder.forward(&ids);
    assert_close(states.clone(), &io, "last_hidden_state");
    assert_close(encoder.pool(states.clone(), &ids), &io, "pooled");
    config.eos_token_id = 2;
    let legacy = TextEncoder::load(&config, &parameters).expect("fits");
    assert_close(legacy.pool(states, &ids), &io, "pooled_legacy");
}
