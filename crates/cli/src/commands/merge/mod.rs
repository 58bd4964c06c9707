//! `moa merge`: one adapter out of several, at given shares or wherever a trade-off is met.

mod answer;
mod trade_off;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::ValueEnum;
use moa_adapter::{Adapter, AdapterFormat, MajoritySign, Merge, MergeMethod};
use moa_core::RunId;
use moa_core::spec::PromptSource;
use moa_pareto::{Answer, Constraint, Measured, Solver, Step, TradeOff};
use moa_runner::{Models, SoupBench, SweepRequest, Tasting};
use moa_store::{Snapshot, write_atomically};

use crate::args::Global;
use crate::bar::work_with_bar;
use crate::device::OpenDevice;
use crate::error::CliError;
use crate::experiment::Experiment;
use crate::output::{note, print};
use crate::text::{count, duration};

/// Merges trained adapters into one: at given shares, or wherever a trade-off is met.
///
/// With --where, --maximize or --nearest it looks for shares: a model of the rewards over the shares proposes, pictures of
/// held-out prompts confirm, until the 95 % intervals keep all constraints and nothing better is to be expected. The
/// answer says what was measured, or that it is infeasible and what comes nearest.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  moa merge results/pareto --at aesthetics=0.6,alignment=0.4
  moa merge results/pareto --where \"safety>=0.8\" --maximize aesthetics -o mine
  moa merge results/pareto --nearest aesthetics=0.7,safety=0.8 --format diffusers --format kohya
  moa merge results/pareto --at alignment=1.3,safety=-0.3 --extrapolate
  moa merge results/pareto --at safety=0.5,alignment=0.5 --method ties --density 0.3

Methods are called as in peft, and documented with what each of them gives, in `cargo doc -p moa-adapter`. Only mean and
concatenate give the mean of what the adapters do; the others are for comparison.")]
pub(crate) struct Arguments {
    /// The experiment's results
    #[arg(value_name = "DIR")]
    results: PathBuf,

    /// Shares of adapters, which sum to 1
    #[arg(long, value_name = "NAME=SHARE,…", conflicts_with_all = ["conditions", "maximize", "nearest"])]
    at: Option<String>,

    /// A constraint on a reward; may be given several times
    #[arg(long = "where", value_name = "NAME>=VALUE", id = "conditions")]
    conditions: Vec<String>,

    /// The reward to have the most of
    #[arg(long, value_name = "REWARD", conflicts_with = "nearest")]
    maximize: Option<String>,

    /// The rewards to come close to
    #[arg(long, value_name = "NAME=VALUE,…")]
    nearest: Option<String>,

    /// The adapters to merge, by name [default: the corners: one for each reward]
    #[arg(long, value_name = "RUN,…", value_delimiter = ',')]
    of: Vec<String>,

    /// How to merge
    #[arg(long, value_name = "METHOD", value_enum, default_value = "mean")]
    method: Method,

    /// The share of entries that sparse methods keep
    #[arg(long, value_name = "SHARE", default_value_t = 0.5)]
    density: f64,

    /// How ties elects signs: by the sum of values, or by the number of adapters
    #[arg(long, value_name = "HOW", value_enum, default_value = "total")]
    majority: Majority,

    /// Let shares leave 0 to 1 by so much
    #[arg(long, value_name = "BY", num_args = 0..=1, default_missing_value = "0.5", default_value_t = 0.0, hide_default_value = true)]
    extrapolate: f64,

    /// How many mixtures are measured at most
    #[arg(long, value_name = "N", default_value_t = 12)]
    budget: usize,

    /// Measure the answer once more, on held-out prompts and noise that the search did not see
    #[arg(long)]
    verify: bool,

    /// Do not measure anything: merge and write
    #[arg(long, requires = "at", conflicts_with = "verify")]
    unmeasured: bool,

    /// The layout of the files; may be given several times
    #[arg(long, short, value_name = "FORMAT", value_enum, default_value = "peft")]
    format: Vec<FormatName>,

