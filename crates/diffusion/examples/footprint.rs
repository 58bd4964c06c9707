//! What a checkpoint takes in memory in a precision by LibTorch on the CPU, and how far a pass in it is from f32.
//!
//!     cargo run --release --features libtorch -p moa-diffusion --example footprint -- FOLDER PRECISION

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use moa_core::NoiseKey;
use moa_core::experiment::Precision;
use moa_device::to_host;
use moa_diffusion::sampler::keyed_noise;
use moa_diffusion::{Compute, Pipeline};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, precision] = arguments.as_slice() else { return Err("usage: footprint FOLDER PRECISION".into()) };
    let precision = Precision::ALL.into_iter().find(|known| known.name() == precision).ok_or("unknown precision")?;
    let folder = Path::new(folder);
    // First, as nothing else has been in memory then.
    let before = resident();
    let began = Instant::now();
    let pipeline = open(folder, precision)?;
    let (opened, bytes) = (began.elapsed(), resident().saturating_sub(before));
    let began = Instant::now();
    let output = pass(&pipeline)?;
    println!(
        "{}: {:.2} GiB; opened in {opened:.1?}, a pass in {:.1?}",
        precision.name(),
        bytes as f64 / f64::from(1 << 30),
        began.elapsed()
    );
    if precision != Precision::F32 {
        drop(pipeline);
        println!("the pass is {:.1e} from F32", relative_rms(&output, &pass(&open(folder, Precision::F32)?)?));
    }
    Ok(())
}

fn open(folder: &Path, precision: Precision) -> Result<Pipeline, Box<dyn Error>> {
    Ok(Pipeline::open_folder(folder, Compute { precision, ..Compute::from(&device()) })?)
}

/// Denoises one row.
fn pass(pipeline: &Pipeline) -> Result<Vec<f32>, Box<dyn Error>> {
    let context = pipeline.encode_prompts(&["a red apple on a table"])?;
    let x = keyed_noise(pipeline, &[NoiseKey::new(1)]);
    Ok(to_host(pipeline.denoise(x, &[500.0], &context, None)))
}

fn relative_rms(found: &[f32], exact: &[f32]) -> f64 {
    let square = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>();
    let off = square(&mut found.iter().zip(exact).map(|(found, exact)| f64::from(*found) - f64::from(*exact)));
    (off / square(&mut exact.iter().map(|exact| f64::from(*exact)))).sqrt()
}

/// Returns the bytes of memory that this process holds; 0 where the system does not tell.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) * 1024
}

#[cfg(feature = "libtorch")]
#[expect(deprecated, reason = "LibTorch is burn 0.22's way to CUDA without a download: docs/decisions/001")]
fn device() -> burn::tensor::Device {
    burn::tensor::Device::libtorch()
}

#[cfg(not(feature = "libtorch"))]
fn device() -> burn::tensor::Device {
    burn::tensor::Device::flex()
}
