//! Prints how many images `emoji-32`'s denoiser takes in a second: forward, and forward and backward to a bank's factors, to the
//! input, to both, to the text, and to the tokens of a prompt.
//!
//! `cargo run --release -p moa-zoo --example passes [ROWS [MEMBERS]]`

use std::time::{Duration, Instant};

use burn::tensor::{Device, Tensor, TensorData};
use moa_adapter::{AdapterBank, BankConfig, LowRank};
use moa_core::NoiseKey;
use moa_diffusion::{TextContext, TokensError};

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
    let tokens = pipeline.prompt_tokens(&["a cat on a red background"])?;
    let embedded = pipeline.embed_tokens(&tokens)?.remove(0).autodiff().require_grad();
    let context = pipeline.encode_tokens(&tokens)?.expand(rows);
    let states = context.states.clone().autodiff().require_grad();
    let followed = TextContext { states, ..context.clone() };
    let timesteps = vec![500.0f32; rows];
    let config = BankConfig { rank: 8, alpha: 8.0, share_a: true, seed: 0 };
    let names: Vec<String> = (0..members).map(|member| member.to_string()).collect();
    let plain = AdapterBank::fresh(&config, &names, &pipeline.adaptable(), &device);
    let layers = plain.layers().iter().map(|(name, LowRank { a, b })| {
        let b = b.clone().autodiff().require_grad();
        (name.clone(), LowRank { a: a.clone(), b })
    });
    let bank = plain.with_layers(layers.collect());
    let pass = |x: &Tensor<4>, context: Option<&TextContext>, bank: Option<&AdapterBank>| {
        // A prompt that is followed is encoded in every pass: a graph is good for one backward pass.
        let context = match context {
            Some(context) => context.clone(),
            None => pipeline.encode_embedded(&tokens, std::slice::from_ref(&embedded))?.expand(rows),
        };
        let output = pipeline.denoise(x.clone(), &timesteps, &context, bank);
        if output.is_autodiff() {
            drop(output.sum().backward());
        }
        Ok::<_, TokensError>(())
    };
    let leaf = x.clone().autodiff().require_grad();
    for (what, x, context, bank) in [
        ("forward, base", &x, Some(&context), None),
        ("forward, bank", &x, Some(&context), Some(&plain)),
        ("forward and backward to the bank", &x, Some(&context), Some(&bank)),
        ("forward and backward to the input, base", &leaf, Some(&context), None),
        ("forward and backward to the input, bank", &leaf, Some(&context), Some(&plain)),
        ("forward and backward to bank and input", &leaf, Some(&context), Some(&bank)),
        ("forward and backward to the text, base", &x, Some(&followed), None),
        ("forward and backward to the text, bank", &x, Some(&followed), Some(&plain)),
        ("forward and backward to the tokens, base", &x, None, None),
        ("forward and backward to bank, input and text", &leaf, Some(&followed), Some(&bank)),
    ] {
        pass(x, context, bank)?;
        let (start, mut images) = (Instant::now(), 0);
        while start.elapsed() < TIME {
            pass(x, context, bank)?;
            images += rows;
        }
        println!("{what}: {:.0} images/s", images as f64 / start.elapsed().as_secs_f64());
    }
    Ok(())
}
