//! How many labels each way of asking needs.
//!
//! `cargo run --release -p moa-preference-model --example labels -- [options]`
//!
//! | option | default | |
//! |---|---|---|
//! | `--features FILE` | synthetic | a table of images: a line `prompt,score,x0,x1,…` each, after a line of names |
//! | `--seeds A..B` | `1..6` | the seeds of world, rater and draws |
//! | `--rater KIND` | `step` | `step`: pairs closer than the median are flipped with 25 %; `logistic`: as often on average over that half; `exact`: never |
//! | `--components N` | 256 | components of the space |
//! | `--world KIND` | `embedding` | the synthetic one: `embedding`, `decay`, `flat` |
//! | `--prompts N`, `--images N` | 100, 20 | prompts of the synthetic world, images of each |
//! | `--shape G` | chosen | the prior's γ |
//! | `--lapse E` | estimated | the rater's lapses |
//! | `--spread V` | by the evidence | the prior's variance of a score, in squared logits |
//! | `--space KIND` | `pool` | what coordinates are standardised by: all images (`pool`), or what images of one prompt differ in (`within`) |
//! | `--begin KIND` | `random` | what the first ten pairs are chosen by: `random`, or the `prior` |
//! | `--ways A,B,…` | `random,bald,prediction,even` | what is compared, `random` first; `even` is `prediction` with evenness 1; `orders`, which needs `--begin prior`, asks for orders of four images, each of which counts as one label |
//! | `--csv FILE` | none | where each strategy's accuracies go |
//! | `--figure FILE` | none | an SVG or PNG of the mean accuracies |
//!
//! A fifth of the prompts is held out. Accuracy is the share of their pairs that a model orders as the true score does. The target
//! is 90 % of the accuracy that 5,000 random pairs of the other prompts give; a second one is 90 % of its distance from chance.

use std::collections::{BTreeMap, HashSet};
use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;

use moa_core::NoiseKey;
use moa_plot::{Curve, CurvePanel, draw_curves};
use moa_preference_model::ask::{
    Bald, Candidate, Prediction, Question, Random, SetQuestion, Strategy, candidates, rankings,
};
use moa_preference_model::{Features, FitSettings, Judgements, Lapses, Pool, RewardModel, Shape, SpaceSettings};
use moa_preferences::Winner;

const STEPS: [usize; 30] = [
    10, 15, 20, 25, 30, 40, 50, 60, 70, 80, 100, 120, 140, 160, 200, 250, 300, 350, 400, 500, 600, 700, 800, 1000,
    1300, 1600, 2000, 2500, 3500, 5000,
];
/// Strategies other than random end here: where they need more, they are no gain.
const LAST: usize = 1000;
/// Images that are ordered at once.
const ORDERED: usize = 4;
/// How many pairs a strategy chooses from.
const CANDIDATES: usize = 50_000;

