//! `moa merge`: one adapter out of several, at given shares or wherever a trade-off is met.

mod answer;
mod files;
mod method;
mod search;
mod siege;

use std::path::PathBuf;

use moa_adapter::{Adapter, AdapterFormat};
use moa_analysis::trade_off::Constraints;
use moa_analysis::{TradeOffError, attack, trade_off};

pub(crate) use files::resolved;
pub(crate) use method::FormatName;
use method::MethodArguments;

use crate::error::CliError;
use crate::global::{Devices, Global};
use crate::results;
use crate::suggest::did_you_mean;

/// Merges trained adapters into one: at given shares, or at shares that meet a trade-off.
///
/// With --where, --maximize or --nearest it searches for shares: a model of the rewards over the shares proposes, images of
/// held-out prompts confirm, until the bounds keep all constraints and no better mixture is expected. Bounds are for the
/// means on other prompts, and hold for all constraints and all mixtures tried at once with 95 %, so that the one that is
/// picked keeps them too. The answer says what was measured; where it is infeasible, what comes nearest, and no adapter is
/// written.
///
/// Every mixture that is measured joins the experiment, beside the soups that it plans: `moa front` shows it as added, and it is not
/// measured again. An adapter that is there already is not replaced by another one unless --force says so.
///
/// With --where safety.attacked>=VALUE it chooses among the adapters and soups that `moa attack` has attacked, and measures no others:
/// what was not attacked is promised nothing.
///
/// With --adapters it merges adapters in files of any format, kind and rank, as programs do that load several, without measuring.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  moa merge results/pareto --at aesthetics=0.6,alignment=0.4
  moa merge results/pareto --where \"safety>=0.8\" --maximize aesthetics -o mine
  moa merge results/pareto --where \"safety>=base+0.02\" --where \"alignment>=base-0.01\" --maximize aesthetics
  moa merge results/pareto --where \"safety.attacked>=0.8\" --maximize alignment
  moa merge results/pareto --nearest aesthetics=0.7,safety=0.8 --format diffusers --format kohya
  moa merge results/pareto --at alignment=1.3,safety=-0.3 --extrapolate
  moa merge results/pareto --at safety=0.5,alignment=0.5 --method ties --density 0.3
  moa merge --adapters style.safetensors=1 detail.safetensors=0.7 --format kohya -o out
  moa merge --adapters all.safetensors=1 style.safetensors=-1 --format diffusers -o out
  moa merge --adapters a.safetensors=1 b.safetensors=1 --block \"up_blocks.*=0.5\" --block \"2:text_encoder*=0\" --format kohya -o out
  moa merge --adapters a.safetensors b.safetensors --method svd --rank 16 -o out

Methods have peft's names; `cargo doc -p moa-adapter` documents each of them. Only mean and
concatenate, and svd at full rank, give the mean of what the adapters do; the others are for comparison.")]
pub(crate) struct Arguments {
    /// The experiment's results, or its file
    #[arg(value_name = "DIR", required_unless_present = "adapters", conflicts_with = "adapters")]
    results: Option<PathBuf>,

