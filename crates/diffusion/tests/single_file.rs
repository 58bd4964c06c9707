//! Single-file checkpoints of the original layout against diffusers' converters (fixtures/README.md).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor};
use moa_adapter::LayerShape;
use moa_diffusion::BaseParameters;
use moa_diffusion::pipeline::tokenizer_beside;
use moa_diffusion::schedule::Prediction;
use moa_diffusion::single_file::{Family, SingleFile};
use moa_diffusion::{Pipeline, ScheduleConfig, TextConfig, TextEncoder, Unet, UnetConfig, Vae, VaeConfig};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A tensor of the fixture: its part, names and shapes.
struct Row {
    part: String,
    original: String,
    shape: Vec<usize>,
    /// Nothing, where the model does not need the tensor.
    new: Option<(String, Vec<usize>)>,
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn rows(family: &str) -> Vec<Row> {
    let sizes =
        |text: &str| text.split(',').filter(|size| !size.is_empty()).map(|size| size.parse().unwrap()).collect();
    let row = |line: &str| {
        let [part, original, shape, name, new_shape] = line.split('\t').collect::<Vec<_>>().try_into().unwrap();
        let new = (name != "-").then(|| (name.to_owned(), sizes(new_shape)));
        Row { part: part.to_owned(), original: original.to_owned(), shape: sizes(shape), new }
    };
    fs::read_to_string(fixture(&format!("single_file/{family}.tsv"))).unwrap().lines().map(row).collect()
}

/// Writes a checkpoint of zeros.
fn write(folder: &TempDir, tensors: &BTreeMap<String, Vec<usize>>) -> PathBuf {
    let bytes: BTreeMap<&String, Vec<u8>> =
        tensors.iter().map(|(name, shape)| (name, vec![0; 2 * shape.iter().product::<usize>()])).collect();
    let views =
        tensors.iter().map(|(name, shape)| (name, TensorView::new(Dtype::F16, shape.clone(), &bytes[name]).unwrap()));
    let path = folder.path().join("model.safetensors");
    fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
    path
}

fn tensors(family: &str) -> BTreeMap<String, Vec<usize>> {
    let rows = rows(family).into_iter().map(|row| (row.original, row.shape));
    // What checkpoints hold besides.
    rows.chain([("model_ema.decay".into(), vec![1]), ("betas".into(), vec![1000])]).collect()
}

fn open(family: &str, folder: &TempDir) -> SingleFile {
    let prediction = (family == "sd2").then_some(Prediction::VPrediction);
    SingleFile::open(&write(folder, &tensors(family)), prediction, &Device::flex()).unwrap()
}

/// Returns why a changed checkpoint is refused.
fn refusal(family: &str, change: impl FnOnce(&mut BTreeMap<String, Vec<usize>>)) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut tensors = tensors(family);
    change(&mut tensors);
    let error = SingleFile::open(&write(&folder, &tensors), None, &Device::flex()).err().expect("a refusal");
    error.to_string().replace(&folder.path().display().to_string(), "DIR")
}

fn config(file: &SingleFile, path: &str) -> Value {
    serde_json::from_str(&file.config(path).unwrap()).unwrap()
}

#[test]
fn every_tensor_has_diffusers_name_and_shape() {
    for (family, is) in [("sd1", Family::Sd1), ("sd2", Family::Sd2), ("xl", Family::Xl)] {
        let folder = tempfile::tempdir().unwrap();
        let file = open(family, &folder);
        assert_eq!(file.family(), is);
        let mut wanted: BTreeMap<String, BTreeMap<String, Vec<usize>>> = BTreeMap::new();
        for row in rows(family) {
            wanted.entry(row.part).or_default().extend(row.new);
        }
        for (part, wanted) in wanted {
            let parameters = file.parameters(&part).unwrap();
            let found: BTreeSet<String> = parameters.names().into_iter().collect();
            assert_eq!(found, wanted.keys().cloned().collect(), "{family} {part}");
            for (name, shape) in wanted {
                assert_eq!(parameters.shape(&name), Some(shape), "{family} {part} {name}");
            }
        }
    }
}

