//! Rewards by ONNX models, against onnxruntime and Pillow (fixtures/export_onnx.py).

mod outside;

use std::fs;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use moa_core::experiment::{OnnxActivation, OnnxLayout, OnnxSpec};
use moa_reward::external::Onnx;
use outside::{greys, of_values, score};
use serde::Deserialize;

#[derive(Deserialize)]
struct Expected {
    mean: [f64; 3],
    std: [f64; 3],
    pictures: Vec<String>,
    logits: Vec<Vec<f32>>,
    rating: Vec<f32>,
    means: Vec<f32>,
}

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/onnx"))
}

fn expected() -> Expected {
    let json = fs::read_to_string(folder().join("expected.json")).expect("the fixture");
    serde_json::from_str(&json).expect("JSON")
}

fn spec(model: &str) -> OnnxSpec {
    OnnxSpec::of(folder().join(model))
}

fn classifier() -> OnnxSpec {
    let Expected { mean, std, .. } = expected();
    OnnxSpec { output: Some("logits".into()), index: Some(1), mean, std, ..spec("classifier.onnx") }
}

fn open(spec: &OnnxSpec) -> Onnx {
    Onnx::open("judge", spec).expect("fits")
}

/// Scores every image of the fixture, each in a batch of its own, as their sizes differ.
fn scores(spec: &OnnxSpec) -> Vec<f32> {
    let reward = open(spec);
    let score = |picture: &String| {
        let file = STANDARD.decode(picture).expect("base64");
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().expect("a PNG");
        let mut bytes = vec![0; reader.output_buffer_size().expect("a size")];
        let frame = reader.next_frame(&mut bytes).expect("an image");
        let plane = |channel: usize| bytes.iter().skip(channel).step_by(3).map(|byte| f32::from(*byte) / 255.0);
        let values = (0..3).flat_map(plane).collect();
        score(&reward, &of_values(values, 1, frame.height as usize, frame.width as usize)).expect("scores")[0]
    };
    expected().pictures.iter().map(score).collect()
}

/// Compares scores; the first `exact` images need no resizing, which is Pillow's to within a level of 255 or two.
fn assert_close(found: &[f32], wanted: impl Iterator<Item = f32>, exact: usize, resized: f32) {
    for (index, (found, wanted)) in found.iter().zip(wanted).enumerate() {
        let tolerance = if index < exact { 2e-5 } else { resized };
        assert!((found - wanted).abs() < tolerance, "image {index}: {found} is not {wanted}");
    }
}

fn refusal(spec: &OnnxSpec) -> String {
    let error = Onnx::open("judge", spec).err().expect("refused").to_string();
    let start = format!("reward `judge`: the model {} ", spec.model.display());
    error.strip_prefix(&start).unwrap_or_else(|| panic!("{error}")).to_owned()
}

#[test]
fn numbers_are_those_of_onnxruntime() {
    let wanted = expected();
    let logits = scores(&classifier());
    assert_close(&logits, wanted.logits.iter().map(|row| row[1]), 2, 0.005);
    let rating = scores(&OnnxSpec { output: Some("rating".into()), index: None, negate: true, ..classifier() });
    assert_close(&rating, wanted.rating.iter().map(|rating| -rating), 2, 0.005);
}

#[test]
fn activations_make_probabilities() {
    let wanted = expected();
    let with = |activation| scores(&OnnxSpec { activation, ..classifier() });
    let softmax = |row: &Vec<f32>| row[1].exp() / row.iter().map(|logit| logit.exp()).sum::<f32>();
    assert_close(&with(OnnxActivation::Softmax), wanted.logits.iter().map(softmax), 2, 0.001);
    let sigmoid = |row: &Vec<f32>| 1.0 / (1.0 + (-row[1]).exp());
    assert_close(&with(OnnxActivation::Sigmoid), wanted.logits.iter().map(sigmoid), 2, 0.001);
    let negated = scores(&OnnxSpec { activation: OnnxActivation::Softmax, negate: true, ..classifier() });
    assert_close(&negated, wanted.logits.iter().map(|row| -softmax(row)), 2, 0.001);
}

