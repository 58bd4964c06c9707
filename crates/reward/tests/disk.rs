//! Rewards from files against transformers, diffusers and torch (fixtures/export_disk_rewards.py wrote the fixtures), and
//! what is refused.

mod support;

use std::fs;
use std::rc::Rc;
use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use moa_core::experiment::{RewardKind, RewardSpec};
use moa_reward::disk::{PictureProcessor, Shelf, read_head, reward_files};
use moa_reward::{Pictures, Raster, RewardError, Scorer, Sources, View};
use safetensors::SafeTensors;
use support::{fixture, name};

const PICTURES: usize = 6;

/// What the reference implementations gave.
struct Golden(Vec<u8>);

impl Golden {
    fn read() -> Self {
        Self(fs::read(fixture("disk_io.safetensors")).unwrap())
    }

    fn floats(&self, name: &str) -> Vec<f32> {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let view = file.tensor(name).unwrap();
        view.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
    }

    fn nsfw(&self) -> Vec<bool> {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        file.tensor("checker.nsfw").unwrap().data().chunks_exact(8).map(|b| b[0] == 1).collect()
    }

    fn picture(&self, i: usize) -> Raster {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let view = file.tensor(&format!("picture.{i}")).unwrap();
        Raster::of_bytes(view.shape()[1], view.data())
    }

    fn pixels(&self, i: usize) -> Tensor<4> {
        let Raster { width, height, colours } = self.picture(i);
        let planes: Vec<f32> = (0..3).flat_map(|c| colours.iter().map(move |colour| colour[c])).collect();
        Tensor::from_data(TensorData::new(planes, [1, 3, height, width]), &Device::flex())
    }

    fn prompt(i: usize) -> String {
        let json: serde_json::Value =
            serde_json::from_slice(&fs::read(fixture("disk_clip/prompts.json")).unwrap()).unwrap();
        json["prompts"][i].as_str().unwrap().to_owned()
    }
}

fn largest_difference(found: &[f32], wanted: &[f32]) -> f32 {
    assert_eq!(found.len(), wanted.len());
    found.iter().zip(wanted).map(|(f, w)| (f - w).abs()).fold(0.0, |a, b| if b.is_nan() { b } else { a.max(b) })
}

fn sources() -> Sources {
    Sources { base: "elsewhere".into(), embedded: None, shelf: Shelf::new(None, &Device::flex()) }
}

fn build(kinds: &[RewardKind], group: usize) -> Result<Scorer, RewardError> {
    let specs: Vec<RewardSpec> = kinds.iter().cloned().map(RewardSpec::from).collect();
    Scorer::build(&specs, &sources(), group, Vec::new())
}

fn refusal(kind: RewardKind) -> String {
    match build(&[kind], 2) {
        Ok(_) => panic!("is not refused"),
        Err(error) => error.to_string(),
    }
}

fn clip() -> String {
    name("disk_clip")
}

fn head(file: &str) -> RewardKind {
    RewardKind::LaionAesthetics { clip: clip(), head: name(&format!("disk_heads/{file}")) }
}

/// Scores every fixture image with its prompt.
fn scores(kind: RewardKind) -> Vec<f32> {
    let (scorer, golden) = (build(&[kind], 1).unwrap(), Golden::read());
    let score = |i| {
        let pictures = Pictures::new(golden.pixels(i), vec![Golden::prompt(i)], 1).unwrap();
        scorer.score(&pictures).unwrap().columns[0][0]
    };
    (0..PICTURES).map(score).collect()
}

/// A copy of a fixture folder to be damaged.
fn copied(folder: &str) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(fixture(folder)).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_file()) {
        fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    copy
}

fn of(copy: &tempfile::TempDir) -> String {
    copy.path().display().to_string()
}

fn edit(copy: &tempfile::TempDir, file: &str, from: &str, to: &str) {
    let path = copy.path().join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{file} has no {from}");
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}

