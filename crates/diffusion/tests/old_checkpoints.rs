//! Checkpoints as older versions of diffusers wrote them: they mean what diffusers' pipelines make of them today.

use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use moa_diffusion::Pipeline;
use serde_json::{Value, json};
use tempfile::TempDir;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("folder");
    for entry in fs::read_dir(from).expect("folder") {
        let entry = entry.expect("entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("copy");
        }
    }
}

fn open(name: &str, change: impl FnOnce(&Path)) -> Result<Pipeline, String> {
    let folder = TempDir::new().expect("folder");
    copy(&fixture(name), folder.path());
    change(folder.path());
    Pipeline::open_folder(folder.path(), &Device::flex()).map_err(|error| error.to_string())
}

/// Sets fields of a JSON file; `null` takes a field away.
fn set(folder: &Path, file: &str, fields: &Value) {
    let path = folder.join(file);
    let mut config: Value = serde_json::from_slice(&fs::read(&path).expect(file)).expect("JSON");
    for (field, value) in fields.as_object().expect("fields") {
        if value.is_null() {
            config.as_object_mut().expect("an object").remove(field);
        } else {
            config[field] = value.clone();
        }
    }
    fs::write(path, config.to_string()).expect(file);
}

#[test]
fn stable_diffusions_pipeline_corrects_its_old_scheduler_configs() {
    const FILE: &str = "scheduler/scheduler_config.json";
    let wanted = open("pipeline_sd1", |_| ()).expect("opens").schedule().clone();
    for old in
        [json!({"steps_offset": 0}), json!({"steps_offset": null, "clip_sample": true, "_class_name": "DDIMScheduler"})]
    {
        let found = open("pipeline_sd1", |folder| set(folder, FILE, &old)).expect("opens");
        assert_eq!(found.schedule(), &wanted, "{old}");
    }
    // The index names the class.
    let found = open("pipeline_sd1", |folder| set(folder, FILE, &json!({"_class_name": null}))).expect("opens");
    assert_eq!(found.schedule(), &wanted);
    // Stable Diffusion XL's pipeline corrects nothing.
    let plain = open("pipeline_xl", |_| ()).expect("opens").schedule().clone();
    let found = open("pipeline_xl", |folder| set(folder, FILE, &json!({"steps_offset": 0}))).expect("opens");
    assert_ne!(found.schedule(), &plain);
}

#[test]
fn sizes_of_samples_are_those_of_the_pipelines() {
    const FILE: &str = "unet/config.json";
    let size = |name: &str, fields: &Value| {
        let opened = open(name, |folder| set(folder, FILE, fields))?;
        Ok::<_, String>(opened.latent_shape()[1..].to_vec())
    };
    assert_eq!(size("pipeline_sd1", &json!({"sample_size": null})).unwrap(), [64, 64]);
    assert_eq!(size("pipeline_xl", &json!({"sample_size": null})).unwrap(), [128, 128]);
    assert_eq!(size("pipeline_sd1", &json!({"sample_size": [16, 16]})).unwrap(), [16, 16]);
    assert_eq!(size("pipeline_sd1", &json!({"sample_size": 8, "_diffusers_version": "0.6.0.dev0"})).unwrap(), [64, 64]);
    assert_eq!(size("pipeline_sd1", &json!({"sample_size": 8, "_diffusers_version": "0.9.0"})).unwrap(), [8, 8]);
    let refused = size("pipeline_sd1", &json!({"sample_size": [16, 8]})).unwrap_err();
    assert!(refused.contains("unet/config.json: `sample_size` is [16,8]: images are square"), "{refused}");
}

#[test]
fn models_for_other_tasks_are_refused_by_what_they_are() {
    let refused =
        |name: &str, file: &str, fields: &Value| open(name, |folder| set(folder, file, fields)).err().expect("refused");
    let inpainting = refused("pipeline_sd1", "unet/config.json", &json!({"in_channels": 9}));
    assert!(inpainting.contains("unet/config.json: `in_channels` is 9: it is an inpainting model"), "{inpainting}");
    for (class, says) in [
        ("StableDiffusionInpaintPipeline", "it is an inpainting model"),
        ("PixArtAlphaPipeline", "PixArt is not known"),
        ("PixArtSigmaPipeline", "PixArt is not known"),
        ("KolorsPipeline", "Kolors is not known"),
        ("StableCascadeCombinedPipeline", "Stable Cascade is not known"),
        ("AudioLDM2Pipeline", "StableDiffusionPipeline, "),
    ] {
        let found = refused("pipeline_sd1", "model_index.json", &json!({"_class_name": class}));
        assert!(found.contains(&format!("model_index.json: `_class_name` is {class}: {says}")), "{found}");
    }
}

#[test]
fn weights_have_the_names_of_older_versions_and_of_variants() {
    let wanted = open("pipeline_sd1", |_| ()).expect("opens").adaptable().len();
    let weights = "unet/diffusion_pytorch_model.safetensors";
    for name in ["non_ema", "bf16"] {
        let renamed = weights.replace(".safetensors", &format!(".{name}.safetensors"));
        let found =
            open("pipeline_sd1", |folder| fs::rename(folder.join(weights), folder.join(renamed)).expect("moved"));
        assert_eq!(found.expect(name).adaptable().len(), wanted);
    }
    let sharded = open("pipeline_xl", |folder| {
        let unet = folder.join("unet");
        fs::remove_file(unet.join("diffusion_pytorch_model.safetensors.index.json")).expect("removed");
        for shard in 1..=3 {
            let shard = format!("diffusion_pytorch_model-0000{shard}-of-00003");
            fs::rename(unet.join(format!("{shard}.safetensors")), unet.join(format!("{shard}.fp16.safetensors")))
                .expect("moved");
        }
    });
    assert_eq!(
        sharded.expect("opens").adaptable().len(),
        open("pipeline_xl", |_| ()).expect("opens").adaptable().len()
    );
}

#[test]
fn guidance_of_one_or_less_follows_the_prompt_alone() {
    let pipeline = open("pipeline_sd1", |_| ()).expect("opens");
    for scale in [0.0, 0.5, 1.0] {
        assert!(pipeline.guidance(scale).expect("no prompt").is_none(), "{scale}");
    }
    assert_eq!(pipeline.guidance(1.5).expect("no prompt").expect("guided").1.to_bits(), 1.5f32.to_bits());
}
