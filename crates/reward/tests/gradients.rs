//! Gradients of rewards to the pixels, against torch's autograd in f64 (fixtures/export_gradients.py wrote the fixture), and
//! against finite differences.

mod support;

use std::fs;
use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use moa_adapter::{Parameters, weight_files};
use moa_core::NoiseKey;
use moa_core::experiment::{RewardKind, RewardSpec};
use moa_diffusion::Tokenizer;
use moa_reward::disk::Shelf;
use moa_reward::{
    Clip, ClipConfig, Detector, DetectorConfig, Embedded, Embedder, Heads, LinearHead, Match, Pictures, Preprocessor,
    RewardError, Scorer, Sources,
};
use safetensors::SafeTensors;
use support::{fixture, name};

/// The fixture holds every seventh value of a gradient.
const STRIDE: usize = 7;
/// The largest error of a gradient, as a share of its largest value, and of a score.
const TOLERANCE: f32 = 1e-4;
const PROMPTS: [&str; 2] = ["the cat and a hat", "red hat on a mat"];

/// What torch gave.
struct Golden(Vec<u8>);

impl Golden {
    fn read() -> Self {
        Self(fs::read(fixture("gradients.safetensors")).unwrap())
    }

    fn floats(&self, name: &str) -> (Vec<usize>, Vec<f32>) {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let view = file.tensor(name).unwrap();
        let values = view.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
        (view.shape().to_vec(), values)
    }

    fn pictures(&self, name: &str, group: usize) -> Pictures {
        let (shape, values) = self.floats(name);
        let prompts = (0..shape[0]).map(|i| PROMPTS[i / group].to_owned()).collect();
        Pictures::new(Tensor::from_data(TensorData::new(values, shape), &Device::flex()), prompts, group).unwrap()
    }
}

/// An untrained detector.
fn detector() -> Detector {
    Detector::load(DetectorConfig::scenes(), &Parameters::fresh(NoiseKey::new(4), &Device::flex())).unwrap()
}

fn sources(golden: &Golden) -> Sources {
    let device = Device::flex();
    let folder = fixture("disk_clip");
    let read = |file: &str| fs::read_to_string(folder.join(file)).unwrap();
    let parameters = Parameters::open(&weight_files(&folder, "model").unwrap(), &device).unwrap();
    let clip = Clip::load(&ClipConfig::read(&read("config.json")).unwrap(), &parameters).unwrap();
    let clip = clip.with_preprocessor(Preprocessor::read(&read("preprocessor_config.json")).unwrap());
    let embedder = Embedder::new(clip, Tokenizer::open(&folder, 12).unwrap());
    let weights = golden.floats("aesthetics.weights").1;
    let aesthetics = LinearHead { version: 1, weights, bias: golden.floats("aesthetics.bias").1[0] };
    let heads = Heads { aesthetics, matching: Match { version: 1, slope: 6.0, threshold: 0.1 } };
    Sources {
        base: "emoji-32".into(),
        embedded: Some(Embedded { embedder, heads, detector: Arc::new(detector()) }),
        shelf: Shelf::new(None, &device),
    }
}

fn scorer(kinds: &[RewardKind], group: usize) -> Scorer {
    let specs: Vec<RewardSpec> = kinds.iter().cloned().map(RewardSpec::from).collect();
    Scorer::build(&specs, &sources(&Golden::read()), group, Vec::new()).unwrap()
}

fn host<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    assert!(!tensor.is_autodiff());
    tensor.into_data().try_into_vec().unwrap()
}

fn largest(values: &[f32]) -> f32 {
    values.iter().fold(0.0, |largest, value| if value.is_nan() { f32::NAN } else { value.abs().max(largest) })
}

fn largest_difference(found: &[f32], wanted: &[f32]) -> f32 {
    assert_eq!(found.len(), wanted.len());
    largest(&found.iter().zip(wanted).map(|(f, w)| f - w).collect::<Vec<_>>())
}