#[test]
fn pictures_of_every_size_are_processed_as_transformers_does() {
    let golden = Golden::read();
    let processor = |file: &str| {
        let path = fixture(&format!("disk_clip/{file}"));
        PictureProcessor::parse(&path, &serde_json::from_slice(&fs::read(&path).unwrap()).unwrap()).unwrap()
    };
    let check = |file: &str, picture: usize, key: &str| {
        let found = processor(file).process(&golden.picture(picture));
        let worst = largest_difference(&found, &golden.floats(key));
        assert!(worst < 1e-6, "{key}: {worst}");
    };
    for picture in 0..PICTURES {
        check("preprocessor_config.json", picture, &format!("pixels.{picture}"));
    }
    for variant in ["wide", "padded", "squashed"] {
        for picture in [0, 1, 5] {
            check(&format!("variants/{variant}.json"), picture, &format!("pixels.{variant}.{picture}"));
        }
    }
}

#[test]
fn both_towers_from_shards_match_transformers() {
    let (golden, shelf) = (Golden::read(), Shelf::new(None, &Device::flex()));
    let (pictures, texts) = (shelf.pictures(&clip(), None).unwrap(), shelf.texts(&clip(), None).unwrap());
    let embedded: Vec<f32> =
        (0..PICTURES).flat_map(|i| pictures.embed(golden.pixels(i)).unwrap().row(0).to_vec()).collect();
    let worst = largest_difference(&embedded, &golden.floats("image_embeds"));
    assert!(worst <= 1e-4, "images: {worst}");
    let embedded: Vec<f32> = (0..PICTURES).flat_map(|i| texts.embed(&Golden::prompt(i)).unwrap().to_vec()).collect();
    let worst = largest_difference(&embedded, &golden.floats("text_embeds"));
    assert!(worst <= 1e-4, "texts: {worst}");
}

#[test]
fn scores_match_the_references() {
    let golden = Golden::read();
    let check = |kind: RewardKind, wanted: Vec<f32>, tolerance: f32| {
        let found = scores(kind.clone());
        let worst = largest_difference(&found, &wanted);
        assert!(worst <= tolerance, "{kind:?}: {worst}: {found:?} {wanted:?}");
    };
    let hundredfold = golden.floats("cosines").iter().map(|cosine| 100.0 * cosine).collect();
    check(RewardKind::ClipScore { model: clip(), processor: None }, hundredfold, 1e-3);
    check(RewardKind::PickScore { model: clip(), processor: Some(clip()) }, golden.floats("logits"), 1e-4);
    check(head("linear.pth"), golden.floats("rating.linear"), 1e-4);
    check(head("strided.pth"), golden.floats("rating.linear"), 1e-4);
    check(head("mlp.pth"), golden.floats("rating.mlp"), 1e-4);
    check(head("mlp.safetensors"), golden.floats("rating.mlp"), 1e-4);
    check(head("half.pth"), golden.floats("rating.half"), 1e-4);
    let margins = golden.floats("checker.margins");
    let largest = |row: &[f32]| -row.iter().copied().fold(f32::MIN, f32::max);
    let safest = margins.chunks_exact(margins.len() / PICTURES).map(largest).collect();
    check(RewardKind::SafetyChecker { model: name("disk_checker") }, safest, 1e-4);
}

#[test]
fn the_clip_score_is_torchmetrics_where_that_is_not_cut() {
    let found = scores(RewardKind::ClipScore { model: clip(), processor: None });
    let cut: Vec<f32> = found.iter().map(|score| score.max(0.0)).collect();
    assert!(largest_difference(&cut, &Golden::read().floats("clip_score")) <= 1e-3);
}

#[test]
fn the_checker_refuses_what_diffusers_refuses() {
    let (golden, shelf) = (Golden::read(), Shelf::new(None, &Device::flex()));
    let checker = shelf.checker(&name("disk_checker/safety_checker")).unwrap();
    let verdict = |i| checker.verdict(checker.pictures().embed(golden.pixels(i)).unwrap().row(0)).refused;
    let found: Vec<bool> = (0..PICTURES).map(verdict).collect();
    assert_eq!(found, golden.nsfw());
    assert!(found.contains(&true) && found.contains(&false));
    assert!(Arc::ptr_eq(&checker, &shelf.checker(&name("disk_checker/safety_checker")).unwrap()));
}

