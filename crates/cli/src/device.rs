//! Devices by name. An absent device is an error, never a silent fallback to another.

#[cfg(feature = "libtorch")]
mod libtorch;

use std::fmt;
use std::num::NonZero;
use std::str::FromStr;
use std::thread::available_parallelism;

use burn::tensor::Device;
use moa_core::experiment::Precision;
use moa_diffusion::Compute;
use moa_runner::Places;

use crate::error::CliError;
use crate::suggest::did_you_mean;

/// The names that `--device` takes, as messages show them.
const NAMES: [&str; 3] = ["flex", "libtorch", "libtorch:cuda:N"];

/// A device as its user names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum DeviceName {
    /// The CPU, in pure Rust.
    #[default]
    Flex,
    /// The CPU, by LibTorch.
    LibTorch,
    /// An NVIDIA GPU, by LibTorch.
    LibTorchCuda(usize),
}

/// Where an experiment computes: devices that are there and work.
#[derive(Clone, Debug)]
pub(crate) struct OpenDevice {
    /// The base's device, as the user gave it.
    pub(crate) name: DeviceName,
    /// The base's device.
    pub(crate) device: Device,
    /// The rewards' and judges'.
    pub(crate) rewards: Device,
    /// Its name, where it is another.
    rewards_name: Option<DeviceName>,
    /// Whether moa's own engines may do the work on the CPU; burn's operations do it otherwise.
    engine: bool,
    /// How many threads work on micro-batches beside each other: all cores where an operation keeps one core busy, one
    /// where an operation takes the whole device.
    pub(crate) workers: usize,
    /// Whether images are scored while others are drawn: where a GPU draws, unless `MOA_OVERLAP=off`.
    pub(crate) overlaps: bool,
}

impl FromStr for DeviceName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "flex" => Ok(Self::Flex),
            "libtorch" => Ok(Self::LibTorch),
            _ => {
                if let Some(index) = text.strip_prefix("libtorch:cuda:").and_then(|index| index.parse().ok()) {
                    return Ok(Self::LibTorchCuda(index));
                }
                let guess = did_you_mean(text, ["flex", "libtorch", "libtorch:cuda:0"]);
                let guess = guess.map_or(String::new(), |name| format!("; did you mean `{name}`?"));
                Err(format!("known devices are {}{guess}", NAMES.join(", ")))
            }
        }
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flex => f.write_str("flex"),
            Self::LibTorch => f.write_str("libtorch"),
            Self::LibTorchCuda(index) => write!(f, "libtorch:cuda:{index}"),
        }
    }
}

impl OpenDevice {
    /// Whether its tensors lie in the host's memory.
    pub(crate) fn is_host(&self) -> bool {
        self.name.gpu().is_none()
    }

    /// Returns what it is, in words.
    pub(crate) fn description(&self) -> String {
        let base = match self.name {
            DeviceName::Flex if self.workers == 1 => "flex (CPU, pure Rust, 1 thread)".into(),
            DeviceName::Flex => format!("flex (CPU, pure Rust, {} threads)", self.workers),
            DeviceName::LibTorch if is_for_cpus_alone() => "libtorch (CPU, a LibTorch without CUDA)".into(),
            DeviceName::LibTorch => "libtorch (CPU, LibTorch)".into(),
            name @ DeviceName::LibTorchCuda(_) => match name.gpu_facts() {
                Some(facts) => format!("{name} ({facts})"),
                None => format!("{name} (GPU, LibTorch)"),
            },
        };
        match self.rewards_name {
            Some(rewards) => format!("{base}, rewards on {rewards}"),
            None => base,
        }
    }

    /// Returns where base, rewards and judges compute.
    pub(crate) fn places(&self) -> Places {
        Places { base: self.device.clone(), rewards: self.rewards.clone(), engine: self.engine }
    }

    /// Returns where and how the base computes when it is opened by itself.
    pub(crate) fn compute(&self, precision: Precision) -> Compute {
        Compute { precision, engine: self.engine, ..Compute::from(&self.device) }
    }
}

impl DeviceName {
    /// Opens the device for what computes in f32.
    ///
    /// # Errors
    /// See [`DeviceName::open_for`].
    pub(crate) fn open(self) -> Result<OpenDevice, CliError> {
        self.settle(Precision::F32)?;
        self.open_for(Precision::F32, None)
    }

    /// Sees to it that LibTorch starts as a precision wants it, for which moa may start again: nothing must have been done before.
    ///
    /// # Errors
    /// Refuses a precision that the device lacks.
    pub(crate) fn settle(self, precision: Precision) -> Result<(), CliError> {
        self.check(precision)?;
        #[cfg(feature = "libtorch")]
        libtorch::settle(self, precision)?;
        Ok(())
    }

    /// Opens the device for a base model in some precision, and another for the rewards where they shall not share it.
    ///
    /// # Errors
    /// Says what is missing, and what to do; refuses a precision that the device lacks.
    pub(crate) fn open_for(self, precision: Precision, rewards: Option<Self>) -> Result<OpenDevice, CliError> {
        let engine = engine()?;
        self.check(precision)?;
        let device = self.device()?;
        let rewards_name = rewards.filter(|rewards| *rewards != self);
        let rewards = rewards_name.map_or_else(|| Ok(device.clone()), Self::device)?;
        let workers = if self == Self::Flex { available_parallelism().map_or(1, NonZero::get) } else { 1 };
        let overlaps = overlaps(rewards_name.is_some() || self.gpu().is_some())?;
        #[cfg(feature = "libtorch")]
        crate::memory::watch(self.gpu());
        Ok(OpenDevice { name: self, device, rewards, rewards_name, engine, workers, overlaps })
    }

