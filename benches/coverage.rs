//! How often intervals hold: every kind that `moa` prints, on resampled score tables of the built-in rewards and on stated
//! distributions, by number of prompts and of columns.
//!
//! `just bench-coverage [TRIALS]` runs it. A *population* is a table of scores that is drawn from with replacement. The means
//! over all of it are known, so that each trial draws prompts, makes intervals of them, and sees whether they hold. The scores of
//! built-in rewards are `coverage/scores.csv`: 192 prompts (`emoji-train`), base, four specialists, centre and a soup by the
//! rewards of `pareto.ron`, as `moa export --what evaluations` gives them after `moa sweep benches/coverage/table.ron`.
//!
//! Intervals are drawn however few the prompts are, which `moa` does not do, to find from which number on they hold; a column of
//! which nothing can be said counts as held, and `given` is the share of columns with an interval from resampling.

use std::error::Error;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use moa_core::NoiseKey;
use moa_pareto::{Bootstrap, Covered, FEWEST_VARYING, Interval, ParetoError, Sample, hypervolume};

const PROMPTS: [usize; 7] = [8, 12, 16, 24, 32, 64, 96];
const COLUMNS: [usize; 3] = [1, 4, 12];
const LEVEL: f64 = 0.95;
const RESAMPLES: usize = 1000;

/// Columns of scores, `[column][prompt]`, and the range that all of them are known to lie in.
struct Population {
    name: &'static str,
    columns: Vec<Vec<f64>>,
    range: Option<[f64; 2]>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let trials: u64 = arguments.first().map_or(Ok(1000), |text| text.parse())?;
    let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../benches/coverage/scores.csv");
    let populations = populations(&fs::read_to_string(table)?)?;
    let error = (LEVEL * (1.0 - LEVEL) / trials as f64).sqrt();
    println!("{trials} trials each; the Monte-Carlo standard error of a true 0.95 is {error:.4}\n");
    println!(
        "{:<22} {:>7} {:>7}  {:>6} {:>6}  {:>6} {:>6}  {:>6}",
        "population", "columns", "prompts", "others", "given", "mean", "given", "claims"
    );
    for population in &populations {
        for columns in COLUMNS.into_iter().filter(|columns| *columns <= population.columns.len()) {
            for prompts in PROMPTS {
                let [others, given, mean, mean_given, claims] = coverage(population, columns, prompts, trials)?;
                println!(
                    "{:<22} {columns:>7} {prompts:>7}  {others:>6.3} {given:>6.2}  {mean:>6.3} {mean_given:>6.2}  {claims:>6.3}",
                    population.name
                );
                std::io::stdout().flush()?;
            }
        }
    }
    println!("\nhypervolume of the gains of base and six points by four rewards, and its difference to the base's");
    println!("{:>7}  {:>6} {:>10}", "prompts", "volume", "difference");
    for prompts in PROMPTS {
        let [volume, difference] = volumes(&populations[1].columns, prompts, trials.min(400))?;
        println!("{prompts:>7}  {volume:>6.3} {difference:>10.3}");
    }
    Ok(())
}

/// Returns the score table as levels and as gains over the base, and the stated distributions.
fn populations(table: &str) -> Result<Vec<Population>, Box<dyn Error>> {
    let mut lines = table.lines();
    let names: Vec<&str> = lines.next().ok_or("the score table is empty")?.split(',').collect();
    let mut levels = vec![Vec::new(); names.len()];
    for line in lines {
        for (column, value) in levels.iter_mut().zip(line.split(',')) {
            column.push(value.parse::<f64>()?);
        }
    }
    let gains: Vec<Vec<f64>> = levels[4..]
        .iter()
        .enumerate()
        .map(|(index, column)| column.iter().zip(&levels[index % 4]).map(|(own, base)| own - base).collect())
        .collect();
    // Safety first: of the four it is the most skewed.
    let first = |mut columns: Vec<Vec<f64>>| {
        columns.swap(0, 2);
        columns
    };
    let key = NoiseKey::new(13);
    // Twelve columns that share half of their noise, as mixtures measured on the same prompts do.
    let drawn = |name: &str, value: &dyn Fn(f64, f64) -> f64| {
        let rows = 20_000;
        let column = |index: u64| {
            let (common, own) = (key.named(name), key.named(name).with(index + 1));
            (0..rows).map(|row| value(common.uniform(row), own.uniform(row))).collect()
        };
        (0..12).map(column).collect::<Vec<Vec<f64>>>()
    };
    let normal = |common: f64, own: f64| (-2.0 * (1.0 - common).ln()).sqrt() * (std::f64::consts::TAU * own).cos();
    let unit = Some([0.0, 1.0]);
    Ok(vec![
        Population { name: "scores", columns: first(levels), range: unit },
        Population { name: "gains", columns: first(gains), range: Some([-1.0, 1.0]) },
        Population {
            name: "quarter at 1",
            columns: drawn("quarter", &|common, own| {
                if common < 0.25 { 0.8 + 0.2 * own } else { 0.1 * common + 0.2 * own }
            }),
            range: unit,
        },
        Population {
            name: "tenth at 0, else near 1",
            columns: drawn("tenth", &|common, own| if common < 0.1 { 0.1 * own } else { 1.0 - 0.1 * own }),
            range: unit,
        },
        Population {
            name: "5 % at 0, else near 1",
            columns: drawn("rare", &|common, own| if common < 0.05 { 0.1 * own } else { 1.0 - 0.1 * own }),
            range: unit,
        },
        Population {
            name: "Bernoulli 5 %",
            columns: drawn("bernoulli", &|common, own| f64::from(u8::from(0.5 * (common + own) < 0.1581))),
            range: unit,
        },
        Population {
            name: "lognormal, sigma 0.5",
            columns: drawn("half", &|a, b| (0.5 * normal(a, b)).exp()),
            range: None,
        },
        Population { name: "lognormal, sigma 1", columns: drawn("one", &|a, b| normal(a, b).exp()), range: None },
    ])
}

