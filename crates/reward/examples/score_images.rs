//! Prints what an experiment's ONNX rewards give images, as JSON: for each reward its scores in the images' order.
//!
//! `cargo run --release -p moa-reward --example score_images -- docs/examples/nudity.ron a.png b.png`

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use moa_core::ExperimentSpec;
use moa_core::experiment::RewardKind;
use moa_reward::external::Onnx;
use moa_reward::{Pictures, Reward, View};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let experiment = arguments.next().ok_or("name an experiment and images")?;
    let images: Vec<PathBuf> = arguments.collect();
    let mut scores = BTreeMap::new();
    for reward in ExperimentSpec::load(&experiment)?.rewards {
        let RewardKind::Onnx(spec) = &reward.kind else { continue };
        let onnx = Onnx::open(&reward.name, spec)?;
        let all = images.iter().map(|image| Ok(onnx.score(&View::new(&picture(image)?))?[0]));
        scores.insert(reward.name, all.collect::<Result<Vec<f32>, Box<dyn Error>>>()?);
    }
    println!("{}", serde_json::to_string(&scores)?);
    Ok(())
}

fn picture(path: &Path) -> Result<Pictures, Box<dyn Error>> {
    let image = image::open(path)?.into_rgb8();
    let (width, height) = (image.width() as usize, image.height() as usize);
    let plane = |channel: usize| image.pixels().map(move |pixel| f32::from(pixel.0[channel]) / 255.0);
    let values: Vec<f32> = (0..3).flat_map(plane).collect();
    let pixels = Tensor::from_data(TensorData::new(values, [1, 3, height, width]), &Device::flex());
    Ok(Pictures::new(pixels, vec![path.display().to_string()], 1)?)
}
