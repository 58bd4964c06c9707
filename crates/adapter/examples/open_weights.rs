//! Opens a weight file and reads every tensor; prints time and peak memory:
//! `cargo run --release --workspace --example open_weights -- model.safetensors`.

use std::path::PathBuf;
use std::time::Instant;

use burn::tensor::Device;
use moa_adapter::{Init, Parameters};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let paths: Vec<PathBuf> = std::env::args().skip(1).map(PathBuf::from).collect();
    let began = Instant::now();
    let parameters = Parameters::open(&paths, &Device::flex())?;
    let opened = began.elapsed();
    let mut kept = Vec::new();
    let mut values = 0;
    for name in parameters.names() {
        let shape = parameters.shape(&name).unwrap_or_default();
        let count = shape.iter().product::<usize>();
        let flat = parameters.flat(&name, &shape, Init::Zeros)?;
        values += count;
        kept.push(flat);
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("VmHWM: unknown");
    println!("{values} values, opened in {opened:.2?}, read in {:.2?}; {peak}", began.elapsed());
    Ok(())
}
