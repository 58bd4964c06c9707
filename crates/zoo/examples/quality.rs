//! Measures the base model by the detector that judges: how often an image keeps all that its caption claims, and which share
//! of the claims it keeps, for each kind of scene; and, to say what that is worth, the same of scenes that were rendered
//! rather than generated.
//!
//! `cargo run --release -p moa-zoo --example quality -- [--guidance 1] [--steps 6] [--scenes 64] [--out grid.png]`; scenes are
//! counted for each kind and each of seen and held-out combinations.

use std::fs::File;
use std::io::BufWriter;

use burn::tensor::{Device, Tensor, TensorData};
use moa_core::NoiseKey;
use moa_diffusion::sampler::sample;
use moa_diffusion::{Conditions, Pipeline};
use moa_reward::{DetectorJudge, Pictures, Verdict};
use moa_scenes::{HeldOut, Kind, Kinds, SIDE, Scene, SceneDistribution, SceneRng, Sprites, sample_scene};

/// Images drawn at once.
const BATCH: usize = 32;
/// Images in a row of the grid.
const COLUMNS: usize = 16;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str, default: &str| {
        let at = arguments.iter().position(|argument| argument == name);
        at.and_then(|at| arguments.get(at + 1)).cloned().unwrap_or_else(|| default.to_owned())
    };
    let (guidance, steps): (f32, usize) = (option("--guidance", "1").parse()?, option("--steps", "6").parse()?);
    let count: usize = option("--scenes", "64").parse()?;
    let out = option("--out", "quality.png");
    let device = Device::flex();
    let pipeline = moa_zoo::open_pipeline(&device)?;
    let judge = moa_zoo::detector_judge(&device)?;

    println!("{:40} {:>12} {:>12} {:>12}", "generated (rendered)", "all claims", "claims", "legibility");
    let mut grid = Vec::new();
    for (number, kind) in Kind::ALL.into_iter().enumerate() {
        for held_out in [HeldOut::Excluded, HeldOut::Only] {
            let distribution = SceneDistribution { kinds: Kinds::only(kind), unsafe_share: None, held_out };
            let stream = [number as u64, u64::from(held_out == HeldOut::Only)];
            let scenes: Vec<Scene> = (0..count)
                .map(|index| {
                    sample_scene(&mut SceneRng::keyed(99, &[stream[0], stream[1], index as u64]), &distribution)
                })
                .collect();
            let (mut generated, mut rendered) = (Vec::new(), Vec::new());
            for (batch, scenes) in scenes.chunks(BATCH).enumerate() {
                let key = NoiseKey::new(7).with(stream[0]).with(stream[1]).with(batch as u64);
                let images = draw(&pipeline, scenes, guidance, steps, key)?;
                rendered.extend(verdicts(&judge, render(scenes, [stream[0], batch as u64], &device), scenes)?);
                generated.extend(verdicts(&judge, images.clone(), scenes)?);
                grid.push(images);
            }
            let of = |of: fn(&Verdict) -> f32| {
                let mean = |verdicts: &[Verdict]| verdicts.iter().map(of).sum::<f32>() / verdicts.len() as f32;
                format!("{:.3} ({:.3})", mean(&generated), mean(&rendered))
            };
            println!(
                "{:40} {:>12} {:>12} {:>12}",
                format!("{kind:?}, {}", if held_out == HeldOut::Only { "held out" } else { "seen" }),
                of(|verdict| verdict.composition.expect("a scene claims something")),
                of(|verdict| verdict.attributes.expect("a scene claims something")),
                of(|verdict| verdict.legibility),
            );
        }
    }
    write(&Tensor::cat(grid, 0), &out)?;
    println!("images: {out}");
    Ok(())
}

/// Returns what the judge says of each image of a scene.
fn verdicts(
    judge: &DetectorJudge,
    images: Tensor<4>,
    scenes: &[Scene],
) -> Result<Vec<Verdict>, Box<dyn std::error::Error>> {
    Ok(judge.verdicts(&Pictures::new(images, scenes.iter().map(Scene::caption).collect(), 1)?))
}

fn draw(
    pipeline: &Pipeline,
    scenes: &[Scene],
    guidance: f32,
    steps: usize,
    key: NoiseKey,
) -> Result<Tensor<4>, Box<dyn std::error::Error>> {
    let captions: Vec<String> = scenes.iter().map(Scene::caption).collect();
    let context = pipeline.encode_prompts(&captions)?;
    let guidance = pipeline.guidance(guidance)?;
    let keys: Vec<NoiseKey> = (0..scenes.len() as u64).map(|row| key.with(row)).collect();
    let rules = pipeline.schedule().deterministic(steps);
    Ok(pipeline.decode(sample(pipeline, None, &rules, &Conditions { context, guidance }, &keys)))
}

/// Renders the scenes as pre-training sees them, `[scenes, 3, 32, 32]`.
fn render(scenes: &[Scene], stream: [u64; 2], device: &Device) -> Tensor<4> {
    let mut rng = SceneRng::keyed(98, &stream);
    let pixels: Vec<f32> = scenes
        .iter()
        .flat_map(|scene| scene.render(Sprites::embedded(), &mut rng).pixels)
        .map(|value| f32::from(value) / 255.0)
        .collect();
    let pictures = Tensor::<4>::from_data(TensorData::new(pixels, [scenes.len(), SIDE, SIDE, 3]), device);
    pictures.permute([0, 3, 1, 2])
}

fn write(pictures: &Tensor<4>, path: &str) -> Result<(), Box<dyn std::error::Error>> {
    let count = pictures.dims()[0];
    let values = pictures.clone().into_data().try_into_vec::<f32>().map_err(|error| format!("{error:?}"))?;
    let (scale, rows) = (3, count.div_ceil(COLUMNS));
    let (width, height) = (COLUMNS * SIDE * scale, rows * SIDE * scale);
    let mut bytes = vec![0u8; width * height * 3];
    for (at, pixel) in bytes.chunks_exact_mut(3).enumerate() {
        let (x, y) = (at % width / scale, at / width / scale);
        let picture = y / SIDE * COLUMNS + x / SIDE;
        for (channel, byte) in pixel.iter_mut().enumerate() {
            let index = ((picture * 3 + channel) * SIDE + y % SIDE) * SIDE + x % SIDE;
            *byte = values.get(index).map_or(255, |value| (value * 255.0).round() as u8);
        }
    }
    let mut encoder = png::Encoder::new(BufWriter::new(File::create(path)?), width as u32, height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header()?.write_image_data(&bytes)?;
    Ok(())
}
