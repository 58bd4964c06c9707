//! The `moa` command: arguments, devices, displays and exit codes. Everything else is in the library crates.

mod adapters;
mod args;
mod bar;
mod base;
mod blocks;
mod calibrate;
mod card;
mod commands;
mod device;
mod error;
mod experiment;
mod global;
#[cfg(feature = "libtorch")]
mod gpu;
mod hub;
mod interrupt;
mod memory;
mod notes;
mod notice;
mod origin;
mod outgoing;
mod output;
mod paint;
mod panic;
mod pictures;
mod progress;
mod records;
mod results;
mod setting;
mod shell;
mod slurm;
mod suggest;
mod terminal;
mod text;
mod wrap;

use std::panic::catch_unwind;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

use args::{Args, Command};

fn main() -> ExitCode {
    panic::install_hook();
    let matches = Args::command().color(args::colour_of_help()).get_matches();
    let args = Args::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    paint::choose(args.global.color);
    notes::set_voice(args.global.quiet, args.global.verbose);
    // Of bugs the hook has said what there is to say.
    let together = args::check_together(&matches);
    let code = catch_unwind(|| match together {
        Ok(()) => panic::on_device(|| run(&args), panic::failed).unwrap_or_else(|error| error.end()),
        Err(error) => error.end(),
    });
    let code = code.unwrap_or(ExitCode::FAILURE);
    // Threads that still hold rewards end with the process, and drop nothing.
    moa_reward::external::kill_programs();
    code
}

fn run(args: &Args) -> ExitCode {
    let global = args.global;
    let result = match &args.command {
        Command::Browse(arguments) => commands::browse::run(arguments, global.on(&arguments.devices)),
        Command::Sweep(arguments) => commands::sweep::run(arguments, global.on(&arguments.compute)),
        Command::Slurm(arguments) => commands::slurm::run(arguments),
        Command::Check(arguments) => commands::check::run(arguments, global.on(&arguments.devices)),
        Command::Init(arguments) => commands::init::run(arguments),
        Command::Front(arguments) => commands::front::run(arguments),
        Command::Report(arguments) => commands::report::run(arguments, global.on(&arguments.devices)),
        Command::Explain(arguments) => commands::explain::run(arguments, global.on(&arguments.devices)),
        Command::Attack(arguments) => commands::attack::run(arguments, global.on(&arguments.devices)),
        Command::Compare(arguments) => commands::compare::run(arguments),
        Command::Gather(arguments) => commands::gather::run(arguments, global.on(&arguments.devices)),
        Command::History(arguments) => commands::history::run(arguments),
        Command::Rollback(arguments) => commands::rollback::run(arguments),
        Command::Fork(arguments) => commands::fork::run(arguments, global.on(&arguments.devices)),
        Command::Repair(arguments) => commands::repair::run(arguments, global.on(&arguments.devices)),
        Command::List(arguments) => commands::list::run(arguments),
        Command::Note(arguments) => commands::note::run(arguments),
        Command::Tag(arguments) => commands::tag::run(arguments),
        Command::Remove(arguments) => commands::remove::run(arguments),
        Command::Export(arguments) => commands::export::run(arguments),
        Command::Merge(arguments) => commands::merge::run(arguments, global.on(&arguments.devices)),
        Command::Convert(arguments) => commands::convert::run(arguments),
        Command::ExportModel(arguments) => commands::export_model::run(arguments),
        Command::Device(arguments) => commands::device::run(arguments, global.on_one(&arguments.device)),
        Command::Sample(arguments) => commands::sample::run(arguments, global.on_one(&arguments.device)),
        Command::Rate(arguments) => commands::rate::run(arguments, global.on_one(&arguments.device)),
        Command::Fit(arguments) => commands::fit::run(arguments, global.on_one(&arguments.device)),
        Command::Ratings(arguments) => commands::ratings::run(arguments),
        Command::Show(arguments) => commands::show::run(arguments),
        Command::Inspect(arguments) => commands::inspect::run(arguments, global),
        Command::Pretrain(arguments) => commands::pretrain::run(arguments, global.on_one(&arguments.device)),
        Command::Completions(arguments) => commands::completions::run(arguments, Args::command()),
        Command::Man(arguments) => commands::man::run(arguments, Args::command()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.end(),
    }
}
