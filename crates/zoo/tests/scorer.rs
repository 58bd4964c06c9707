//! The scorer of an experiment, over the embedded base and others.

use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor};
use moa_core::experiment::{RewardKind, RewardSpec};
use moa_reward::Pictures;
use moa_scenes::{SceneRng, Sprites, parse_caption};
use moa_zoo::{BaseModel, reward_hashes, scorer};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../reward/tests/fixtures").join(name)
}

fn clip_score(model: &Path) -> RewardSpec {
    RewardKind::ClipScore { model: model.display().to_string(), processor: None }.into()
}

#[test]
fn rewards_from_files_score_emoji_beside_the_embedded_ones() {
    let rewards = [RewardKind::Alignment.into(), clip_score(&fixture("disk_clip")), RewardKind::Contrast.into()];
    let device = Device::flex();
    let scorer = scorer(&BaseModel::embedded(), &rewards, 2, None, &device).unwrap();
    let prompts = vec!["a cat on a red background".to_owned(); 2];
    let pictures = Pictures::new(Tensor::ones([2, 3, 32, 32], &device) * 0.5, prompts, 2).unwrap();
    assert_eq!(scorer.score(&pictures).unwrap().columns.len(), 3);
    assert!(!scorer.judge(&pictures).unwrap().is_empty());
}

#[test]
fn gen_eval_is_one_of_images_that_show_their_caption_and_zero_of_others() {
    let device = Device::flex();
    let scorer = scorer(&BaseModel::embedded(), &[RewardKind::GenEval.into()], 1, None, &device).unwrap();
    let captions = [
        "a cat on a red background",
        "a red apple on a blue background",
        "two dogs on a green background",
        "a cat left of a dog on a blue background",
        "a red cat above a dog on a blue background",
    ];
    let mut rng = SceneRng::new(3);
    let mut pixels = Vec::new();
    for caption in captions {
        let image = parse_caption(caption).unwrap().render(Sprites::embedded(), &mut rng).pixels;
        pixels
            .extend((0..3).flat_map(|channel| image[channel..].iter().step_by(3).map(|byte| f32::from(*byte) / 255.0)));
    }
    let pixels = Tensor::<1>::from_floats(&pixels[..], &device).reshape([5, 3, 32, 32]);
    let score = |prompts: [&str; 5]| {
        let pictures = Pictures::new(pixels.clone(), prompts.map(str::to_owned).to_vec(), 1).unwrap();
        scorer.score(&pictures).unwrap().columns.remove(0)
    };
    assert_eq!(score(captions), [1.0; 5]);
    let others = [
        "a dog on a red background",
        "a green apple on a blue background",
        "three dogs on a green background",
        "a cat right of a dog on a blue background",
        "a cat above a red dog on a blue background",
    ];
    assert_eq!(score(others), [0.0; 5]);
    let pictures = Pictures::new(pixels.clone(), vec!["a portrait".into(); 5], 1).unwrap();
    let error = scorer.score(&pictures).unwrap_err().to_string();
    assert!(error.contains("gen_eval") && error.contains("a portrait"), "{error}");
    assert!(scorer.gradient(&pictures, &[1.0]).unwrap_err().to_string().contains("no gradient"));
}

#[test]
fn other_bases_have_no_judges_and_no_rewards_that_know_emoji_only() {
    let device = Device::flex();
    let rewards = [clip_score(&fixture("disk_clip"))];
    let folder = tempfile::tempdir().unwrap();
    let name = folder.path().display().to_string();
    let base = BaseModel::find(&name, None).unwrap();
    let other = scorer(&base, &rewards, 2, None, &device).unwrap();
    let pictures = Pictures::new(Tensor::ones([1, 3, 64, 48], &device) * 0.5, vec!["a cat".into()], 1).unwrap();
    assert!(other.score(&pictures).is_ok());
    assert!(other.judge(&pictures).unwrap().is_empty());
    let message = scorer(&base, &[RewardKind::Safety.into()], 2, None, &device).err().unwrap().to_string();
    assert!(message.contains(&name) && message.contains("SafetyChecker"), "{message}");
}

#[test]
fn hashes_tell_a_rewards_files_apart_wherever_they_lie() {
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(fixture("disk_clip")).unwrap().map(Result::unwrap).filter(|e| e.path().is_file()) {
        fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    let hash = |model: &Path| {
        let mut hashes = reward_hashes(&[RewardKind::Contrast.into(), clip_score(model)], None).unwrap();
        assert_eq!(hashes.len(), 1);
        hashes.remove("reward clip_score").unwrap()
    };
    let (here, there) = (hash(&fixture("disk_clip")), hash(copy.path()));
    assert_eq!(here, there);
    assert_eq!(here.len(), 64);
    let config = copy.path().join("preprocessor_config.json");
    fs::write(&config, fs::read_to_string(&config).unwrap().replace("0.48145466", "0.5")).unwrap();
    assert_ne!(hash(copy.path()), here);
    assert!(reward_hashes(&[clip_score(Path::new("/nowhere"))], None).is_err());
}
