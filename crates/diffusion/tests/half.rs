//! Half precision by LibTorch on the CPU against diffusers in the same precision (fixtures/README.md says how it was made), and
//! gradients in it against f32. Built with the feature `libtorch` alone: `.ci/libtorch` runs it.

#![cfg(feature = "libtorch")]

mod golden;

use std::collections::BTreeMap;
use std::fs;

use burn::tensor::{Device, Tensor, TensorData};
use golden::{Golden, fixture};
use moa_adapter::{AdapterBank, BankConfig, LayerShape, LowRank};
use moa_core::NoiseKey;
use moa_core::experiment::Precision;
use moa_device::to_host;
use moa_diffusion::{Backbone, Compute, Pipeline, Sd3Config, Sd3Transformer, TextContext, Unet, UnetConfig};
use safetensors::SafeTensors;

/// The largest error that rounding may make, relative to the root mean square of the values: what is measured is a third of it.
fn bound(precision: Precision) -> f64 {
    match precision {
        Precision::Bf16 => 2e-2,
        Precision::F16 => 3e-3,
        Precision::F32 | Precision::Tf32 => 2e-5,
    }
}

#[expect(deprecated, reason = "LibTorch is burn 0.22's way to CUDA without a download: docs/decisions/001")]
fn libtorch() -> Device {
    Device::libtorch()
}

fn compute(precision: Precision, again: bool) -> Compute {
    Compute { precision, engine: false, gradient_checkpointing: Some(again), ..Compute::from(&libtorch()) }
}

/// Returns the root mean square of the difference, relative to that of what is wanted.
fn relative_rms(found: &[f32], wanted: &[f32]) -> f64 {
    assert_eq!(found.len(), wanted.len());
    let square = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>();
    let off = square(&mut found.iter().zip(wanted).map(|(f, w)| f64::from(*f) - f64::from(*w)));
    (off / square(&mut wanted.iter().map(|w| f64::from(*w)))).sqrt()
}

fn half(model: &str, precision: Precision, what: &str) -> Vec<f32> {
    let name = if precision == Precision::Bf16 { "bf16" } else { "f16" };
    exported(&format!("{model}.{name}.{what}"))
}

fn exported(name: &str) -> Vec<f32> {
    let bytes = fs::read(fixture("half.safetensors")).expect("the fixture");
    let file = SafeTensors::deserialize(&bytes).expect("a fixture");
    let view = file.tensor(name).expect("it was exported");
    view.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().expect("4 bytes"))).collect()
}

/// Asserts that values in half precision are as near to f32 as diffusers', and near to diffusers' own.
fn assert_as_diffusers(model: &str, precision: Precision, what: &str, found: &[f32], exact: &[f32]) {
    let theirs = half(model, precision, what);
    let (apart, ours, own) = (relative_rms(found, &theirs), relative_rms(found, exact), relative_rms(&theirs, exact));
    println!("{model} {precision:?} {what}: {apart:.1e} from diffusers; of f32 {ours:.1e}, diffusers {own:.1e}");
    assert!(apart <= bound(precision), "{model} {precision:?} {what}: {apart:e} from diffusers");
    assert!(ours <= 1.5 * own + 1e-4, "{model} {precision:?} {what}: {ours:e} from f32, where diffusers is {own:e}");
}

/// A network of the fixtures with its inputs, on LibTorch.
struct Case {
    name: &'static str,
    x: Tensor<4>,
    timesteps: Vec<f32>,
    context: TextContext,
    /// What diffusers computes in f32.
    output: Vec<f32>,
}

fn on_device<const D: usize>(golden: &Golden, name: &str) -> Tensor<D> {
    let (shape, values) = golden.floats(name);
    Tensor::from_data(TensorData::new(values, shape), &libtorch())
}

fn case(name: &'static str) -> Case {
    let golden = Golden::read(name);
    let size = if name.starts_with("unet") { "" } else { "_a" };
    let states: Tensor<3> = on_device(&golden, "encoder_hidden_states");
    let mut context = TextContext::from(states);
    if golden.has("pooled_projections") {
        let pooled = on_device(&golden, "pooled_projections");
        context.added = Some(moa_diffusion::AddedConditions { pooled, time_ids: Vec::new() });
    }
    Case {
        name,
        x: on_device(&golden, &format!("sample{size}")),
        timesteps: golden.floats("timestep").1,
        context,
        output: golden.floats(&format!("output{size}")).1,
    }
}

