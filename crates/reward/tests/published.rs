//! HPSv2 and ImageReward against their own code (fixtures/export_open_clip.py and fixtures/export_image_reward.py wrote the fixtures),
//! and what is refused.

mod support;

use std::fs;
use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use moa_core::experiment::{RewardKind, RewardSpec};
use moa_reward::disk::{Shelf, reward_files};
use moa_reward::{Pictures, Raster, RewardError, Scorer, Sources};
use safetensors::SafeTensors;
use support::{fixture, name};

const PICTURES: usize = 6;
/// The fixtures hold every seventh value of a gradient.
const STRIDE: usize = 7;
const PROMPTS: [&str; PICTURES] = [
    "a cat",
    "the cat and a hat",
    "red hat on a mat",
    "A  CAT!",
    "hat hat hat hat hat hat hat hat hat hat hat hat",
    "mat, 7 cats",
];

/// What the reference implementations gave.
struct Golden(Vec<u8>);

impl Golden {
    fn read(folder: &str) -> Self {
        Self(fs::read(fixture(&format!("{folder}/io.safetensors"))).unwrap())
    }

    fn floats(&self, name: &str) -> (Vec<usize>, Vec<f32>) {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let view = file.tensor(name).unwrap();
        let values = view.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
        (view.shape().to_vec(), values)
    }

    fn picture(&self, i: usize, prompt: &str) -> Pictures {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let view = file.tensor(&format!("picture.{i}")).unwrap();
        let Raster { width, height, colours } = Raster::of_bytes(view.shape()[1], view.data());
        let planes: Vec<f32> = (0..3).flat_map(|c| colours.iter().map(move |colour| colour[c])).collect();
        let pixels = Tensor::from_data(TensorData::new(planes, [1, 3, height, width]), &Device::flex());
        Pictures::new(pixels, vec![prompt.to_owned()], 1).unwrap()
    }
}

fn build(kind: RewardKind) -> Result<Scorer, RewardError> {
    let sources = Sources { base: "elsewhere".into(), embedded: None, shelf: Shelf::new(None, &Device::flex()) };
    Scorer::build(&[RewardSpec::from(kind)], &sources, 1, Vec::new())
}

fn refusal(kind: RewardKind) -> String {
    build(kind).err().expect("is refused").to_string()
}

fn says(kind: RewardKind, parts: &[&str]) {
    let message = refusal(kind);
    for part in parts {
        assert!(message.contains(part), "{part}: {message}");
    }
}

/// Scores every picture of a fixture with its prompt.
fn scores<P: AsRef<str>>(kind: RewardKind, folder: &str, prompts: &[P]) -> Vec<f32> {
    let (scorer, golden) = (build(kind).unwrap(), Golden::read(folder));
    let score = |(i, prompt): (usize, &P)| scorer.score(&golden.picture(i, prompt.as_ref())).unwrap().columns[0][0];
    prompts.iter().enumerate().map(score).collect()
}

fn largest_difference(found: &[f32], wanted: &[f32]) -> f32 {
    assert_eq!(found.len(), wanted.len());
    found.iter().zip(wanted).map(|(f, w)| (f - w).abs()).fold(0.0, |a, b| if b.is_nan() { b } else { a.max(b) })
}

/// Compares the gradient of a fixture's two pictures with torch's; scores are `factor` times the fixture's.
fn check_gradient(kind: RewardKind, folder: &str, prompts: [&str; 2], factor: f32) {
    const COEFFICIENT: f32 = -2.5;
    let (golden, scorer) = (Golden::read(folder), build(kind).unwrap());
    let (shape, values) = golden.floats("gradient.picture");
    let pixels = Tensor::from_data(TensorData::new(values, shape), &Device::flex());
    let pictures = Pictures::new(pixels, prompts.map(str::to_owned).to_vec(), 1).unwrap();
    let scores = scorer.score(&pictures).unwrap().columns.remove(0);
    let wanted: Vec<f32> = golden.floats("gradient.scores").1.iter().map(|score| factor * score).collect();
    assert!(largest_difference(&scores, &wanted) < 1e-4 * factor, "{scores:?} {wanted:?}");
    let gradient: Vec<f32> =
        scorer.gradient(&pictures, &[COEFFICIENT]).unwrap().into_data().try_into_vec().expect("f32");
    let found: Vec<f32> = gradient.into_iter().step_by(STRIDE).map(|value| value / COEFFICIENT / factor).collect();
    let wanted = golden.floats("gradient").1;
    let largest = wanted.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    let worst = largest_difference(&found, &wanted);
    assert!(largest > 0.0 && worst <= 1e-4 * largest, "off by {} of the largest value", worst / largest);
}