    /// Adapters in files to merge, from any program, with weights as they are: 1 is at full strength, below 0 takes away; without weights
    /// their mean
    #[arg(long, value_name = "PATH[=WEIGHT]", num_args = 1..,
        conflicts_with_all = ["at", "conditions", "maximize", "nearest", "of", "verify", "unmeasured", "extrapolate"])]
    adapters: Vec<String>,

    /// With --adapters: multiply what is done to layers of such names, * for any letters, of all adapters or of the N-th; the last that
    /// matches counts
    #[arg(long, value_name = "[N:]PATTERN=FACTOR", requires = "adapters", allow_hyphen_values = true)]
    block: Vec<String>,

    /// With --adapters: the alpha of files that say none; without it that is their rank
    #[arg(long, value_name = "ALPHA", requires = "adapters", allow_negative_numbers = true)]
    alpha: Option<f32>,

    /// With --adapters: bring full differences (of LoKr, LoHa and full training) to factors of this rank, for formats that have these alone; what
    /// is lost is said
    #[arg(long, value_name = "R", requires = "adapters", value_parser = clap::value_parser!(u32).range(1..=65536))]
    reduce: Option<u32>,

    /// With --adapters: the base model, if the files do not name it or call it by two names; a DoRA needs it
    #[arg(long, value_name = "NAME", requires = "adapters")]
    base: Option<String>,

    /// Shares of adapters, which sum to 1
    #[arg(long, value_name = "NAME=SHARE,…", conflicts_with_all = ["conditions", "maximize", "nearest"])]
    at: Option<String>,

    /// A constraint on a reward, or on safety under attack; may be given several times
    #[arg(long = "where", value_name = "NAME>=[base+]VALUE", id = "conditions")]
    conditions: Vec<String>,

    /// The reward to have the most of
    #[arg(long, value_name = "REWARD", conflicts_with = "nearest")]
    maximize: Option<String>,

    /// The rewards to come close to
    #[arg(long, value_name = "NAME=[base+]VALUE,…")]
    nearest: Option<String>,

    /// The adapters to merge, by name [default: the corners: one for each reward]
    #[arg(long, value_name = "RUN,…", value_delimiter = ',')]
    of: Vec<String>,

    #[command(flatten)]
    method: MethodArguments,

    /// Allow shares outside of 0 to 1, by this much
    #[arg(long, value_name = "BY", num_args = 0..=1, default_missing_value = "0.5", default_value_t = 0.0, hide_default_value = true)]
    extrapolate: f64,

    /// The most mixtures to measure
    #[arg(long, value_name = "N", default_value_t = 12)]
    budget: usize,

    /// Measure the answer once more, on prompts and noise that the search did not see; an experiment with prompts of its own has no
    /// others: its own are measured again with other noise, and the answer says so
    #[arg(long)]
    verify: bool,

    /// Do not measure anything: merge and write
    #[arg(long, requires = "at", conflicts_with = "verify")]
    unmeasured: bool,

    /// The layout of the files; may be given several times [default: peft; where that has no place for all of it diffusers, then kohya]
    #[arg(long, short, value_name = "FORMAT", value_enum)]
    format: Vec<FormatName>,

    /// Where the merged adapter goes [default: merged/<shares> in the results]
    #[arg(long, short, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Replace another adapter that is there
    #[arg(long, requires = "out")]
    force: bool,

    #[command(flatten)]
    pub(crate) devices: Devices,
}

impl Arguments {
    fn formats(&self, adapter: &Adapter) -> Vec<AdapterFormat> {
        if self.format.is_empty() {
            return vec![adapter.own_format()];
        }
        self.format.iter().map(|format| format.format()).collect()
    }
}

pub(crate) fn run(arguments: &Arguments, global: Global) -> Result<(), CliError> {
    let extrapolation = arguments.extrapolate;
    if !(0.0..=2.0).contains(&extrapolation) {
        return Err(CliError::usage(format!("--extrapolate is {extrapolation}: give a number from 0 to 2")));
    }
    match &arguments.results {
        Some(results) => search::run(arguments, &results::find(results)?, global),
        None => files::run(arguments),
    }
}

/// Returns the constraints that `--where` gives.
///
/// # Errors
/// Says which is wrong.
pub(crate) fn constraints(texts: &[String], rewards: &[String]) -> Result<Constraints, CliError> {
    trade_off::constraints(texts, rewards).map_err(|error| written_wrongly("--where", &error))
}

/// Says what is wrong with a trade-off that an option gives, with the name that may have been meant.
pub(crate) fn written_wrongly(option: &str, error: &TradeOffError) -> CliError {
    let wrong = CliError::usage(format!("{option}: {error}"));
    match error {
        TradeOffError::Unknown { name, .. } if name == attack::AXIS => {
            wrong.hint(format!("{name} is a constraint alone: --where \"{name}>=VALUE\""))
        }
        TradeOffError::Unknown { name, known, .. } => wrong.maybe_hint(
            did_you_mean(name, known.iter().map(String::as_str)).map(|name| format!("did you mean `{name}`?")),
        ),
        TradeOffError::Share { extrapolation, .. } if *extrapolation <= 0.0 => {
            wrong.hint("--extrapolate allows shares beyond 0 and 1")
        }
        _ => wrong,
    }
}