    /// Where the merged adapter goes [default: merged/<shares> in the results]
    #[arg(long, short, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Adapter formats by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FormatName {
    /// adapter_model.safetensors and adapter_config.json
    Peft,
    /// pytorch_lora_weights.safetensors, for load_lora_weights and ComfyUI
    Diffusers,
    /// lora.safetensors with kohya's names, for A1111 and ComfyUI
    Kohya,
}

impl FormatName {
    pub(crate) fn format(self) -> AdapterFormat {
        match self {
            Self::Peft => AdapterFormat::Peft,
            Self::Diffusers => AdapterFormat::Diffusers,
            Self::Kohya => AdapterFormat::Kohya,
        }
    }
}

/// [`MergeMethod`] by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Method {
    Mean,
    Concatenate,
    Linear,
    Ties,
    DareLinear,
    DareTies,
    MagnitudePrune,
}

impl Method {
    fn method(self) -> MergeMethod {
        match self {
            Self::Mean => MergeMethod::Mean,
            Self::Concatenate => MergeMethod::Concatenate,
            Self::Linear => MergeMethod::Linear,
            Self::Ties => MergeMethod::Ties,
            Self::DareLinear => MergeMethod::DareLinear,
            Self::DareTies => MergeMethod::DareTies,
            Self::MagnitudePrune => MergeMethod::MagnitudePrune,
        }
    }
}

/// [`MajoritySign`] by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Majority {
    Total,
    Frequency,
}

pub(crate) fn run(arguments: &Arguments, global: Global) -> Result<(), CliError> {
    let kept = Kept::read(&arguments.results)?;
    let ingredients = kept.ingredients(&arguments.of)?;
    let names: Vec<String> = ingredients.iter().map(ToString::to_string).collect();
    let wanted = Wanted::read(arguments, &kept.experiment.spec.reward_names(), &names)?;
    let merge = Merge {
        method: arguments.method.method(),
        density: arguments.density,
        majority: match arguments.majority {
            Majority::Total => MajoritySign::Total,
            Majority::Frequency => MajoritySign::Frequency,
        },
        ..Merge::default()
    };
    let device = global.device.open()?;
    let models = Models::open(&kept.experiment.spec, &device.device)?;
    let bench = SoupBench::open(kept.request(&device), &models, &ingredients, merge)?;
    if !global.quiet {
        note(&format!("moa merge {} on {}", names.join(" + "), device.description()));
    }
    let session = Session { arguments, global, kept: &kept, bench: &bench };
    match wanted {
        Wanted::Shares(shares) => session.at(&shares),
        Wanted::TradeOff(trade_off) => session.solve(trade_off),
    }
}

/// An experiment's results, as far as a merge needs them.
struct Kept {
    folder: PathBuf,
    experiment: Experiment,
}

impl Kept {
    fn read(folder: &Path) -> Result<Self, CliError> {
        // Before the experiment: it says best what a folder without results is.
        Snapshot::read(folder)?;
        let experiment = Experiment::load(&moa_store::Layout::new(folder).experiment_file())?;
        Ok(Self { folder: folder.to_path_buf(), experiment })
    }

    /// Returns the runs to merge: those named, else the corners.
    fn ingredients(&self, named: &[String]) -> Result<Vec<RunId>, CliError> {
        let runs = self.experiment.spec.weightings();
        let known = || runs.iter().map(|(id, _)| id.as_str());
        if named.is_empty() {
            let corners = runs.iter().filter(|(_, weighting)| weighting.corner_index().is_some());
            let corners: Vec<RunId> = corners.map(|(id, _)| id.clone()).collect();
            return if corners.is_empty() {
                let list = known().collect::<Vec<_>>().join(", ");
                Err(CliError::usage("the experiment has no corners to merge")
                    .hint(format!("--of takes some of {list}")))
            } else {
                Ok(corners)
            };
        }
        let find = |name: &String| {
            let found = known().find(|known| known == name).map(|known| RunId(known.to_owned()));
            found.ok_or_else(|| {
                let list = known().collect::<Vec<_>>().join(", ");
                CliError::usage(format!("--of: there is no run `{name}`; there are {list}"))
            })
        };
        named.iter().map(find).collect()
    }

