//! `moa show`: what an adapter is, and where it comes from.

use std::fmt::Write as _;
use std::path::PathBuf;

use moa_core::provenance::Made;

use crate::adapters;
use crate::error::CliError;
use crate::origin;
use crate::output::print;

/// Shows what an adapter is and where it comes from: experiment, method, shares, hashes.
///
/// Adapters that moa writes carry this in the header of their safetensors file, in every format.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  moa show results/pareto/runs/safety
  moa show lora.safetensors --settings")]
pub(crate) struct Arguments {
    /// Adapters: folders or safetensors files, or an experiment's results for all of its runs
    #[arg(value_name = "ADAPTER", required = true)]
    adapters: Vec<PathBuf>,

    /// Show everything that training depended on, too
    #[arg(long)]
    settings: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), CliError> {
    let mut text = String::new();
    for adapter in adapters::read(&arguments.adapters, None)? {
        if !text.is_empty() {
            text.push('\n');
        }
        let own = &adapter.adapter;
        let _ = writeln!(text, "adapter   {}", adapter.file().display());
        let _ = writeln!(text, "size      {}", adapters::size(own));
        let _ = writeln!(text, "SHA-256   {}", adapter.sha256()?);
        if let Some(provenance) = &adapter.provenance {
            text.push_str(&origin::describe(provenance));
            if let (true, Made::Trained(run)) = (arguments.settings, &provenance.made) {
                for (key, value) in run.settings() {
                    let _ = writeln!(text, "  {key} = {value}");
                }
            }
        } else {
            let base = adapter.base.as_deref().unwrap_or("not named");
            let _ = writeln!(text, "made      the file does not say\nbase      {base}");
        }
    }
    print(text)
}