#[test]
fn every_model_loads_by_the_configs_read_off_the_tensors() {
    for family in ["sd1", "sd2"] {
        let folder = tempfile::tempdir().unwrap();
        let file = open(family, &folder);
        let unet: UnetConfig = serde_json::from_value(config(&file, "unet/config.json")).unwrap();
        unet.check().unwrap();
        Unet::load(&unet, file.parameters("unet").unwrap()).unwrap();
        let text: TextConfig = serde_json::from_value(config(&file, "text_encoder/config.json")).unwrap();
        text.check().unwrap();
        TextEncoder::load(&text, file.parameters("text_encoder").unwrap()).unwrap();
        let vae = VaeConfig::read(file.config("vae/config.json").unwrap().as_bytes()).unwrap();
        let vae = Vae::load(&vae, file.parameters("vae").unwrap()).unwrap();
        let side = 2 * vae.factor();
        vae.encode(&Tensor::zeros([1, 3, side, side], &Device::flex())).unwrap();
        ScheduleConfig::read(file.config("scheduler/scheduler_config.json").unwrap().as_bytes()).unwrap();
    }
}

/// Asserts some fields of a config.
#[track_caller]
fn assert_fields(found: &Value, wanted: &Value) {
    for (field, value) in wanted.as_object().unwrap() {
        assert_eq!(found[field], *value, "{field}");
    }
}

#[test]
fn configs_say_what_the_families_do() {
    let folder = tempfile::tempdir().unwrap();
    let sd2 = open("sd2", &folder);
    assert_fields(
        &config(&sd2, "unet/config.json"),
        &json!({"sample_size": 96, "attention_head_dim": [1, 2], "use_linear_projection": true, "layers_per_block": 2}),
    );
    assert_fields(
        &config(&sd2, "text_encoder/config.json"),
        &json!({"num_hidden_layers": 2, "hidden_act": "gelu", "num_attention_heads": 1, "vocab_size": 100}),
    );
    assert_eq!(config(&sd2, "scheduler/scheduler_config.json")["prediction_type"], "v_prediction");
    assert_eq!(sd2.config("text_encoder_2/config.json"), None);
    assert!(sd2.parameters("text_encoder_2").is_none());

    let xl = open("xl", &folder);
    assert_fields(
        &config(&xl, "unet/config.json"),
        &json!({
            "sample_size": 128, "block_out_channels": [64, 128], "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
            "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"], "transformer_layers_per_block": [1, 2],
            "cross_attention_dim": 128, "addition_embed_type": "text_time", "addition_time_embed_dim": 256,
            "projection_class_embeddings_input_dim": 1600,
        }),
    );
    assert_fields(
        &config(&xl, "text_encoder_2/config.json"),
        &json!({"num_hidden_layers": 2, "hidden_act": "gelu", "projection_dim": 64}),
    );
    assert_eq!(config(&xl, "text_encoder/config.json")["hidden_act"], "quick_gelu");
    assert_eq!(config(&xl, "vae/config.json")["scaling_factor"], 0.13025);
    assert_eq!(config(&xl, "model_index.json")["_class_name"], "StableDiffusionXLPipeline");

    let mut marked = tensors("xl");
    marked.extend([("v_pred".into(), vec![0]), ("ztsnr".into(), vec![0])]);
    let marked = SingleFile::open(&write(&folder, &marked), None, &Device::flex()).unwrap();
    assert_fields(
        &config(&marked, "scheduler/scheduler_config.json"),
        &json!({"prediction_type": "v_prediction", "rescale_betas_zero_snr": true, "timestep_spacing": "trailing"}),
    );
}

