//! The `moa` command: arguments, devices, displays and exit codes. Everything else is in the library crates.

mod adapters;
mod args;
mod bar;
mod base;
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
mod output;
mod panic;
mod pictures;
mod progress;
mod records;
mod shell;
mod slurm;
mod suggest;
mod terminal;
mod text;

use std::panic::catch_unwind;
use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command};

fn main() -> ExitCode {
    panic::install_hook();
    let args = Args::parse();
    // Of bugs the hook has said what there is to say.
    let code = catch_unwind(|| panic::on_device(|| run(&args), panic::failed).unwrap_or_else(|error| error.end()));
    let code = code.unwrap_or(ExitCode::FAILURE);
    // Threads that still hold rewards end with the process, and drop nothing.
    moa_reward::external::kill_programs();
    code
}

fn run(args: &Args) -> ExitCode {
    let result = match &args.command {
        Command::Browse(arguments) => commands::browse::run(arguments, args.global),
        Command::Sweep(arguments) => commands::sweep::run(arguments, args.global),
        Command::Slurm(arguments) => commands::slurm::run(arguments),
        Command::Check(arguments) => commands::check::run(arguments, args.global),
        Command::Init(arguments) => commands::init::run(arguments, args.global),
        Command::Front(arguments) => commands::front::run(arguments),
        Command::Compare(arguments) => commands::compare::run(arguments, args.global),
        Command::Gather(arguments) => commands::gather::run(arguments, args.global),
        Command::Fork(arguments) => commands::fork::run(arguments, args.global),
        Command::Repair(arguments) => commands::repair::run(arguments, args.global),
        Command::Export(arguments) => commands::export::run(arguments, args.global),
        Command::Merge(arguments) => commands::merge::run(arguments, args.global),
        Command::Convert(arguments) => commands::convert::run(arguments, args.global),
        Command::ExportModel(arguments) => commands::export_model::run(arguments, args.global),
        Command::Device(arguments) => commands::device::run(arguments, args.global),
        Command::Sample(arguments) => commands::sample::run(arguments, args.global),
        Command::Pretrain(arguments) => commands::pretrain::run(arguments, args.global),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.end(),
    }
}
