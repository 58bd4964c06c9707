//! LoRAs as peft, diffusers and kohya's programs save them draw what diffusers draws with them (fixtures/README.md says how they
//! were made).

mod golden;

use std::fs;

use burn::tensor::{Device, Tensor};
use golden::{Golden, fixture};
use moa_adapter::contents::Contents;
use moa_adapter::{AdapterBank, AdapterFormat};
use moa_diffusion::sampler::{Next, step};
use moa_diffusion::{Conditions, Denoiser, Pipeline};
use serde_json::Value;

const STEPS: usize = 5;

/// A pipeline with what it was asked to draw.
struct Drawing {
    pipeline: Pipeline,
    conditions: Conditions,
    noise: Tensor<4>,
}

impl Drawing {
    fn open(base: &str) -> Self {
        let golden = Golden::read(base);
        let pipeline = Pipeline::open_folder(&fixture(base), &Device::flex()).expect("opens");
        let (prompts, guidance) = match fs::read(fixture(base).join("prompts.json")) {
            Ok(bytes) => {
                let told: Value = serde_json::from_slice(&bytes).expect("JSON");
                let prompts = told["prompts"].as_array().expect("prompts").iter().filter_map(Value::as_str);
                (prompts.map(str::to_owned).collect(), told["guidance"].as_f64().expect("guidance") as f32)
            }
            Err(_) => (golden.lines("prompts"), 3.0),
        };
        let context = pipeline.encode_prompts(&prompts).expect("prompts");
        let empty = pipeline.unconditional().expect("the empty prompt");
        let conditions = Conditions { context, guidance: Some((empty, guidance)) };
        Self { noise: golden.tensor("noise"), pipeline, conditions }
    }

    /// Returns the latents after all steps; a bank of several adapters draws the same noise with each.
    fn latents(&self, bank: Option<&AdapterBank>) -> Tensor<4> {
        let members = bank.map_or(1, AdapterBank::members);
        let (empty, guidance) = self.conditions.guidance.clone().expect("guided");
        let context = self.conditions.context.repeat(members);
        let conditions = Conditions { context, guidance: Some((empty, guidance)) };
        let mut x = Tensor::cat(vec![self.noise.clone(); members], 0);
        for rule in self.pipeline.schedule().deterministic(STEPS) {
            let noise = || unreachable!("the steps are deterministic");
            x = step(&self.pipeline, Denoiser::from(bank), &rule, x, &conditions, None, Next::Draw(&noise)).next;
        }
        x
    }
}

/// Reads each file of a LoRA, and checks format and what it draws.
fn draws_as_diffusers(base: &str, lora: &str, forms: &[AdapterFormat]) {
    let drawing = Drawing::open(base);
    let golden = Golden::read(lora);
    let config = fs::read_to_string(fixture(lora).join("adapter_config.json")).expect("config");
    let mut found = Vec::new();
    for form in forms {
        let bytes = fs::read(fixture(lora).join(form.file_name())).expect("an adapter");
        let config = (*form == AdapterFormat::Peft).then_some(&*config);
        let adapter = Contents::read(&bytes, config).and_then(|contents| contents.adapter()).expect("reads");
        assert_eq!(adapter.common_rank_and_alpha(), Some((4, 6.0)), "{form:?}");
        let bank = AdapterBank::of(&[&adapter], &Device::flex()).expect("a bank of one");
        let latents = drawing.latents(Some(&bank));
        golden.assert_close(&latents, "latents");
        golden.assert_close(&drawing.pipeline.decode(latents), "pictures");
        found.push(adapter);
    }
    assert!(found.windows(2).all(|pair| pair[0] == pair[1]), "all forms hold the same numbers");

    // Added into the weights, it does the same as beside them.
    let changed = drawing.pipeline.with(&[(found[0].clone(), 1.0)].into()).expect("it fits");
    golden.assert_close(&Drawing { pipeline: changed, ..Drawing::open(base) }.latents(None), "latents");
    let halves = [(found[0].clone(), 1.5), (found[0].clone(), -0.5)];
    let changed = drawing.pipeline.with(&halves.into()).expect("it fits");
    golden.assert_close(&Drawing { pipeline: changed, ..Drawing::open(base) }.latents(None), "latents");

    // Beside an adapter that changes nothing, in one batch: each row has its own.
    let mut silent = found.remove(0);
    let loud = silent.clone();
    silent.layers.values_mut().for_each(|layer| layer.b.fill(0.0));
    let bank = AdapterBank::of(&[&silent, &loud], &Device::flex()).expect("they fit");
    let rows = drawing.noise.dims()[0];
    let both = drawing.latents(Some(&bank));
    Golden::read(base).assert_close(&both.clone().narrow(0, 0, rows), "latents");
    golden.assert_close(&both.narrow(0, rows, rows), "latents");
}

#[test]
fn loras_of_stable_diffusion_1_in_three_forms() {
    let forms = [AdapterFormat::Peft, AdapterFormat::Diffusers, AdapterFormat::Kohya];
    draws_as_diffusers("pipeline_sd1", "lora_sd1", &forms);
}

#[test]
fn loras_of_stable_diffusion_xl_in_three_forms() {
    let forms = [AdapterFormat::Peft, AdapterFormat::Diffusers, AdapterFormat::Kohya];
    draws_as_diffusers("pipeline_xl", "lora_xl", &forms);
}

#[test]
fn loras_of_stable_diffusion_3_in_two_forms() {
    draws_as_diffusers("sd3_pipeline", "lora_sd3", &[AdapterFormat::Peft, AdapterFormat::Diffusers]);
}
