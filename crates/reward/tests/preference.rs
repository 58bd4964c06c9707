//! The reward that is fitted to judgements: its scores, its gradient to the pixels, and what happens when its model is replaced.

mod support;

use burn::tensor::{Device, Tensor, TensorData};
use moa_adapter::{Parameters, weight_files};
use moa_core::NoiseKey;
use moa_core::experiment::{RewardKind, RewardSpec};
use moa_diffusion::Tokenizer;
use moa_preference_model::{Features, FitSettings, Judgements, Origin, Pool, RewardModel, SpaceSettings};
use moa_preferences::Winner;
use moa_reward::disk::Shelf;
use moa_reward::disk::preference::{FittedPreference, MODEL_FILE, Preference, PreferenceFeatures};
use moa_reward::{Clip, ClipConfig, Embedder, Pictures, Preprocessor, Reward, RewardError, Scorer, Sources};
use support::{fixture, name};

const SIDE: usize = 32;
const PROMPTS: [&str; 2] = ["the cat and a hat", "red hat on a mat"];

/// The features by a CLIP that takes images as they are, without rounding to bytes.
fn smooth_features() -> PreferenceFeatures {
    let folder = fixture("disk_clip");
    let read = |file: &str| std::fs::read_to_string(folder.join(file)).unwrap();
    let parameters = Parameters::open(&weight_files(&folder, "model").unwrap(), &Device::flex()).unwrap();
    let clip = Clip::load(&ClipConfig::read(&read("config.json")).unwrap(), &parameters).unwrap();
    let clip = clip.with_preprocessor(Preprocessor::read(&read("preprocessor_config.json")).unwrap());
    PreferenceFeatures::from(&Embedder::new(clip, Tokenizer::open(&folder, 12).unwrap()))
}

fn features() -> PreferenceFeatures {
    let shelf = Shelf::new(None, &Device::flex());
    let clip = name("disk_clip");
    PreferenceFeatures::new(shelf.pictures(&clip, None).unwrap(), shelf.texts(&clip, None).unwrap())
}

/// Smooth images: what differs between neighbouring pixels, resizing and rounding would take away.
fn values(seed: u64, count: usize) -> Vec<f32> {
    let noise = NoiseKey::new(seed).normal(count * 12);
    let mut values = Vec::with_capacity(count * 3 * SIDE * SIDE);
    for image in noise.chunks_exact(12) {
        for colour in image.chunks_exact(4) {
            for place in 0..SIDE * SIDE {
                let (x, y) = ((place % SIDE) as f32 / SIDE as f32, (place / SIDE) as f32 / SIDE as f32);
                values.push(0.5 + 0.1 * (colour[0] + colour[1] * x + colour[2] * y + colour[3] * x * y));
            }
        }
    }
    values
}

fn pictures(values: Vec<f32>) -> Pictures {
    let count = values.len() / (3 * SIDE * SIDE);
    let pixels = Tensor::from_data(TensorData::new(values, [count, 3, SIDE, SIDE]), &Device::flex());
    Pictures::new(pixels, (0..count).map(|image| PROMPTS[image % 2].to_owned()).collect(), 1).unwrap()
}

/// A model of a rater who likes the second half of the images, or the first.
fn fitted(likes_second: bool) -> RewardModel {
    fitted_on(&features(), likes_second)
}

fn fitted_on(features: &PreferenceFeatures, likes_second: bool) -> RewardModel {
    let images = pictures(values(5, 24));
    let table = Features::new(features.width(), features.of(&images).unwrap()).unwrap();
    let pool = Pool::new(&table, &SpaceSettings::default()).unwrap();
    let mut judgements = Judgements::new();
    for image in 0..12 {
        let winner = if likes_second { Winner::B } else { Winner::A };
        judgements.compare(PROMPTS[image % 2], "ann", image, image + 12, winner, 1.0);
    }
    RewardModel::fit(&pool, &judgements, &FitSettings::default()).unwrap()
}

fn scorer(pessimism: f64) -> Scorer {
    let reward = Preference::unfitted("mine", pessimism, features());
    reward.slot().unwrap().0.set(fitted(true));
    Scorer::new(vec![Box::new(reward)], Vec::new())
}

fn score(scorer: &Scorer, images: &Pictures) -> Vec<f32> {
    scorer.score(images).unwrap().columns.remove(0)
}

