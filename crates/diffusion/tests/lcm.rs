//! Latent consistency models that take the strength of guidance as an input, in miniature against diffusers: U-Nets, and a pipeline from
//! a folder to images (fixtures/export_lcm.py says how the numbers were made).

mod formula;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor};
use formula::{assert_close, noise, write_model};
use moa_adapter::{AdapterBank, BankConfig, LayerShape, LowRank, Parameters};
use moa_diffusion::sampler::{Next, predict, step};
use moa_diffusion::{
    AddedConditions, BaseParameters, Compute, Conditions, Denoiser, Pipeline, TextContext, Unet, UnetConfig,
};
use serde_json::{Value, json};
use tempfile::TempDir;

const PROJECTION: &str = "time_embedding.cond_proj";

fn golden() -> Value {
    serde_json::from_str(include_str!("fixtures/lcm.json")).expect("JSON")
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn lines(value: &Value) -> Vec<&str> {
    value.as_array().expect("texts").iter().filter_map(Value::as_str).collect()
}

fn numbers(value: &Value) -> Vec<f32> {
    value.as_array().expect("numbers").iter().map(|number| number.as_f64().expect("a number") as f32).collect()
}

fn unet(own: &Value) -> Unet {
    let config = UnetConfig::read(own["unet"].to_string().as_bytes()).expect("known");
    let parameters = Parameters::read(&formula::safetensors(&own["shapes"]), &Device::flex()).expect("weights");
    Unet::load(&config, &parameters).expect("fits")
}

fn context(own: &Value, guidance: Option<f32>) -> TextContext {
    let added = own["unet"]["addition_embed_type"]
        .is_string()
        .then(|| AddedConditions { pooled: noise("pooled", [2, 8]), time_ids: vec![16.0, 16.0, 0.0, 0.0, 16.0, 16.0] });
    TextContext { added, guidance, ..noise("states", [2, 7, 32]).into() }
}

/// Returns the folder of a pipeline, as `save_pretrained` writes it, of a class.
fn folder(class: &str) -> TempDir {
    let (folder, golden) = (tempfile::tempdir().expect("a folder"), golden());
    for part in ["tokenizer", "text_encoder", "vae"] {
        fs::create_dir(folder.path().join(part)).expect("a folder");
        for entry in fs::read_dir(fixture("pipeline_sd1").join(part)).expect("a folder") {
            let entry = entry.expect("an entry");
            fs::copy(entry.path(), folder.path().join(part).join(entry.file_name())).expect("copies");
        }
    }
    let own = &golden["sd"];
    write_model(&folder.path().join("unet"), "diffusion_pytorch_model", &own["unet"], &own["shapes"]);
    fs::create_dir(folder.path().join("scheduler")).expect("a folder");
    fs::write(folder.path().join("scheduler/scheduler_config.json"), golden["scheduler"].to_string()).expect("writes");
    let mut index = golden["index"].clone();
    index["_class_name"] = class.into();
    fs::write(folder.path().join("model_index.json"), index.to_string()).expect("writes");
    folder
}

fn open(folder: &TempDir) -> Pipeline {
    Pipeline::open_folder(folder.path(), &Device::flex()).expect("opens")
}

fn difference<const D: usize>(found: Tensor<D>, other: Tensor<D>) -> f32 {
    (found - other).abs().max().into_scalar::<f32>()
}

/// Returns a bank of adapters that change what every layer computes.
fn bank(shapes: &[LayerShape], names: &[&str]) -> AdapterBank {
    let config = BankConfig { rank: 2, alpha: 4.0, share_a: true, seed: 7 };
    let bank = AdapterBank::fresh(&config, names, shapes, &Device::flex());
    let layers = bank.layers().iter();
    let layers =
        layers.map(|(name, low)| (name.clone(), LowRank { a: low.a.clone(), b: noise(name, low.b.dims()) * 0.05 }));
    bank.with_layers(layers.collect())
}

#[test]
fn u_nets_match_diffusers_at_two_strengths() {
    let golden = golden();
    let (timesteps, strengths) = (numbers(&golden["timesteps"]), numbers(&golden["strengths"]));
    for model in ["sd", "xl"] {
        let (own, unet) = (&golden[model], unet(&golden[model]));
        let x = noise("sample", [2, 4, 8, 8]);
        let forward = |guidance| unet.forward(x.clone(), &timesteps, &context(own, guidance), None);
        let outputs = own["outputs"].as_array().expect("outputs");
        for (strength, wanted) in strengths.iter().zip(outputs) {
            assert_close(&forward(Some(*strength)), wanted, &format!("{model} at strength {strength}"));
        }
        assert!(difference(forward(Some(2.5)), forward(Some(8.5))) > 0.1, "{model}");
        let usual = forward(None).into_data();
        assert_eq!(usual, forward(Some(UnetConfig::GUIDANCE)).into_data(), "{model}: 8.5 where nothing is said");
        let names: Vec<String> = unet.linears().into_iter().map(|layer| layer.name).collect();
        let once: BTreeSet<&str> = names.iter().map(String::as_str).collect();
        assert_eq!((once.len(), &once), (names.len(), &lines(&own["linears"]).into_iter().collect()), "{model}");
    }
}

#[test]
fn gradients_reach_the_projection_of_the_strength() {
    let golden = golden();
    let timesteps = numbers(&golden["timesteps"]).repeat(2);
    for (again, model) in [(false, "sd"), (true, "xl")] {
        let compute = Compute { gradient_checkpointing: Some(again), ..Compute::from(&Device::flex()) };
        let unet = unet(&golden[model]).computing(&compute);
        let plain = bank(&unet.linears(), &["one", "two"]);
        let x = Tensor::cat(vec![noise::<4>("sample", [2, 4, 8, 8]); 2], 0);
        let context = context(&golden[model], Some(2.5)).repeat(2);
        let loss = |b: Tensor<3>| {
            let mut layers = plain.layers().clone();
            layers.get_mut(PROJECTION).expect("adapted").b = b;
            let output = unet.forward(x.clone(), &timesteps, &context, Some(&plain.with_layers(layers)));
            output.powi_scalar(2).mean()
        };
        let start = plain.layers()[PROJECTION].b.clone();
        let leaf = start.clone().autodiff().require_grad();
        let gradient = leaf.grad_remove(&mut loss(leaf.clone()).backward()).expect("a gradient");
        for member in 0..2 {
            let own = |of: usize| gradient.clone().narrow(0, of, 1);
            let only = (0..2).map(|of| if of == member { own(of) } else { own(of).zeros_like() });
            let gradient = Tensor::cat(only.collect(), 0);
            let squared = gradient.clone().powi_scalar(2).sum().into_scalar::<f32>();
            assert!(squared > 0.0, "{model}: adapter {member} has a gradient");
            let moved =
                |shift: f32| loss(start.clone() + gradient.clone() * (shift / squared.sqrt())).into_scalar::<f32>();
            let slope = (moved(5e-4) - moved(-5e-4)) / 1e-3;
            assert!((slope / squared.sqrt() - 1.0).abs() < 0.02, "{model}: slope {slope}, length {}", squared.sqrt());
        }
    }
}

#[test]
fn latents_and_images_match_diffusers() {
    let golden = golden();
    let steps = golden["steps"].as_u64().expect("steps") as usize;
    for class in ["LatentConsistencyModelPipeline", "StableDiffusionPipeline"] {
        let pipeline = open(&folder(class));
        let context = pipeline.encode_prompts(&lines(&golden["prompts"])).expect("prompts");
        let drawn = |strength: f32| {
            let guidance = pipeline.guidance(strength).expect("no prompt");
            let conditions = Conditions { context: context.clone(), guidance };
            let mut x = noise::<4>("noise_0", [2, 4, 8, 8]);
            for (index, rule) in pipeline.schedule().evaluation(steps).iter().enumerate() {
                let noise = || noise(&format!("noise_{}", index + 1), [2, 4, 8, 8]);
                x = step(&pipeline, Denoiser::Base, rule, x, &conditions, None, Next::Draw(&noise)).next;
            }
            x
        };
        let latents = drawn(4.0);
        assert_close(&latents, &golden["latents"]["4"], "latents at strength 4");
        assert_close(&pipeline.decode(latents), &golden["images"], "images");
        assert_close(&drawn(1.0), &golden["latents"]["default"], "latents at the pipeline's own strength");
    }
}

#[test]
fn adapters_do_the_same_in_a_bank_and_in_the_weights() {
    let folder = folder("LatentConsistencyModelPipeline");
    let pipeline = open(&folder);
    let layers = |layers: Vec<LayerShape>| -> BTreeMap<_, _> {
        layers.into_iter().map(|layer| (layer.name, [layer.d_in, layer.d_out])).collect()
    };
    let of_headers = BaseParameters::in_folder(folder.path(), true).expect("headers").adaptable();
    assert_eq!(layers(of_headers), layers(pipeline.adaptable()));

    let adapter = bank(&pipeline.adaptable(), &["one"]).adapter(0);
    let conditions = Conditions {
        context: pipeline.encode_prompts(&["a red apple"]).expect("a prompt"),
        guidance: pipeline.guidance(3.0).expect("no prompt"),
    };
    let output = |pipeline: &Pipeline, bank: Option<&AdapterBank>| {
        predict(pipeline, bank, noise("sample", [1, 4, 8, 8]), &[437.5], &conditions)
    };
    let beside = pipeline.adapted(Some(&adapter)).expect("fits");
    assert!(beside.bank.is_some());
    let added = pipeline.with(&[(adapter, 1.0)].into()).expect("fits");
    let found = output(&beside.pipeline, beside.bank.as_ref());
    assert!(difference(found.clone(), output(&added, None)) < 1e-4);
    assert!(difference(found, output(&pipeline, None)) > 1e-2);
}

#[test]
fn strengths_are_carried_for_networks_that_embed_them_alone() {
    let pipeline = open(&folder("LatentConsistencyModelPipeline"));
    let context = pipeline.encode_prompts(&["a red apple"]).expect("a prompt");
    assert_eq!(context.guidance, None);
    assert_eq!(pipeline.guided(&context, 3.0).expect("embedded").guidance, Some(3.0));
    let other = Pipeline::open_folder(&fixture("pipeline_xl"), &Device::flex()).expect("opens");
    let context = other.encode_prompts(&["a red apple"]).expect("a prompt");
    assert!(other.guided(&context, 3.0).is_none(), "classifier-free");
}

#[test]
fn weights_without_the_projection_are_refused_by_name() {
    let golden = golden();
    let mut shapes = golden["sd"]["shapes"].clone();
    shapes["time_embedding.cond_proj.weight"] = json!([4, 8]);
    let config = UnetConfig::read(golden["sd"]["unet"].to_string().as_bytes()).expect("known");
    let refused = |shapes: &Value| {
        let parameters = Parameters::read(&formula::safetensors(shapes), &Device::flex()).expect("weights");
        Unet::load(&config, &parameters).expect_err("does not fit").to_string()
    };
    assert!(refused(&shapes).contains("time_embedding.cond_proj.weight"));
    shapes.as_object_mut().expect("shapes").remove("time_embedding.cond_proj.weight");
    assert!(refused(&shapes).contains("time_embedding.cond_proj.weight"));
}