/// Compares the scores and the gradient of one reward, times a coefficient, with torch's.
fn check(kind: RewardKind, pictures: &Pictures, key: &str) {
    const COEFFICIENT: f32 = -2.5;
    let golden = Golden::read();
    let scorer = scorer(&[kind], pictures.group());
    let scores = scorer.score(pictures).unwrap().columns.remove(0);
    let (_, wanted) = golden.floats(&format!("{key}.scores"));
    let worst = largest_difference(&scores, &wanted);
    assert!(worst <= TOLERANCE * largest(&wanted).max(1.0), "{key}: scores are off by {worst}: {scores:?}, {wanted:?}");
    let gradient = scorer.gradient(pictures, &[COEFFICIENT]).unwrap();
    assert_eq!(gradient.dims(), pictures.pixels().dims());
    let found: Vec<f32> = host(gradient).into_iter().step_by(STRIDE).map(|value| value / COEFFICIENT).collect();
    let worst = largest_difference(&found, &golden.floats(&format!("{key}.gradient")).1);
    let largest = golden.floats(&format!("{key}.largest")).1[0];
    assert!(worst <= TOLERANCE * largest, "{key}: the gradient is off by {} of its largest value", worst / largest);
}

#[test]
fn built_in_rewards_have_torchs_gradients() {
    use RewardKind::{Aesthetics, Alignment, Colourfulness, Contrast, Diversity, Harmony};
    let pictures = Golden::read().pictures("pixels", 3);
    for kind in [Aesthetics, Alignment, Diversity, Colourfulness, Contrast, Harmony] {
        let key = kind.default_name();
        check(kind, &pictures, key);
    }
}

#[test]
fn detectors_rewards_have_the_gradient_of_finite_differences() {
    let captions = ["a red cat left of a dog on a blue background", "three stars on a gray background"];
    let values: Vec<f32> = NoiseKey::new(3).normal(2 * 3 * 32 * 32).iter().map(|x| 0.5 + 0.1 * x).collect();
    let of = |values: Vec<f32>| {
        let pixels = Tensor::from_data(TensorData::new(values, [2, 3, 32, 32]), &Device::flex());
        Pictures::new(pixels, captions.map(str::to_owned).to_vec(), 1).unwrap()
    };
    let avoid = RewardKind::Avoid { objects: vec!["mushroom".into(), "cat".into()] };
    for kind in [RewardKind::Composition, RewardKind::Safety, avoid] {
        let scorer = scorer(std::slice::from_ref(&kind), 1);
        let score = |values: Vec<f32>| scorer.score(&of(values)).unwrap().columns[0].iter().sum::<f32>();
        let gradient = host(scorer.gradient(&of(values.clone()), &[1.0]).unwrap());
        let length = gradient.iter().map(|g| g * g).sum::<f32>().sqrt();
        let along = |step: f32| values.iter().zip(&gradient).map(|(v, g)| v + step * g / length).collect::<Vec<f32>>();
        // Short steps: the likeliest object changes from cell to cell.
        let slope = (score(along(0.002)) - score(along(-0.002))) / 0.004;
        assert!(length > 1e-4 && (slope / length - 1.0).abs() < 0.05, "{kind:?}: {slope} {length}");
    }
}

#[test]
fn composition_refuses_prompts_that_it_cannot_read() {
    let pixels = Tensor::zeros([1, 3, 32, 32], &Device::flex());
    let pictures = Pictures::new(pixels, vec!["a portrait".into()], 1).unwrap();
    let error = scorer(&[RewardKind::Composition], 1).score(&pictures).unwrap_err().to_string();
    assert!(error.contains("composition") && error.contains("a portrait"), "{error}");
}

/// The rewards from files, under the names of the fixture.
fn disk_kinds() -> Vec<RewardKind> {
    let clip = || name("disk_clip");
    vec![
        RewardKind::ClipScore { model: clip(), processor: None },
        RewardKind::PickScore { model: clip(), processor: None },
        RewardKind::LaionAesthetics { clip: clip(), head: name("disk_heads/linear.pth") },
        RewardKind::ClipDiversity { model: clip() },
        RewardKind::SafetyChecker { model: name("disk_checker") },
    ]
}

