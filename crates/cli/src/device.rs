//! Devices by name. An absent device is an error, never a silent fallback to another.

use std::fmt;
use std::num::NonZero;
use std::str::FromStr;
use std::thread::available_parallelism;

use burn::tensor::Device;

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

/// A device that is there and works.
#[derive(Clone, Debug)]
pub(crate) struct OpenDevice {
    /// Its name, as the user gave it.
    pub(crate) name: String,
    /// The device.
    pub(crate) device: Device,
    /// How many threads work on micro-batches beside each other: all cores where an operation keeps one core busy, one
    /// where an operation takes the whole device.
    pub(crate) workers: usize,
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
        !self.name.contains("cuda")
    }

    /// Returns what it is, in words.
    pub(crate) fn description(&self) -> String {
        match self.name.as_str() {
            "flex" if self.workers == 1 => "flex (CPU, pure Rust, 1 thread)".into(),
            "flex" => format!("flex (CPU, pure Rust, {} threads)", self.workers),
            "libtorch" => "libtorch (CPU, LibTorch)".into(),
            name => format!("{name} (GPU, LibTorch)"),
        }
    }
}

impl DeviceName {
    /// Opens the device.
    ///
    /// # Errors
    /// Says what is missing, and what to do.
    pub(crate) fn open(self) -> Result<OpenDevice, CliError> {
        let (device, workers) = match self {
            Self::Flex => (Device::flex(), available_parallelism().map_or(1, NonZero::get)),
            Self::LibTorch | Self::LibTorchCuda(_) => (self.libtorch()?, 1),
        };
        Ok(OpenDevice { name: self.to_string(), device, workers })
    }

    #[cfg(not(feature = "libtorch"))]
    fn libtorch(self) -> Result<Device, CliError> {
        Err(CliError::failure(format!("device `{self}` is not part of this build of moa"))
            .hint("build with LibTorch: `cargo build --release --features libtorch` (the README says where to get it)")
            .hint("or use the built-in device: `--device flex`"))
    }

    #[cfg(feature = "libtorch")]
    #[expect(deprecated, reason = "LibTorch is burn 0.22's way to CUDA without a download: docs/decisions/001")]
    fn libtorch(self) -> Result<Device, CliError> {
        let device = match self {
            Self::LibTorchCuda(index) => Device::libtorch_cuda(index),
            _ => Device::libtorch(),
        };
        probe(&device).map_err(|reason| {
            CliError::failure(format!("device `{self}` is not there: {reason}"))
                .hint("LibTorch must be a build for CUDA, and `nvidia-smi` must list the GPU")
                .hint("or use the CPU: `--device libtorch` or `--device flex`")
        })?;
        Ok(device)
    }
}

/// Adds two numbers on the device. LibTorch has no other question than trying, and panics where it fails.
#[cfg(feature = "libtorch")]
fn probe(device: &Device) -> Result<(), String> {
    use burn::tensor::Tensor;

    let device = device.clone();
    let sum = crate::panic::quietly(move || Tensor::<1>::ones([2], &device).sum().into_scalar::<f32>());
    match sum {
        Ok(sum) if (sum - 2.0).abs() < f32::EPSILON => Ok(()),
        Ok(sum) => Err(format!("it says that 1 + 1 is {sum}")),
        Err(message) => Err(message.lines().next().unwrap_or("it does not answer").to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
