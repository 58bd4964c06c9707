//! The autoencoders against diffusers (fixtures/README.md says how they were made).

use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use moa_adapter::{Parameters, weight_files};
use moa_diffusion::{Vae, VaeConfig};
use safetensors::SafeTensors;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// Returns the autoencoder of a fixture, with the weights of `weights`.
fn load(name: &str, weights: &str) -> Vae {
    let config = VaeConfig::read(&fs::read(fixture(name).join("config.json")).expect("config")).expect("known");
    let files = weight_files(&fixture(weights), "diffusion_pytorch_model").expect("weights");
    Vae::load(&config, &Parameters::open(&files, &Device::flex()).expect("weights")).expect("fits")
}

fn tensor(file: &SafeTensors<'_>, name: &str) -> Tensor<4> {
    let view = file.tensor(name).expect(name);
    let bytes = view.data().chunks_exact(4);
    let values: Vec<f32> = bytes.map(|b| f32::from_le_bytes(b.try_into().expect("4 bytes"))).collect();
    Tensor::from_data(TensorData::new(values, view.shape().to_vec()), &Device::flex())
}

fn assert_close(found: Tensor<4>, wanted: Tensor<4>, what: &str) {
    assert_eq!(found.dims(), wanted.dims(), "{what}");
    let worst = (found - wanted).abs().max().into_scalar::<f32>();
    println!("{what}: largest difference {worst:e}");
    assert!(worst <= 1e-4, "{what}: largest difference {worst}");
}

/// Checks both directions, and returns the decoded images.
fn matches(vae: &Vae, name: &str) -> Tensor<4> {
    let io = fs::read(fixture(name).join("io.safetensors")).expect("io");
    let io = SafeTensors::deserialize(&io).expect("io");
    let pictures = tensor(&io, "pictures");
    assert_close(vae.encode(&pictures).expect("an encoder"), tensor(&io, "mean"), &format!("{name} mean"));
    let decoded = vae.decode(&tensor(&io, "latents"));
    assert_close(decoded.clone(), tensor(&io, "decoded"), &format!("{name} decoded"));
    // Two rows, each on a thread of its own; some pixels are clamped.
    let gradient = gradient(&tensor(&io, "latents"), |latents| vae.decode(&latents) * tensor(&io, "towards"));
    assert_close(gradient, tensor(&io, "gradient"), &format!("{name} gradient"));
    decoded
}

/// Returns the gradient of the sum of what `of` makes of `x`.
fn gradient(x: &Tensor<4>, of: impl Fn(Tensor<4>) -> Tensor<4>) -> Tensor<4> {
    let leaf = x.clone().autodiff().require_grad();
    let mut gradients = of(leaf.clone()).sum().backward();
    leaf.grad_remove(&mut gradients).expect("a leaf has a gradient")
}

#[test]
fn stable_diffusions_autoencoder_matches_diffusers_under_new_and_old_names() {
    let vae = load("vae_kl", "vae_kl");
    assert_eq!((vae.factor(), vae.latent_channels()), (4, 4));
    let new = matches(&vae, "vae_kl");
    let old = matches(&load("vae_kl", "vae_kl_old"), "vae_kl");
    assert_eq!(new.into_data(), old.into_data());
}

#[test]
fn an_autoencoder_with_shift_and_without_quant_convolutions_matches_diffusers() {
    let vae = load("vae_sd3", "vae_sd3");
    assert_eq!((vae.factor(), vae.latent_channels()), (2, 16));
    matches(&vae, "vae_sd3");
}

#[test]
fn the_tiny_autoencoder_matches_diffusers() {
    let vae = load("vae_tiny", "vae_tiny");
    assert_eq!((vae.factor(), vae.latent_channels()), (4, 4));
    matches(&vae, "vae_tiny");
}

