//! Sweeps as TensorBoard shows them: event files, a folder for each run, soup and blend.
//!
//! | in TensorBoard | what it is |
//! |---|---|
//! | SCALARS `reward/…`, `loss`, … | every metric of every epoch, by its name; probes too |
//! | SCALARS `evaluation/<name>/mean`, `…/gain` | means and gains over the base on the held-out prompts, with `/low` and `/high` of their 95 % intervals |
//! | IMAGES `images/<prompt>` | the evaluation's images of each prompt of the grid, one noise beside the other: the same for every point |
//! | HPARAMS | the shares of rewards and the settings of training, with what the evaluation measured |
//!
//! [`TensorBoard`] is a sink that writes while a sweep runs; [`export`] writes what is in a results folder. Neither needs TensorBoard: messages
//! and checksums are written by hand (`wire`, `crc`), and are held to TensorBoard's own bytes.

mod crc;
mod error;
mod event;
mod export;
mod hparams;
mod scribe;
mod sink;
mod strips;
mod wire;

pub use error::TensorBoardError;
pub use export::export;
pub use sink::TensorBoard;

/// How the names of event files begin; TensorBoard reads those of a folder in the order of their names.
const PREFIX: &str = "events.out.tfevents.";
