//! Decodes random latents with Stable Diffusion's autoencoder at its true size, with random weights, then computes the gradient of
//! the image's mean to them; prints time and peak memory of both: `cargo run --release --workspace --example decode_latents -- SIDE [BUDGET_MIB]`, the side in pixels.

use std::time::Instant;

use burn::tensor::{Device, Distribution, Tensor};
use moa_adapter::Parameters;
use moa_core::NoiseKey;
use moa_diffusion::{Vae, VaeConfig};

const CONFIG: &str = r#"{"_class_name": "AutoencoderKL", "block_out_channels": [128, 256, 512, 512], "layers_per_block": 2,
    "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock2D"],
    "up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D"]}"#;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<u64> = std::env::args().skip(1).map(|word| word.parse()).collect::<Result<_, _>>()?;
    let side = *arguments.first().unwrap_or(&256) as usize;
    let device = Device::flex();
    let mut vae = Vae::load(&VaeConfig::read(CONFIG.as_bytes())?, &Parameters::fresh(NoiseKey::new(0), &device))?;
    if let Some(budget) = arguments.get(1) {
        vae = vae.within(budget << 20);
    }
    let before = memory();
    let latents = Tensor::random([1, 4, side / 8, side / 8], Distribution::Default, &device);
    let began = Instant::now();
    let images = vae.decode(&latents).into_data();
    println!("{:?} in {:.1?}; before: {before}; {}", images.shape(), began.elapsed(), memory());
    println!("estimated: {} MiB", vae.decoding_bytes(side, side) >> 20);
    let (leaf, began) = (latents.autodiff().require_grad(), Instant::now());
    let mut gradients = vae.decode(&leaf).mean().backward();
    let gradient = leaf.grad_remove(&mut gradients).ok_or("the latents have a gradient")?;
    println!("gradient {:?} in {:.1?}; {}", gradient.dims(), began.elapsed(), memory());
    Ok(())
}

/// Returns the process's present and greatest memory, as Linux tells them.
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let lines = status.lines().filter(|line| line.starts_with("VmHWM") || line.starts_with("VmRSS"));
    lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>().join(", ")
}