#[test]
fn rewards_from_files_have_torchs_gradients_through_resizing_cropping_and_rounding() {
    for size in ["large", "small", "tall"] {
        let pictures = Golden::read().pictures(&format!("pixels.{size}"), 2);
        for kind in disk_kinds() {
            let key = format!("{}.{size}", kind.default_name());
            check(kind, &pictures, &key);
        }
    }
}

#[test]
fn rewards_have_a_gradient_where_their_kind_says_so() {
    use RewardKind::{
        Aesthetics, Alignment, Colourfulness, Composition, Compressibility, Contrast, Diversity, GenEval, Harmony,
        Incompressibility, Safety,
    };
    let formulas = [Aesthetics, Alignment, Composition, Safety, Diversity, Colourfulness, Contrast, Harmony];
    let steps = [GenEval, Compressibility { quality: 95 }, Incompressibility { quality: 95 }];
    let published = [
        RewardKind::Hps { model: name("disk_open_clip/HPS_tiny.pt"), processor: None },
        RewardKind::ImageReward { model: name("disk_image_reward"), tokenizer: None },
    ];
    let onnx = serde_json::json!({ "Onnx": { "model": name("onnx/classifier.onnx"), "output": "rating" } });
    let onnx: RewardKind = serde_json::from_value(onnx).unwrap();
    let mut with = 0;
    for kind in formulas.into_iter().chain(steps).chain(disk_kinds()).chain(published).chain([onnx]) {
        let scorer = scorer(std::slice::from_ref(&kind), 2);
        assert_eq!(scorer.rewards()[0].differentiable().is_some(), kind.has_gradient(), "{kind:?}");
        with += usize::from(kind.has_gradient());
    }
    assert_eq!(with, 15);
    for kind in [r#"{"Program": {"command": ["score"]}}"#, r#"{"Http": {"url": "http://127.0.0.1:1"}}"#] {
        assert!(!serde_json::from_str::<RewardKind>(kind).unwrap().has_gradient(), "{kind}");
    }
}

#[test]
fn rewards_add_up_by_their_coefficients_and_a_shared_clip_changes_nothing() {
    use RewardKind::{Aesthetics, Alignment, Contrast, Diversity};
    let pictures = Golden::read().pictures("pixels", 3);
    let kinds = [Aesthetics, Alignment, Contrast, Diversity, RewardKind::Compressibility { quality: 90 }];
    let coefficients = [0.7, -3.0, 20.0, 1.5, 0.0];
    let together = host(scorer(&kinds, 3).gradient(&pictures, &coefficients).unwrap());
    let mut sum = vec![0.0; together.len()];
    for (kind, coefficient) in kinds.into_iter().zip(coefficients).filter(|(_, coefficient)| *coefficient != 0.0) {
        let part = host(scorer(&[kind], 3).gradient(&pictures, &[coefficient]).unwrap());
        sum.iter_mut().zip(&part).for_each(|(sum, value)| *sum += value);
    }
    assert!(largest_difference(&together, &sum) <= 1e-6 * largest(&sum), "{}", largest_difference(&together, &sum));
}

#[test]
fn what_cannot_be_differentiated_is_refused_by_name() {
    let pictures = Golden::read().pictures("pixels", 3);
    let jpeg = RewardKind::Compressibility { quality: 90 };
    let scorer = scorer(&[RewardKind::Contrast, jpeg], 3);
    let message = scorer.gradient(&pictures, &[1.0, 0.5]).unwrap_err().to_string();
    assert!(message.contains("`compressibility` has no gradient") && message.contains("policy gradient"), "{message}");
    assert!(matches!(scorer.gradient(&pictures, &[1.0]), Err(RewardError::Coefficients { given: 1, rewards: 2 })));
    let nothing = host(scorer.gradient(&pictures, &[0.0, 0.0]).unwrap());
    assert!(nothing.iter().all(|value| *value == 0.0));
}