struct World {
    features: Features,
    prompts: Vec<usize>,
    score: Vec<f64>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut options: BTreeMap<String, String> = BTreeMap::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        options.insert(name, value);
    }
    let option = |name: &str, default: &str| options.get(name).cloned().unwrap_or_else(|| default.to_owned());
    let seeds = option("--seeds", "1..6");
    let (first, last) = seeds.split_once("..").ok_or("--seeds needs A..B")?;
    let seeds: Vec<u64> = (first.parse()?..last.parse()?).collect();
    let components: usize = option("--components", "256").parse()?;
    let mut settings = FitSettings::default();
    if let Some(shape) = options.get("--shape") {
        settings.shape = Shape::Fixed(shape.parse()?);
    }
    if let Some(lapse) = options.get("--lapse") {
        settings.lapses = Lapses::Fixed(lapse.parse()?);
    }
    if let Some(spread) = options.get("--spread") {
        settings.precision = Some(components as f64 / spread.parse::<f64>()?);
    }
    let (prompts, images): (usize, usize) = (option("--prompts", "100").parse()?, option("--images", "20").parse()?);
    let (rater, world_kind) = (option("--rater", "step"), option("--world", "embedding"));
    let even = Prediction { evenness: 1.0, ..Prediction::default() };
    let ways: [(&'static str, Option<&dyn Strategy>); 5] = [
        ("random", Some(&Random)),
        ("bald", Some(&Bald)),
        ("prediction", Some(&Prediction { evenness: 0.0, ..even })),
        ("even", Some(&even)),
        ("orders", None),
    ];
    let wanted = option("--ways", "random,bald,prediction,even");
    let strategies: Vec<(&'static str, Option<&dyn Strategy>)> =
        ways.into_iter().filter(|(name, _)| wanted.split(',').any(|wanted| wanted == *name)).collect();
    let within = option("--space", "pool") == "within";
    let prior = option("--begin", "random") == "prior";
    let mut curves = String::from("seed,strategy,labels,accuracy\n");
    let mut measured: Vec<Measured> = Vec::new();
    let mut needed: Vec<Vec<[f64; 2]>> = vec![Vec::new(); strategies.len()];
    println!("| seed | target | {} |", strategies.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(" | "));
    println!("|---|---|{}", "---|".repeat(strategies.len()));
    for seed in &seeds {
        let world = match options.get("--features") {
            Some(file) => read(file)?,
            None => synthetic(&world_kind, *seed, prompts, images),
        };
        let key = NoiseKey::new(*seed).named("labels");
        let test = held_out(&world.prompts, key.named("prompts"));
        let space = SpaceSettings { components, ..SpaceSettings::default() };
        let pool = if within {
            Pool::of_prompts(&world.features, &world.prompts, &space)?
        } else {
            Pool::new(&world.features, &space)?
        };
        let close = median_difference(&world);
        let trial =
            Trial { world: &world, pool: &pool, test: &test, rater: &rater, close, settings: &settings, key, prior };
        let all: Vec<Vec<(usize, f64)>> =
            strategies.iter().map(|(_, strategy)| ask(&trial, *strategy)).collect::<Result<_, _>>()?;
        let full = all[0].last().ok_or("no accuracy")?.1;
        measured.push((full, all.clone()));
        let targets = [0.9 * full, 0.5 + 0.9 * (full - 0.5)];
        for (place, points) in all.iter().enumerate() {
            needed[place].push(targets.map(|target| crossing(points, target)));
            for (labels, accuracy) in points {
                writeln!(curves, "{seed},{},{labels},{accuracy}", strategies[place].0)?;
            }
        }
        for (at, target) in targets.iter().enumerate() {
            let cells = needed.iter().map(|rows| format!("{:.0}", rows.last().expect("a row")[at]));
            println!("| {seed} | {target:.3} of {full:.3} | {} |", cells.collect::<Vec<_>>().join(" | "));
        }
    }
    for (at, name) in ["90 % of the accuracy", "90 % of its distance from chance"].iter().enumerate() {
        let mean = |rows: &[[f64; 2]]| (rows.iter().map(|row| row[at].ln()).sum::<f64>() / rows.len() as f64).exp();
        let random = mean(&needed[0]);
        print!("{name}:");
        for (place, strategy) in strategies.iter().enumerate() {
            print!(" {} {:.0} ({:.2} of random)", strategy.0, mean(&needed[place]), mean(&needed[place]) / random);
        }
        println!();
    }
    if let Some(file) = options.get("--figure") {
        figure(file.as_ref(), &strategies.iter().map(|(name, _)| *name).collect::<Vec<_>>(), &measured)?;
    }
    if let Some(file) = options.get("--csv") {
        std::fs::write(file, curves)?;
    }
    Ok(())
}

/// What labels are asked of.
struct Trial<'a> {
    world: &'a World,
    pool: &'a Pool,
    /// The held-out prompts.
    test: &'a HashSet<usize>,
    rater: &'a str,
    /// Pairs with a smaller difference are close.
    close: f64,
    settings: &'a FitSettings,
    key: NoiseKey,
    /// Whether the first questions are chosen by the prior.
    prior: bool,
}

