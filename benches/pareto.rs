//! How long the mathematics of fronts takes: hypervolume, sorting, a point more, intervals, at 10 to 10,000 points in two to six
//! objectives.
//!
//! `just bench-pareto` runs it, and moocore and pymoo on the same points (`benches/peers/pareto.py`). Points lie on the positive
//! part of the unit sphere, where none dominates another: the hard case. The best of several calls counts.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;

use moa_core::NoiseKey;
use moa_pareto::{Bootstrap, hypervolume, hypervolume_gain, non_dominated, ranks};

/// Objectives, and the most points in them whose hypervolume is computed in seconds.
const SIZES: [(usize, usize); 5] = [(2, 10_000), (3, 10_000), (4, 10_000), (5, 1000), (6, 100)];
const COUNTS: [usize; 4] = [10, 100, 1000, 10_000];
/// Seconds that a figure is measured for, unless one call takes longer.
const PATIENCE: f64 = 0.3;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let folder = arguments.first().map_or_else(|| std::env::temp_dir().join("moa-bench-pareto"), PathBuf::from);
    fs::create_dir_all(&folder)?;
    let mut found = String::from("figure,objectives,points,seconds,value\n");
    for (objectives, most) in SIZES {
        for count in COUNTS {
            let points = points(objectives, count);
            write_points(&folder.join(format!("{objectives}-{count}.csv")), &points)?;
            let reference = vec![0.0; objectives];
            let mut row = |figure: &str, (seconds, value): (f64, f64)| {
                println!(
                    "{figure:<18} {objectives} objectives {count:>6} points {:>12.1} µs   {value:.9}",
                    seconds * 1e6
                );
                let _ = writeln!(found, "{figure},{objectives},{count},{seconds:e},{value}");
            };
            if count <= most {
                row("hypervolume", timed(|| hypervolume(&points, &reference))?);
                let candidate = vec![0.9 / (objectives as f64).sqrt(); objectives];
                row("a point more", timed(|| hypervolume_gain(&points, &candidate, &reference))?);
            }
            row("non-dominated", timed(|| non_dominated(&points).map(|front| front.len() as f64))?);
            row("ranks", timed(|| ranks(&points).map(|ranks| ranks.into_iter().max().unwrap_or(0) as f64))?);
        }
    }
    // An experiment's report: 13 points in four objectives on 96 prompts of four images.
    let evaluations: Vec<Vec<Vec<f64>>> = (0..13).map(|point| grid(point, 96, 4)).collect();
    let bootstrap = Bootstrap::seeded(1);
    let (seconds, value) = timed(|| bootstrap.hypervolume(&evaluations, &[0.0; 4]).map(|interval| interval.mean))?;
    println!("interval of the hypervolume of 13 points, 96 prompts: {:.1} ms   {value:.6}", seconds * 1e3);
    fs::write(folder.join("moa.csv"), found)?;
    println!("points and figures in {}", folder.display());
    Ok(())
}

/// Returns points on the positive part of the unit sphere.
fn points(objectives: usize, count: usize) -> Vec<Vec<f64>> {
    let key = NoiseKey::new(7).with(objectives as u64).with(count as u64);
    let point = |index: usize| {
        let mut normal = vec![0.0f32; objectives];
        key.with(index as u64).fill_normal(&mut normal);
        let length = normal.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
        normal.iter().map(|x| f64::from(x.abs()) / length).collect()
    };
    (0..count).map(point).collect()
}

/// Returns scores in four objectives for each prompt: means around ½.
fn grid(point: u64, prompts: usize, objectives: usize) -> Vec<Vec<f64>> {
    let key = NoiseKey::new(8).with(point);
    let score = |prompt: usize, objective: usize| 0.3 + 0.4 * key.with(prompt as u64).uniform(objective as u64);
    (0..prompts).map(|prompt| (0..objectives).map(|objective| score(prompt, objective)).collect()).collect()
}

fn write_points(path: &Path, points: &[Vec<f64>]) -> Result<(), Box<dyn Error>> {
    let line = |point: &Vec<f64>| point.iter().map(f64::to_string).collect::<Vec<_>>().join(",");
    Ok(fs::write(path, points.iter().map(line).collect::<Vec<_>>().join("\n"))?)
}

/// Returns the seconds of the fastest call, and what it returned.
fn timed<E>(mut call: impl FnMut() -> Result<f64, E>) -> Result<(f64, f64), E> {
    let began = Instant::now();
    let mut value = call()?;
    let mut fastest = began.elapsed().as_secs_f64();
    while began.elapsed().as_secs_f64() < PATIENCE {
        let once = Instant::now();
        value = black_box(call()?);
        fastest = fastest.min(once.elapsed().as_secs_f64());
    }
    Ok((fastest, value))
}