#[test]
fn pictures_that_are_not_finite_are_named() {
    use RewardKind::{Alignment, Colourfulness, Harmony};
    let golden = Golden::read();
    let (shape, mut values) = golden.floats("pixels");
    values[4 * 3 * 32 * 32 + 17] = f32::NAN;
    let pixels = Tensor::from_data(TensorData::new(values, shape), &Device::flex());
    let prompts = golden.pictures("pixels", 3).prompts().to_vec();
    let pictures = Pictures::new(pixels, prompts, 3).unwrap();
    for kind in [Alignment, Colourfulness, Harmony] {
        let reward = kind.default_name();
        let error = scorer(&[kind], 3).gradient(&pictures, &[1.0]).unwrap_err();
        assert!(matches!(error, RewardError::NotFinite { picture: 4, .. }), "{reward}: {error}");
    }
}

/// Colours by noise, `[n, 3, 32, 32]`, in (0.05, 0.95), mostly warm ones: among all hues alike, templates of harmony would tie.
fn noise(stream: u64, count: usize) -> Vec<f32> {
    let values = NoiseKey::new(stream).named("colours").normal(count * 3 * 32 * 32);
    let levels = [0.65, 0.45, 0.3];
    values.into_iter().enumerate().map(|(i, value)| levels[i / 1024 % 3] + 0.25 * value.tanh()).collect()
}

fn batch(values: Vec<f32>) -> Pictures {
    let count = values.len() / (3 * 32 * 32);
    let pixels = Tensor::from_data(TensorData::new(values, [count, 3, 32, 32]), &Device::flex());
    Pictures::new(pixels, vec![PROMPTS[0].to_owned(); count], 1).unwrap()
}

#[test]
fn formulas_over_pixels_have_the_slopes_of_finite_differences() {
    const STEP: f32 = 4e-3;
    for kind in [RewardKind::Colourfulness, RewardKind::Contrast, RewardKind::Harmony] {
        let reward = kind.default_name();
        let scorer = scorer(&[kind], 1);
        for stream in 0..5 {
            let at = noise(stream, 1);
            // Each pixel away from its grey or towards it: hues, which harmony rounds to bins, stay as they are.
            let pushes = NoiseKey::new(stream).named("pushes").normal(32 * 32);
            let grey = |place: usize| (at[place] + at[1024 + place] + at[2048 + place]) / 3.0;
            let direction: Vec<f32> =
                (0..at.len()).map(|i| (0.5 + pushes[i % 1024]) * (at[i] - grey(i % 1024))).collect();
            let moved = |step: f32| {
                let values = at.iter().zip(&direction).map(|(x, d)| x + step * d).collect();
                f64::from(scorer.score(&batch(values)).unwrap().columns[0][0])
            };
            let wanted = (moved(STEP) - moved(-STEP)) / (2.0 * f64::from(STEP));
            let gradient = host(scorer.gradient(&batch(at.clone()), &[1.0]).unwrap());
            let found: f64 = gradient.iter().zip(&direction).map(|(g, d)| f64::from(*g) * f64::from(*d)).sum();
            assert!((found - wanted).abs() < 2e-5 + 1e-3 * wanted.abs(), "{reward}, {stream}: {found} not {wanted}");
            assert!(wanted.abs() > 3e-4, "{reward}, {stream}: {wanted} says little");
        }
    }
}

#[test]
fn grey_pictures_have_a_gradient_of_zero_where_a_formula_has_a_kink() {
    for kind in [RewardKind::Colourfulness, RewardKind::Contrast, RewardKind::Harmony] {
        let reward = kind.default_name();
        let gradient = host(scorer(&[kind], 1).gradient(&batch(vec![0.4; 3 * 32 * 32]), &[1.0]).unwrap());
        assert!(largest(&gradient) < 1e-4, "{reward}: {}", largest(&gradient));
    }
}

#[test]
fn large_batches_are_taken_in_parts_and_have_the_same_gradient() {
    let (scorer, values) = (scorer(&[RewardKind::Contrast], 1), noise(9, 1400));
    let whole = host(scorer.gradient(&batch(values.clone()), &[1.0]).unwrap());
    assert_eq!(whole.len(), values.len());
    for picture in [0, 1364, 1366, 1399] {
        let range = picture * 3072..(picture + 1) * 3072;
        let alone = host(scorer.gradient(&batch(values[range.clone()].to_vec()), &[1.0]).unwrap());
        assert_eq!(whole[range], alone, "image {picture}");
    }
}
