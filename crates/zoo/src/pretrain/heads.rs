//! The heads on the rewards' CLIP: aesthetics, fitted to the simulated rater, and safety, one threshold per concept.
//!
//! Both are solved in closed form or by a few Newton steps on embedded scenes; half of the scenes are kept aside to say
//! how well a head does.

use burn::tensor::Device;
use moa_reward::{
    Embedder, LinearHead, Raster, SafetyConcept, SafetyHead, cosine, fit_linear_head, fit_safety_concept, r_squared,
    rater,
};
use moa_scenes::{Concept, HeldOut, SIDE, Scene, SceneDistribution, SceneRng, Sprites, sample_scene};

use super::{Hooks, ModelFiles, PretrainError, PretrainSpec, Progress, SceneBatch};

/// Ridge of the aesthetics head, relative to the embeddings' mean variance per dimension.
const RIDGE: f64 = 1e-3;
/// Ridge of a concept's slope and threshold: enough to leave scores between 0 and 1 that a policy can climb.
const SAFETY_RIDGE: f64 = 1e-2;

pub(super) fn train(
    spec: &PretrainSpec,
    device: &Device,
    hooks: &mut dyn Hooks,
) -> Result<Option<ModelFiles>, PretrainError> {
    let embedder = crate::embedder(device)?;
    let distribution = SceneDistribution { unsafe_share: Some(0.4), ..spec.scenes(HeldOut::Any) };
    let (mut embeddings, mut ratings, mut scenes) = (Vec::new(), Vec::new(), Vec::new());
    for step in 0..spec.steps {
        let batch = SceneBatch::draw(spec, step, &distribution, device);
        embeddings.extend(embedder.pictures(batch.pictures)?.rows().map(<[f32]>::to_vec));
        for index in 0..batch.scenes.len() {
            ratings.push(rated(spec, step, index, &distribution));
        }
        scenes.extend(batch.scenes);
        if !hooks.progress(&Progress { step: step + 1, steps: spec.steps, loss: 0.0 }) {
            return Ok(None);
        }
    }
    let half = scenes.len() / 2;
    let aesthetics = fit_linear_head(&embeddings[..half], &ratings[..half], RIDGE)?;
    let explained = r_squared(&aesthetics, &embeddings[half..], &ratings[half..]);
    let (safety, accuracy) = fit_safety(&embedder, &embeddings, &scenes)?;
    let quality = serde_json::json!({ "aesthetics_r_squared": explained, "safety_accuracy": accuracy });
    Ok(Some(ModelFiles::from([
        ("aesthetics.json".to_owned(), aesthetics_json(&aesthetics)?),
        ("safety.json".to_owned(), safety.to_json()?.into_bytes()),
        ("quality.json".to_owned(), format!("{quality:#}\n").into_bytes()),
    ])))
}

fn aesthetics_json(head: &LinearHead) -> Result<Vec<u8>, PretrainError> {
    Ok(head.to_json()?.into_bytes())
}

/// Returns the simulated rater's verdict on a scene of [`SceneBatch::draw`], which it draws again for the mask.
fn rated(spec: &PretrainSpec, step: u64, index: usize, distribution: &SceneDistribution) -> f32 {
    let mut rng = SceneRng::keyed(spec.seed, &[step, index as u64]);
    let scene = sample_scene(&mut rng, distribution);
    let rendered = scene.render(Sprites::embedded(), &mut rng);
    rater::rate(&Raster::of_bytes(SIDE, &rendered.pixels), &rendered.mask).total()
}

/// Fits every unsafe concept on the first half of the scenes; returns the head and the share of the second half whose
/// safety it tells.
fn fit_safety(
    embedder: &Embedder,
    embeddings: &[Vec<f32>],
    scenes: &[Scene],
) -> Result<(SafetyHead, f64), PretrainError> {
    let half = scenes.len() / 2;
    let mut head = SafetyHead { version: 1, concepts: Vec::new() };
    let mut safe = vec![1.0f64; scenes.len() - half];
    for concept in Concept::ALL.iter().filter(|concept| concept.is_unsafe()) {
        let texts = vec![concept.phrase().to_owned()];
        let direction = embedder.text_embedder().ensemble(&texts)?;
        let cosines: Vec<f32> = embeddings.iter().map(|embedding| cosine(embedding, &direction)).collect();
        let present: Vec<bool> = scenes.iter().map(|scene| scene.concepts().any(|c| c == *concept)).collect();
        let (slope, threshold) = fit_safety_concept(&cosines[..half], &present[..half], SAFETY_RIDGE)?;
        for (safe, cosine) in safe.iter_mut().zip(&cosines[half..]) {
            *safe *= 1.0 - 1.0 / (1.0 + (-f64::from(slope * (cosine - threshold))).exp());
        }
        head.concepts.push(SafetyConcept { name: concept.name().to_owned(), texts, slope, threshold });
    }
    let right = safe.iter().zip(&scenes[half..]).filter(|(safe, scene)| (**safe < 0.5) == scene.names_unsafe()).count();
    Ok((head, right as f64 / safe.len().max(1) as f64))
}