/// Returns the accuracies on held-out prompts while labels come in; without a strategy these are orders of four images.
fn ask(trial: &Trial<'_>, strategy: Option<&dyn Strategy>) -> Result<Vec<(usize, f64)>, Box<dyn Error>> {
    let Trial { world, pool, test, rater, close, settings, key, prior } = *trial;
    let pairs = candidates(&world.prompts, &HashSet::new(), 40_000, NoiseKey::new(7));
    let examined: Vec<Candidate> = pairs.into_iter().filter(|pair| test.contains(&pair.prompt)).collect();
    // Images of held-out prompts get prompts of their own, so that no pair of them is a candidate.
    let trained: Vec<usize> = world
        .prompts
        .iter()
        .enumerate()
        .map(|(image, prompt)| if test.contains(prompt) { usize::MAX - image } else { *prompt })
        .collect();
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    trained.iter().enumerate().for_each(|(image, prompt)| groups.entry(*prompt).or_default().push(image));
    let groups: Vec<Vec<usize>> = groups.into_values().collect();
    let prefers = |first: usize, second: usize| {
        let delta = world.score[first] - world.score[second];
        let flip = match rater {
            "step" if delta.abs() < close => 0.25,
            "step" | "exact" => 0.0,
            // The mean over the close half of a uniform difference is 25 % at this slope.
            _ => 1.0 / (1.0 + (delta.abs() / close * 2.4).exp()),
        };
        // One rater gives one pair one answer, whoever asks.
        let (low, high) = (first.min(second) as u64, first.max(second) as u64);
        (delta > 0.0) != (key.named("answer").with(low).uniform(high) < flip)
    };
    let (mut judgements, mut asked, mut sets) = (Judgements::new(), HashSet::new(), HashSet::new());
    let mut model: Option<RewardModel> = if prior { Some(RewardModel::prior(pool, settings)?) } else { None };
    let mut curve = Vec::new();
    for step in STEPS {
        if step > LAST && strategy.is_none_or(|strategy| strategy.name() != "random") {
            break;
        }
        let round = key.with(step as u64);
        let open = candidates(&trained, &asked, CANDIDATES, round);
        let count = step - judgements.len();
        let question = Question { pool, model: model.as_ref(), candidates: &open, pending: &[], count, key: round };
        let ordered = match (strategy, &model) {
            (None, Some(model)) => rankings(&SetQuestion {
                pool,
                model,
                prompts: &groups,
                size: ORDERED,
                asked: &sets,
                pending: &[],
                count,
                key: round,
            }),
            _ => Vec::new(),
        };
        for images in ordered {
            let wins = |image: usize| images.iter().filter(|other| **other != image && prefers(image, **other)).count();
            let ranked: Vec<(usize, u32)> =
                images.iter().map(|image| (*image, (ORDERED - wins(*image)) as u32)).collect();
            judgements.rank(&world.prompts[images[0]].to_string(), "rater", &ranked, 1.0);
            sets.insert(images);
        }
        for at in strategy.map_or_else(Vec::new, |strategy| strategy.choose(&question)) {
            let pair = open[at];
            let winner = if prefers(pair.first, pair.second) { Winner::A } else { Winner::B };
            judgements.compare(&pair.prompt.to_string(), "rater", pair.first, pair.second, winner, 1.0);
            asked.insert(pair.key());
        }
        let fitted = RewardModel::fit(pool, &judgements, settings)?;
        let scores = fitted.scores(pool);
        let right = |pair: &&Candidate| {
            (scores[pair.first] > scores[pair.second]) == (world.score[pair.first] > world.score[pair.second])
        };
        curve.push((judgements.len(), examined.iter().filter(right).count() as f64 / examined.len() as f64));
        model = Some(fitted);
    }
    Ok(curve)
}

/// Returns where a curve first reaches a target and stays there on average over the next two points, between points by the
/// logarithm of the labels; the last point where it does not.
fn crossing(points: &[(usize, f64)], target: f64) -> f64 {
    let stays = |at: usize| {
        let next = &points[at..(at + 3).min(points.len())];
        points[at].1 >= target && next.iter().map(|point| point.1).sum::<f64>() / next.len() as f64 >= target
    };
    match (0..points.len()).find(|at| stays(*at)) {
        None => points.last().map_or(f64::NAN, |point| point.0 as f64),
        Some(0) => points[0].0 as f64,
        Some(at) => {
            let ((a, low), (b, high)) = (points[at - 1], points[at]);
            let share = if high > low { ((target - low) / (high - low)).clamp(0.0, 1.0) } else { 1.0 };
            ((a as f64).ln() + share * (b as f64 / a as f64).ln()).exp()
        }
    }
}

/// The accuracy that all labels give, and each strategy's points, of one seed.
type Measured = (f64, Vec<Vec<(usize, f64)>>);

/// Labels that the figure shows.
const SHOWN: usize = 400;

/// Draws the mean accuracies over seeds, and the targets.
fn figure(file: &Path, names: &[&str], measured: &[Measured]) -> Result<(), Box<dyn Error>> {
    let mean = |value: &dyn Fn(&Measured) -> f64| measured.iter().map(value).sum::<f64>() / measured.len() as f64;
    let mut curves: Vec<Curve> = (names.iter().enumerate())
        .map(|(way, name)| {
            let steps = STEPS.iter().enumerate().filter(|(_, step)| **step <= SHOWN);
            let points = steps.map(|(at, step)| (*step as f64, 100.0 * mean(&|(_, all)| all[way][at].1)));
            Curve { label: (*name).to_owned(), points: points.collect() }
        })
        .collect();
    let full = 100.0 * mean(&|(full, _)| *full);
    for (label, target) in
        [("90 % of 5,000 random pairs'", 0.9 * full), ("90 % of their gain over chance", 5.0 + 0.9 * full)]
    {
        curves.push(Curve { label: label.to_owned(), points: vec![(0.0, target), (SHOWN as f64, target)] });
    }
    let panel = CurvePanel { title: "right on held-out prompts / %".to_owned(), curves };
    Ok(draw_curves(file, "Accuracy by labels", "labels", &[panel])?)
}