/// A copy of a fixture folder to be damaged.
fn copied(folder: &str) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(fixture(folder)).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_file()) {
        fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    copy
}

fn edit(folder: &Path, file: &str, from: &str, to: &str) {
    let path = folder.join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{file} has no {from}");
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}

const OPEN_CLIP: &str = "disk_open_clip";

fn open_clip(file: &str) -> String {
    name(&format!("{OPEN_CLIP}/{file}"))
}

fn hps(file: &str) -> RewardKind {
    RewardKind::Hps { model: open_clip(file), processor: None }
}

fn hps_in(folder: &Path) -> RewardKind {
    RewardKind::Hps { model: folder.join("HPS_tiny.pt").display().to_string(), processor: None }
}

#[test]
fn hps_scores_are_a_hundred_times_hpsv2s_from_either_kind_of_file() {
    let wanted: Vec<f32> = Golden::read(OPEN_CLIP).floats("cosines").1.iter().map(|cosine| 100.0 * cosine).collect();
    for file in ["HPS_tiny.pt", "open_clip_model.safetensors"] {
        let found = scores(hps(file), OPEN_CLIP, &PROMPTS);
        assert!(largest_difference(&found, &wanted) < 1e-3, "{file}: {found:?} {wanted:?}");
    }
    let settings = RewardKind::Hps { model: open_clip("HPS_tiny.pt"), processor: Some(open_clip("quick")) };
    let wanted: Vec<f32> = Golden::read(OPEN_CLIP).floats("quick.cosines").1.iter().map(|c| 100.0 * c).collect();
    let found = scores(settings, OPEN_CLIP, &PROMPTS);
    assert!(largest_difference(&found, &wanted) < 1e-3, "activation and pixels' means: {found:?} {wanted:?}");
}

#[test]
fn every_reward_on_a_clip_takes_files_of_open_clip() {
    let cosines = Golden::read(OPEN_CLIP).floats("cosines").1;
    let model = open_clip("open_clip_model.safetensors");
    let check = |kind: RewardKind, factor: f32| {
        let wanted: Vec<f32> = cosines.iter().map(|cosine| factor * cosine).collect();
        let found = scores(kind, OPEN_CLIP, &PROMPTS);
        assert!(largest_difference(&found, &wanted) < 1e-3, "{found:?} {wanted:?}");
    };
    check(RewardKind::ClipScore { model: model.clone(), processor: None }, 100.0);
    // The logit scale is 4.6, in half precision.
    check(RewardKind::PickScore { model: model.clone(), processor: None }, 4.601_562_5_f32.exp());
    assert!(build(RewardKind::LaionAesthetics { clip: model, head: name("disk_heads/linear.pth") }).is_ok());
}

#[test]
fn hps_has_torchs_gradient() {
    check_gradient(hps("HPS_tiny.pt"), OPEN_CLIP, [PROMPTS[0], PROMPTS[1]], 100.0);
}

#[test]
fn files_that_hold_no_plain_clip_are_refused_with_the_way_out() {
    says(hps("resnet.safetensors"), &["reward `hps`", "resnet.safetensors", "no plain vision transformer"]);
    says(hps("traced.pt"), &["traced.pt", "TorchScript archive", "safetensors.torch.save_file"]);
    says(hps("nan.pt"), &["not finite", "fetch them again"]);
    says(hps("none.pt"), &["none.pt: there is no such folder"]);
    says(hps("vocab.json"), &["vocab.json", "name a .safetensors or .pt file"]);
    let other = |path: &str| RewardKind::Hps { model: name(path), processor: None };
    says(other("disk_heads/foreign.pth"), &["system`", "safetensors.torch.save_file"]);
    says(other("disk_heads/mlp.pth"), &["no tensor `visual.", "files of OpenCLIP", "layers.0.bias"]);
    says(other("disk_clip/model-00001-of-00003.safetensors"), &["transformers' names", "config.json"]);

    let copy = copied(OPEN_CLIP);
    edit(copy.path(), "open_clip_config.json", "\"width\": 24", "\"width\": 32");
    says(hps_in(copy.path()), &["`vision_cfg.width` is 32 in", "and 24 in the tensors"]);
    edit(copy.path(), "open_clip_config.json", "\"width\": 32", "\"timm_model_name\": \"vit\"");
    says(hps_in(copy.path()), &["open_clip_config.json: `vision_cfg.timm_model_name` is \"vit\"", "plain CLIPs"]);
    fs::write(copy.path().join("open_clip_config.json"), "{}").unwrap();
    says(hps_in(copy.path()), &["it has no `vision_cfg`"]);

    let copy = copied(OPEN_CLIP);
    fs::remove_file(copy.path().join("merges.txt")).unwrap();
    says(hps_in(copy.path()), &["merges.txt", "processor"]);

    let copy = copied(OPEN_CLIP);
    let whole = fs::read(copy.path().join("HPS_tiny.pt")).unwrap();
    for end in (0..whole.len()).step_by(4999) {
        fs::write(copy.path().join("HPS_tiny.pt"), &whole[..end]).unwrap();
        assert!(build(hps_in(copy.path())).is_err(), "{end}");
    }
    let mut twisted = whole.clone();
    let place = whole.len() / 2;
    twisted[place..place + 64].iter_mut().for_each(|byte| *byte ^= 0x11);
    fs::write(copy.path().join("HPS_tiny.pt"), twisted).unwrap();
    says(hps_in(copy.path()), &["HPS_tiny.pt: its zip is damaged", "fetch it again"]);
}

