//! Adapters of every kind, text encoders and convolutions included, against what their own programs draw with them.
//!
//! `fixtures/export_kinds.py` writes them.

mod golden;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use golden::{Golden, fixture};
use moa_adapter::contents::Contents;
use moa_adapter::{Adapter, AdapterFormat, AdapterLayer, Precision};
use moa_device::to_host;
use moa_diffusion::sampler::{Next, step};
use moa_diffusion::{Adapted, Conditions, Denoiser, Pipeline};

const STEPS: usize = 5;

fn kinds() -> PathBuf {
    fixture("kinds")
}

fn adapter(name: &str) -> Adapter {
    let bytes = fs::read(kinds().join(format!("{name}.safetensors"))).expect("a fixture");
    Contents::read(&bytes, None)
        .and_then(|contents| contents.adapter())
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn open(base: &str) -> Pipeline {
    Pipeline::open_folder(&fixture(base), &Device::flex()).expect("a pipeline")
}

/// Returns the latents of the base's own prompts and noise.
fn latents(adapted: &Adapted, base: &str) -> Vec<f32> {
    let Adapted { pipeline, bank } = adapted;
    let golden = Golden::read(base);
    let prompts: Vec<String> = golden.lines("prompts");
    let context = pipeline.encode_prompts(&prompts).expect("prompts");
    let guidance = Some((pipeline.unconditional().expect("the empty prompt"), 3.0));
    let conditions = Conditions { context, guidance };
    let mut x: Tensor<4> = golden.tensor("noise");
    for rule in pipeline.schedule().deterministic(STEPS) {
        let noise = || unreachable!("the steps are deterministic");
        x = step(pipeline, Denoiser::from(bank.as_ref()), &rule, x, &conditions, None, Next::Draw(&noise)).next;
    }
    to_host(x)
}

fn close(name: &str, found: &[f32], wanted: &[f32]) {
    let far = found.iter().zip(wanted).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max);
    let size = wanted.iter().fold(0f32, |most, value| most.max(value.abs()));
    assert!(found.len() == wanted.len() && far <= 1e-4 * size, "{name}: {far} of {size}");
}

const KINDS: [(&str, &str); 7] = [
    ("kohya-sd1", "pipeline_sd1"),
    ("kohya-xl", "pipeline_xl"),
    ("locon", "pipeline_sd1"),
    ("loha", "pipeline_sd1"),
    ("lokr", "pipeline_sd1"),
    ("dora", "pipeline_sd1"),
    ("full", "pipeline_sd1"),
];

#[test]
fn every_kind_draws_as_its_own_program_draws_with_it() {
    let golden = Golden::read("kinds");
    for (name, base) in KINDS {
        let pipeline = open(base);
        let adapter = adapter(name);
        let wanted = to_host(golden.tensor::<4>(name));
        let adapted = pipeline.adapted(Some(&adapter)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(adapted.bank.is_none(), "{name} is no bank's");
        close(name, &latents(&adapted, base), &wanted);

        // Written in every format that has a place for it, it draws the same.
        let is_exact = adapter.precision == Precision::F32;
        for format in [AdapterFormat::Kohya, AdapterFormat::Diffusers] {
            let Ok(files) = Adapter { precision: Precision::F32, ..adapter.clone() }.to_files(format, "") else {
                assert!(
                    format == AdapterFormat::Diffusers && ["dora", "full", "lokr", "loha"].contains(&name),
                    "{name} {is_exact}"
                );
                continue;
            };
            let again = Contents::read(&files.tensors, None).and_then(|contents| contents.adapter()).expect("reads");
            let adapted = pipeline.adapted(Some(&again)).unwrap_or_else(|error| panic!("{name}: {error}"));
            close(&format!("{name} {format:?}"), &latents(&adapted, base), &wanted);
        }
    }
}

#[test]
fn what_a_dora_comes_to_on_a_base_is_the_same_without_its_magnitudes() {
    let pipeline = open("pipeline_sd1");
    let base = moa_diffusion::BaseParameters::in_folder(&fixture("pipeline_sd1"), true).expect("headers");
    let dora = adapter("dora");
    base.check(&dora).expect("it is this base's");
    let resolved = base.resolve(&dora).expect("it fits");
    assert!(resolved.magnitudes.is_empty() && !resolved.differences.is_empty());
    let [one, other] =
        [dora, resolved].map(|adapter| latents(&pipeline.adapted(Some(&adapter)).expect("fits"), "pipeline_sd1"));
    close("resolved", &one, &other);
}

#[test]
fn sums_of_kinds_are_what_their_merge_is() {
    let pipeline = open("pipeline_sd1");
    let (one, other) = (adapter("loha"), adapter("locon"));
    let both: Arc<[(Adapter, f64)]> = [(one.clone(), 0.7), (other.clone(), -0.4)].into();
    let added = Adapted { pipeline: pipeline.with(&both).expect("fits"), bank: None };
    let merged = moa_adapter::Merge::default().sum(&[(&one, 0.7), (&other, -0.4)]).expect("they are of one base");
    let merged = pipeline.adapted(Some(&merged)).expect("fits");
    close("merge", &latents(&added, "pipeline_sd1"), &latents(&merged, "pipeline_sd1"));
}

#[test]
fn adapters_of_other_bases_are_refused_by_the_layer() {
    let (pipeline, other) = (open("pipeline_sd1"), adapter("kohya-xl"));
    let error = pipeline.adapted(Some(&other)).err().expect("it is not this base's");
    assert!(error.to_string().contains("the adapter changes `text_encoder_2."), "{error}");
    let layer =
        AdapterLayer { d_in: 3, d_out: 2, kernel: Vec::new(), rank: 1, alpha: 1.0, a: vec![1.0; 3], b: vec![1.0; 2] };
    for (name, words) in [
        ("conv_in", "but the base's has shape [4, 4, 3, 3]"),
        ("elsewhere", "which the base does not have"),
        ("text_encoder.text_model.elsewhere", "which the base does not have"),
    ] {
        let adapter = Adapter::of_layers(Precision::F32, BTreeMap::from([(name.to_owned(), layer.clone())]));
        let error = pipeline.adapted(Some(&adapter)).err().expect("it fits nowhere").to_string();
        assert!(error.contains(words) && error.contains(name), "{error}");
    }
}