    /// Refuses a device that this build lacks. None is opened: it may be another machine that computes.
    ///
    /// # Errors
    /// Says what to build, or to use instead.
    pub(crate) fn refuse_absent(self) -> Result<(), CliError> {
        if cfg!(feature = "libtorch") { Ok(()) } else { self.device().map(drop) }
    }

    /// Returns the number of the GPU, where it is one.
    pub(crate) fn gpu(self) -> Option<usize> {
        if let Self::LibTorchCuda(index) = self { Some(index) } else { None }
    }

    /// Refuses a precision that no such device has.
    fn check(self, precision: Precision) -> Result<(), CliError> {
        let refused = |why: &str, hint: &str| {
            let message = format!("precision {} is not one of device `{self}`: {why}", precision.name());
            Err(CliError::usage(message).hint(hint))
        };
        let on_gpu = match precision {
            Precision::Tf32 => "give `--device libtorch:cuda:0` (a build with LibTorch), or precision F32",
            _ => "give `--device libtorch` or `--device libtorch:cuda:0` (a build with LibTorch), or precision F32",
        };
        match (self, precision) {
            (Self::Flex, Precision::Tf32 | Precision::Bf16 | Precision::F16) => {
                refused("it computes only in F32", on_gpu)
            }
            (Self::LibTorch, Precision::Tf32) => refused("TensorFloat-32 is a mode of NVIDIA's GPUs", on_gpu),
            _ => Ok(()),
        }
    }

    fn device(self) -> Result<Device, CliError> {
        if self == Self::Flex { Ok(Device::flex()) } else { self.libtorch() }
    }

    #[cfg(not(feature = "libtorch"))]
    fn libtorch(self) -> Result<Device, CliError> {
        Err(CliError::failure(format!("device `{self}` is not part of this build of moa"))
            .hint("build with LibTorch: `cargo build --release --features libtorch` (docs/devices.md says how)")
            .hint("or use the built-in device: `--device flex`"))
    }

    #[cfg(feature = "libtorch")]
    fn libtorch(self) -> Result<Device, CliError> {
        libtorch::open(self)
    }

    /// Returns what the driver says of a GPU, in words.
    #[cfg(feature = "libtorch")]
    fn gpu_facts(self) -> Option<String> {
        let gpu = crate::gpu::gpu(self.gpu()?)?;
        Some(format!("{}, {} of {} free", gpu.name, crate::text::memory(gpu.free), crate::text::memory(gpu.total)))
    }

    #[cfg(not(feature = "libtorch"))]
    #[expect(clippy::unused_self, reason = "with LibTorch it is asked")]
    fn gpu_facts(self) -> Option<String> {
        None
    }
}

/// Returns whether the LibTorch that is linked knows no GPU.
fn is_for_cpus_alone() -> bool {
    #[cfg(feature = "libtorch")]
    return moa_device::runtime().cuda.is_none();
    #[cfg(not(feature = "libtorch"))]
    true
}

/// Returns whether images are scored while others are drawn: `usual`, or what `MOA_OVERLAP` says.
fn overlaps(usual: bool) -> Result<bool, CliError> {
    Ok(switch("MOA_OVERLAP", "on", "off")?.unwrap_or(usual))
}

/// Returns whether moa's own engines may do the work: `MOA_ENGINE=burn` has burn's operations do it, as they do on GPUs.
fn engine() -> Result<bool, CliError> {
    Ok(switch("MOA_ENGINE", "moa", "burn")?.unwrap_or(true))
}

/// Returns whether a variable of the environment says the first of its two words; nothing when it is unset or empty.
fn switch(variable: &str, yes: &str, no: &str) -> Result<Option<bool>, CliError> {
    match std::env::var(variable).as_deref() {
        Err(_) | Ok("") => Ok(None),
        Ok(word) if word == yes => Ok(Some(true)),
        Ok(word) if word == no => Ok(Some(false)),
        Ok(other) => {
            Err(CliError::usage(format!("{variable} is {other:?}: give `{yes}` or `{no}`, or leave it unset")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precisions_that_a_device_lacks_are_refused_by_name() {
        for (name, lacks) in [
            (DeviceName::Flex, &[Precision::Tf32, Precision::Bf16, Precision::F16][..]),
            (DeviceName::LibTorch, &[Precision::Tf32]),
            (DeviceName::LibTorchCuda(0), &[]),
        ] {
            for precision in Precision::ALL {
                let refused = name.check(precision).err();
                assert_eq!(refused.is_some(), lacks.contains(&precision), "{name}, {}", precision.name());
                if let Some(error) = refused {
                    let message = error.message();
                    assert!(message.contains(precision.name()) && message.contains(&name.to_string()), "{message}");
                }
            }
        }
    }

    #[test]
    fn names_read_back() {
        for name in ["flex", "libtorch", "libtorch:cuda:0", "libtorch:cuda:12"] {
            assert_eq!(name.parse::<DeviceName>().unwrap().to_string(), name);
        }
    }

    #[test]
    fn unknown_names_list_the_known_ones() {
        for name in ["", "cuda", "Flex", "libtorch:cuda:", "libtorch:cuda:-1", "libtorch:0"] {
            let message = name.parse::<DeviceName>().unwrap_err();
            assert!(message.contains("known devices are flex, libtorch, libtorch:cuda:N"), "{message}");
        }
        assert!("flx".parse::<DeviceName>().unwrap_err().contains("did you mean `flex`?"));
        assert!("libtorch:cuda".parse::<DeviceName>().unwrap_err().contains("did you mean `libtorch:cuda:0`?"));
    }
}
