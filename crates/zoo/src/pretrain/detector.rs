//! The detectors: whose centre lies in each cell of an image, and in which colour it is drawn.

use std::collections::BTreeMap;

use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor, TensorData};
use moa_adapter::{Parameter, Parameters};
use moa_core::NoiseKey;
use moa_reward::{DetectorConfig, DetectorLogits, DetectorNet};
use moa_scenes::{Background, Concept, HeldOut, Layout, Sprites, Tint};

use super::corruption::corrupted;
use super::{Hooks, ModelFiles, PretrainError, PretrainSpec, SceneBatch, TrainingState, config_file, metadata, run};

/// Objects of a scene, about: the loss of all of a scene's cells counts as that many.
const OBJECTS: f64 = 2.0;

pub(super) fn train(
    spec: &PretrainSpec,
    device: &Device,
    checkpoint: Option<&[u8]>,
    hooks: &mut dyn Hooks,
) -> Result<Option<ModelFiles>, PretrainError> {
    let config = DetectorConfig::scenes();
    let fresh = Parameters::fresh(NoiseKey::new(spec.seed).named("detector"), device);
    DetectorNet::load(&config, &fresh)?;
    let mut state = TrainingState::new(fresh.into_map(), spec, device);
    if let Some(bytes) = checkpoint {
        state.restore(bytes)?;
    }
    let distribution = spec.scenes(HeldOut::Any);
    let key = NoiseKey::new(spec.seed).named("corruption");
    let loss = |step: u64, leaves: BTreeMap<String, Parameter>| {
        let net = DetectorNet::load(&config, &Parameters::stored(leaves, device))?;
        let batch = SceneBatch::draw(spec, step, &distribution, device);
        let logits = net.forward(corrupted(batch.pictures.clone(), key.with(step)));
        Ok(detection_loss(logits, &batch, config.cell()))
    };
    let finish = |state: &TrainingState| {
        Ok(ModelFiles::from([
            ("config.json".to_owned(), config_file(&config)),
            ("model.safetensors".to_owned(), Parameters::write_half(&state.averaged(), metadata())?),
        ]))
    };
    run(&mut state, spec, hooks, loss, finish)
}

/// Returns the mean cross-entropy over scenes of cells' objects, of objects' tints and of backgrounds, `[1]`.
pub(super) fn detection_loss(logits: DetectorLogits, batch: &SceneBatch, cell: usize) -> Tensor<1> {
    let (rows, side) = (batch.scenes.len(), logits.side);
    let [_, cells, classes] = logits.objects.dims();
    let colours = logits.tints.dims()[2];
    let mut objects = vec![0.0f32; rows * cells * classes];
    let mut tints = vec![0.0f32; rows * cells * colours];
    let mut backgrounds = vec![0.0f32; rows * Background::ALL.len()];
    for (row, (scene, layout)) in batch.scenes.iter().zip(&batch.layouts).enumerate() {
        let mut empty = vec![true; cells];
        let centres = centres(layout, cell, side);
        for (at, concept, tint) in &centres {
            empty[*at] = false;
            objects[(row * cells + at) * classes + concept.index()] = 1.0;
            let tint = tint.map_or(colours - 1, Tint::index);
            tints[(row * cells + at) * colours + tint] = 1.0 / centres.len() as f32;
        }
        for at in (0..cells).filter(|at| empty[*at]) {
            objects[(row * cells + at) * classes + classes - 1] = 1.0;
        }
        backgrounds[row * Background::ALL.len() + scene.background.index()] = 1.0;
    }
    let device = logits.objects.device().without_autodiff();
    let cross_entropy = |logits: Tensor<2>, truth: Vec<f32>| {
        let truth = Tensor::<2>::from_data(TensorData::new(truth, logits.dims()), &device);
        (log_softmax(logits, 1) * truth).sum().neg() / rows as f64
    };
    let flat = |logits: Tensor<3>| {
        let [rows, cells, classes] = logits.dims();
        logits.reshape([rows * cells, classes])
    };
    cross_entropy(flat(logits.objects), objects) / OBJECTS
        + cross_entropy(flat(logits.tints), tints)
        + cross_entropy(logits.backgrounds, backgrounds) * 0.3
}

/// Returns the cell of each object's centre, with what it is and the colour that it is drawn in.
fn centres(layout: &Layout, cell: usize, side: usize) -> Vec<(usize, Concept, Option<Tint>)> {
    let place = |object: &moa_scenes::PlacedObject| {
        let sprite = Sprites::embedded().get(object.concept, object.vendor, object.size);
        let sprite = sprite.unwrap_or_else(|| unreachable!("what was drawn has a drawing"));
        let half = sprite.side() / 2;
        let [x, y] = [object.x, object.y].map(|corner| ((corner + half) / cell).min(side - 1));
        (y * side + x, object.concept, object.tint)
    };
    layout.objects.iter().map(place).collect()
}

#[cfg(test)]
mod tests {
    use moa_scenes::{Relation, Scene, SceneRng};

    use super::*;

    #[test]
    fn objects_are_where_they_stand() {
        let scene = Scene::pair(Concept::Cat, Relation::LeftOf, Concept::Dog, Background::Blue);
        for seed in 0..50 {
            let layout = scene.lay_out(Sprites::embedded(), &mut SceneRng::new(seed));
            let centres = centres(&layout, 4, 8);
            let column = |concept| centres.iter().find(|(_, c, _)| *c == concept).expect("is there").0 % 8;
            assert!(column(Concept::Cat) < 3 && column(Concept::Dog) >= 5, "{layout:?}");
        }
    }
}
