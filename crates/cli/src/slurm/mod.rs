//! Slurm as its own commands speak of it: `sbatch`, `squeue`, `scontrol`, and the job that this process may be part of.

pub(crate) mod client;
mod job;
pub(crate) mod script;

pub(crate) use job::{Job, node};
