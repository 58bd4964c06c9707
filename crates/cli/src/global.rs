//! Options that every command takes.

use crate::device::DeviceName;

/// Options that every command takes.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Global {
    /// Where to compute: flex (CPU, built in), libtorch (CPU) or libtorch:cuda:N (NVIDIA GPU N)
    ///
    /// The LibTorch devices need a build with `--features libtorch`.
    #[arg(long, global = true, value_name = "DEVICE", default_value = "flex")]
    pub(crate) device: DeviceName,

    /// Where rewards and judges compute, if not where the base does: with flex, a GPU's memory is the base's alone
    #[arg(long, global = true, value_name = "DEVICE")]
    pub(crate) reward_device: Option<DeviceName>,

    /// Say nothing but results and errors
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
}
