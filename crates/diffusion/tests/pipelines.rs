//! Pipelines that diffusers saved, from their folders to pictures (fixtures/README.md says how they were made).

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use moa_diffusion::pipeline::adaptable_in;
use moa_diffusion::sampler::{Next, step};
use moa_diffusion::{Conditions, Denoiser, Pipeline, TextContext};
use safetensors::{Dtype, SafeTensors};

/// As the fixtures were made.
const STEPS: usize = 5;
const GUIDANCE: f32 = 3.0;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// What diffusers computed.
struct Golden {
    bytes: Vec<u8>,
    metadata: HashMap<String, String>,
}

impl Golden {
    fn read(name: &str) -> Self {
        let bytes = fs::read(fixture(name).join("io.safetensors")).expect("io");
        let (_, metadata) = SafeTensors::read_metadata(&bytes).expect("metadata");
        let metadata = metadata.metadata().clone().expect("metadata");
        Self { bytes, metadata }
    }

    fn lines(&self, name: &str) -> Vec<String> {
        self.metadata[name].lines().map(str::to_owned).collect()
    }

    fn has(&self, name: &str) -> bool {
        SafeTensors::deserialize(&self.bytes).expect("io").tensor(name).is_ok()
    }

    fn floats(&self, name: &str) -> (Vec<usize>, Vec<f32>) {
        let file = SafeTensors::deserialize(&self.bytes).expect("io");
        let view = file.tensor(name).expect(name);
        assert_eq!(view.dtype(), Dtype::F32, "{name}");
        let values = view.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().expect("4 bytes")));
        (view.shape().to_vec(), values.collect())
    }

    fn tensor<const D: usize>(&self, name: &str) -> Tensor<D> {
        let (shape, values) = self.floats(name);
        Tensor::from_data(TensorData::new(values, shape), &Device::flex())
    }

    /// Asserts that values are diffusers', within 1e-4 of the largest one, or of 1 where all are smaller.
    fn assert_close<const D: usize>(&self, found: &Tensor<D>, name: &str) {
        let wanted = self.tensor::<D>(name);
        assert_eq!(found.dims(), wanted.dims(), "{name}");
        let largest = wanted.clone().abs().max().into_scalar::<f32>().max(1.0);
        let worst = (found.clone() - wanted).abs().max().into_scalar::<f32>();
        println!("{name}: largest difference {worst:e} of {largest}");
        assert!(worst <= 1e-4 * largest, "{name}: largest difference {worst} of {largest}");
    }

    fn assert_context(&self, found: &TextContext, prefix: &str) {
        self.assert_close(&found.states, &format!("{prefix}states"));
        let pooled = format!("{prefix}pooled");
        assert_eq!(found.added.is_some(), self.has(&pooled));
        if let Some(added) = &found.added {
            self.assert_close(&added.pooled, &pooled);
        }
    }
}

/// Checks every stage of a pipeline: texts, one pass of the denoiser, five steps of DDIM with guidance, and pictures.
fn matches_diffusers(name: &str) -> Pipeline {
    let golden = Golden::read(name);
    let pipeline = Pipeline::open_folder(&fixture(name), &Device::flex()).expect("opens");
    let context = pipeline.encode_prompts(&golden.lines("prompts")).expect("prompts");
    let empty = pipeline.unconditional().expect("empty prompt");
    golden.assert_context(&context, "");
    golden.assert_context(&empty, "uncond_");

    let (_, timesteps) = golden.floats("timesteps");
    let output = pipeline.denoise(golden.tensor("sample"), &timesteps, &context, None);
    golden.assert_close(&output, "output");

    let conditions = Conditions { context, guidance: Some((empty, GUIDANCE)) };
    let mut x = golden.tensor::<4>("noise");
    for rule in pipeline.schedule().deterministic(STEPS) {
        let noise = || unreachable!("without noise");
        x = step(&pipeline, Denoiser::Base, &rule, x, &conditions, Next::Draw(&noise)).next;
    }
    golden.assert_close(&x, "latents");
    golden.assert_close(&pipeline.decode(golden.tensor("latents")), "pictures");
    assert_eq!(golden.floats("pictures").0[2..], pipeline.picture_size());

    // What adapters are saved under is what diffusers looks for.
    let names = |layers: Vec<moa_adapter::LayerShape>| layers.into_iter().map(|l| l.name).collect::<BTreeSet<_>>();
    let wanted: BTreeSet<String> = golden.lines("linears").into_iter().collect();
    assert_eq!(names(pipeline.adaptable()), wanted);
    let shape = |layer: &moa_adapter::LayerShape| (layer.name.clone(), layer.d_in, layer.d_out);
    let shapes = |layers: &[moa_adapter::LayerShape]| layers.iter().map(shape).collect::<BTreeSet<_>>();
    let from_headers = adaptable_in(&fixture(name)).expect("headers");
    assert_eq!(shapes(&from_headers), shapes(&pipeline.adaptable()));
    pipeline
}

#[test]
fn stable_diffusion_1_matches_diffusers() {
    assert_eq!(matches_diffusers("pipeline_sd1").latent_shape(), [4, 8, 8]);
}

#[test]
fn stable_diffusion_2_with_velocities_and_half_precision_files_matches_diffusers() {
    matches_diffusers("pipeline_sd2");
}

#[test]
fn stable_diffusion_xl_with_two_encoders_and_shards_matches_diffusers() {
    matches_diffusers("pipeline_xl");
}
