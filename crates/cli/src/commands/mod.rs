//! One file per command.

pub(crate) mod browse;
pub(crate) mod check;
pub(crate) mod compare;
pub(crate) mod completions;
pub(crate) mod convert;
pub(crate) mod device;
pub(crate) mod explain;
pub(crate) mod export;
pub(crate) mod export_model;
pub(crate) mod fork;
pub(crate) mod front;
pub(crate) mod gather;
pub(crate) mod init;
pub(crate) mod list;
pub(crate) mod man;
pub(crate) mod merge;
pub(crate) mod note;
pub(crate) mod pretrain;
pub(crate) mod remove;
pub(crate) mod repair;
pub(crate) mod report;
pub(crate) mod sample;
pub(crate) mod show;
pub(crate) mod slurm;
pub(crate) mod sweep;
pub(crate) mod tag;