#[test]
fn clip_diversity_is_the_distance_to_the_prompts_other_pictures() {
    let golden = Golden::read();
    let row = |i: usize| golden.floats("image_embeds")[16 * i..16 * (i + 1)].to_vec();
    let wanted = 1.0 - moa_reward::cosine(&row(3), &row(3));
    let pixels = Tensor::cat(vec![golden.pixels(3), golden.pixels(3)], 0);
    let pictures = Pictures::new(pixels, vec!["a cat".into(); 2], 2).unwrap();
    let found = build(&[RewardKind::ClipDiversity { model: clip() }], 2).unwrap().score(&pictures).unwrap();
    assert!(largest_difference(&found.columns[0], &[wanted; 2]) < 1e-4);
    let other = golden.pixels(3).flip([3]);
    let pictures = Pictures::new(Tensor::cat(vec![golden.pixels(3), other], 0), vec!["a cat".into(); 2], 2).unwrap();
    let found = build(&[RewardKind::ClipDiversity { model: clip() }], 2).unwrap().score(&pictures).unwrap();
    assert!(found.columns[0][0] > 1e-4 && (found.columns[0][0] - found.columns[0][1]).abs() < 1e-6);
    let alone = build(&[RewardKind::ClipDiversity { model: clip() }], 1);
    assert!(matches!(alone, Err(RewardError::GroupTooSmall { .. })));
}

#[test]
fn a_tower_that_several_rewards_name_is_opened_once_and_embeds_once() {
    let shelf = Shelf::new(None, &Device::flex());
    let first = shelf.pictures(&clip(), None).unwrap();
    let again = shelf.pictures(&name("disk_heads/../disk_clip"), Some(&clip())).unwrap();
    assert!(Arc::ptr_eq(&first, &again));
    let pictures = Pictures::new(Golden::read().pixels(0), vec!["a cat".into()], 1).unwrap();
    let view = View::new(&pictures);
    let (once, twice) = (view.embeddings(&first).unwrap(), view.embeddings(&again).unwrap());
    assert!(Rc::ptr_eq(&once, &twice), "and embeds a batch once");
    assert!(Arc::ptr_eq(&shelf.texts(&clip(), None).unwrap(), &shelf.texts(&clip(), Some(&clip())).unwrap()));
}

#[test]
fn models_are_found_in_the_hubs_cache() {
    let cache = tempfile::tempdir().unwrap();
    let snapshot = cache.path().join("models--org--clip/snapshots/abc");
    fs::create_dir_all(&snapshot).unwrap();
    for entry in fs::read_dir(fixture("disk_clip")).unwrap().map(Result::unwrap).filter(|e| e.path().is_file()) {
        fs::copy(entry.path(), snapshot.join(entry.file_name())).unwrap();
    }
    fs::copy(fixture("disk_heads/linear.pth"), snapshot.join("linear.pth")).unwrap();
    let shelf = Shelf::new(Some(cache.path()), &Device::flex());
    assert!(shelf.pictures("hf:org/clip", None).is_ok());
    assert!(shelf.head("hf:org/clip/linear.pth", 16).is_ok());
    let kind = RewardKind::LaionAesthetics { clip: "hf:org/clip".into(), head: "hf:org/clip@abc/linear.pth".into() };
    let files = reward_files(&kind, Some(cache.path())).unwrap();
    let names: Vec<String> = files.iter().map(|path| path.file_name().unwrap().display().to_string()).collect();
    assert_eq!(names[0], "config.json");
    assert_eq!(names.last().unwrap(), "linear.pth");
    assert!(files.len() == 6 && names.contains(&"preprocessor_config.json".to_owned()), "{names:?}");
    let error = shelf.pictures("hf:org/other", None).err().unwrap().to_string();
    assert!(error.contains("hf download org/other"), "{error}");
    let error = shelf.head("hf:org/clip", 16).err().unwrap().to_string();
    assert!(error.contains("hf:org/name/file"), "{error}");
    let error = Shelf::new(None, &Device::flex()).pictures("hf:org/clip", None).err().unwrap().to_string();
    assert!(error.contains("HF_HOME"), "{error}");
}