#[test]
fn what_is_no_whole_known_model_is_refused() {
    let found = refusal("sd2", |_| ());
    assert!(
        found.starts_with("DIR/model.safetensors: files of Stable Diffusion 2 do not tell what the model predicts"),
        "{found}"
    );
    let found = refusal("sd1", |tensors| tensors.retain(|name, _| !name.starts_with("cond_stage")));
    assert!(found.starts_with("DIR/model.safetensors: it holds no text encoder of"), "{found}");
    let found = refusal("sd1", |tensors| tensors.retain(|name, _| !name.starts_with("first_stage")));
    assert!(found.starts_with("DIR/model.safetensors: it holds no autoencoder"), "{found}");
    let found = refusal("sd1", |tensors| tensors.retain(|name, _| name.starts_with("first_stage")));
    assert!(found.contains("and no `model.diffusion_model.input_blocks…`: single files of"), "{found}");
    let found = refusal("sd1", |tensors| {
        tensors.insert("model.diffusion_model.input_blocks.0.0.weight".into(), vec![64, 9, 3, 3]);
    });
    assert!(found.contains("takes 9 channels and predicts 4: models for inpainting"), "{found}");
    let found = refusal("sd1", |tensors| {
        tensors.insert("model.diffusion_model.control.weight".into(), vec![1]);
    });
    assert!(found.contains("tensor `model.diffusion_model.control.weight` is of no known denoiser"), "{found}");
    let found = refusal("xl", |tensors| {
        tensors.remove("model.diffusion_model.label_emb.0.0.weight");
    });
    assert!(found.contains("tensor `model.diffusion_model.label_emb.0.0.weight` is missing"), "{found}");
}

#[test]
fn the_tokenizer_is_named_by_the_user_and_padded_as_the_family_is() {
    let folder = tempfile::tempdir().unwrap();
    let words = fixture("tokenizer/saved");
    let pad = |file: &SingleFile, name: &str| {
        let ids = file.tokenizer(name, Some(&words), 6).unwrap().encode(&["a!"]).unwrap();
        ids[0].clone()
    };
    let xl = open("xl", &folder);
    assert_eq!(pad(&xl, "tokenizer"), [1512, 320, 256, 1513, 1513, 1513]);
    assert_eq!(pad(&xl, "tokenizer_2"), [1512, 320, 0, 1513, 0, 0]);
    assert_eq!(pad(&open("sd2", &folder), "tokenizer"), [1512, 320, 0, 1513, 0, 0]);
    let sd1 = open("sd1", &folder);
    assert_eq!(pad(&sd1, "tokenizer"), [1512, 320, 256, 1513, 1513, 1513]);
    let found = sd1.tokenizer("tokenizer", None, 6).err().unwrap().to_string();
    assert!(
        found.contains("model.safetensors: a single file holds no tokenizer: name a folder with CLIP's"),
        "{found}"
    );
}

#[test]
fn a_file_with_a_tokenizer_beside_it_is_a_pipeline() {
    const TABLE: &str = "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight";
    let folder = tempfile::tempdir().unwrap();
    let mut tensors = tensors("sd1");
    tensors.get_mut(TABLE).unwrap()[0] = 1600;
    let path = write(&folder, &tensors);
    let open = || Pipeline::open_file(&path, None, &Device::flex());
    let lacking = open().err().unwrap().to_string();
    assert!(lacking.contains("a single file holds no tokenizer"), "{lacking}");
    let beside = tokenizer_beside(&path);
    fs::create_dir(&beside).unwrap();
    for entry in fs::read_dir(fixture("tokenizer/saved")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), beside.join(entry.file_name())).unwrap();
    }
    let pipeline = open().unwrap();
    assert_eq!(pipeline.encode_prompts(&["a cat", "a dog"]).unwrap().rows(), 2);
    assert_eq!(pipeline.picture_size(), [pipeline.latent_shape()[1] * pipeline.codec().factor(); 2]);
    let names = |layers: Vec<LayerShape>| layers.into_iter().map(|layer| layer.name).collect::<BTreeSet<_>>();
    assert_eq!(names(BaseParameters::in_file(&path).unwrap().adaptable()), names(pipeline.adaptable()));
}
