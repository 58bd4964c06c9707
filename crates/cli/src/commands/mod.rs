//! One file per command.

pub(crate) mod check;
pub(crate) mod export;
pub(crate) mod front;
pub(crate) mod init;
pub(crate) mod pretrain;
pub(crate) mod sample;
pub(crate) mod sweep;
