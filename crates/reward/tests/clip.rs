//! CLIP against transformers (fixtures/export_clip.py wrote the fixtures), and its training.

use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use moa_adapter::Parameters;
use moa_core::NoiseKey;
use moa_reward::{Clip, ClipConfig};
use safetensors::SafeTensors;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/clip_tiny").join(name)
}

fn config() -> ClipConfig {
    ClipConfig::read(&fs::read_to_string(fixture("config.json")).expect("config")).expect("config")
}

fn floats(file: &SafeTensors<'_>, name: &str) -> (Vec<usize>, Vec<f32>) {
    let view = file.tensor(name).expect(name);
    let values = view.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().expect("4 bytes"))).collect();
    (view.shape().to_vec(), values)
}

fn ids(file: &SafeTensors<'_>) -> Vec<Vec<u32>> {
    let view = file.tensor("input_ids").expect("ids");
    let flat: Vec<u32> =
        view.data().chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().expect("8 bytes")) as u32).collect();
    flat.chunks(view.shape()[1]).map(<[u32]>::to_vec).collect()
}

fn assert_close<const D: usize>(found: Tensor<D>, file: &SafeTensors<'_>, name: &str) {
    let (shape, wanted) = floats(file, name);
    assert_eq!(found.dims().to_vec(), shape, "{name}");
    let found = found.into_data().try_into_vec::<f32>().expect("f32");
    let worst = found.iter().zip(&wanted).map(|(f, w)| (f - w).abs()).fold(0.0, f32::max);
    assert!(worst <= 1e-4, "{name}: largest difference {worst}");
}

#[test]
fn both_towers_match_transformers() {
    let device = Device::flex();
    let weights = fs::read(fixture("model.safetensors")).expect("weights");
    let clip = Clip::load(&config(), &Parameters::read(&weights, &device).expect("weights")).expect("fits");
    let io = fs::read(fixture("io.safetensors")).expect("io");
    let io = SafeTensors::deserialize(&io).expect("io");
    let (shape, pixels) = floats(&io, "pixel_values");
    let pictures = clip.embed_normalised(Tensor::from_data(TensorData::new(pixels, shape), &device));
    let texts = clip.embed_texts(&ids(&io));
    assert_close(pictures.clone(), &io, "image_embeds");
    assert_close(texts.clone(), &io, "text_embeds");
    let logits = texts.matmul(pictures.transpose()) * clip.logit_scale().unsqueeze();
    assert_close(logits, &io, "logits_per_text");
}

#[test]
fn texts_of_different_lengths_embed_as_they_do_alone() {
    let device = Device::flex();
    let map = Clip::fresh(&config(), NoiseKey::new(3), &device).expect("fits");
    let clip = Clip::load(&config(), &Parameters::stored(map, &device)).expect("fits");
    let rows = [vec![62, 5, 63], vec![62, 5, 9, 11, 4, 63]];
    let together = clip.embed_texts(&rows).into_data().try_into_vec::<f32>().expect("f32");
    let alone = rows.map(|row| clip.embed_texts(&[row]).into_data().try_into_vec::<f32>().expect("f32")).concat();
    assert!(together.iter().zip(&alone).all(|(a, b)| (a - b).abs() < 1e-5));
}

#[test]
fn every_parameter_of_a_fresh_clip_gets_a_gradient() {
    let device = Device::flex().autodiff();
    let mut map = Clip::fresh(&config(), NoiseKey::new(3), &device).expect("fits");
    for parameter in map.values_mut() {
        parameter.flat = parameter.flat.clone().require_grad();
    }
    let clip = Clip::load(&config(), &Parameters::stored(map.clone(), &device)).expect("fits");
    let scale = clip.logit_scale().into_data().try_into_vec::<f32>().expect("f32")[0];
    assert!((scale - config().logit_scale_init_value.exp()).abs() < 1e-3);
    let noise = NoiseKey::new(4).normal(2 * 3 * 32 * 32);
    let pictures = clip.embed_pictures(Tensor::from_data(TensorData::new(noise, [2, 3, 32, 32]), &device));
    let texts = clip.embed_texts(&[vec![62, 5, 63], vec![62, 9, 63]]);
    let logits = texts.matmul(pictures.transpose()) * clip.logit_scale().unsqueeze();
    let gradients = logits.narrow(0, 0, 1).sum().backward();
    for (name, parameter) in &map {
        assert!(parameter.flat.grad(&gradients).is_some(), "{name} gets a gradient");
    }
}