#[test]
fn other_layouts_fixed_batches_and_sizes_are_taken() {
    let means = expected().means;
    let fixed = OnnxSpec { layout: OnnxLayout::Nhwc, ..spec("mean_nhwc.onnx") };
    assert_close(&scores(&fixed), means.iter().copied(), 0, 5e-4);
    let any = OnnxSpec { size: Some([16, 16]), ..spec("any_size.onnx") };
    assert_close(&scores(&any), means.iter().copied(), 0, 5e-4);
    // Three images in batches of two, the second of which is filled up.
    let levels = [0.0, 0.4, 1.0];
    for (score, level) in score(&open(&fixed), &greys(&levels, 16)).expect("scores").iter().zip(levels) {
        assert!((score - level).abs() < 1e-5, "{score} is not {level}");
    }
}

#[test]
fn scores_do_not_depend_on_the_batch() {
    let reward = open(&classifier());
    let all = score(&reward, &greys(&[0.1, 0.5, 0.9], 32)).expect("scores");
    let alone = [0.1, 0.5, 0.9].map(|level| score(&reward, &greys(&[level], 32)).expect("scores")[0]);
    assert_eq!(all, alone);
}

#[test]
fn what_does_not_fit_is_refused_with_what_there_is() {
    let refused = |model: &str, change: &dyn Fn(&mut OnnxSpec)| {
        let mut spec = spec(model);
        change(&mut spec);
        refusal(&spec)
    };
    for (found, expected) in [
        (
            refused("classifier.onnx", &|_| {}),
            "has the outputs `logits` [batch, 4], `rating` [batch, 1]: choose one with `output`",
        ),
        (
            refused("classifier.onnx", &|spec| spec.output = Some("scores".into())),
            "has no output `scores`: name one of its outputs, `logits` [batch, 4], `rating` [batch, 1], with `output`",
        ),
        (
            refused("picture_and_text.onnx", &|_| {}),
            "has the inputs `pixels` [batch, 3, 8, 8], `ids` [batch, 4]: choose one with `input`",
        ),
        (
            refused("picture_and_text.onnx", &|spec| spec.input = Some("ids".into())),
            "does not take images: its input `ids` is of another type; give a model whose input is of 32-bit floating \
             point numbers",
        ),
        (
            refused("classifier.onnx", &|spec| spec.output = Some("logits".into())),
            "gives 4 numbers an image: choose one with `index`, 0 to 3",
        ),
        (
            refused("classifier.onnx", &|spec| (spec.output, spec.index) = (Some("logits".into()), Some(4))),
            "gives 4 numbers an image: `index` is 4, give 0 to 3",
        ),
        (
            refused("classifier.onnx", &|spec| {
                (spec.output, spec.activation) = (Some("rating".into()), OnnxActivation::Softmax);
            }),
            "gives one number an image, whose softmax is always 1: take `activation: Sigmoid`",
        ),
        (
            refused("classifier.onnx", &|spec| (spec.output, spec.size) = (Some("rating".into()), Some([32, 24]))),
            "takes another size than [32, 24]: its input `pixel_values` is [batch, 3, 24, 24]; leave `size` out",
        ),
        (
            refused("mean_nhwc.onnx", &|_| {}),
            "does not take images with three channels as axis 1: its input `pixels` is [2, 16, 16, 3]; is `layout` right, \
             which is Nchw?",
        ),
        (
            refused("any_size.onnx", &|_| {}),
            "takes images of any size (its input `pixels` is [batch, 3, height, width]): give `size`, e.g. [224, 224]",
        ),
    ] {
        assert_eq!(found, expected);
    }
    let needs_text = refused("picture_and_text.onnx", &|spec| spec.input = Some("pixels".into()));
    assert!(needs_text.starts_with("cannot be run on images alone: "), "{needs_text}");
    assert!(needs_text.contains("ids"), "{needs_text}");
    let missing = refused("missing.onnx", &|_| {});
    assert!(missing.starts_with("cannot be read: "), "{missing}");
}

#[test]
fn files_that_are_no_models_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = folder.path().join("no.onnx");
    fs::write(&model, "this is no model").expect("written");
    let spec = OnnxSpec { model, ..spec("") };
    assert!(refusal(&spec).starts_with("cannot be read: "), "{}", refusal(&spec));
}
