//! The command line.

use clap::parser::ValueSource;
use clap::{ArgMatches, ColorChoice, Parser, Subcommand};

use crate::commands::{
    attack, browse, check, compare, completions, convert, device, explain, export, export_model, fit, fork, front,
    gather, history, init, inspect, list, man, merge, note, pretrain, rate, ratings, remove, repair, report, rollback,
    sample, show, slurm, sweep, tag,
};
use crate::error::CliError;
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
    Report(report::Arguments),
    Explain(explain::Arguments),
    Attack(attack::Arguments),
    Compare(compare::Arguments),
    Gather(gather::Arguments),
    Fork(fork::Arguments),
    History(history::Arguments),
    Rollback(rollback::Arguments),
    Repair(repair::Arguments),
    List(list::Arguments),
    Note(note::Arguments),
    Tag(tag::Arguments),
    Remove(remove::Arguments),
    Export(export::Arguments),
    Merge(merge::Arguments),
    Convert(convert::Arguments),
    Show(show::Arguments),
    Inspect(inspect::Arguments),
    ExportModel(export_model::Arguments),
    Sample(sample::Arguments),
    Rate(rate::Arguments),
    Fit(fit::Arguments),
    Ratings(ratings::Arguments),
    Device(device::Arguments),
    Pretrain(pretrain::Arguments),
    Completions(completions::Arguments),
    Man(man::Arguments),
}

const EXAMPLES: &str = "\
Examples:
  moa init my.ron                        write a commented experiment file
  moa check my.ron                       see what it will do, and how long that takes
  moa sweep my.ron                       do it; the same command resumes after a stop
  moa list                               see which experiments there are
  moa browse                             see the fronts, slide between adapters, pick one
  moa front results/my                   print the Pareto front again
  moa report results/my -o my.html       write one HTML file for colleagues without moa
  moa explain results/my                 see what each reward looks at, and what fools it
  moa attack results/my                  see what can be made to draw what it should not
  moa compare results/my results/other   see which experiment gains more, and at what cost
  moa merge results/my --where \"safety>=0.8\" --maximize aesthetics
  moa sample results/my --prompt \"a cat on a red background\"

Wherever results/my is asked for, the experiment file that they are of does, too: moa front my.ron.

Environment:
  MOA_RESULTS        the folder that results go into, and are looked for in [default: results]
  MOA_DEVICE         --device, of all commands that compute
  MOA_REWARD_DEVICE  --reward-device
  MOA_COLOR          --color
  NO_COLOR, CLICOLOR, CLICOLOR_FORCE   colours off, off (0), on (1), unless --color says so

Exit codes:
  0 done, 1 failed, 2 invalid request, 3 gathered and a further weighting chosen, 130 stopped by Ctrl-C";

/// Returns whether help and errors about the command line are coloured: what `--color` or its variable say, which clap knows too
/// late.
pub(crate) fn colour_of_help() -> ColorChoice {
    let words: Vec<String> = std::env::args().skip(1).take_while(|word| word != "--").collect();
    let next =
        words.iter().zip(words.iter().skip(1)).find(|(word, _)| *word == "--color").map(|(_, value)| value.clone());
    let given = next.or_else(|| words.iter().find_map(|word| word.strip_prefix("--color=").map(str::to_owned)));
    match given.or_else(|| std::env::var("MOA_COLOR").ok()).as_deref() {
        Some("always") => ColorChoice::Always,
        Some("never") => ColorChoice::Never,
        _ => ColorChoice::Auto,
    }
}

/// Refuses options that exclude each other on the command line alone: a variable that stands for one of them gives way.
///
/// # Errors
/// Names the options.
pub(crate) fn check_together(matches: &ArgMatches) -> Result<(), CliError> {
    let Some(("sweep", sweep)) = matches.subcommand() else { return Ok(()) };
    let given = |option| sweep.value_source(option) == Some(ValueSource::CommandLine);
    if given("device") && given("devices") {
        let message = "the argument '--devices <DEVICES>' cannot be used with '--device <DEVICE>'";
        return Err(CliError::usage(message).hint("name all devices with --devices"));
    }
    Ok(())
}