fn held_out(prompts: &[usize], key: NoiseKey) -> HashSet<usize> {
    let mut all: Vec<usize> = prompts.iter().copied().collect::<HashSet<_>>().into_iter().collect();
    all.sort_by_key(|prompt| key.bits(*prompt as u64));
    all.truncate((all.len() / 5).max(1));
    all.into_iter().collect()
}

/// Returns the median difference of the true scores of two images of one prompt.
fn median_difference(world: &World) -> f64 {
    let pairs = candidates(&world.prompts, &HashSet::new(), 20_000, NoiseKey::new(9));
    let mut differences: Vec<f64> =
        pairs.iter().map(|pair| (world.score[pair.first] - world.score[pair.second]).abs()).collect();
    differences.sort_unstable_by(f64::total_cmp);
    differences[differences.len() / 2]
}

/// Prompts with images each, 512 features on the unit sphere. Prompts and images vary along random directions whose variance
/// falls as 1/(1 + j/8); the true score is linear, with weights alike in all directions (`embedding`), or smaller where
/// features vary less (`decay`). In
/// `flat` all 64 features vary alike.
fn synthetic(kind: &str, seed: u64, count: usize, images: usize) -> World {
    let width = if kind == "flat" { 64 } else { 512 };
    let key = NoiseKey::new(seed).named("world");
    let spread = |j: usize| if kind == "flat" { 1.0 } else { 1.0 / (1.0 + j as f32 / 8.0).sqrt() };
    let normal = |name: &str, index: usize| {
        let mut values = vec![0.0_f32; width];
        key.named(name).with(index as u64).fill_normal(&mut values);
        values
    };
    let direction = normal("truth", 0);
    let rotation = rotation((0..width).map(|row| normal("rotation", row)).collect());
    let (mut values, mut prompts, mut score) = (Vec::new(), Vec::new(), Vec::new());
    for prompt in 0..count {
        let centre = normal("prompt", prompt);
        for image in 0..images {
            let own = normal("image", prompt * images + image);
            let latent: Vec<f32> = (0..width).map(|j| spread(j) * (0.7 * centre[j] + own[j])).collect();
            let weight = |j: usize| if kind == "decay" { direction[j] * spread(j) } else { direction[j] };
            score.push((0..width).map(|j| f64::from(weight(j) * latent[j])).sum());
            let mixed: Vec<f32> =
                rotation.iter().map(|row| row.iter().zip(&latent).map(|(r, x)| r * x).sum()).collect();
            let norm = mixed.iter().map(|value| value * value).sum::<f32>().sqrt();
            values.extend(mixed.iter().map(|value| value / norm));
            prompts.push(prompt);
        }
    }
    World { features: Features::new(width, values).expect("finite features"), prompts, score }
}

/// Makes rows orthonormal, one after the other.
fn rotation(mut rows: Vec<Vec<f32>>) -> Vec<Vec<f32>> {
    for at in 0..rows.len() {
        let (done, rest) = rows.split_at_mut(at);
        let row = &mut rest[0];
        for other in done {
            let along: f32 = row.iter().zip(&*other).map(|(a, b)| a * b).sum();
            row.iter_mut().zip(&*other).for_each(|(a, b)| *a -= along * b);
        }
        let norm = row.iter().map(|value| value * value).sum::<f32>().sqrt();
        for value in row {
            *value /= norm;
        }
    }
    rows
}

fn read(file: &str) -> Result<World, Box<dyn Error>> {
    let text = std::fs::read_to_string(file)?;
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    let (mut values, mut prompts, mut score, mut width) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for (number, line) in text.lines().enumerate().skip(1).filter(|(_, line)| !line.is_empty()) {
        // A prompt may hold commas where it is quoted.
        let (prompt, rest) = match line.strip_prefix('"') {
            Some(quoted) => {
                quoted.split_once("\",").ok_or_else(|| format!("line {}: the quote is open", number + 1))?
            }
            None => line.split_once(',').ok_or_else(|| format!("line {} has no comma", number + 1))?,
        };
        let numbers: Vec<f32> = rest
            .split(',')
            .map(|number| number.trim().parse())
            .collect::<Result<_, _>>()
            .map_err(|error| format!("line {}: {error}", number + 1))?;
        let next = names.len();
        prompts.push(*names.entry(prompt.to_owned()).or_insert(next));
        score.push(f64::from(numbers[0]));
        if width == 0 {
            width = numbers.len() - 1;
        }
        if numbers.len() != width + 1 {
            return Err(format!("line {} has {} features, not {width}", number + 1, numbers.len() - 1).into());
        }
        values.extend(&numbers[1..]);
    }
    Ok(World { features: Features::new(width, values)?, prompts, score })
}