#[test]
fn gradients_flow_through_tiles() {
    let vae = load("vae_kl", "vae_kl").within(1);
    let io = fs::read(fixture("vae_kl").join("io.safetensors")).expect("io");
    let latents = tensor(&SafeTensors::deserialize(&io).expect("io"), "latents").repeat(&[1, 1, 5, 3]);
    let dims @ [_, _, height, width] = latents.dims();
    assert!(height > 16 && width > 16, "two tiles each way");
    // Rows and columns weigh differently, so that no place can take another's.
    let count = |dims: [usize; 4]| dims.iter().product::<usize>();
    let waves = |dims: [usize; 4], speed: f32| {
        let values: Vec<f32> = (0..count(dims)).map(|i| (speed * i as f32).sin()).collect();
        Tensor::<4>::from_data(TensorData::new(values, dims), &Device::flex())
    };
    let towards = waves([dims[0], 3, height * vae.factor(), width * vae.factor()], 0.37);
    let direction = waves(dims, 0.61);
    let value = |latents: Tensor<4>| vae.decode(&latents) * towards.clone();
    let sum = |by: f32| {
        let values = value(latents.clone() + direction.clone() * by).into_data().try_into_vec::<f32>().expect("f32");
        values.into_iter().map(f64::from).sum::<f64>()
    };
    let (up, down, step) = (sum(1e-3), sum(-1e-3), 2e-3);
    let slope = f64::from((gradient(&latents, value) * direction.clone()).sum().into_scalar::<f32>());
    let measured = (up - down) / step;
    println!("slope {slope}, measured {measured}");
    assert!((slope - measured).abs() < 0.02 * measured.abs(), "{slope} against a measured {measured}");
}

#[test]
fn an_encoder_is_asked_for_when_it_is_needed() {
    let folder = tempfile::tempdir().expect("a folder");
    let bytes = fs::read(fixture("vae_tiny").join("diffusion_pytorch_model.safetensors")).expect("weights");
    let all = SafeTensors::deserialize(&bytes).expect("weights");
    let decoder = all.tensors().into_iter().filter(|(name, _)| name.starts_with("decoder."));
    let path = folder.path().join("diffusion_pytorch_model.safetensors");
    safetensors::serialize_to_file(decoder, None, &path).expect("written");
    let config = VaeConfig::read(&fs::read(fixture("vae_tiny").join("config.json")).expect("config")).expect("known");
    let parameters = Parameters::open(&[path], &Device::flex()).expect("weights");
    let vae = Vae::load(&config, &parameters).expect("a decoder is enough to decode");
    assert_eq!(vae.decode(&Tensor::zeros([1, 4, 2, 2], &Device::flex())).dims(), [1, 3, 8, 8]);
    let error = vae.encode(&Tensor::zeros([1, 3, 8, 8], &Device::flex())).expect_err("no encoder").to_string();
    assert!(error.contains("encoder.layers.0"), "{error}");
}

#[test]
fn large_pictures_are_decoded_in_tiles_that_agree_with_the_whole() {
    let vae = load("vae_tiny", "vae_tiny");
    let io = fs::read(fixture("vae_tiny").join("io.safetensors")).expect("io");
    let latents = tensor(&SafeTensors::deserialize(&io).expect("io"), "latents").repeat(&[1, 1, 6, 5]);
    let whole = vae.decode(&latents);
    let tiled = vae.within(1).decode(&latents);
    assert_eq!(tiled.dims(), whole.dims());
    let mean = (tiled - whole).abs().mean().into_scalar::<f32>();
    assert!(mean < 0.01, "convolutions alone see little beyond a tile's overlap: {mean}");
}

#[test]
fn unknown_configs_are_refused_by_field() {
    let text = fs::read_to_string(fixture("vae_kl").join("config.json")).expect("config");
    let refuse = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        VaeConfig::read(text.replace(from, to).as_bytes()).expect_err(to).to_string()
    };
    assert_eq!(
        refuse("\"AutoencoderKL\"", "\"VQModel\""),
        "vae/config.json: `_class_name` is VQModel: AutoencoderKL and AutoencoderTiny are known"
    );
    assert_eq!(refuse("\"silu\"", "\"mish\""), "vae/config.json: `act_fn` is mish: only \"silu\" is known");
    assert_eq!(
        refuse("\"norm_num_groups\": 4", "\"norm_num_groups\": 5"),
        "vae/config.json: `block_out_channels` is 8: a multiple of norm_num_groups"
    );
    assert_eq!(
        refuse("\"UpDecoderBlock2D\"", "\"AttnUpDecoderBlock2D\""),
        "vae/config.json: `up_block_types` is AttnUpDecoderBlock2D: only \"UpDecoderBlock2D\" is known"
    );
    assert_eq!(
        refuse("\"latents_std\": null", "\"latents_std\": [1.0]"),
        "vae/config.json: `latents_std` is given: latents with statistics for each channel are not known"
    );
}
