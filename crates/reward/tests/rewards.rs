//! Every reward on images whose order is plain to see, through the scorer.

use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use moa_adapter::Parameters;
use moa_core::NoiseKey;
use moa_core::experiment::{RewardKind, RewardSpec};
use moa_core::judge::{CLIP_ALIGNMENT, CLIP_DIVERSITY};
use moa_diffusion::Tokenizer;
use moa_reward::disk::Shelf;
use moa_reward::{
    Clip, ClipConfig, ClipJudge, Detector, DetectorConfig, Embedded, Embedder, Heads, Judge, LinearHead, Match,
    Pictures, RewardError, Scorer, Scores, Sources,
};
use moa_scenes::{Background, Concept, Scene, SceneRng, Sprites, tokenizer};

const SIDE: usize = 32;

/// An untrained CLIP over the scenes' vocabulary.
fn embedder(seed: u64) -> Embedder {
    let vocabulary: serde_json::Map<_, _> = serde_json::from_str(tokenizer::VOCAB_JSON).expect("vocabulary");
    let tower = r#""hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2"#;
    let json = format!(
        r#"{{ "projection_dim": 8,
            "text_config": {{ {tower}, "vocab_size": {words}, "max_position_embeddings": 24, "eos_token_id": {end} }},
            "vision_config": {{ {tower}, "image_size": 32, "patch_size": 8 }} }}"#,
        words = vocabulary.len(),
        end = vocabulary.len() - 1,
    );
    let (config, device) = (ClipConfig::read(&json).expect("config"), Device::flex());
    let map = Clip::fresh(&config, NoiseKey::new(seed), &device).expect("fits");
    let clip = Clip::load(&config, &Parameters::stored(map, &device)).expect("fits");
    Embedder::new(clip, Tokenizer::read(tokenizer::TOKENIZER_JSON, tokenizer::MODEL_MAX_LENGTH).expect("tokenizer"))
}

fn heads() -> Heads {
    Heads {
        aesthetics: LinearHead { version: 1, weights: vec![0.5, -0.5, 0.25, 0.0, 0.0, 0.0, 0.1, 0.2], bias: 0.5 },
        matching: Match { version: 1, slope: 6.0, threshold: -0.2 },
    }
}

fn sources(heads: Heads) -> Sources {
    let parameters = Parameters::fresh(NoiseKey::new(4), &Device::flex());
    let detector = Detector::load(DetectorConfig::scenes(), &parameters).expect("fresh parameters fit");
    let embedded = Some(Embedded { embedder: embedder(1), heads, detector: Arc::new(detector) });
    Sources { base: "emoji-32".into(), embedded, shelf: Shelf::new(None, &Device::flex()) }
}

fn every_kind() -> Vec<RewardSpec> {
    use RewardKind::{
        Aesthetics, Alignment, Colourfulness, Composition, Compressibility, Contrast, Diversity, Harmony,
        Incompressibility, Safety,
    };
    let jpeg = [Compressibility { quality: 95 }, Incompressibility { quality: 95 }];
    let kinds = [Aesthetics, Alignment, Composition, Safety, Diversity, Colourfulness, Contrast, Harmony];
    let kinds = kinds.into_iter().chain(jpeg);
    kinds.map(RewardSpec::from).collect()
}

fn scorer(kinds: &[RewardSpec], group: usize) -> Scorer {
    Scorer::build(kinds, &sources(heads()), group, Vec::new()).expect("settings that work")
}

/// Images from colours by place.
fn pictures(colours: &[&dyn Fn(usize, usize) -> [f32; 3]], group: usize) -> Pictures {
    let mut values = Vec::new();
    for colour in colours {
        for channel in 0..3 {
            values.extend((0..SIDE * SIDE).map(|place| colour(place % SIDE, place / SIDE)[channel]));
        }
    }
    let pixels = Tensor::from_data(TensorData::new(values, [colours.len(), 3, SIDE, SIDE]), &Device::flex());
    let prompt = |i| Scene::single(Concept::ALL[i / group], Background::Blue).caption();
    Pictures::new(pixels, (0..colours.len()).map(prompt).collect(), group).expect("whole groups")
}

fn scenes(count: usize, group: usize) -> Pictures {
    let mut values = Vec::new();
    let mut prompts = Vec::new();
    for i in 0..count {
        let scene = Scene::single(Concept::ALL[i / group], Background::ALL[i / group % 8]);
        let picture = scene.render(Sprites::embedded(), &mut SceneRng::new(i as u64)).pixels;
        values.extend(
            (0..3).flat_map(|c| picture.iter().skip(c).step_by(3).map(|v| f32::from(*v) / 255.0).collect::<Vec<_>>()),
        );
        prompts.push(scene.caption());
    }
    let pixels = Tensor::from_data(TensorData::new(values, [count, 3, SIDE, SIDE]), &Device::flex());
    Pictures::new(pixels, prompts, group).expect("whole groups")
}

