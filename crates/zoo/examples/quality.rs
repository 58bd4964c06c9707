//! Measures the base model: which objects and backgrounds the attribute classifier finds in its pictures, and, to say what
//! that is worth, in pictures that were rendered rather than generated.
//!
//! `cargo run --release -p moa-zoo --example quality -- [--guidance 2] [--steps 12] [--scenes 256] [--out grid.png]`

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufWriter;

use burn::tensor::{Device, Tensor, TensorData};
use moa_core::NoiseKey;
use moa_diffusion::sampler::sample;
use moa_diffusion::{Conditions, Pipeline};
use moa_reward::{AttributeConfig, AttributeJudge};
use moa_scenes::{HeldOut, Kind, Kinds, SIDE, Scene, SceneDistribution, SceneRng, Sprites, sample_scene};

/// Pictures drawn at once.
const BATCH: usize = 32;
/// Pictures in a row of the grid.
const COLUMNS: usize = 16;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str, default: &str| {
        let at = arguments.iter().position(|argument| argument == name);
        at.and_then(|at| arguments.get(at + 1)).cloned().unwrap_or_else(|| default.to_owned())
    };
    let (guidance, steps): (f32, usize) = (option("--guidance", "2").parse()?, option("--steps", "12").parse()?);
    let count: usize = option("--scenes", "256").parse()?;
    let out = option("--out", "quality.png");
    let device = Device::flex();
    let pipeline = moa_zoo::open_pipeline(&device)?;
    let judge = moa_zoo::attribute_judge(&device)?;

    let kinds =
        [Kind::Single, Kind::Pair].into_iter().flat_map(|kind| [HeldOut::Excluded, HeldOut::Only].map(|h| (kind, h)));
    let mut shares: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let mut grid = Vec::new();
    for (kind, (shown, held_out)) in kinds.enumerate() {
        let distribution = SceneDistribution { kinds: Kinds::only(shown), unsafe_share: None, held_out };
        let scenes: Vec<Scene> = (0..count / 4)
            .map(|index| sample_scene(&mut SceneRng::keyed(99, &[kind as u64, index as u64]), &distribution))
            .collect();
        for (batch, scenes) in scenes.chunks(BATCH).enumerate() {
            let key = NoiseKey::new(7).with(kind as u64).with(batch as u64);
            let pictures = draw(&pipeline, scenes, guidance, steps, key)?;
            let rendered = render(scenes, [kind as u64, batch as u64], &device);
            for (source, pictures) in [("generated", &pictures), ("rendered", &rendered)] {
                for (scene, (object_hits, background_hit)) in scenes.iter().zip(found(&judge, pictures.clone(), scenes))
                {
                    let name = match (scene.is_pair(), held_out) {
                        (false, HeldOut::Only) => "single object, held-out combination",
                        (false, _) => "single object, seen combination",
                        (true, HeldOut::Only) => "each object of a pair, held-out combination",
                        (true, _) => "each object of a pair, seen combination",
                    };
                    let mut count = |name: &str, hits: usize, of: usize| {
                        let entry = shares.entry(format!("{source}: {name}")).or_default();
                        *entry = (entry.0 + hits, entry.1 + of);
                    };
                    count(name, object_hits, scene.concepts().count());
                    count("background", usize::from(background_hit), 1);
                }
            }
            grid.push(pictures);
        }
    }
    for (name, (hits, of)) in shares {
        println!("{name:56} {:5.1} % of {of}", 100.0 * hits as f64 / of as f64);
    }
    write(&Tensor::cat(grid, 0), &out)?;
    println!("pictures: {out}");
    Ok(())
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
    let guidance = Some((pipeline.unconditional()?, guidance)).filter(|_| (guidance - 1.0).abs() > f32::EPSILON);
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

/// Returns, per picture, how many of its scene's objects are among as many best guesses, and whether the background is.
fn found(judge: &AttributeJudge, pictures: Tensor<4>, scenes: &[Scene]) -> Vec<(usize, bool)> {
    let config = AttributeConfig::scenes();
    let (concepts, backgrounds) = judge.probabilities(pictures);
    let best = |row: &[f32], count: usize| {
        let mut order: Vec<usize> = (0..row.len()).collect();
        order.sort_by(|a, b| row[*b].total_cmp(&row[*a]));
        order.truncate(count);
        order
    };
    let hits = scenes.iter().zip(concepts.iter().zip(&backgrounds)).map(|(scene, (concepts, backgrounds))| {
        let guesses = best(concepts, scene.concepts().count());
        let objects = scene.concepts().filter(|c| guesses.iter().any(|g| config.concepts[*g] == c.name())).count();
        let background = best(backgrounds, 1).iter().any(|g| config.backgrounds[*g] == scene.background.name());
        (objects, background)
    });
    hits.collect()
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
