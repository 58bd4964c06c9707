//! Measures what the gradient of the built-in rewards costs, beside their scores and passes of the denoiser.
//!
//! `cargo run --release -p moa-zoo --example reward_gradient -- [PICTURES]`
//!
//! IMAGES, a multiple of 8, is 64 unless given. Each line is the median of 9 calls.

use std::time::Instant;

use burn::tensor::{Device, Tensor, TensorData};
use moa_core::NoiseKey;
use moa_core::experiment::RewardKind;
use moa_reward::Pictures;
use moa_zoo::BaseModel;

const PROMPT: &str = "a cat on a red background";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    use RewardKind::{Aesthetics, Alignment, Colourfulness, Contrast, Diversity, Harmony, Safety};
    let count: usize = std::env::args().nth(1).map_or(Ok(64), |text| text.parse())?;
    let device = Device::flex();
    let dims = [count, 3, 32, 32];
    let noise = NoiseKey::new(1).normal(dims.iter().product());
    let values = noise.iter().map(|value| (0.5 + 0.2 * value).clamp(0.0, 1.0)).collect();
    let pixels = Tensor::from_data(TensorData::new::<f32, _>(values, dims), &device);
    let pictures = Pictures::new(pixels, vec![PROMPT.to_owned(); count], 8)?;

    let pipeline = moa_zoo::open_pipeline(&device)?;
    let [channels, height, width] = pipeline.latent_shape();
    let latents = Tensor::<4>::zeros([count, channels, height, width], &device);
    let context = pipeline.encode_prompts(&vec![PROMPT; count])?;
    let timesteps = vec![500.0; count];
    report("one pass of the denoiser", count, || {
        pipeline.denoise(latents.clone(), &timesteps, &context, None);
    });

    let on_clip = vec![Aesthetics, Alignment, Safety, Diversity];
    let analytic = [Colourfulness, Contrast, Harmony].map(|kind| vec![kind]);
    for kinds in [vec![Aesthetics], on_clip].into_iter().chain(analytic) {
        let name = kinds.iter().map(RewardKind::default_name).collect::<Vec<_>>().join(", ");
        let coefficients = vec![1.0; kinds.len()];
        let specs = kinds.into_iter().map(Into::into).collect::<Vec<_>>();
        let scorer = moa_zoo::scorer(&BaseModel::embedded(), &specs, 8, None, &device)?;
        scorer.gradient(&pictures, &coefficients)?;
        report(&format!("scores: {name}"), count, || {
            let _ = scorer.score(&pictures);
        });
        report(&format!("gradient: {name}"), count, || {
            let _ = scorer.gradient(&pictures, &coefficients);
        });
    }
    Ok(())
}

fn report(name: &str, count: usize, call: impl Fn()) {
    let mut seconds: Vec<f64> = (0..9)
        .map(|_| {
            let start = Instant::now();
            call();
            start.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    let median = seconds[4];
    println!("{name:55} {:8.2} ms, {:8.0} pictures/s", median * 1e3, count as f64 / median);
}