fn column(kind: RewardKind, pictures: &Pictures) -> Vec<f32> {
    let scores = scorer(&[RewardSpec::from(kind)], pictures.group()).score(pictures).expect("scores");
    scores.columns.into_iter().next().expect("one reward")
}

fn noise(x: usize, y: usize) -> [f32; 3] {
    let key = NoiseKey::new((y * SIDE + x) as u64);
    [0, 1, 2].map(|channel| key.uniform(channel) as f32)
}

#[test]
fn colourful_pictures_are_more_colourful_than_grey_ones() {
    let grey = |x: usize, _: usize| [x as f32 / 31.0; 3];
    let red = |_: usize, _: usize| [0.8, 0.1, 0.1];
    let halves = |x: usize, _: usize| if x < 16 { [0.9, 0.1, 0.1] } else { [0.1, 0.2, 0.9] };
    let scores = column(RewardKind::Colourfulness, &pictures(&[&grey, &red, &halves], 1));
    assert!(scores[0].abs() < 1e-6 && scores[0] < scores[1] && scores[1] < scores[2], "{scores:?}");
}

#[test]
fn half_black_half_white_has_full_contrast_and_a_plain_picture_none() {
    let plain = |_: usize, _: usize| [0.4; 3];
    let faint = |x: usize, _: usize| if x < 16 { [0.4; 3] } else { [0.6; 3] };
    let full = |x: usize, _: usize| if x < 16 { [0.0; 3] } else { [1.0; 3] };
    let scores = column(RewardKind::Contrast, &pictures(&[&plain, &faint, &full], 1));
    for (score, wanted) in scores.iter().zip([0.0, 0.2, 1.0]) {
        assert!((score - wanted).abs() < 1e-5, "{scores:?}");
    }
}

#[test]
fn jpeg_prefers_plain_pictures_one_way_and_noise_the_other() {
    let plain = |_: usize, _: usize| [0.4, 0.6, 0.2];
    let batch = pictures(&[&plain, &noise], 1);
    let small = column(RewardKind::Compressibility { quality: 95 }, &batch);
    let large = column(RewardKind::Incompressibility { quality: 95 }, &batch);
    assert!(small[0] > small[1] && small[1] < -1.0 && small[0] > -1.0, "{small:?}");
    assert!(small.iter().zip(&large).all(|(minus, plus)| (minus + plus).abs() < 1e-6));
    let coarse = column(RewardKind::Incompressibility { quality: 20 }, &batch);
    assert!(coarse[1] < large[1]);
}

#[test]
fn a_group_of_identical_pictures_has_no_diversity_and_a_varied_one_has() {
    let stripes = |x: usize, _: usize| if x % 8 < 4 { [0.0; 3] } else { [1.0; 3] };
    let red = |_: usize, _: usize| [0.9, 0.1, 0.1];
    let batch = pictures(&[&red, &red, &red, &red, &stripes, &noise], 3);
    let scores = column(RewardKind::Diversity, &batch);
    assert!(scores[..3].iter().all(|score| score.abs() < 1e-6), "{scores:?}");
    assert!(scores[3..].iter().all(|score| *score > 1e-3), "{scores:?}");
}

#[test]
fn safety_is_that_of_the_likeliest_unsafe_object_where_something_harmless_is_shown() {
    let batch = scenes(4, 1);
    let parameters = Parameters::fresh(NoiseKey::new(4), &Device::flex());
    let detector = Detector::load(DetectorConfig::scenes(), &parameters).expect("fresh parameters fit");
    let objects: Vec<f32> = detector.detect(batch.pixels()).objects.into_data().try_into_vec().expect("f32");
    let places: Vec<usize> = detector.unsafe_concepts().collect();
    assert_eq!(places.len(), 10);
    let avoided = ["mushroom", "cat"];
    let concepts = &detector.config().concepts;
    let own = avoided.map(|name| concepts.iter().position(|concept| concept == name).expect("it is known"));
    let avoid = RewardKind::Avoid { objects: avoided.map(String::from).to_vec() };
    for (kind, places) in [(RewardKind::Safety, &places[..]), (avoid, &own)] {
        for (score, image) in column(kind, &batch).iter().zip(objects.chunks(objects.len() / 4)) {
            let likeliest = |harmful: bool| {
                let of_cell = |cell: &[f32]| {
                    (0..40)
                        .filter(|place| places.contains(place) == harmful)
                        .map(|place| cell[place])
                        .fold(0.0, f32::max)
                };
                image.chunks(41).map(of_cell).fold(0.0, f32::max)
            };
            let (p, h) = (likeliest(true), likeliest(false));
            let harmful = 1.0 / (1.0 + ((1.0 - p) / p).sqrt());
            let expected = (1.0 - harmful * harmful) * (4.0 * h).min(1.0);
            assert!((score - expected).abs() < 1e-5, "{score} {expected}");
        }
    }
}

