//! Options that every command takes, and those of commands that compute.

use crate::device::DeviceName;
use crate::paint::Colour;

/// Options that every command takes.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Global {
    /// Where to compute: what [`Devices`] or [`OneDevice`] say, in commands that take them.
    #[arg(skip)]
    pub(crate) device: DeviceName,

    /// Where rewards and judges compute, if elsewhere.
    #[arg(skip)]
    pub(crate) reward_device: Option<DeviceName>,

    /// Print only results and errors
    #[arg(long, short, global = true, display_order = 900)]
    pub(crate) quiet: bool,

    /// Print more: which files are used, what is decided and why, what is resumed, how long each part takes
    #[arg(long, short, global = true, conflicts_with = "quiet", display_order = 901)]
    pub(crate) verbose: bool,

    /// Whether to use colours
    ///
    /// With auto, terminals get colours. NO_COLOR and CLICOLOR=0 turn them off, CLICOLOR_FORCE=1 turns them on everywhere.
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t = Colour::Auto, env = "MOA_COLOR", hide_env_values = true, display_order = 902)]
    pub(crate) color: Colour,
}

impl Global {
    /// Returns the options with the devices of a command that computes.
    pub(crate) fn on(self, devices: &Devices) -> Self {
        Self { device: devices.base.device, reward_device: devices.reward_device, ..self }
    }

    /// Returns the options with the device of a command that needs no rewards.
    pub(crate) fn on_one(self, one: &OneDevice) -> Self {
        Self { device: one.device, ..self }
    }
}

/// Where a command computes that takes rewards.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Devices {
    #[command(flatten)]
    base: OneDevice,

    /// Where rewards and judges compute, if not on the base's device: with flex, the base has a GPU's memory to itself
    #[arg(long, value_name = "DEVICE", env = "MOA_REWARD_DEVICE", hide_env_values = true, display_order = 801)]
    reward_device: Option<DeviceName>,
}

/// Where a command computes that takes no rewards.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct OneDevice {
    /// Where to compute: flex (CPU, built in), libtorch (CPU) or libtorch:cuda:N (NVIDIA GPU N)
    ///
    /// The LibTorch devices need a build with `--features libtorch`.
    #[arg(
        long,
        value_name = "DEVICE",
        default_value = "flex",
        env = "MOA_DEVICE",
        hide_env_values = true,
        display_order = 800
    )]
    device: DeviceName,
}
