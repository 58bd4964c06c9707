//! The heads on the rewards' CLIP: aesthetics, fitted to the simulated rater on scenes and on generated images; and the threshold from
//! which an image is of its prompt.
//!
//! All are solved in closed form or by a few Newton steps on embedded images; half of the images are kept aside to say how
//! well a head does.

use burn::tensor::{Device, Tensor, TensorData};
use moa_core::NoiseKey;
use moa_reward::{Embedder, Match, Raster, cosine, fit_linear_head, fit_logistic, r_squared, rater};
use moa_scenes::{HeldOut, SIDE, Scene, SceneRng};
use rayon::prelude::*;

use super::corruption::corrupted;
use super::drawn::DrawnImages;
use super::wrong::wrong;
use super::{Hooks, ModelFiles, Parts, PretrainError, PretrainSpec, Progress, SceneBatch, Target};
use crate::embedded::clip_embedder;

/// Ridge of the aesthetics head, relative to the embeddings' mean variance per dimension.
const RIDGE: f64 = 1e-3;
/// Ridge of a logistic head's slope: enough to leave scores between 0 and 1 that a policy can climb.
const LOGISTIC_RIDGE: f64 = 3e-3;

/// Embeddings with the rater's verdicts.
#[derive(Default)]
struct Rated {
    embeddings: Vec<Vec<f32>>,
    ratings: Vec<f32>,
}

impl Rated {
    fn add(&mut self, embedder: &Embedder, images: Tensor<4>) -> Result<(), PretrainError> {
        self.ratings.par_extend(Raster::of(images.clone()).par_iter().map(|image| rater::rate(image).total()));
        self.embeddings.extend(embedded(embedder, images)?);
        Ok(())
    }

    /// Splits into the half that heads are fitted to and the half that they are tried on.
    fn halves(self) -> [Self; 2] {
        let Self { mut embeddings, mut ratings } = self;
        let half = embeddings.len() / 2;
        let (later, last) = (embeddings.split_off(half), ratings.split_off(half));
        [Self { embeddings, ratings }, Self { embeddings: later, ratings: last }]
    }
}

