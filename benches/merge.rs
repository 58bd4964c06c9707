//! How long it takes to merge eight adapters of the size of Stable Diffusion 1.5's attention LoRA (rank 16), from files to a file,
//! against the time of reading and writing as many bytes.
//!
//! `just bench-merge` runs it, and peft on the same files (`benches/peers/merge_peft.py`). Generated factors, the medians of
//! several rounds, files in the page cache, no waiting for the disk.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use moa_adapter::{Adapter, AdapterFormat, AdapterLayer, Merge, MergeMethod, Precision};
use moa_core::NoiseKey;
use rayon::prelude::*;

const ADAPTERS: u64 = 8;
const RANK: usize = 16;
const ROUNDS: usize = 7;
/// Width and number of transformer blocks of each stage: down, middle, up.
const STAGES: [(&str, usize, usize); 7] = [
    ("down_blocks.0", 320, 2),
    ("down_blocks.1", 640, 2),
    ("down_blocks.2", 1280, 2),
    ("mid_block", 1280, 1),
    ("up_blocks.1", 1280, 3),
    ("up_blocks.2", 640, 3),
    ("up_blocks.3", 320, 3),
];
/// Width of the text encoder's states.
const TEXT: usize = 768;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let folder = arguments.first().map_or_else(|| std::env::temp_dir().join("moa-bench-merge"), PathBuf::from);
    println!("{:<10} {:<28} {:>9} {:>9} {:>7}", "precision", "merge", "seconds", "bytes", "times");
    for precision in [Precision::F32, Precision::F16] {
        let name = format!("{precision:?}").to_lowercase();
        let sources = sources(&folder.join(&name), precision)?;
        for (title, method, rank, shared) in [
            ("linear (inexact)", MergeMethod::Linear, None, false),
            ("mean of adapters with one A", MergeMethod::Mean, None, true),
            ("mean by concatenation", MergeMethod::Concatenate, None, false),
            ("mean by SVD, rank 16", MergeMethod::Svd, Some(RANK), false),
        ] {
            let sources = &sources[usize::from(shared)];
            let merge = Merge { method, rank, ..Merge::default() };
            let out = folder.join(&name).join("merged.safetensors");
            let rounds = if method == MergeMethod::Svd { 3 } else { ROUNDS };
            let merged = median(rounds, || merge_files(sources, &merge, &out))?;
            let length = std::fs::metadata(&out)?.len() as usize;
            let bytes = median(rounds, || copy_bytes(sources, length, &out))?;
            println!("{name:<10} {title:<28} {merged:>9.3} {bytes:>9.3} {:>6.2}x", merged / bytes);
        }
    }
    println!("files in {}", folder.display());
    Ok(())
}

/// Reads adapters, merges them with equal shares, and writes the result.
fn merge_files(sources: &[PathBuf], merge: &Merge, out: &Path) -> Result<(), Box<dyn Error>> {
    let read = |source: &PathBuf| -> Result<Adapter, Box<dyn Error + Send + Sync>> {
        let config = std::fs::read_to_string(source.with_file_name("adapter_config.json"))?;
        Ok(Adapter::read(&std::fs::read(source)?, &config)?)
    };
    let adapters = sources.par_iter().map(read).collect::<Result<Vec<Adapter>, _>>();
    let adapters = adapters.map_err(|error| error as Box<dyn Error>)?;
    let parts: Vec<(&Adapter, f64)> = adapters.iter().map(|adapter| (adapter, 1.0 / adapters.len() as f64)).collect();
    let merged = merge.apply(&parts)?;
    Ok(merged.outgoing(AdapterFormat::Peft, "", None)?.write(&mut File::create(out)?)?)
}

/// Reads the same files, and writes as many bytes as the merge does.
fn copy_bytes(sources: &[PathBuf], length: usize, out: &Path) -> Result<(), Box<dyn Error>> {
    let read: Vec<Vec<u8>> = sources.iter().map(std::fs::read).collect::<Result<_, _>>()?;
    let mut file = File::create(out)?;
    let mut left = length;
    for bytes in read.iter().cycle() {
        let part = left.min(bytes.len());
        file.write_all(&bytes[..part])?;
        left -= part;
        if left == 0 {
            break;
        }
    }
    Ok(())
}

/// Returns the median time in seconds.
fn median(rounds: usize, mut work: impl FnMut() -> Result<(), Box<dyn Error>>) -> Result<f64, Box<dyn Error>> {
    let mut times = Vec::new();
    for _ in 0..rounds {
        let began = Instant::now();
        work()?;
        times.push(began.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    Ok(times[rounds / 2])
}

/// Writes the adapters, with an A each and with one A for all, in peft's format; those that are there already stay.
fn sources(folder: &Path, precision: Precision) -> Result<[Vec<PathBuf>; 2], Box<dyn Error>> {
    let mut found = [Vec::new(), Vec::new()];
    for (shared, paths) in found.iter_mut().enumerate() {
        for index in 0..ADAPTERS {
            let folder = folder.join(format!("{}-{index}", if shared == 1 { "shared" } else { "own" }));
            let path = folder.join("adapter_model.safetensors");
            if !path.exists() {
                std::fs::create_dir_all(&folder)?;
                let adapter = adapter(if shared == 1 { 0 } else { index }, index, precision);
                let files = adapter.to_files(AdapterFormat::Peft, "")?;
                std::fs::write(folder.join("adapter_config.json"), files.config.unwrap_or_default())?;
                std::fs::write(&path, files.tensors)?;
            }
            paths.push(path);
        }
    }
    Ok(found)
}

fn adapter(a: u64, b: u64, precision: Precision) -> Adapter {
    let mut layers = BTreeMap::new();
    for (stage, width, blocks) in STAGES {
        for block in 0..blocks {
            for (attention, source) in [("attn1", width), ("attn2", TEXT)] {
                for (part, d_in) in [("to_q", width), ("to_k", source), ("to_v", source), ("to_out.0", width)] {
                    let name = format!("{stage}.attentions.{block}.transformer_blocks.0.{attention}.{part}");
                    let values = |side: &str, seed: u64, count: usize| -> Vec<f32> {
                        let key = NoiseKey::new(seed).named(side).named(&name);
                        key.normal(count).into_iter().map(|value| 0.02 * value).collect()
                    };
                    let layer = AdapterLayer {
                        d_in,
                        d_out: width,
                        a: values("a", a, RANK * d_in),
                        b: values("b", b, width * RANK),
                    };
                    layers.insert(name, layer);
                }
            }
        }
    }
    Adapter { rank: RANK, alpha: RANK as f32, precision, layers }
}
