//! Writes features of real images, with the score of a simulated rater, for `moa-preference-model`'s example `labels`.
//!
//! `cargo run --release -p moa-cli --example preference_features -- results/pareto [--prompts 120] [--images 20] [--claims 0]
//! [--out features.csv]`
//!
//! Draws scenes of `emoji-32` by the base, the runs and the soups of an experiment, each prompt by `images` of them in turn. The
//! features of an image are its unit embedding `e` by the built-in CLIP, and the products `e·t·√width` with its prompt's embedding
//! `t`. The score is the hidden rater of the aesthetics head, in standard deviations, and `claims` standard deviations of the share
//! of the prompt's claims that hold, by the judging detector.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use moa_adapter::{Adapter, AdapterBank};
use moa_core::NoiseKey;
use moa_reward::{Pictures, Raster, rater};
use moa_scenes::{HeldOut, Kinds, SceneDistribution, SceneRng, sample_scene};
use moa_train::{DrawRequest, Workers, draw};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let results = PathBuf::from(arguments.first().ok_or("name the results of an experiment")?);
    let option = |name: &str, default: &str| {
        let at = arguments.iter().position(|argument| argument == name);
        at.and_then(|at| arguments.get(at + 1)).cloned().unwrap_or_else(|| default.to_owned())
    };
    let (count, images): (usize, usize) = (option("--prompts", "120").parse()?, option("--images", "20").parse()?);
    let claims: f64 = option("--claims", "0").parse()?;
    let device = Device::flex();
    let pipeline = moa_zoo::open_pipeline(&device)?;
    let (embedder, judge) = (moa_zoo::embedder(&device)?, moa_zoo::detector_judge(&device)?);
    let distribution =
        SceneDistribution { kinds: Kinds::two_objects(0.5), unsafe_share: None, held_out: HeldOut::Excluded };
    let mut prompts: Vec<String> = Vec::new();
    for index in 0.. {
        let caption = sample_scene(&mut SceneRng::keyed(77, &[index]), &distribution).caption();
        if !prompts.contains(&caption) {
            prompts.push(caption);
        }
        if prompts.len() == count {
            break;
        }
    }
    let rules = pipeline.schedule().deterministic(6);
    let mut models: Vec<Option<AdapterBank>> = vec![None];
    for file in adapters(&results)? {
        let config = std::fs::read_to_string(file.with_file_name("adapter_config.json"))?;
        let adapter = Adapter::read(&std::fs::read(&file)?, &config)?;
        models.push(AdapterBank::of(&[&adapter], pipeline.device()));
    }
    // Prompt p has its image i by model p + i, so that all models draw alike often.
    let (mut rows, mut taste, mut kept) = (Vec::new(), Vec::new(), Vec::new());
    for (number, bank) in models.iter().enumerate() {
        let own: Vec<usize> = (0..count)
            .flat_map(|prompt| std::iter::repeat_n(prompt, turns(prompt, number, models.len(), images)))
            .collect();
        let mut done = 0;
        while done < own.len() {
            let part: Vec<usize> = own[done..own.len().min(done + 32)].to_vec();
            let texts: Vec<String> = part.iter().map(|prompt| prompts[*prompt].clone()).collect();
            let request = DrawRequest {
                prompts: &texts,
                per_prompt: 1,
                rules: &rules,
                guidance: 1.0,
                key: NoiseKey::new(3).named("features").with(number as u64).with(done as u64),
                micro_batch: 32,
                workers: &Workers::new(2),
                stop: None,
            };
            for pictures in draw(&pipeline, bank.as_ref(), &request, &|_| {})? {
                let rasters = Raster::of(pictures.pixels());
                let embedded = embedder.pictures(pictures.pixels())?;
                let verdicts = judge.verdicts(&Pictures::new(pictures.pixels(), pictures.prompts().to_vec(), 1)?);
                for (at, (raster, verdict)) in rasters.iter().zip(verdicts).enumerate() {
                    let prompt = &pictures.prompts()[at];
                    let text = embedder.text(prompt)?;
                    let image = embedded.row(at);
                    let scale = (image.len() as f32).sqrt();
                    let products = image.iter().zip(text.iter()).map(|(e, t)| e * t * scale);
                    rows.push((prompt.clone(), image.iter().copied().chain(products).collect::<Vec<f32>>()));
                    taste.push(f64::from(rater::rate(raster).total()));
                    kept.push(f64::from(verdict.attributes.unwrap_or(0.0)));
                }
            }
            done += part.len();
        }
    }
    let (taste, kept) = (standardised(&taste), standardised(&kept));
    let mut text = String::from("prompt,score");
    (0..rows[0].1.len()).for_each(|at| write!(text, ",x{at}").expect("a string takes all"));
    for ((prompt, features), (taste, kept)) in rows.iter().zip(taste.iter().zip(&kept)) {
        write!(text, "\n\"{prompt}\",{:.5}", taste + claims * kept)?;
        features.iter().try_for_each(|value| write!(text, ",{value:.5}"))?;
    }
    text.push('\n');
    let out = option("--out", "features.csv");
    std::fs::write(&out, text)?;
    println!("{} images of {count} prompts by {} models: {out}", rows.len(), models.len());
    Ok(())
}

/// Returns how many of a prompt's images a model draws.
fn turns(prompt: usize, model: usize, models: usize, images: usize) -> usize {
    (0..images).filter(|image| (prompt + image) % models == model).count()
}

fn adapters(results: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for kind in ["runs", "soups"] {
        for entry in std::fs::read_dir(results.join(kind)).into_iter().flatten() {
            let file = entry?.path().join("adapter.safetensors");
            found.extend(file.is_file().then_some(file));
        }
    }
    found.sort();
    Ok(found)
}

fn standardised(values: &[f64]) -> Vec<f64> {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let deviation = (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt();
    values.iter().map(|value| (value - mean) / deviation.max(f64::MIN_POSITIVE)).collect()
}