#[test]
fn hps_without_settings_takes_the_widths_of_open_clips_models() {
    let copy = copied(OPEN_CLIP);
    fs::remove_file(copy.path().join("open_clip_config.json")).unwrap();
    // Heads of 64 numbers: one head in a tower that is 24 wide.
    let scorer = build(hps_in(copy.path())).unwrap();
    let found = scorer.score(&Golden::read(OPEN_CLIP).picture(3, "a cat")).unwrap().columns[0][0];
    let one_head = build(hps("HPS_tiny.pt")).unwrap();
    let three_heads = one_head.score(&Golden::read(OPEN_CLIP).picture(3, "a cat")).unwrap().columns[0][0];
    assert!((found - three_heads).abs() > 1e-3, "the number of heads matters: {found} {three_heads}");
}

#[cfg(unix)]
#[test]
fn checkpoints_are_found_in_the_hubs_cache_whose_files_are_links() {
    let cache = tempfile::tempdir().unwrap();
    let model = cache.path().join("models--org--hps");
    let snapshot = model.join("snapshots/abc");
    fs::create_dir_all(&snapshot).unwrap();
    fs::create_dir_all(model.join("blobs")).unwrap();
    fs::copy(open_clip("HPS_tiny.pt"), model.join("blobs/0123")).unwrap();
    std::os::unix::fs::symlink("../../blobs/0123", snapshot.join("HPS_tiny.pt")).unwrap();
    let shelf = Shelf::new(Some(cache.path()), &Device::flex());
    let (model, words) = ("hf:org/hps/HPS_tiny.pt", open_clip(""));
    let embed = |model: &str| shelf.texts(model, Some(&words)).unwrap().embed("a cat").unwrap();
    assert_eq!(embed(model), embed(&open_clip("HPS_tiny.pt")));
    let error = shelf.texts("hf:org/hps/other.pt", Some(&words)).err().unwrap().to_string();
    assert!(error.contains("there is no such file"), "{error}");
}

#[test]
fn receipts_count_every_file_that_a_score_depends_on() {
    let names = |kind: &RewardKind| -> Vec<String> {
        let files = reward_files(kind, None).unwrap();
        files.iter().map(|path| path.file_name().unwrap().display().to_string()).collect()
    };
    let tokenizer = ["vocab.json", "merges.txt"];
    assert_eq!(names(&hps("HPS_tiny.pt")), [&["HPS_tiny.pt", "open_clip_config.json"], &tokenizer[..]].concat());
    let other = RewardKind::Hps { model: open_clip("HPS_tiny.pt"), processor: Some(name("disk_clip")) };
    assert_eq!(names(&other)[..2], ["HPS_tiny.pt", "open_clip_config.json"]);
    let image_reward = RewardKind::ImageReward { model: name(IMAGE_REWARD), tokenizer: None };
    assert_eq!(names(&image_reward), ["med_config.json", "ImageReward.pt", "vocab.txt"]);
}

const IMAGE_REWARD: &str = "disk_image_reward";

fn image_reward_in(folder: &Path) -> RewardKind {
    RewardKind::ImageReward { model: folder.display().to_string(), tokenizer: None }
}

fn image_reward() -> RewardKind {
    image_reward_in(&fixture(IMAGE_REWARD))
}

fn image_reward_prompts() -> Vec<String> {
    let json: serde_json::Value =
        serde_json::from_slice(&fs::read(fixture("disk_image_reward/prompts.json")).unwrap()).unwrap();
    serde_json::from_value(json["prompts"].clone()).unwrap()
}

