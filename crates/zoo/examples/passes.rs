//! Prints how many images `emoji-32`'s denoiser takes in a second: forward, and forward and backward to a bank's factors, to the
//! input, and to both.
//!
//! `cargo run --release -p moa-zoo --example passes [ROWS [MEMBERS]]`

use std::time::{Duration, Instant};

use burn::tensor::{Device, Tensor, TensorData};
use moa_adapter::{AdapterBank, BankConfig, LowRank};
use moa_core::NoiseKey;

/// How long each kind of pass is repeated.
const TIME: Duration = Duration::from_secs(5);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut counts = std::env::args().skip(1).map(|argument| argument.parse::<usize>());
    let (rows, members) = (counts.next().unwrap_or(Ok(64))?, counts.next().unwrap_or(Ok(4))?);
    let device = Device::flex();
    let pipeline = moa_zoo::open_pipeline(&device)?;
    let [channels, height, width] = pipeline.latent_shape();
    let dims = [rows, channels, height, width];
    let values = NoiseKey::new(1).named("speed").normal(dims.iter().product());
    let x = Tensor::<4>::from_data(TensorData::new(values, dims), &device);
    let context = pipeline.encode_prompts(&["a cat on a red background"])?.expand(rows);
    let timesteps = vec![500.0f32; rows];
    let config = BankConfig { rank: 8, alpha: 8.0, share_a: true, seed: 0 };
    let names: Vec<String> = (0..members).map(|member| member.to_string()).collect();
    let plain = AdapterBank::fresh(&config, &names, &pipeline.adaptable(), &device);
    let layers = plain.layers().iter().map(|(name, LowRank { a, b })| {
        let b = b.clone().autodiff().require_grad();
        (name.clone(), LowRank { a: a.clone(), b })
    });
    let bank = plain.with_layers(layers.collect());
    let pass = |x: &Tensor<4>, bank: Option<&AdapterBank>| {
        let output = pipeline.denoise(x.clone(), &timesteps, &context, bank);
        if output.is_autodiff() {
            drop(output.sum().backward());
        }
    };
    let leaf = x.clone().autodiff().require_grad();
    for (what, x, bank) in [
        ("forward, base", &x, None),
        ("forward, bank", &x, Some(&plain)),
        ("forward and backward to the bank", &x, Some(&bank)),
        ("forward and backward to the input, base", &leaf, None),
        ("forward and backward to the input, bank", &leaf, Some(&plain)),
        ("forward and backward to bank and input", &leaf, Some(&bank)),
    ] {
        pass(x, bank);
        let (start, mut images) = (Instant::now(), 0);
        while start.elapsed() < TIME {
            pass(x, bank);
            images += rows;
        }
        println!("{what}: {:.0} images/s", images as f64 / start.elapsed().as_secs_f64());
    }
    Ok(())
}