#[test]
fn scores_are_the_models_lower_bounds_of_image_and_prompt() {
    let (model, images) = (fitted(true), pictures(values(6, 4)));
    let table = features().of(&images).unwrap();
    for pessimism in [0.0, 1.5] {
        let found = score(&scorer(pessimism), &images);
        let rows = table.chunks_exact(features().width());
        for (found, x) in found.iter().zip(rows) {
            assert!((f64::from(*found) - model.lower(x, pessimism)).abs() < 1e-6);
        }
    }
    let seen: Vec<f32> = score(&scorer(0.0), &pictures(values(5, 24)));
    let [first, second] = [&seen[..12], &seen[12..]].map(|half| half.iter().sum::<f32>());
    assert!(second > first + 1.0, "what was preferred scores more: {first} {second}");
}

#[test]
fn the_gradient_is_that_of_finite_differences_with_and_without_pessimism() {
    let start = values(7, 2);
    for pessimism in [0.0, 2.0] {
        let reward = Preference::unfitted("mine", pessimism, smooth_features());
        reward.slot().unwrap().0.set(fitted_on(&smooth_features(), true));
        let scorer = Scorer::new(vec![Box::new(reward)], Vec::new());
        let gradient = scorer.gradient(&pictures(start.clone()), &[1.0]).unwrap();
        let gradient: Vec<f32> = gradient.into_data().try_into_vec().unwrap();
        let total = |values: Vec<f32>| score(&scorer, &pictures(values)).iter().map(|s| f64::from(*s)).sum::<f64>();
        let length = gradient.iter().map(|g| g * g).sum::<f32>().sqrt();
        let along = |step: f32| start.iter().zip(&gradient).map(|(v, g)| v + step * g / length).collect::<Vec<f32>>();
        let slope = (total(along(0.01)) - total(along(-0.01))) / 0.02;
        assert!(length > 1e-3, "{length}");
        assert!((slope / f64::from(length) - 1.0).abs() < 0.05, "pessimism {pessimism}: {slope} {length}");
    }
}

#[test]
fn a_model_is_replaced_while_the_reward_is_in_use() {
    let images = pictures(values(6, 4));
    let reward = Preference::unfitted("mine", 0.0, features());
    let slot = reward.slot().unwrap().0.clone();
    let scorer = Scorer::new(vec![Box::new(reward)], Vec::new());
    let error = scorer.score(&images).unwrap_err();
    assert!(matches!(error, RewardError::Unjudged { .. }), "{error}");
    slot.set(fitted(true));
    let before = score(&scorer, &images);
    slot.set(fitted(false));
    let after = score(&scorer, &images);
    for (before, after) in before.iter().zip(after) {
        assert!((before + after).abs() < 1e-3 * before.abs().max(1.0), "the other taste: {before} {after}");
    }
}

#[test]
fn a_model_of_another_clip_and_folders_without_a_model_are_refused_by_name() {
    let root = tempfile::tempdir().unwrap();
    let table = Features::new(3, vec![0.1, 0.2, 0.3, 0.4, 0.1, 0.9, 0.5, 0.5, 0.2]).unwrap();
    let pool = Pool::new(&table, &SpaceSettings::default()).unwrap();
    let mut judgements = Judgements::new();
    judgements.compare("a hat", "ann", 0, 1, Winner::A, 1.0);
    let model = RewardModel::fit(&pool, &judgements, &FitSettings::default()).unwrap();
    let origin = Origin { embedding: name("disk_clip"), ..Origin::default() };
    model.write(&origin, &root.path().join(MODEL_FILE)).unwrap();

    let kind = RewardKind::Preference { model: root.path().display().to_string(), pessimism: 1.0, clip: None };
    let sources = Sources { base: "x".into(), embedded: None, shelf: Shelf::new(None, &Device::flex()) };
    let build = |kind: &RewardKind| Scorer::build(&[RewardSpec::from(kind.clone())], &sources, 1, Vec::new());
    let error = build(&kind).err().unwrap().to_string();
    assert!(error.contains("preference") && error.contains("3 features") && error.contains("32"), "{error}");

    std::fs::remove_file(root.path().join(MODEL_FILE)).unwrap();
    let error = build(&kind).err().unwrap().to_string();
    assert!(error.contains(MODEL_FILE) && error.contains("moa fit"), "{error}");

    model.write(&Origin { embedding: "emoji-32".into(), ..origin }, &root.path().join(MODEL_FILE)).unwrap();
    let error = build(&kind).err().unwrap().to_string();
    assert!(error.contains("emoji-32") && error.contains("--clip"), "{error}");
    assert!(FittedPreference::read(&root.path().display().to_string(), None).is_ok());
}