#[test]
fn image_rewards_scores_are_its_own_with_either_form_of_its_tokenizer() {
    let wanted = Golden::read(IMAGE_REWARD).floats("scores").1;
    let prompts = image_reward_prompts();
    let found = scores(image_reward(), IMAGE_REWARD, &prompts);
    assert!(largest_difference(&found, &wanted) < 2e-5, "{found:?} {wanted:?}");
    let model = name(IMAGE_REWARD);
    let other = RewardKind::ImageReward { model, tokenizer: Some(name("disk_image_reward/words")) };
    let found = scores(other, IMAGE_REWARD, &prompts);
    assert!(largest_difference(&found, &wanted) < 2e-5, "{found:?} {wanted:?}");
}

#[test]
fn image_reward_has_torchs_gradient_and_says_that_it_is_slow() {
    let prompts = image_reward_prompts();
    check_gradient(image_reward(), IMAGE_REWARD, [&prompts[4], &prompts[5]], 1.0);
    assert_eq!(build(image_reward()).unwrap().slow_gradients(), ["image_reward"]);
}

#[test]
fn images_that_are_not_finite_are_refused_by_image_reward_and_hps() {
    let pixels = Tensor::<4>::ones([1, 3, 8, 8], &Device::flex()) * f32::NAN;
    let pictures = Pictures::new(pixels, vec!["a cat".into()], 1).unwrap();
    for kind in [image_reward(), hps("HPS_tiny.pt")] {
        let error = build(kind).unwrap().score(&pictures).unwrap_err();
        assert!(matches!(error, RewardError::NotFinite { .. }), "{error}");
    }
}

#[test]
fn folders_that_are_no_image_reward_are_refused_with_the_way_out() {
    says(
        image_reward_in(&fixture("disk_clip")),
        &["reward `image_reward`", "no ImageReward.pt", "hf:THUDM/ImageReward"],
    );
    says(image_reward_in(&fixture("nowhere")), &["there is no such folder"]);

    let copy = copied(IMAGE_REWARD);
    fs::remove_file(copy.path().join("vocab.txt")).unwrap();
    says(image_reward_in(copy.path()), &["no vocab.txt", "`tokenizer`", "hf:google-bert/bert-base-uncased"]);
    let model = copy.path().display().to_string();
    let clips = RewardKind::ImageReward { model, tokenizer: Some(name("disk_clip")) };
    says(clips, &["tokenizer.json: it lacks [CLS]", "bert-base-uncased"]);

    let copy = copied(IMAGE_REWARD);
    edit(copy.path(), "med_config.json", "\"hidden_size\": 16", "\"hidden_size\": 20");
    says(image_reward_in(copy.path()), &["word_embeddings.weight", "has shape [27, 16]", "[27, 20]"]);
    edit(copy.path(), "med_config.json", "\"hidden_size\": 20", "\"hidden_size\": 15");
    says(image_reward_in(copy.path()), &["med_config.json: `num_attention_heads` is 2", "a divisor of hidden_size"]);

    let copy = copied(IMAGE_REWARD);
    edit(copy.path(), "med_config.json", "\"hidden_act\": \"gelu\"", "\"hidden_act\": \"relu\"");
    says(image_reward_in(copy.path()), &["`hidden_act` is \"relu\": moa needs gelu"]);
    fs::remove_file(copy.path().join("med_config.json")).unwrap();
    says(image_reward_in(copy.path()), &["it has no med_config.json"]);

    let copy = copied(IMAGE_REWARD);
    edit(copy.path(), "med_config.json", "\"vocab_size\": 27", "\"vocab_size\": 20");
    says(image_reward_in(copy.path()), &["has shape [27, 16]"]);
    let copy = copied(IMAGE_REWARD);
    let more = fs::read_to_string(copy.path().join("vocab.txt")).unwrap() + "more\nwords\n";
    fs::write(copy.path().join("vocab.txt"), more).unwrap();
    says(image_reward_in(copy.path()), &["has the id 28, and the model knows 27 tokens"]);

    for (file, part) in
        [("foreign.pth", "system`"), ("mlp.pth", "no tensor `blip.visual_encoder."), ("old.pth", "before 1.6")]
    {
        let copy = copied(IMAGE_REWARD);
        fs::copy(fixture(&format!("disk_heads/{file}")), copy.path().join("ImageReward.pt")).unwrap();
        says(image_reward_in(copy.path()), &[part]);
    }
}