pub(super) fn train(
    spec: &PretrainSpec,
    parts: &Parts,
    device: &Device,
    hooks: &mut dyn Hooks,
) -> Result<Option<ModelFiles>, PretrainError> {
    let embedder = open(parts, spec.target, device)?;
    let distribution = spec.scenes(HeldOut::Any);
    let (mut of_scenes, mut of_drawn) = (Rated::default(), Rated::default());
    let mut scenes: Vec<Scene> = Vec::new();
    let key = NoiseKey::new(spec.seed).named("heads-corruption");
    let painter = parts.emoji_32(spec.target, device)?;
    let drawn = DrawnImages::draw(&painter, spec, spec.batch * (spec.steps as usize).div_ceil(2))?.all();
    for step in 0..spec.steps {
        let batch = SceneBatch::draw(spec, step, &distribution, device);
        of_scenes.add(&embedder, corrupted(batch.pictures, key.with(step)))?;
        scenes.extend(batch.scenes);
        if !hooks.progress(&Progress { step: step + 1, steps: spec.steps, loss: 0.0 }) {
            return Ok(None);
        }
    }
    for first in (0..drawn.dims()[0]).step_by(spec.batch) {
        of_drawn.add(&embedder, drawn.clone().narrow(0, first, spec.batch.min(drawn.dims()[0] - first)))?;
    }
    let [of_scenes, tried_scenes] = of_scenes.halves();
    let [of_drawn, tried_drawn] = of_drawn.halves();
    let later = scenes.split_off(of_scenes.embeddings.len());
    let captions = |scenes: &[Scene]| embedded_texts(&embedder, scenes.iter().map(Scene::caption));
    let altered = |scenes: &[Scene], stream: u64| -> Vec<Scene> {
        let altered = |(row, scene)| wrong(scene, &mut SceneRng::keyed(spec.seed, &[u64::MAX, stream, row]));
        (0..).zip(scenes.iter().copied()).map(altered).collect()
    };
    let matches = fit_match(&of_scenes.embeddings, &captions(&scenes)?, &captions(&altered(&scenes, 0))?)?;
    let aesthetics = fit_linear_head(
        &[of_scenes.embeddings, of_drawn.embeddings].concat(),
        &[of_scenes.ratings, of_drawn.ratings].concat(),
        RIDGE,
    )?;
    let explained = |tried: &Rated| r_squared(&aesthetics, &tried.embeddings, &tried.ratings);
    let mean_match = |images: &[Vec<f32>], texts: &[Vec<f32>]| {
        let of = |(image, text): (&Vec<f32>, &Vec<f32>)| f64::from(matches.probability(cosine(image, text)));
        images.iter().zip(texts).map(of).sum::<f64>() / images.len().min(texts.len()) as f64
    };
    let own = captions(&later)?;
    let mut others = own.clone();
    others.rotate_left(1);
    let dims = [spec.batch, 3, SIDE, SIDE];
    let noise = (0..dims.iter().product::<usize>() as u64).map(|at| key.named("noise").uniform(at) as f32).collect();
    let noise = embedded(&embedder, Tensor::from_data(TensorData::new(noise, dims), device))?;
    let quality = serde_json::json!({
        "aesthetics_r_squared_on_scenes": explained(&tried_scenes),
        "aesthetics_r_squared_on_generated": explained(&tried_drawn),
        "match_of_own_captions": mean_match(&tried_scenes.embeddings, &own),
        "match_of_captions_wrong_in_one_thing": mean_match(&tried_scenes.embeddings, &captions(&altered(&later, 1))?),
        "match_of_other_captions": mean_match(&tried_scenes.embeddings, &others),
        "match_of_noise": mean_match(&noise, &own),
    });
    Ok(Some(ModelFiles::from([
        ("aesthetics.json".to_owned(), aesthetics.to_json()?.into_bytes()),
        ("match.json".to_owned(), matches.to_json()?.into_bytes()),
        ("quality.json".to_owned(), format!("{quality:#}\n").into_bytes()),
    ])))
}

fn embedded(embedder: &Embedder, images: Tensor<4>) -> Result<Vec<Vec<f32>>, PretrainError> {
    Ok(embedder.pictures(images)?.rows().map(<[f32]>::to_vec).collect())
}

fn embedded_texts(embedder: &Embedder, texts: impl Iterator<Item = String>) -> Result<Vec<Vec<f32>>, PretrainError> {
    texts.map(|text| Ok(embedder.text(&text)?.to_vec())).collect()
}

/// Returns the rewards' CLIP.
fn open(parts: &Parts, target: Target, device: &Device) -> Result<Embedder, PretrainError> {
    let text = |file| parts.text(Target::Clip, file, target);
    let parameters = parts.parameters(Target::Clip, "model.safetensors", target, device)?;
    Ok(clip_embedder("CLIP", &text("config.json")?, &text("preprocessor_config.json")?, &parameters)?)
}

/// Fits the cosine from which on an image is of its prompt: each image with its own caption, and with one that is wrong in one
/// thing.
fn fit_match(images: &[Vec<f32>], own: &[Vec<f32>], wrong: &[Vec<f32>]) -> Result<Match, PretrainError> {
    let with = |captions: &[Vec<f32>]| -> Vec<f32> {
        images.iter().zip(captions).map(|(image, caption)| cosine(image, caption)).collect()
    };
    let truths = [vec![true; own.len()], vec![false; wrong.len()]].concat();
    let (slope, threshold) = fit_logistic(&[with(own), with(wrong)].concat(), &truths, LOGISTIC_RIDGE)?;
    Ok(Match { version: 1, slope, threshold })
}
