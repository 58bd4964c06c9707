//! A Stable Diffusion 3 pipeline that diffusers saved, from its folder to images (fixtures/README.md says how it was made).

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use moa_adapter::LayerShape;
use moa_diffusion::BaseParameters;
use moa_diffusion::sampler::{Next, step};
use moa_diffusion::{Conditions, Denoiser, Pipeline};
use safetensors::SafeTensors;
use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sd3_pipeline")
}

/// Copies the pipeline, so that a file can be changed.
fn copied() -> tempfile::TempDir {
    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to).expect("a folder");
        for entry in fs::read_dir(from).expect("a folder") {
            let path = entry.expect("an entry").path();
            let target = to.join(path.file_name().expect("a name"));
            if path.is_dir() {
                copy(&path, &target);
            } else {
                fs::copy(&path, &target).expect("copies");
            }
        }
    }
    let copied = tempfile::tempdir().expect("a folder");
    copy(&folder(), copied.path());
    copied
}

/// What diffusers computed.
struct Golden {
    tensors: Vec<u8>,
    texts: Value,
}

impl Golden {
    fn read() -> Self {
        let read = |name: &str| fs::read(folder().join(name)).expect(name);
        let texts = serde_json::from_slice(&read("prompts.json")).expect("prompts");
        Self { tensors: read("io.safetensors"), texts }
    }

    fn tensor<const D: usize>(&self, name: &str) -> Tensor<D> {
        let file = SafeTensors::deserialize(&self.tensors).expect("io");
        let view = file.tensor(name).expect(name);
        let bytes = view.data().chunks_exact(4);
        let values: Vec<f32> = bytes.map(|b| f32::from_le_bytes(b.try_into().expect("4 bytes"))).collect();
        Tensor::from_data(TensorData::new(values, view.shape().to_vec()), &Device::flex())
    }

    /// Asserts that values are diffusers', within 1e-4.
    fn assert_close<const D: usize>(&self, found: Tensor<D>, name: &str) {
        let wanted = self.tensor::<D>(name);
        assert_eq!(found.dims(), wanted.dims(), "{name}");
        let worst = (found - wanted).abs().max().into_scalar::<f32>();
        println!("{name}: largest difference {worst:e}");
        assert!(worst <= 1e-4, "{name}: largest difference {worst}");
    }
}

#[test]
fn texts_latents_and_pictures_match_diffusers() {
    let golden = Golden::read();
    let pipeline = Pipeline::open_folder(&folder(), &Device::flex()).expect("opens");
    assert_eq!((pipeline.latent_shape(), pipeline.picture_size()), ([16, 8, 8], [16, 16]));
    let prompts: Vec<&str> =
        golden.texts["prompts"].as_array().expect("prompts").iter().filter_map(Value::as_str).collect();
    let context = pipeline.encode_prompts(&prompts).expect("prompts");
    let empty = pipeline.unconditional().expect("the empty prompt");
    golden.assert_close(context.states.clone(), "clip_states");
    golden.assert_close(context.added.clone().expect("pooled").pooled, "pooled");
    golden.assert_close(empty.states.clone(), "negative_states");
    golden.assert_close(empty.added.clone().expect("pooled").pooled, "negative_pooled");

    let steps = golden.texts["steps"].as_u64().expect("steps") as usize;
    let rules = pipeline.schedule().deterministic(steps);
    let timesteps: Vec<f32> = rules.iter().map(|rule| rule.timestep / 1000.0).collect();
    golden.assert_close(
        Tensor::<1>::from_data(TensorData::new(timesteps, [steps]), &Device::flex()) * 1000.0,
        "timesteps",
    );
    let guidance = golden.texts["guidance"].as_f64().expect("guidance") as f32;
    let conditions = Conditions { context, guidance: Some((empty, guidance)) };
    let mut x = golden.tensor::<4>("noise");
    for rule in rules {
        let noise = || unreachable!("the steps are deterministic");
        x = step(&pipeline, Denoiser::Base, &rule, x, &conditions, None, Next::Draw(&noise)).next;
    }
    golden.assert_close(x.clone(), "latents");
    golden.assert_close(pipeline.decode(x), "pictures");
}

#[test]
fn layers_are_known_from_headers_alone() {
    let shapes = |layers: Vec<LayerShape>| -> BTreeSet<_> {
        layers.into_iter().map(|layer| (layer.name, layer.d_in, layer.d_out)).collect()
    };
    let pipeline = Pipeline::open_folder(&folder(), &Device::flex()).expect("opens");
    assert_eq!(
        shapes(BaseParameters::in_folder(&folder(), true).expect("headers").adaptable()),
        shapes(pipeline.adaptable())
    );
}

#[test]
fn parts_of_other_models_are_refused_by_field() {
    let refuse = |file: &str, from: &str, to: &str| {
        let copied = copied();
        let path = copied.path().join(file);
        let text = fs::read_to_string(&path).expect(file);
        assert!(text.contains(from), "{from}");
        fs::write(&path, text.replace(from, to)).expect(file);
        let error = Pipeline::open_folder(copied.path(), &Device::flex()).err().expect(to).to_string();
        error.replace(&format!("{}: ", copied.path().display()), "")
    };
    assert_eq!(
        refuse("transformer/config.json", "\"joint_attention_dim\": 24", "\"joint_attention_dim\": 16"),
        "transformer/config.json: `joint_attention_dim` is 16: the text states are 20 wide: are transformer and text encoders \
         of one model?"
    );
    assert_eq!(
        refuse("transformer/config.json", "\"pooled_projection_dim\": 16", "\"pooled_projection_dim\": 10"),
        "transformer/config.json: `pooled_projection_dim` is 10: the pooled texts are 16 wide: are transformer and text \
         encoders of one model?"
    );
    assert_eq!(
        refuse(
            "scheduler/scheduler_config.json",
            r#""FlowMatchEulerDiscreteScheduler","#,
            r#""EulerDiscreteScheduler", "beta_start": 0.1, "beta_end": 0.2, "beta_schedule": "linear","#,
        ),
        "scheduler/scheduler_config.json: `_class_name` is no FlowMatchEulerDiscreteScheduler: Stable Diffusion 3 is a \
         rectified flow: write such a scheduler's config, with the model's shift"
    );
    assert_eq!(
        refuse("model_index.json", "SD3Transformer2DModel", "FluxTransformer2DModel"),
        "model_index.json: `transformer` is FluxTransformer2DModel: SD3Transformer2DModel is known"
    );
}
