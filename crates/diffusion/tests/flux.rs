//! FLUX.1 in miniature against diffusers: its transformer, and pipelines from folders to images (fixtures/README.md says how the numbers
//! were made).

mod formula;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor};
use formula::{assert_close, noise, write_model};
use moa_adapter::{AdapterBank, BankConfig, LayerShape, LowRank, Parameters};
use moa_diffusion::sampler::{Next, step};
use moa_diffusion::{
    AddedConditions, BaseParameters, Compute, Conditions, Denoiser, FluxConfig, FluxTransformer, Pipeline,
    ScheduleConfig, TextContext,
};
use serde_json::{Value, json};

const MODELS: [&str; 2] = ["dev", "schnell"];

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn golden(name: &str) -> Value {
    serde_json::from_slice(&fs::read(fixtures().join(name)).expect(name)).expect("JSON")
}

fn lines(value: &Value) -> Vec<&str> {
    value.as_array().expect("texts").iter().filter_map(Value::as_str).collect()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        fs::copy(entry.path(), to.join(entry.file_name())).expect("copies");
    }
}

fn write(path: &Path, value: &Value) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    fs::write(path, value.to_string()).expect("writes");
}

/// Returns the folder of a pipeline, as `save_pretrained` writes it.
fn folder(model: &str) -> tempfile::TempDir {
    let (folder, flux, t5) = (tempfile::tempdir().expect("a folder"), golden("flux.json"), golden("t5.json"));
    let at = |name: &str| folder.path().join(name);
    for part in ["tokenizer", "vae"] {
        copy(&fixtures().join("sd3_pipeline").join(part), &at(part));
    }
    write_model(&at("text_encoder"), "model", &flux["clip"], &flux["clip_shapes"]);
    write_model(&at("text_encoder_2"), "model", &t5["config"], &t5["shapes"]);
    fs::create_dir(at("tokenizer_2")).expect("a folder");
    fs::copy(fixtures().join("t5_tokenizer.json"), at("tokenizer_2/tokenizer.json")).expect("copies");
    let own = &flux[model];
    let mut config = own["transformer"].clone();
    config["sample_size"] = flux["sample_size"].clone();
    write_model(&at("transformer"), "diffusion_pytorch_model", &config, &own["shapes"]);
    write(&at("scheduler/scheduler_config.json"), &own["scheduler"]);
    let index = json!({
        "_class_name": "FluxPipeline",
        "feature_extractor": [null, null],
        "image_encoder": [null, null],
        "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "text_encoder_2": ["transformers", "T5EncoderModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "tokenizer_2": ["transformers", "T5TokenizerFast"],
        "transformer": ["diffusers", "FluxTransformer2DModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    });
    write(&at("model_index.json"), &index);
    folder
}

fn transformer(own: &Value) -> FluxTransformer {
    let config = FluxConfig::read(own["transformer"].to_string().as_bytes()).expect("known");
    let parameters = Parameters::read(&formula::safetensors(&own["shapes"]), &Device::flex()).expect("weights");
    FluxTransformer::load(&config, &parameters).expect("fits")
}

/// Returns the context of the transformer's inputs.
fn context(guidance: f32) -> TextContext {
    let added = AddedConditions { pooled: noise("pooled", [2, 8]), time_ids: Vec::new() };
    TextContext { states: noise("states", [2, 7, 24]), added: Some(added), guidance: Some(guidance) }
}

const TIMESTEPS: [f32; 2] = [437.5, 900.0];

fn difference<const D: usize>(found: Tensor<D>, other: Tensor<D>) -> f32 {
    (found - other).abs().max().into_scalar::<f32>()
}

#[test]
fn both_transformers_match_diffusers_at_two_sizes() {
    let golden = golden("flux.json");
    for model in MODELS {
        let (own, transformer) = (&golden[model], transformer(&golden[model]));
        for (size, [height, width]) in [("a", [8, 8]), ("b", [4, 14])] {
            let x = noise::<4>(&format!("sample_{size}"), [2, 16, height, width]);
            let forward = |context: &TextContext| transformer.forward(x.clone(), &TIMESTEPS, context, None);
            let output = forward(&context(2.5));
            assert_close(&output, &own[format!("output_{size}")], &format!("{model} at size {size}"));
            let other = difference(output, forward(&context(3.5)));
            assert_eq!(other > 1e-3, model == "dev", "{model}: another guidance changes the output by {other}");
        }
    }
}

#[test]
fn every_linear_layer_can_be_adapted() {
    let golden = golden("flux.json");
    for model in MODELS {
        let found: Vec<String> = transformer(&golden[model]).linears().into_iter().map(|layer| layer.name).collect();
        let names: BTreeSet<&str> = found.iter().map(String::as_str).collect();
        assert_eq!(names.len(), found.len(), "{model}: every layer once");
        assert_eq!(names, lines(&golden[model]["linears"]).into_iter().collect(), "{model}");
    }
}

#[test]
fn gradients_reach_every_adapter_and_agree_with_differences() {
    let golden = golden("flux.json");
    for again in [false, true] {
        let compute = Compute { gradient_checkpointing: Some(again), ..Compute::from(&Device::flex()) };
        let transformer = transformer(&golden["dev"]).computing(&compute);
        let config = BankConfig { rank: 2, alpha: 4.0, share_a: true, seed: 7 };
        let plain = AdapterBank::fresh(&config, &["one", "two"], &transformer.linears(), &Device::flex());
        let x = Tensor::cat(vec![noise::<4>("sample_b", [2, 16, 4, 14]); 2], 0);
        let loss = |layers: BTreeMap<String, LowRank>| {
            let bank = plain.with_layers(layers);
            let output = transformer.forward(x.clone(), &TIMESTEPS.repeat(2), &context(2.5).repeat(2), Some(&bank));
            output.powi_scalar(2).mean()
        };
        let leaf = |b: &Tensor<3>| (b.clone() + 0.02).autodiff().require_grad();
        let leaves: BTreeMap<String, LowRank> = plain
            .layers()
            .iter()
            .map(|(name, LowRank { a, b })| (name.clone(), LowRank { a: a.clone(), b: leaf(b) }))
            .collect();
        let mut gradients = loss(leaves.clone()).backward();
        let (mut squared, mut moved) = (0.0, [BTreeMap::new(), BTreeMap::new()]);
        for (name, LowRank { a, b }) in &leaves {
            let gradient = b.grad_remove(&mut gradients).unwrap_or_else(|| panic!("{name} has a gradient"));
            squared += gradient.clone().powi_scalar(2).sum().into_scalar::<f32>();
            for (moved, shift) in moved.iter_mut().zip([1e-3, -1e-3]) {
                let b = b.clone().inner() + gradient.clone() * shift;
                moved.insert(name.clone(), LowRank { a: a.clone(), b });
            }
        }
        let [ahead, behind] = moved.map(|layers| loss(layers).into_scalar::<f32>());
        let slope = (ahead - behind) / 2e-3;
        assert!((slope / squared - 1.0).abs() < 0.02, "recomputed {again}: slope {slope}, squared length {squared}");
    }
}

#[test]
fn texts_levels_latents_and_images_match_diffusers() {
    let golden = golden("flux.json");
    for model in MODELS {
        let (own, folder) = (&golden[model], folder(model));
        let pipeline = Pipeline::open_folder(folder.path(), &Device::flex()).expect("opens");
        assert_eq!((pipeline.latent_shape(), pipeline.picture_size()), ([16, 8, 8], [16, 16]));
        let context = pipeline.encode_prompts(&lines(&golden["prompts"])).expect("prompts");
        assert_close(&context.states, &own["states"], "states");
        assert_eq!(pipeline.context_bytes(), (context.states.shape().num_elements() * size_of::<f32>() / 2) as u64);
        assert_close(&context.added.clone().expect("pooled").pooled, &own["pooled"], "pooled");

        let steps = golden["steps"].as_u64().expect("steps") as usize;
        let ScheduleConfig::Flow(flow) = pipeline.schedule() else { panic!("a flow") };
        let sigmas = Tensor::<1>::from_floats(&*flow.sigmas(steps), &Device::flex());
        assert_close(&sigmas, &own["sigmas"], "sigmas");

        let empty = pipeline.unconditional().expect("the empty prompt");
        let drawn = |guidance: Option<f32>| {
            let guidance = guidance.map(|strength| (empty.clone(), strength));
            let conditions = Conditions { context: context.clone(), guidance };
            let mut x = noise::<4>("noise", [2, 16, 8, 8]);
            for rule in pipeline.schedule().deterministic(steps) {
                let drawn = || unreachable!("the steps are deterministic");
                x = step(&pipeline, Denoiser::Base, &rule, x, &conditions, None, Next::Draw(&drawn)).next;
            }
            x
        };
        // Schnell takes no guidance: diffusers passes it over, and here it would be classifier-free.
        let latents = drawn((model == "dev").then_some(4.0));
        assert_close(&latents, &own["latents"], "latents");
        assert_close(&pipeline.decode(latents.clone()), &own["images"], "images");
        if model == "dev" {
            let usual = drawn(None);
            assert_eq!(usual.clone().into_data(), drawn(Some(3.5)).into_data(), "3.5 where nothing is said");
            assert!(difference(usual, latents) > 1e-3);
        }
    }
}

#[test]
fn layers_are_known_from_headers_alone() {
    let shapes = |layers: Vec<LayerShape>| -> BTreeSet<_> {
        layers.into_iter().map(|layer| (layer.name, layer.d_in, layer.d_out)).collect()
    };
    let folder = folder("dev");
    let pipeline = Pipeline::open_folder(folder.path(), &Device::flex()).expect("opens");
    assert_eq!(
        shapes(BaseParameters::in_folder(folder.path(), true).expect("headers").adaptable()),
        shapes(pipeline.adaptable())
    );
}

#[test]
fn what_does_not_fit_is_refused_by_field() {
    let refuse = |file: &str, from: &str, to: &str| {
        let folder = folder("dev");
        let path = folder.path().join(file);
        let text = fs::read_to_string(&path).expect(file);
        assert!(text.contains(from), "{from}");
        fs::write(&path, text.replace(from, to)).expect(file);
        let error = Pipeline::open_folder(folder.path(), &Device::flex()).err().expect(to).to_string();
        error.replace(&format!("{}: ", folder.path().display()), "")
    };
    let transformer = |from: &str, to: &str| refuse("transformer/config.json", from, to);
    assert_eq!(
        transformer("\"joint_attention_dim\":24", "\"joint_attention_dim\":32"),
        "transformer/config.json: `joint_attention_dim` is 32: the text states are 24 wide: are transformer and text encoders of \
         one model?"
    );
    assert_eq!(
        transformer("\"in_channels\":64", "\"in_channels\":128"),
        "transformer/config.json: `in_channels` is 128: samples have 16 channels, and 2 × 2 of their pixels are a token of 64 \
         (models that also take an image are not known)"
    );
    assert_eq!(
        transformer("[4,6,6]", "[4,6,8]"),
        "transformer/config.json: `axes_dims_rope` is [4, 6, 8]: three even numbers whose sum is attention_head_dim"
    );
    assert_eq!(
        transformer("\"sample_size\":8", "\"sample_size\":7"),
        "transformer/config.json: `sample_size` is 7: a multiple of 2, as 2 × 2 latent pixels are a token"
    );
    assert!(transformer("\"pooled_projection_dim\":8", "\"pooled_projection_dim\":9").contains("are 8 wide"));
    assert!(transformer("\"out_channels\":null", "\"out_channels\":32").contains("`out_channels` is 32: as many as"));
    assert!(transformer("\"patch_size\":1", "\"patch_size\":2").contains("`patch_size` is 2: only 1"));
    assert_eq!(
        refuse("model_index.json", "T5EncoderModel", "CLIPTextModel"),
        "model_index.json: `text_encoder_2` is CLIPTextModel: T5EncoderModel is known"
    );
    let scheduler =
        refuse("scheduler/scheduler_config.json", "\"time_shift_type\":\"exponential\"", "\"time_shift_type\":\"odd\"");
    assert!(scheduler.contains("`time_shift_type` is odd"), "{scheduler}");
    let without = Compute { t5: false, ..Compute::from(&Device::flex()) };
    let folder = folder("dev");
    let error = Pipeline::open_folder(folder.path(), &without).err().expect("refused").to_string();
    assert_eq!(
        error.replace(&format!("{}: ", folder.path().display()), ""),
        "model_index.json: `text_encoder_2` is left out: FLUX.1 reads prompts with T5 and does not do without: open it with T5"
    );
}
