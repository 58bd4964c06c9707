//! LibTorch's devices: what is linked, what the driver has, and what of it works.

use std::path::Path;

use burn::tensor::{Device, Tensor};
use moa_core::experiment::Precision;
use moa_device::{Runtime, runtime, scalar_to_host, tune};

use super::DeviceName;
use crate::error::CliError;
use crate::gpu;

/// The first of NVIDIA's cores that compute in bf16 and TF32 (Ampere's).
const CAPABLE: (i32, i32) = (8, 0);
/// Read by LibTorch when it starts: whether products of f32 may be TF32's.
const ALLOW_TF32: &str = "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE";
/// Read by NVIDIA's libraries when they start: 0 forbids TF32 everywhere. LibTorch allows it in convolutions by itself.
const FORBID_TF32: &str = "NVIDIA_TF32_OVERRIDE";

/// Refuses a precision that the GPU lacks, and starts moa again where LibTorch would have to be told before it has started.
pub(super) fn settle(name: DeviceName, precision: Precision) -> Result<(), CliError> {
    let Some(index) = name.gpu() else { return Ok(()) };
    let needs = matches!(precision, Precision::Tf32 | Precision::Bf16);
    if let Some(gpu) = gpu::gpu(index).filter(|gpu| needs && gpu.capability < CAPABLE) {
        let (major, minor) = gpu.capability;
        let message = format!(
            "precision {} is not one of device `{name}`: {} has compute capability {major}.{minor}, and 8.0 is needed",
            precision.name(),
            gpu.name
        );
        return Err(CliError::usage(message).hint("give precision F16 or F32"));
    }
    let (variable, value) = match precision {
        Precision::F32 => (FORBID_TF32, "0"),
        Precision::Tf32 => (ALLOW_TF32, "1"),
        Precision::Bf16 | Precision::F16 => return Ok(()),
    };
    match std::env::var_os(variable) {
        Some(_) => Ok(()),
        None => Err(restarted(variable, value)),
    }
}

/// Starts this very command again with a variable set. Returns where that fails.
#[cfg(unix)]
fn restarted(variable: &str, value: &str) -> CliError {
    use std::os::unix::process::CommandExt;

    let mut arguments = std::env::args_os();
    let _ = arguments.next();
    let error = match std::env::current_exe() {
        Ok(program) => std::process::Command::new(program).args(arguments).env(variable, value).exec(),
        Err(error) => error,
    };
    CliError::failure(format!("cannot start again with {variable}={value}: {error}")).hint("set it yourself")
}

#[cfg(not(unix))]
fn restarted(variable: &str, value: &str) -> CliError {
    CliError::failure(format!("{variable} is not set")).hint(format!("set it to {value}, and give the command again"))
}

/// Opens a device.
///
/// # Errors
/// Says what is missing, and what to do.
#[expect(deprecated, reason = "LibTorch is burn 0.22's way to CUDA without a download: docs/decisions/001")]
pub(super) fn open(name: DeviceName) -> Result<Device, CliError> {
    let device = match name.gpu() {
        Some(index) => {
            check(name, index, runtime())?;
            tune();
            Device::libtorch_cuda(index)
        }
        None => Device::libtorch(),
    };
    probe(&device).map_err(|reason| {
        let error = CliError::failure(format!("device `{name}` does not work: {reason}"));
        match name.gpu() {
            Some(index) => trouble(error, index),
            None => error,
        }
    })?;
    Ok(device)
}

/// Refuses a GPU that cannot be there.
fn check(name: DeviceName, index: usize, runtime: Runtime) -> Result<(), CliError> {
    let on_cpu = "or use the CPU: `--device libtorch` or `--device flex`";
    let Some((major, minor)) = runtime.cuda else {
        return Err(CliError::failure(format!(
            "device `{name}` is not part of this build of moa: its LibTorch is only for CPUs"
        ))
        .hint("build it against a LibTorch for CUDA: `.ci/libtorch-cuda DIR`, or your own PyTorch (README, Devices)")
        .hint(on_cpu));
    };
    if runtime.gpus == 0 {
        let why = match gpu::driver() {
            None if Path::new("/proc/driver/nvidia/version").exists() => {
                "NVIDIA's driver is there, and does not answer".into()
            }
            None => "there is no NVIDIA driver on this machine".into(),
            Some((driver, cuda)) => format!(
                "LibTorch can use no GPU: it is for CUDA {major}.{minor}, and driver {driver} runs CUDA {cuda} and older"
            ),
        };
        return Err(CliError::failure(format!("device `{name}` is not there: {why}"))
            .hint("`nvidia-smi` must list the GPU; `CUDA_VISIBLE_DEVICES` may hide it")
            .hint(on_cpu));
    }
    if index >= runtime.gpus {
        let there = match runtime.gpus {
            1 => "the only GPU is `libtorch:cuda:0`".into(),
            gpus => format!("there are {gpus} GPUs, `libtorch:cuda:0` to `libtorch:cuda:{}`", gpus - 1),
        };
        return Err(CliError::usage(format!("device `{name}` is not there: {there}")));
    }
    Ok(())
}

/// Adds what helps where a GPU is there and does not work.
fn trouble(error: CliError, index: usize) -> CliError {
    let error = match gpu::gpu(index) {
        Some(gpu) if gpu.free < gpu.total / 20 => error.hint(format!(
            "{} of its {} are free: `nvidia-smi` shows who has the rest",
            crate::text::memory(gpu.free),
            crate::text::memory(gpu.total)
        )),
        _ => error,
    };
    match gpu::driver() {
        Some((driver, cuda)) => error.hint(format!(
            "driver {driver} runs CUDA {cuda} and older: LibTorch must be built for one of these, and for this GPU"
        )),
        None => error,
    }
}

/// Adds two numbers on the device. LibTorch has no other question than trying, and panics where it fails.
fn probe(device: &Device) -> Result<(), String> {
    let device = device.clone();
    match crate::panic::quietly(move || scalar_to_host(Tensor::<1>::ones([2], &device).sum())) {
        Ok(sum) if (sum - 2.0).abs() < f32::EPSILON => Ok(()),
        Ok(sum) => Err(format!("it says that 1 + 1 is {sum}")),
        Err(message) => Err(crate::panic::first_line(&message).to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_there_is_refused_with_what_is() {
        let refused = |index, runtime| {
            let error = check(DeviceName::LibTorchCuda(index), index, runtime).expect_err("refused");
            error.message().to_owned()
        };
        let cpu = refused(0, Runtime { cuda: None, gpus: 0 });
        assert!(cpu.contains("only for CPUs"), "{cpu}");
        let none = refused(0, Runtime { cuda: Some((12, 8)), gpus: 0 });
        assert!(none.contains("libtorch:cuda:0` is not there"), "{none}");
        let beyond = refused(3, Runtime { cuda: Some((12, 8)), gpus: 2 });
        assert!(beyond.contains("2 GPUs, `libtorch:cuda:0` to `libtorch:cuda:1`"), "{beyond}");
        assert!(check(DeviceName::LibTorchCuda(1), 1, Runtime { cuda: Some((12, 8)), gpus: 2 }).is_ok());
    }
}
