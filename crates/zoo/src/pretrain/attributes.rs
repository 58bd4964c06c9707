//! The attribute classifier that judges: which objects and which background a picture shows.

use std::collections::{BTreeMap, HashMap};

use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor, TensorData};
use moa_adapter::{Parameter, Parameters};
use moa_core::NoiseKey;
use moa_reward::{AttributeConfig, AttributeNet};
use moa_scenes::{Background, Concept, HeldOut};

use super::{Hooks, ModelFiles, PretrainError, PretrainSpec, SceneBatch, TrainingState, run};

pub(super) fn train(
    spec: &PretrainSpec,
    device: &Device,
    checkpoint: Option<&[u8]>,
    hooks: &mut dyn Hooks,
) -> Result<Option<ModelFiles>, PretrainError> {
    let config = AttributeConfig::scenes();
    let fresh = Parameters::fresh(NoiseKey::new(spec.seed).named("attributes"), device);
    AttributeNet::load(&config, &fresh)?;
    let mut state = TrainingState::new(fresh.into_map(), spec, device);
    if let Some(bytes) = checkpoint {
        state.restore(bytes)?;
    }
    let distribution = spec.scenes(HeldOut::Any);
    let loss = |step: u64, leaves: BTreeMap<String, Parameter>| {
        let net = AttributeNet::load(&config, &Parameters::stored(leaves, device))?;
        let batch = SceneBatch::draw(spec, step, &distribution, device);
        let rows = batch.scenes.len();
        let (mut objects, mut backgrounds) =
            (vec![0.0f32; rows * Concept::ALL.len()], vec![0.0f32; rows * Background::ALL.len()]);
        for (row, scene) in batch.scenes.iter().enumerate() {
            let named: Vec<Concept> = scene.concepts().collect();
            for concept in &named {
                objects[row * Concept::ALL.len() + concept.index()] = 1.0 / named.len() as f32;
            }
            backgrounds[row * Background::ALL.len() + scene.background.index()] = 1.0;
        }
        let objects = Tensor::<2>::from_data(TensorData::new(objects, [rows, Concept::ALL.len()]), device);
        let backgrounds = Tensor::<2>::from_data(TensorData::new(backgrounds, [rows, Background::ALL.len()]), device);
        let (object_logits, background_logits) = net.forward(corrupted(batch.pictures, spec.seed, step));
        let cross_entropy =
            |logits: Tensor<2>, truth: Tensor<2>| (log_softmax(logits, 1) * truth).sum_dim(1).mean().neg();
        Ok(cross_entropy(object_logits, objects) + cross_entropy(background_logits, backgrounds) * 0.3)
    };
    let finish = |state: &TrainingState| {
        let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        let text = serde_json::to_value(&config).unwrap_or_else(|_| unreachable!("configs are plain data"));
        Ok(ModelFiles::from([
            ("config.json".to_owned(), format!("{text:#}\n").into_bytes()),
            ("model.safetensors".to_owned(), Parameters::write_half(&state.averaged(), metadata)?),
        ]))
    };
    run(&mut state, spec, hooks, loss, finish)
}

/// Adds noise of a random strength (up to 0.1) to every picture: generated pictures are never as clean as scenes, and a
/// classifier that has only seen clean ones trips over their texture.
fn corrupted(pictures: Tensor<4>, seed: u64, step: u64) -> Tensor<4> {
    let dims @ [rows, channels, height, width] = pictures.dims();
    let key = NoiseKey::new(seed).named("corruption").with(step);
    let mut noise = key.normal(rows * channels * height * width);
    for (row, values) in noise.chunks_mut(channels * height * width).enumerate() {
        let strength = 0.1 * key.named("strength").uniform(row as u64) as f32;
        for value in values {
            *value *= strength;
        }
    }
    let noise = Tensor::<4>::from_data(TensorData::new(noise, dims), &pictures.device());
    (pictures + noise).clamp(0.0, 1.0)
}