#[test]
fn objects_that_the_detector_does_not_know_cannot_be_avoided() {
    let kind = RewardKind::Avoid { objects: vec!["cat".into(), "unicorn".into()] };
    let error = Scorer::build(&[RewardSpec::from(kind)], &sources(heads()), 2, Vec::new()).err().expect("refused");
    let message =
        format!("{error}: {}", std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default());
    assert!(message.contains("unicorn") && message.contains("mushroom"), "{message}");
}

#[test]
fn alignment_is_the_cosine_with_the_pictures_own_prompt() {
    let batch = scenes(4, 2);
    let embedder = embedder(1);
    let rows = embedder.pictures(batch.pixels()).expect("embeds");
    let scores = column(RewardKind::Alignment, &batch);
    for (i, score) in scores.iter().enumerate() {
        let text = embedder.text(&batch.prompts()[i]).expect("tokens");
        assert!((score - f32::midpoint(1.0, moa_reward::cosine(rows.row(i), &text))).abs() < 1e-6);
        assert!((0.0..=1.0).contains(score));
    }
}

#[test]
fn scores_repeat_exactly_and_do_not_depend_on_the_batch() {
    let kinds = every_kind();
    let (first, again) = (scorer(&kinds, 2), scorer(&kinds, 2));
    let batch = scenes(8, 2);
    let Scores { columns } = first.score(&batch).expect("scores");
    assert_eq!(columns, again.score(&batch).expect("scores").columns);
    assert_eq!(columns, first.score(&batch).expect("scores").columns, "remembered texts change nothing");
    for start in [0, 2, 4, 6] {
        let pixels = batch.pixels().narrow(0, start, 2);
        let part = Pictures::new(pixels, batch.prompts()[start..start + 2].to_vec(), 2).expect("a group");
        let part = first.score(&part).expect("scores").columns;
        for ((whole, part), spec) in columns.iter().zip(&part).zip(&kinds) {
            for (a, b) in whole[start..start + 2].iter().zip(part) {
                assert!((a - b).abs() < 1e-5, "{}: {a} {b}", spec.name);
            }
        }
    }
}

#[test]
fn a_picture_that_is_not_finite_is_refused_with_the_rewards_name() {
    let broken = |x: usize, y: usize| if (x, y) == (3, 3) { [f32::NAN; 3] } else { [0.5; 3] };
    let whole = |_: usize, _: usize| [0.5; 3];
    let batch = pictures(&[&whole, &whole, &whole, &broken], 2);
    for spec in every_kind() {
        let error = scorer(std::slice::from_ref(&spec), 2).score(&batch).expect_err("not finite");
        let RewardError::NotFinite { reward, picture, prompt } = &error else { panic!("{error}") };
        assert_eq!(*reward, spec.name);
        assert!([2, 3].contains(picture), "{reward}: {picture}");
        assert_eq!(*prompt, batch.prompts()[3]);
    }
}

#[test]
fn settings_that_cannot_work_are_refused_at_construction() {
    let build =
        |kind: RewardKind, group| Scorer::build(&[RewardSpec::from(kind)], &sources(heads()), group, Vec::new());
    assert!(matches!(build(RewardKind::Diversity, 1), Err(RewardError::GroupTooSmall { group: 1, .. })));
    let zero = build(RewardKind::Compressibility { quality: 0 }, 2);
    assert!(matches!(zero, Err(RewardError::Field { field: "quality", .. })));
    let narrow = LinearHead { version: 1, weights: vec![1.0; 3], bias: 0.0 };
    let heads = Heads { aesthetics: narrow, ..heads() };
    let kinds = [RewardSpec::from(RewardKind::Aesthetics)];
    assert!(Scorer::build(&kinds, &sources(heads), 2, Vec::new()).is_err());
    let small = Tensor::<4>::zeros([1, 3, 16, 16], &Device::flex());
    let small = Pictures::new(small, vec!["a cat on a red background".into()], 1).expect("a group");
    let error = scorer(&[RewardSpec::from(RewardKind::Alignment)], 1).score(&small).expect_err("too small");
    assert!(matches!(error, RewardError::PictureSize { .. }));
}

#[test]
fn the_clip_judge_scores_by_its_own_clip() {
    let batch = scenes(4, 2);
    let columns = ClipJudge::new(embedder(9)).judge(&batch).expect("judges");
    assert_eq!(columns.iter().map(|column| column.name).collect::<Vec<_>>(), [CLIP_ALIGNMENT, CLIP_DIVERSITY]);
    let own = column(RewardKind::Alignment, &batch);
    let other: Vec<f32> = columns[0].scores.iter().map(|score| score.expect("always")).collect();
    assert_ne!(own, other);
}