impl Case {
    fn network(&self, precision: Precision, again: bool) -> Box<dyn Backbone> {
        let compute = compute(precision, again);
        let config = fs::read(fixture(self.name).join("config.json")).expect("config");
        let files = moa_adapter::weight_files(&fixture(self.name), "diffusion_pytorch_model").expect("weights");
        let parameters = moa_adapter::Parameters::open(&files, &libtorch()).expect("weights").in_type(compute.kept());
        if self.name.starts_with("unet") {
            let unet = Unet::load(&UnetConfig::read(&config).expect("known"), &parameters).expect("fits");
            return Box::new(unet.computing(&compute));
        }
        let config: Sd3Config = serde_json::from_slice(&config).expect("config");
        let transformer = Sd3Transformer::load(&config, &parameters).expect("fits");
        // The fixture's states are those of all encoders.
        Box::new(transformer.computing(&compute).reading_t5(true))
    }

    fn forward(&self, network: &dyn Backbone, x: Tensor<4>, bank: Option<&AdapterBank>) -> Tensor<4> {
        network.predict(x, &self.timesteps, &self.context, bank)
    }

    /// Returns the output, and the gradients of a fixed sum of it with respect to x and to every factor of a bank whose branches are as
    /// large as `size`.
    fn gradients(&self, network: &dyn Backbone, size: f64) -> [Vec<f32>; 3] {
        let plain = bank(&network.linears(), size);
        let leaf = |factor: &Tensor<3>| factor.clone().autodiff().require_grad();
        let leaves: BTreeMap<String, LowRank> = plain
            .layers()
            .iter()
            .map(|(name, low)| (name.clone(), LowRank { a: leaf(&low.a), b: leaf(&low.b) }))
            .collect();
        let bank = plain.with_layers(leaves.clone());
        let x = self.x.clone().autodiff().require_grad();
        let output = self.forward(network, x.clone(), Some(&bank));
        let towards =
            Tensor::from_data(TensorData::new(exported(&format!("{}.towards", self.name)), output.dims()), &libtorch());
        let mut graph = (output.clone() * towards).sum().backward();
        let of_x = to_host(x.grad_remove(&mut graph).expect("x is followed"));
        let factors = leaves.values().flat_map(|low| [&low.a, &low.b]);
        let of_factors = factors.flat_map(|factor| to_host(factor.grad_remove(&mut graph).expect("it is followed")));
        let of_factors = of_factors.collect();
        [to_host(output), of_x, of_factors]
    }
}

fn noise<const D: usize>(name: &str, dims: [usize; D]) -> Tensor<D> {
    let values = NoiseKey::new(5).named(name).normal(dims.iter().product());
    Tensor::from_data(TensorData::new(values, dims), &libtorch())
}

/// Returns a bank of one adapter over every layer, whose branches are as large as `size`.
fn bank(layers: &[LayerShape], size: f64) -> AdapterBank {
    let config = BankConfig { rank: 2, alpha: 3.0, share_a: false, seed: 7 };
    let bank = AdapterBank::fresh(&config, &["one"], layers, &libtorch());
    let layers = bank
        .layers()
        .iter()
        .map(|(name, LowRank { a, b })| (name.clone(), LowRank { a: a.clone(), b: noise(name, b.dims()) * size }));
    bank.with_layers(layers.collect())
}

const NETWORKS: [&str; 4] = ["unet_tiny", "unet_sd", "sd3", "sd35"];

#[test]
fn networks_in_half_precision_are_diffusers() {
    for name in NETWORKS {
        let case = case(name);
        for precision in [Precision::F32, Precision::Bf16, Precision::F16] {
            let found = to_host(case.forward(&*case.network(precision, false), case.x.clone(), None));
            if precision == Precision::F32 {
                let off = relative_rms(&found, &case.output);
                assert!(off <= bound(precision), "{name}: {off:e}");
            } else {
                assert_as_diffusers(name, precision, "output", &found, &case.output);
            }
        }
    }
}