#[test]
fn heads_that_cannot_be_read_are_refused_with_the_way_out() {
    for (file, says) in [
        ("foreign.pth", &["foreign.pth", "system`", "safetensors.torch.save_file"] as &[&str]),
        ("module.pth", &["`torch.nn.modules.linear.Linear`"]),
        ("old.pth", &["PyTorch before 1.6", "safetensors.torch.save_file"]),
        ("nan.pth", &["`weight` or its bias holds NaN"]),
        ("names.pth", &["no layer's weight, but weights", "layers.0.weight"]),
        ("wide.pth", &["takes 20 numbers", "embeddings have 16", "ViT-L/14"]),
        ("none.pth", &["no such file"]),
    ] {
        let message = refusal(head(file));
        assert!(message.starts_with("reward `laion_aesthetics`: "), "{message}");
        for part in says {
            assert!(message.contains(part), "{file}: {message}");
        }
    }
    let copy = copied("disk_heads");
    let whole = fs::read(fixture("disk_heads/mlp.pth")).unwrap();
    for end in (0..whole.len()).step_by(97) {
        fs::write(copy.path().join("mlp.pth"), &whole[..end]).unwrap();
        assert!(read_head(&copy.path().join("mlp.pth")).is_err(), "{end}");
    }
    let mut twisted = whole.clone();
    let place = whole.windows(7).position(|bytes| bytes == b"/data/0").unwrap() + 200;
    twisted[place] ^= 0x10;
    fs::write(copy.path().join("mlp.pth"), twisted).unwrap();
    let error = read_head(&copy.path().join("mlp.pth")).unwrap_err().to_string();
    assert!(error.contains("fetch it again"), "{error}");
    let text = refusal(RewardKind::LaionAesthetics { clip: clip(), head: name("export_disk_rewards.py") });
    assert!(text.contains("name a .pth or .safetensors file"), "{text}");
}

#[test]
fn folders_that_are_no_clip_are_refused_with_the_way_out() {
    let score = |model: String| RewardKind::ClipScore { model, processor: None };
    let says = |kind: RewardKind, parts: &[&str]| {
        let message = refusal(kind);
        for part in parts {
            assert!(message.contains(part), "{part}: {message}");
        }
    };
    says(score(name("nowhere")), &["reward `clip_score`", "nowhere: there is no such folder", "hf:org/name"]);
    says(score(name("disk_heads/mlp.pth")), &["mlp.pth: there is no tensor `visual.", "files of OpenCLIP"]);
    says(RewardKind::SafetyChecker { model: name("disk_heads/mlp.pth") }, &["it is a file"]);
    says(score(name("disk_heads")), &["it has no config.json"]);
    says(score(name("disk_checker/safety_checker")), &["preprocessor_config.json", "processor"]);
    says(RewardKind::SafetyChecker { model: clip() }, &["`concept_embeds`", "safety_checker"]);

    let pipelines = concat!(env!("CARGO_MANIFEST_DIR"), "/../diffusion/tests/fixtures/pipeline_sd1");
    says(score(pipelines.into()), &["it is a whole pipeline", "CLIPModel", "hf:openai/clip-vit-large-patch14"]);
    says(score(format!("{pipelines}/text_encoder")), &["`model_type` is clip_text_model", "CLIPModel"]);
    says(RewardKind::SafetyChecker { model: pipelines.into() }, &["the pipeline has no safety_checker", "hf:"]);

    let copy = copied("disk_clip");
    edit(&copy, "config.json", "\"model_type\": \"clip\"", "\"model_type\": \"siglip\"");
    says(score(of(&copy)), &["config.json", "`model_type` is siglip", "moa reads clip"]);

    let copy = copied("disk_clip");
    edit(&copy, "config.json", "\"patch_size\": 8", "\"patch_size\": 5");
    says(score(of(&copy)), &["config.json: `vision_config.patch_size` is 5"]);

    let copy = copied("disk_clip");
    edit(&copy, "config.json", "\"hidden_size\": 24", "\"hidden_size\": 32");
    says(score(of(&copy)), &["vision_model.", "shape"]);

    let copy = copied("disk_clip");
    fs::remove_file(copy.path().join("model-00002-of-00003.safetensors")).unwrap();
    says(score(of(&copy)), &["1 of 3 shards are missing: model-00002-of-00003.safetensors"]);

    let copy = copied("disk_clip");
    edit(&copy, "preprocessor_config.json", "\"resample\": 3", "\"resample\": 4");
    says(score(of(&copy)), &["preprocessor_config.json: `resample` is 4", "3 (bicubic)"]);

    let copy = copied("disk_clip");
    edit(&copy, "preprocessor_config.json", "\"height\": 32", "\"height\": 24");
    says(score(of(&copy)), &["it makes 24 × 32 pixels, and the model takes 32 × 32"]);

    let copy = copied("disk_clip");
    edit(&copy, "preprocessor_config.json", "CLIPImageProcessor", "SiglipImageProcessor");
    says(score(of(&copy)), &["SiglipImageProcessor", "moa supports CLIPImageProcessor"]);
}

