//! How long 64 images of 512 × 512 take to be scored by a program: encoding, the pipe, and a program that decodes them or does not.
//!
//! `cargo bench --workspace --bench program`. The best of three counts.

use std::error::Error;
use std::time::{Duration, Instant};

use burn::tensor::{Device, Tensor, TensorData};
use moa_core::experiment::ProgramSpec;
use moa_reward::external::Program;
use moa_reward::{Pictures, Reward, View};

const COUNT: usize = 64;
const SIDE: usize = 512;

fn main() -> Result<(), Box<dyn Error>> {
    let values: Vec<f32> = (0..COUNT * 3 * SIDE * SIDE).map(wave).collect();
    let pixels = Tensor::from_data(TensorData::new(values, [COUNT, 3, SIDE, SIDE]), &Device::flex());
    let pictures = Pictures::new(pixels, vec!["a wave".to_owned(); COUNT], 1)?;
    for (behaviour, words) in [("careless", "decodes nothing"), ("good", "decodes every image")] {
        let spec = ProgramSpec {
            command: vec![env!("CARGO_BIN_EXE_moa-test-reward-program").into(), behaviour.into(), String::new()],
            folder: None,
            batch: 16,
            in_flight: 2,
            timeout_seconds: 30,
            start_seconds: 30,
            retries: 0,
            range: None,
        };
        let program = Program::start("bright", &spec)?;
        let mut best = Duration::MAX;
        for _ in 0..3 {
            let began = Instant::now();
            program.score(&View::new(&pictures))?;
            best = best.min(began.elapsed());
        }
        println!("a program that {words:<22} {:.2} s", best.as_secs_f64());
    }
    Ok(())
}

/// A smooth pattern with a little grain, row by row.
fn wave(place: usize) -> f32 {
    let (x, y) = ((place % SIDE) as f32, (place / SIDE % SIDE) as f32);
    let grain = (place.wrapping_mul(2_654_435_761) >> 16 & 15) as f32 / 255.0;
    0.5 + 0.4 * (x / 40.0).sin() * (y / 60.0).cos() + grain
}
