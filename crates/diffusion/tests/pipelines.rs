//! Pipelines that diffusers saved, from their folders to images (fixtures/README.md says how they were made).

mod golden;

use std::collections::BTreeSet;
use std::fs;

use burn::tensor::{Device, Tensor, TensorData};
use golden::{Golden, fixture};
use moa_adapter::{Parameters, weight_files};
use moa_diffusion::BaseParameters;
use moa_diffusion::sampler::{Next, step};
use moa_diffusion::{Conditions, Denoiser, Pipeline, TextContext, Vae, VaeConfig};

/// As the fixtures were made.
const STEPS: usize = 5;
const GUIDANCE: f32 = 3.0;

fn assert_context(golden: &Golden, found: &TextContext, prefix: &str) {
    golden.assert_close(&found.states, &format!("{prefix}states"));
    let pooled = format!("{prefix}pooled");
    assert_eq!(found.added.is_some(), golden.has(&pooled));
    if let Some(added) = &found.added {
        golden.assert_close(&added.pooled, &pooled);
    }
}

/// Checks every stage of a pipeline: texts, one pass of the denoiser, five steps of DDIM with guidance, and images.
fn matches_diffusers(name: &str) -> Pipeline {
    let golden = Golden::read(name);
    let pipeline = Pipeline::open_folder(&fixture(name), &Device::flex()).expect("opens");
    let context = pipeline.encode_prompts(&golden.lines("prompts")).expect("prompts");
    let empty = pipeline.unconditional().expect("empty prompt");
    assert_context(&golden, &context, "");
    let values = context.states.shape().num_elements() / context.rows();
    assert_eq!(pipeline.context_bytes(), (values * size_of::<f32>()) as u64);
    assert_context(&golden, &empty, "uncond_");

    let (_, timesteps) = golden.floats("timesteps");
    let output = pipeline.denoise(golden.tensor("sample"), &timesteps, &context, None);
    golden.assert_close(&output, "output");

    let conditions = Conditions { context, guidance: Some((empty, GUIDANCE)) };
    let mut x = golden.tensor::<4>("noise");
    for rule in pipeline.schedule().deterministic(STEPS) {
        let noise = || unreachable!("without noise");
        x = step(&pipeline, Denoiser::Base, &rule, x, &conditions, None, Next::Draw(&noise)).next;
    }
    golden.assert_close(&x, "latents");
    golden.assert_close(&pipeline.decode(golden.tensor("latents")), "pictures");
    assert_eq!(golden.floats("pictures").0[2..], pipeline.picture_size());

    // What adapters are saved under is what diffusers looks for.
    let names = |layers: Vec<moa_adapter::LayerShape>| layers.into_iter().map(|l| l.name).collect::<BTreeSet<_>>();
    let wanted: BTreeSet<String> = golden.lines("linears").into_iter().collect();
    assert_eq!(names(pipeline.adaptable()), wanted);
    let shape = |layer: &moa_adapter::LayerShape| (layer.name.clone(), layer.d_in, layer.d_out);
    let shapes = |layers: &[moa_adapter::LayerShape]| layers.iter().map(shape).collect::<BTreeSet<_>>();
    let from_headers = BaseParameters::in_folder(&fixture(name), true).expect("headers").adaptable();
    assert_eq!(shapes(&from_headers), shapes(&pipeline.adaptable()));
    pipeline
}

#[test]
fn stable_diffusion_1_matches_diffusers() {
    assert_eq!(matches_diffusers("pipeline_sd1").latent_shape(), [4, 8, 8]);
}

#[test]
fn stable_diffusion_2_with_velocities_and_half_precision_files_matches_diffusers() {
    matches_diffusers("pipeline_sd2");
}

#[test]
fn stable_diffusion_xl_with_two_encoders_and_shards_matches_diffusers() {
    matches_diffusers("pipeline_xl");
}

#[test]
fn images_are_encoded_as_the_denoiser_wants_them() {
    let device = Device::flex();
    let folder = fixture("pipeline_sd1");
    let pipeline = Pipeline::open_folder(&folder, &device).expect("a pipeline");
    let [height, width] = pipeline.picture_size();
    let values: Vec<f32> = (0..2 * 3 * height * width).map(|i| (0.37 * i as f32).sin() * 0.5 + 0.5).collect();
    let images = Tensor::<4>::from_data(TensorData::new(values, [2, 3, height, width]), &device);
    let samples = pipeline.encode(images.clone()).expect("an encoder");
    let [channels, h, w] = pipeline.latent_shape();
    assert_eq!(samples.dims(), [2, channels, h, w]);
    let config = VaeConfig::read(&fs::read(folder.join("vae/config.json")).expect("config")).expect("known");
    let files = weight_files(&folder.join("vae"), "diffusion_pytorch_model").expect("weights");
    let vae = Vae::load(&config, &Parameters::open(&files, &device).expect("weights")).expect("fits");
    assert_eq!(samples.into_data(), vae.encode(&images).expect("an encoder").into_data());

    let odd = Tensor::zeros([1, 3, height + 1, width], &device);
    let wanted = format!(
        "images of shape [1, 3, {}, {width}] cannot be encoded: make them [rows, 3, height, width], with height and width multiples \
         of {}",
        height + 1,
        vae.factor()
    );
    assert_eq!(pipeline.encode(odd).expect_err("an odd side").to_string(), wanted);
}