    fn request(&self, device: &OpenDevice) -> SweepRequest {
        SweepRequest {
            spec: self.experiment.spec.clone(),
            prompts: self.experiment.prompts.clone(),
            out: self.folder.clone(),
            device_name: device.name.clone(),
            workers: device.workers,
            stop: std::sync::Arc::default(),
        }
    }

    /// Returns held-out prompts of the base model's own set that the evaluation did not use.
    fn fresh_prompts(&self) -> Vec<String> {
        let used = &self.experiment.prompts.held_out;
        let set = moa_scenes::prompt_set("emoji-held-out").unwrap_or_default();
        let fresh: Vec<String> =
            set.into_iter().map(|prompt| prompt.text).filter(|text| !used.contains(text)).take(used.len()).collect();
        // An experiment with prompts of its own, or with all of the set: the same prompts, other noise.
        if fresh.is_empty() || !matches!(self.experiment.spec.prompts.held_out, PromptSource::List(_)) {
            used.clone()
        } else {
            fresh
        }
    }
}

/// What is asked for.
enum Wanted {
    Shares(Vec<f64>),
    TradeOff(TradeOff),
}

impl Wanted {
    fn read(arguments: &Arguments, rewards: &[String], ingredients: &[String]) -> Result<Self, CliError> {
        let extrapolation = arguments.extrapolate;
        if !(0.0..=2.0).contains(&extrapolation) {
            return Err(CliError::usage(format!("--extrapolate is {extrapolation}: give a number from 0 to 2")));
        }
        if let Some(at) = &arguments.at {
            return Ok(Self::Shares(trade_off::shares(at, ingredients, extrapolation)?));
        }
        let read = |text: &String| trade_off::constraint(text, rewards);
        let constraints: Vec<Constraint> = arguments.conditions.iter().map(read).collect::<Result<_, _>>()?;
        let goal = trade_off::goal(arguments.maximize.as_deref(), arguments.nearest.as_deref(), rewards)?;
        Ok(Self::TradeOff(TradeOff { constraints, goal, scale: vec![1.0; rewards.len()], extrapolation }))
    }
}

/// One merge, from adapters to files.
struct Session<'a> {
    arguments: &'a Arguments,
    global: Global,
    kept: &'a Kept,
    bench: &'a SoupBench<'a>,
}

