//! How long it takes to merge eight adapters of the size of Stable Diffusion 1.5's LoRAs (rank 16), from files to a file, against the time
//! of reading and writing as many bytes: of attention alone with ranks alike, and as kohya's scripts train them, with 1×1 and 3×3 convolutions, feed-forward
//! layers and the text encoder, at ranks of 8 to 32.
//!
//! `just bench-merge` runs it, and peft on the same files (`benches/peers/merge_peft.py`). Generated factors, the medians of
//! several rounds, files in the page cache, no waiting for the disk.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use moa_adapter::contents::Contents;
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
        for (title, method, rank, kind) in [
            ("linear (inexact)", MergeMethod::Linear, None, Kind::Own),
            ("mean of adapters with one A", MergeMethod::Mean, None, Kind::Shared),
            ("mean by concatenation", MergeMethod::Concatenate, None, Kind::Own),
            ("mean by SVD, rank 16", MergeMethod::Svd, Some(RANK), Kind::Own),
            ("mixed: mean", MergeMethod::Mean, None, Kind::Mixed),
            ("mixed: mean by SVD, rank 16", MergeMethod::Svd, Some(RANK), Kind::Mixed),
        ] {
            let sources = &sources[&kind];
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
        let config = std::fs::read_to_string(source.with_file_name("adapter_config.json")).ok();
        Ok(Contents::read(&std::fs::read(source)?, config.as_deref())?.adapter()?)
    };
    let adapters = sources.par_iter().map(read).collect::<Result<Vec<Adapter>, _>>();
    let adapters = adapters.map_err(|error| error as Box<dyn Error>)?;
    let parts: Vec<(&Adapter, f64)> = adapters.iter().map(|adapter| (adapter, 1.0 / adapters.len() as f64)).collect();
    let merged = merge.apply(&parts)?;
    let is_plain = merged.is_plain();
    let format = if is_plain { AdapterFormat::Peft } else { AdapterFormat::Kohya };
    Ok(merged.outgoing(format, "", None)?.write(&mut File::create(out)?)?)
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

/// What adapters there are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// Attention alone, with an A each.
    Own,
    /// Attention alone, with one A for all.
    Shared,
    /// All that kohya's scripts train, at different ranks.
    Mixed,
}

/// Writes the adapters, in peft's format or, mixed ones, in kohya's; those that are there already stay.
fn sources(folder: &Path, precision: Precision) -> Result<BTreeMap<Kind, Vec<PathBuf>>, Box<dyn Error>> {
    let mut found = BTreeMap::new();
    for (kind, name) in [(Kind::Own, "own"), (Kind::Shared, "shared"), (Kind::Mixed, "mixed")] {
        let format = if kind == Kind::Mixed { AdapterFormat::Kohya } else { AdapterFormat::Peft };
        let mut paths = Vec::new();
        for index in 0..ADAPTERS {
            let folder = folder.join(format!("{name}-{index}"));
            let path = folder.join(format.file_name());
            if !path.exists() {
                std::fs::create_dir_all(&folder)?;
                let files = adapter(kind, index, precision).to_files(format, "")?;
                if let Some(config) = files.config {
                    std::fs::write(folder.join("adapter_config.json"), config)?;
                }
                std::fs::write(&path, files.tensors)?;
            }
            paths.push(path);
        }
        found.insert(kind, paths);
    }
    Ok(found)
}

fn adapter(kind: Kind, index: u64, precision: Precision) -> Adapter {
    let rank = if kind == Kind::Mixed { [8, 16, 32][index as usize % 3] } else { RANK };
    let mut layers = BTreeMap::new();
    let mut add = |name: String, channels: usize, d_out: usize, kernel: &[usize]| {
        let d_in = channels * kernel.iter().product::<usize>();
        let values = |side: &str, seed: u64, count: usize| -> Vec<f32> {
            let key = NoiseKey::new(seed).named(side).named(&name);
            key.normal(count).into_iter().map(|value| 0.02 * value).collect()
        };
        let a = values("a", if kind == Kind::Shared { 0 } else { index }, rank * d_in);
        let b = values("b", index, d_out * rank);
        let layer = AdapterLayer { d_in, d_out, kernel: kernel.to_vec(), rank, alpha: rank as f32, a, b };
        layers.insert(name, layer);
    };
    for (stage, width, blocks) in STAGES {
        for block in 0..blocks {
            let at = format!("{stage}.attentions.{block}");
            for (attention, source) in [("attn1", width), ("attn2", TEXT)] {
                for (part, d_in) in [("to_q", width), ("to_k", source), ("to_v", source), ("to_out.0", width)] {
                    add(format!("{at}.transformer_blocks.0.{attention}.{part}"), d_in, width, &[]);
                }
            }
            if kind == Kind::Mixed {
                add(format!("{at}.proj_in"), width, width, &[1, 1]);
                add(format!("{at}.proj_out"), width, width, &[1, 1]);
                add(format!("{at}.transformer_blocks.0.ff.net.0.proj"), width, 8 * width, &[]);
                add(format!("{at}.transformer_blocks.0.ff.net.2"), 4 * width, width, &[]);
                add(format!("{stage}.resnets.{block}.conv1"), width, width, &[3, 3]);
            }
        }
    }
    for layer in 0..if kind == Kind::Mixed { 12 } else { 0 } {
        let at = format!("text_encoder.text_model.encoder.layers.{layer}");
        for part in ["q_proj", "k_proj", "v_proj", "out_proj"] {
            add(format!("{at}.self_attn.{part}"), TEXT, TEXT, &[]);
        }
        add(format!("{at}.mlp.fc1"), TEXT, 4 * TEXT, &[]);
        add(format!("{at}.mlp.fc2"), 4 * TEXT, TEXT, &[]);
    }
    Adapter::of_layers(precision, layers)
}