/// Returns how often all bounds on as many other prompts hold and how many are given; how often the first column's confidence
/// interval holds and is given; and how often no false claim is made of columns that are as far below 0 as above.
fn coverage(population: &Population, columns: usize, prompts: usize, trials: u64) -> Result<[f64; 5], ParetoError> {
    let rows = population.columns[0].len();
    let truth: Vec<f64> = population.columns[..columns].iter().map(|column| mean(column)).collect();
    let mut found = [0.0; 5];
    for trial in 0..trials {
        let key = NoiseKey::new(trial).with(prompts as u64).with(columns as u64).named(population.name);
        let draw = |key: NoiseKey| -> Vec<Vec<f64>> {
            let places: Vec<usize> = (0..prompts as u64).map(|prompt| key.below(prompt, rows)).collect();
            population.columns[..columns]
                .iter()
                .map(|column| places.iter().map(|place| column[*place]).collect())
                .collect()
        };
        let (known, other) = (draw(key.named("known")), draw(key.named("other")));
        let bootstrap =
            Bootstrap { resamples: RESAMPLES, level: LEVEL, seed: trial, fewest: FEWEST_VARYING.min(prompts) };
        let samples: Vec<Sample<'_>> = known.iter().map(|column| Sample::within(column, population.range)).collect();
        let is_given = |sample: &Sample<'_>| f64::from(u8::from(sample.can_be_resampled(bootstrap.fewest)));
        let promised = bootstrap.simultaneous(&samples, prompts)?;
        let keeps = |(interval, column): (&Interval, &Vec<f64>)| interval.contains(mean(column));
        found[0] += f64::from(u8::from(promised.iter().zip(&other).all(keeps)));
        found[1] += samples.iter().map(is_given).sum::<f64>() / columns as f64;
        found[2] += f64::from(u8::from(bootstrap.mean(samples[0])?.contains(truth[0])));
        found[3] += is_given(&samples[0]);
        // Columns about their true mean, one half of them turned over: every claim that one of them is above 0 is false.
        let centred = |(index, column): (usize, &Vec<f64>)| {
            let sign = if index % 2 == 0 { 1.0 } else { -1.0 };
            Covered::all(column.iter().map(|value| sign * (value - truth[index])).collect())
        };
        let centred: Vec<Covered> = known.iter().enumerate().map(centred).collect();
        let family = bootstrap.family(prompts, &centred)?;
        found[4] += f64::from(u8::from((0..columns).all(|column| family.above(column) < LEVEL)));
    }
    Ok(found.map(|count| count / trials as f64))
}

/// Returns how often the intervals of a hypervolume and of its difference to the base's hold.
///
/// - `gains`: `[point × reward]`, safety first, without the base
fn volumes(gains: &[Vec<f64>], prompts: usize, trials: u64) -> Result<[f64; 2], ParetoError> {
    let rows = gains[0].len();
    // The base first: it gains nothing.
    let levels: Vec<Vec<f64>> = vec![vec![0.0; rows]; 4].into_iter().chain(gains.iter().cloned()).collect();
    let scaled: Vec<(f64, f64)> = (0..4)
        .map(|reward| {
            let means = levels.chunks_exact(4).map(|point| mean(&point[reward]));
            let (least, most) = means.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), x| (a.min(x), b.max(x)));
            // A reference a little below the worst, so that every point counts.
            (least - 0.5 * (most - least), 1.5 * (most - least))
        })
        .collect();
    let point = |point: &[Vec<f64>], places: &[usize]| -> Vec<Vec<f64>> {
        let row = |place: &usize| {
            point.iter().zip(&scaled).map(|(column, (least, width))| (column[*place] - least) / width).collect()
        };
        places.iter().map(row).collect()
    };
    let all: Vec<usize> = (0..rows).collect();
    let sets =
        |places: &[usize]| -> Vec<Vec<Vec<f64>>> { levels.chunks_exact(4).map(|own| point(own, places)).collect() };
    let means = |set: &[Vec<Vec<f64>>]| -> Vec<Vec<f64>> {
        let of = |rows: &Vec<Vec<f64>>| {
            (0..4).map(|reward| mean(&rows.iter().map(|row| row[reward]).collect::<Vec<_>>())).collect()
        };
        set.iter().map(of).collect()
    };
    let population = means(&sets(&all));
    let whole = hypervolume(&population, &[0.0; 4])?;
    let base = hypervolume(&population[..1], &[0.0; 4])?;
    let mut held = [0.0; 2];
    for trial in 0..trials {
        let key = NoiseKey::new(trial).with(prompts as u64).named("volumes");
        let places: Vec<usize> = (0..prompts as u64).map(|prompt| key.below(prompt, rows)).collect();
        let set = sets(&places);
        let bootstrap = Bootstrap { resamples: 500, level: LEVEL, seed: trial, fewest: 2 };
        let volume = bootstrap.hypervolume(&set, &[0.0; 4])?;
        let difference = bootstrap.hypervolume_difference(&set, &set[..1], &[0.0; 4])?;
        held[0] += f64::from(u8::from(volume.contains(whole)));
        held[1] += f64::from(u8::from(difference.contains(whole - base)));
    }
    Ok(held.map(|count| count / trials as f64))
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