impl Session<'_> {
    fn at(&self, shares: &[f64]) -> Result<(), CliError> {
        if self.arguments.unmeasured {
            let adapter = self.bench.merge(shares)?;
            let folder = self.write(&adapter, shares)?;
            return print(format!("{}\n{}", answer::shares(self.bench, shares), answer::files(&folder)));
        }
        let began = Instant::now();
        let tasting = self.taste(shares, 1)?;
        let mut text = answer::shares(self.bench, shares);
        text.push_str(&answer::scores(self.bench, &tasting.record, &[])?);
        let _ = writeln!(text, "measured in {}", duration(began.elapsed()));
        self.finish(text, &tasting, shares)
    }

    fn solve(&self, mut trade_off: TradeOff) -> Result<(), CliError> {
        let began = Instant::now();
        let known = self.bench.known()?;
        if known.is_empty() {
            return Err(CliError::failure(format!("{}: no adapter is evaluated yet", self.kept.folder.display()))
                .hint("let the sweep end first"));
        }
        trade_off.scale = spreads(&known);
        let constraints = trade_off.constraints.clone();
        let mut solver = Solver::new(trade_off, known).map_err(|error| CliError::usage(error.to_string()))?;
        let mut tasted: Vec<(Vec<f64>, Tasting)> = Vec::new();
        let proposal = |solver: &Solver| solver.step().map_err(|error| CliError::failure(error.to_string()));
        let mut next = proposal(&solver)?;
        while let Step::Measure(shares) = next.clone() {
            if tasted.len() >= self.arguments.budget {
                break;
            }
            let tasting = self.taste(&shares, tasted.len() + 1)?;
            let scores = self.bench.scores(&tasting.record)?;
            solver.tell(Measured { shares: shares.clone(), scores: scores.iter().map(|score| score.mean).collect() });
            if !self.global.quiet {
                let means = scores.iter().map(|score| format!("{} {:.3}", score.name, score.mean.mean));
                note(&format!("measured {}: {}", self.bench.name(&shares), means.collect::<Vec<_>>().join("  ")));
            }
            tasted.push((shares, tasting));
            next = proposal(&solver)?;
        }
        let exhausted = next != Step::Done;
        let (met, point) = match solver.answer() {
            Answer::Met(point) => (true, point),
            Answer::NotMet(point) => (false, point),
        };
        let measurements = tasted.len();
        let tasting = match tasted.into_iter().find(|(shares, _)| *shares == point.shares) {
            Some((_, tasting)) => tasting,
            // The sweep has measured it: once more, for its pictures.
            None => self.taste(&point.shares, measurements + 1)?,
        };
        let mut text = answer::verdict(self.bench, met, exhausted, &point, &constraints);
        text.push_str(&answer::shares(self.bench, &point.shares));
        text.push_str(&answer::scores(self.bench, &tasting.record, &constraints)?);
        let found = count(measurements as u64, "mixture");
        let _ = writeln!(text, "{found} measured in {}", duration(began.elapsed()));
        self.finish(text, &tasting, &point.shares)?;
        if met { Ok(()) } else { Err(CliError::infeasible()) }
    }

    /// Measures a mixture, with a bar.
    fn taste(&self, shares: &[f64], number: usize) -> Result<Tasting, CliError> {
        let label = format!("mixture {number}");
        Ok(work_with_bar(&label, self.global.quiet, |progress| self.bench.taste(shares, progress))?)
    }

    /// Verifies if asked to, writes the files, and prints the answer.
    fn finish(&self, mut text: String, tasting: &Tasting, shares: &[f64]) -> Result<(), CliError> {
        if self.arguments.verify {
            let prompts = self.kept.fresh_prompts();
            let seed = self.kept.experiment.spec.evaluation.seed.wrapping_add(0x5eed);
            let fresh = work_with_bar("fresh prompts", self.global.quiet, |progress| {
                self.bench.taste_afresh(tasting.adapter.clone(), prompts, seed, progress)
            })?;
            text.push_str("on other held-out prompts with other noise\n");
            text.push_str(&answer::fresh_scores(self.bench, &tasting.record, &fresh.record)?);
        }
        let folder = self.write(&tasting.adapter, shares)?;
        answer::draw(&folder, &self.kept.experiment.prompts.held_out, tasting)?;
        text.push_str(&answer::files(&folder));
        print(text)
    }

    fn write(&self, adapter: &Adapter, shares: &[f64]) -> Result<PathBuf, CliError> {
        let name = self.bench.name(shares);
        let folder = self.arguments.out.clone().unwrap_or_else(|| self.kept.folder.join("merged").join(name));
        for format in &self.arguments.format {
            write_adapter(adapter, format.format(), &self.kept.experiment.spec.base, &folder)?;
        }
        Ok(folder)
    }
}

/// Writes an adapter's files in a format.
///
/// # Errors
/// Says which file cannot be written, or what the format cannot say.
pub(crate) fn write_adapter(
    adapter: &Adapter,
    format: AdapterFormat,
    base: &str,
    folder: &Path,
) -> Result<(), CliError> {
    let files =
        adapter.to_files(format, base).map_err(|error| CliError::failure(format!("failed to write: {error}")))?;
    if let Some(config) = &files.config {
        write_atomically(&folder.join("adapter_config.json"), config.as_bytes())?;
    }
    Ok(write_atomically(&folder.join(format.file_name()), &files.tensors)?)
}

/// Returns by reward how far apart the measured points are, by which shortfalls are compared.
fn spreads(known: &[Measured]) -> Vec<f64> {
    let objectives = known.first().map_or(0, |point| point.scores.len());
    let spread = |objective: usize| {
        let means = || known.iter().map(|point| point.scores[objective].mean);
        let width = means().fold(f64::NEG_INFINITY, f64::max) - means().fold(f64::INFINITY, f64::min);
        width.max(1e-3)
    };
    (0..objectives).map(spread).collect()
}
