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
fn guidance_of_one_or_less_follows_the_prompt_alone() {
    let pipeline = open("pipeline_sd1", |_| ()).expect("opens");
    for scale in [0.0, 0.5, 1.0] {
        assert!(pipeline.guidance(scale).expect("no prompt").is_none(), "{scale}");
    }
    assert_eq!(pipeline.guidance(1.5).expect("no prompt").expect("guided").1.to_bits(), 1.5f32.to_bits());
}
