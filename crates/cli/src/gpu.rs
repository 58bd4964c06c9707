//! What NVIDIA's driver says of its GPUs. It is asked at run time: nothing is linked, and without a driver there is no answer.

use std::sync::OnceLock;

use nvml_wrapper::enums::device::UsedGpuMemory;
use nvml_wrapper::{Device, Nvml};

/// One GPU.
#[derive(Clone, Debug)]
pub(crate) struct Gpu {
    /// Its name, e.g. `NVIDIA H200`.
    pub(crate) name: String,
    /// What its cores can do, as CUDA counts: 8.0 and above compute in bf16 and TF32.
    pub(crate) capability: (i32, i32),
    /// Its memory, in bytes.
    pub(crate) total: u64,
    /// Its free memory, in bytes.
    pub(crate) free: u64,
    /// What this process has taken, in bytes; `None` where the driver does not tell, as in some containers.
    pub(crate) own: Option<u64>,
}

fn nvml() -> Option<&'static Nvml> {
    static NVML: OnceLock<Option<Nvml>> = OnceLock::new();
    NVML.get_or_init(|| Nvml::init().ok()).as_ref()
}

/// Returns the driver's version and the newest CUDA that it runs, such as `580.95` and `13.0`; `None` without a driver.
pub(crate) fn driver() -> Option<(String, String)> {
    let nvml = nvml()?;
    let cuda = nvml.sys_cuda_driver_version().ok()?;
    Some((nvml.sys_driver_version().ok()?, format!("{}.{}", cuda / 1000, cuda % 1000 / 10)))
}

/// Returns the GPU that CUDA counts as `index`; `None` where there is none, or the driver does not tell.
pub(crate) fn gpu(index: usize) -> Option<Gpu> {
    let device = device(nvml()?, index)?;
    let (memory, capability) = (device.memory_info().ok()?, device.cuda_compute_capability().ok()?);
    Some(Gpu {
        name: device.name().ok()?,
        capability: (capability.major, capability.minor),
        total: memory.total,
        free: memory.free,
        own: own(&device),
    })
}

/// Finds the GPU that CUDA counts as `index`: `CUDA_VISIBLE_DEVICES` may hide some, and reorder them.
fn device(nvml: &'static Nvml, index: usize) -> Option<Device<'static>> {
    let Ok(visible) = std::env::var("CUDA_VISIBLE_DEVICES") else { return nvml.device_by_index(index as u32).ok() };
    let name = visible.split(',').nth(index)?.trim();
    match name.parse() {
        Ok(index) => nvml.device_by_index(index).ok(),
        Err(_) => nvml.device_by_uuid(name).ok(),
    }
}

fn own(device: &Device<'_>) -> Option<u64> {
    let own = std::process::id();
    let used = device.running_compute_processes().ok()?.into_iter().find(|process| process.pid == own)?;
    match used.used_gpu_memory {
        UsedGpuMemory::Used(bytes) => Some(bytes),
        UsedGpuMemory::Unavailable => None,
    }
}