#[test]
fn pipelines_in_half_precision_are_diffusers() {
    for name in ["pipeline_sd1", "pipeline_sd2", "pipeline_xl"] {
        let golden = Golden::read(name);
        let exact = |what: &str| golden.floats(what).1;
        for precision in [Precision::Bf16, Precision::F16] {
            let pipeline = Pipeline::open_folder(&fixture(name), compute(precision, false)).expect("opens");
            let context = pipeline.encode_prompts(&golden.lines("prompts")).expect("prompts");
            assert_as_diffusers(name, precision, "states", &to_host(context.states.clone()), &exact("states"));
            if let Some(added) = &context.added {
                assert_as_diffusers(name, precision, "pooled", &to_host(added.pooled.clone()), &exact("pooled"));
            }
            let (_, timesteps) = golden.floats("timesteps");
            let output = pipeline.denoise(on_device(&golden, "sample"), &timesteps, &context, None);
            assert_as_diffusers(name, precision, "output", &to_host(output), &exact("output"));
            let pictures = to_host(pipeline.decode(on_device(&golden, "latents")));
            if precision == Precision::Bf16 {
                assert_as_diffusers(name, precision, "pictures", &pictures, &exact("pictures"));
            } else {
                // The decoder stays f32 there.
                let worst = pictures.iter().zip(exact("pictures")).map(|(f, w)| (f - w).abs()).fold(0.0, f32::max);
                assert!(worst < 1e-4, "{name}: {worst}");
            }
        }
    }
}

#[test]
fn gradients_are_pytorchs_within_what_the_precision_rounds() {
    for name in NETWORKS {
        let case = case(name);
        let exact = exported(&format!("{name}.f32.gradient"));
        let factors = case.gradients(&*case.network(Precision::F32, false), 0.1);
        for precision in [Precision::F32, Precision::Bf16, Precision::F16] {
            let theirs = if precision == Precision::F32 {
                2e-5
            } else {
                relative_rms(&half(name, precision, "gradient"), &exact)
            };
            for again in [false, true] {
                let network = case.network(precision, again);
                let of_x = relative_rms(&case.gradients(&*network, 0.0)[1], &exact);
                let of_factors = relative_rms(&case.gradients(&*network, 0.1)[2], &factors[2]);
                println!(
                    "{name} {precision:?} {again}: of x {of_x:.1e}, PyTorch's {theirs:.1e}; of factors {of_factors:.1e}"
                );
                assert!(of_x <= 1.5 * theirs, "{name} {precision:?} {again}: {of_x:e}, PyTorch's {theirs:e}");
                assert!(
                    of_factors <= 1.5 * theirs.max(bound(precision)),
                    "{name} {precision:?} {again}: {of_factors:e}"
                );
            }
        }
    }
}

#[test]
fn a_forward_pass_in_training_is_bit_for_bit_that_of_a_rollout() {
    for name in NETWORKS {
        let case = case(name);
        for precision in [Precision::F32, Precision::Bf16, Precision::F16] {
            for again in [false, true] {
                let network = case.network(precision, again);
                let [in_training, ..] = case.gradients(&*network, 0.1);
                let in_rollout = to_host(case.forward(&*network, case.x.clone(), Some(&bank(&network.linears(), 0.1))));
                assert_eq!(in_training, in_rollout, "{name} {precision:?} {again}");
            }
        }
    }
}

#[test]
fn a_forward_pass_in_training_is_bit_for_bit_that_of_a_rollout_in_pipelines() {
    for name in ["pipeline_sd1", "pipeline_sd2", "pipeline_xl", "sd3_pipeline"] {
        for precision in [Precision::F32, Precision::Bf16, Precision::F16] {
            for again in [false, true] {
                let pipeline = Pipeline::open_folder(&fixture(name), compute(precision, again)).expect("opens");
                let context = pipeline.encode_prompts(&["a red apple", "two dogs"]).expect("prompts");
                let [channels, height, width] = pipeline.latent_shape();
                let x = noise("x", [2, channels, height, width]);
                let plain = bank(&pipeline.adaptable(), 0.1);
                let leaves = plain.layers().iter().map(|(name, LowRank { a, b })| {
                    (name.clone(), LowRank { a: a.clone(), b: b.clone().autodiff().require_grad() })
                });
                let followed = plain.with_layers(leaves.collect());
                let of =
                    |bank: &AdapterBank| to_host(pipeline.denoise(x.clone(), &[900.0, 300.0], &context, Some(bank)));
                assert_eq!(of(&followed), of(&plain), "{name} {precision:?} {again}");
            }
        }
    }
}
