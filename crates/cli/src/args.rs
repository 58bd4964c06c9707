//! The command line.

use clap::{Parser, Subcommand};

use crate::commands::{
    browse, check, compare, convert, device, export, export_model, fork, front, gather, init, merge, pretrain, repair,
    sample, show, slurm, sweep,
};
use crate::global::Global;

/// Trains LoRA adapters of a text-to-image diffusion model for many trade-offs between rewards at once, and shows the
/// Pareto front.
///
/// An experiment file names a base model, several rewards and a set of weightings. `moa sweep` trains one adapter for
/// each weighting, evaluates all of them and their merges on prompts that they never saw, and keeps
/// everything under results/.
#[derive(Debug, Parser)]
#[command(name = "moa", version, max_term_width = 110, after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Sweep(sweep::Arguments),
    Slurm(slurm::Arguments),
    Browse(browse::Arguments),
    Check(check::Arguments),
    Init(init::Arguments),
    Front(front::Arguments),
    Compare(compare::Arguments),
    Gather(gather::Arguments),
    Fork(fork::Arguments),
    Repair(repair::Arguments),
    Export(export::Arguments),
    Merge(merge::Arguments),
    Convert(convert::Arguments),
    Show(show::Arguments),
    ExportModel(export_model::Arguments),
    Sample(sample::Arguments),
    Device(device::Arguments),
    Pretrain(pretrain::Arguments),
}

const EXAMPLES: &str = "\
Examples:
  moa init my.ron                        write a commented experiment file
  moa check my.ron                       see what it will do, and how long that takes
  moa sweep my.ron                       do it; the same command goes on after a stop
  moa browse                             see the fronts, slide between adapters, pick one
  moa front results/my                   print the Pareto front again
  moa compare results/my results/other   see which experiment gains more, and at what cost
  moa merge results/my --where \"safety>=0.8\" --maximize aesthetics
  moa sample results/my --prompt \"a cat on a red background\"

Exit codes: 0 done, 1 failed, 2 asked for something impossible, 3 gathered and a further weighting chosen, 130 stopped by
Ctrl-C.";