#[test]
fn tokenizers_of_other_models_and_weights_that_are_not_finite_are_refused() {
    let copy = copied("disk_clip");
    let config = fs::read_to_string(copy.path().join("config.json")).unwrap();
    let end: serde_json::Value = serde_json::from_str(&config).unwrap();
    let end = end["text_config"]["eos_token_id"].as_u64().unwrap();
    edit(&copy, "config.json", &format!("\"eos_token_id\": {end}"), "\"eos_token_id\": 7");
    let message = refusal(RewardKind::ClipScore { model: of(&copy), processor: None });
    assert!(message.contains(&format!("ends texts with token {end}")) && message.contains("model with 7"), "{message}");

    let copy = copied("disk_clip");
    let words = end + 1;
    edit(&copy, "config.json", &format!("\"vocab_size\": {words}"), "\"vocab_size\": 500");
    let message = refusal(RewardKind::ClipScore { model: of(&copy), processor: None });
    assert!(message.contains("500") && message.contains("do not belong together"), "{message}");

    let copy = copied("disk_clip");
    fs::remove_file(copy.path().join("tokenizer.json")).unwrap();
    let message = refusal(RewardKind::PickScore { model: of(&copy), processor: None });
    assert!(message.contains("tokenizer.json"), "{message}");
    let whole = RewardKind::PickScore { model: of(&copy), processor: Some(clip()) };
    assert!(build(&[whole], 2).is_ok(), "the processor's folder has the tokenizer");

    let copy = copied("disk_clip");
    for shard in 1..=3 {
        let path = copy.path().join(format!("model-0000{shard}-of-00003.safetensors"));
        let mut bytes = fs::read(&path).unwrap();
        let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        for value in bytes[header..].chunks_exact_mut(4) {
            value.copy_from_slice(&f32::NAN.to_le_bytes());
        }
        fs::write(path, bytes).unwrap();
    }
    let message = refusal(RewardKind::ClipDiversity { model: of(&copy) });
    assert!(message.contains("not finite") && message.contains("fetch them again"), "{message}");
}

#[test]
fn rewards_that_know_emoji_only_are_refused_for_other_bases_with_what_to_use() {
    for (kind, instead) in [
        (RewardKind::Aesthetics, "LaionAesthetics"),
        (RewardKind::Alignment, "ClipScore"),
        (RewardKind::GenEval, "flow_grpo_bridge.py"),
        (RewardKind::Safety, "SafetyChecker"),
        (RewardKind::Diversity, "ClipDiversity"),
    ] {
        let message = refusal(kind);
        assert!(
            message.contains("only with emoji-32, and the base is elsewhere") && message.contains(instead),
            "{message}"
        );
    }
}

#[test]
fn pictures_that_are_not_finite_are_refused_by_every_reward() {
    let kinds = [
        RewardKind::ClipScore { model: clip(), processor: None },
        head("linear.pth"),
        RewardKind::SafetyChecker { model: name("disk_checker") },
        RewardKind::ClipDiversity { model: clip() },
    ];
    let pixels = Tensor::<4>::ones([2, 3, 8, 8], &Device::flex()) * f32::NAN;
    let pictures = Pictures::new(pixels, vec!["a cat".into(); 2], 2).unwrap();
    for kind in kinds {
        let error = build(&[kind], 2).unwrap().score(&pictures).unwrap_err();
        assert!(matches!(error, RewardError::NotFinite { .. }), "{error}");
    }
}
