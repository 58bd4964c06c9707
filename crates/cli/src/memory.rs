//! How much of the host's memory a sweep will take: what a trial of it took, scaled to its size; of a large model, the sum of its parts.

use std::fs;

/// Returns the most bytes of memory that this process has held so far; `None` where the system does not tell.
pub(crate) fn peak() -> Option<u64> {
    read("/proc/self/status", "VmHWM:")
}

/// Resets the peak to what the process holds now, so that of several sweeps in one process each has its own; where the system
/// cannot, the peak stays that of all.
pub(crate) fn forget_peak() {
    let _ = fs::write("/proc/self/clear_refs", "5");
}

/// Returns the bytes of memory that this process holds; `None` where the system does not tell.
pub(crate) fn resident() -> Option<u64> {
    read("/proc/self/status", "VmRSS:")
}

/// Returns the bytes of memory that this process could hold: what it has, and what the machine can give it without swapping; `None`
/// where the system does not tell.
pub(crate) fn available() -> Option<u64> {
    Some(resident()? + read("/proc/meminfo", "MemAvailable:")?)
}

/// The GPU that models are on, as CUDA counts.
#[cfg(feature = "libtorch")]
static GPU: std::sync::OnceLock<usize> = std::sync::OnceLock::new();

/// Says which GPU models are on.
#[cfg(feature = "libtorch")]
pub(crate) fn watch(gpu: Option<usize>) {
    if let Some(gpu) = gpu {
        let _ = GPU.set(gpu);
    }
}

/// Returns the bytes of the GPU's memory that this process holds, where models are on one: what all processes hold, where the driver
/// tells no more.
pub(crate) fn of_gpu() -> Option<u64> {
    #[cfg(feature = "libtorch")]
    {
        let gpu = crate::gpu::gpu(*GPU.get()?)?;
        Some(gpu.own.unwrap_or(gpu.total - gpu.free))
    }
    #[cfg(not(feature = "libtorch"))]
    None
}

/// Returns the bytes of the GPU's memory that this process could hold; `None` where models are on none, or the driver does not tell.
pub(crate) fn available_on_gpu() -> Option<u64> {
    #[cfg(feature = "libtorch")]
    {
        let gpu = crate::gpu::gpu(*GPU.get()?)?;
        Some(gpu.free + gpu.own.unwrap_or(0))
    }
    #[cfg(not(feature = "libtorch"))]
    None
}

/// Reads a line of Linux's figures, in kibibytes.
fn read(file: &str, label: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    let kibibytes = text.lines().find_map(|line| line.strip_prefix(label))?.trim().strip_suffix("kB")?;
    Some(kibibytes.trim().parse::<u64>().ok()? * 1024)
}

/// What the report's drawings take, in bytes: canvases and their compressors, whatever is drawn.
const DRAWING: u64 = 64 << 20;

/// What allocators and threads keep beside the parts, in percent of them: measured over the sweeps of docs/performance.md.
const SLACK: u64 = 15;

/// Returns an estimate of memory as a range: what allocators keep may come to it.
pub(crate) fn range(bytes: u64) -> [u64; 2] {
    [bytes, bytes / 100 * (100 + SLACK)]
}

/// What a trial epoch took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trial {
    /// The peak before it, in bytes: the models, and what drawing images took.
    pub(crate) before: u64,
    /// The peak after it.
    pub(crate) after: u64,
    /// Rows that were in training at a time, on all threads together.
    pub(crate) rows: u64,
}

/// What of an experiment takes memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// Rows in training at a time, on all threads together.
    pub(crate) rows: u64,
    /// Samples of an epoch's trajectories, of all runs and steps.
    pub(crate) samples: u64,
    /// Values of a sample.
    pub(crate) dims: u64,
    /// Images of the whole evaluation.
    pub(crate) pictures: u64,
    /// Images that are drawn before they are scored, in training or of a point in evaluation, whichever are more.
    pub(crate) pictures_at_once: u64,
    /// Values of an image.
    pub(crate) pixels: u64,
}

impl Trial {
    /// Returns the least and the greatest peak of the whole sweep that is to be expected, in bytes: what the trial took, which few rows do not undercut; activations of
    /// the rows beyond it; trajectories, held twice, as they were drawn and as they are trained on; the evaluation's images,
    /// as they were drawn and as they are judged; and the drawings. The greatest adds what allocators keep.
    pub(crate) fn predict(&self, size: &Size) -> [u64; 2] {
        range(self.grown(size) + size.held())
    }

    /// Returns the estimated peak of a GPU's memory, as [`Trial::predict`] does the host's. What LibTorch keeps for later is part of what
    /// the trial took already.
    pub(crate) fn predict_on_gpu(&self, size: &Size) -> u64 {
        self.grown(size) + size.on_gpu()
    }

    /// Returns what the trial took, and what activations of the rows beyond it do.
    fn grown(&self, size: &Size) -> u64 {
        let per_row = self.after.saturating_sub(self.before) / self.rows.max(1);
        self.after + per_row * size.rows.saturating_sub(self.rows)
    }
}

impl Size {
    /// Returns the bytes of trajectories, images and drawings.
    fn held(&self) -> u64 {
        2 * self.samples * self.dims * size_of::<f32>() as u64 + self.on_host()
    }

    /// Returns the bytes of images and drawings, which come to the host wherever models compute.
    pub(crate) fn on_host(&self) -> u64 {
        2 * self.pictures * self.pixels * size_of::<f32>() as u64 + DRAWING
    }

    /// Returns the bytes of trajectories and of images that wait to be scored.
    fn on_gpu(&self) -> u64 {
        (2 * self.samples * self.dims + 2 * self.pictures_at_once * self.pixels) * size_of::<f32>() as u64
    }
}

/// What the parts of a sweep with a large denoiser take, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parts {
    /// The models, opened.
    pub(crate) resident: u64,
    /// A row in training.
    pub(crate) row: u64,
    /// An image that is decoded.
    pub(crate) picture: u64,
    /// Threads that decode images beside each other.
    pub(crate) workers: u64,
    /// All adapters, with what trains them.
    pub(crate) adapters: u64,
}

impl Parts {
    /// Returns the least and the greatest peak of the whole sweep that is to be expected, in bytes: models and adapters; rows in training or images being decoded,
    /// whichever takes more; and what [`Trial::predict`] adds for trajectories, images and drawings.
    pub(crate) fn predict(&self, size: &Size) -> [u64; 2] {
        let work = (self.row * size.rows).max(self.picture * self.workers);
        range(self.resident + self.adapters + work + size.held())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_grows_with_rows_trajectories_and_pictures() {
        let trial = Trial { before: 1000, after: 3000, rows: 10 };
        let size = Size { rows: 10, samples: 0, dims: 4, pictures: 0, pictures_at_once: 0, pixels: 3 };
        let with_slack = |parts: u64| [parts + DRAWING, (parts + DRAWING) / 100 * (100 + SLACK)];
        assert_eq!(trial.predict(&size), with_slack(3000));
        assert_eq!(trial.predict(&Size { rows: 1, ..size }), with_slack(3000));
        assert_eq!(trial.predict(&Size { rows: 20, ..size }), with_slack(5000));
        assert_eq!(trial.predict(&Size { samples: 5, ..size }), with_slack(3160));
        assert_eq!(trial.predict(&Size { pictures: 5, ..size }), with_slack(3120));
        // Of the images, a GPU holds those that wait to be scored.
        let larger = Size { rows: 20, samples: 5, pictures: 5, pictures_at_once: 2, ..size };
        assert_eq!(trial.predict_on_gpu(&larger), 5000 + 160 + 48);
        assert_eq!(larger.on_host(), 120 + DRAWING);
    }

    #[test]
    fn parts_are_summed_and_training_and_decoding_take_turns() {
        let parts = Parts { resident: 1000, row: 10, picture: 50, workers: 2, adapters: 7 };
        let size = Size { rows: 4, samples: 0, dims: 4, pictures: 0, pictures_at_once: 0, pixels: 3 };
        assert_eq!(parts.predict(&size)[0] - DRAWING, 1000 + 7 + 100);
        assert_eq!(parts.predict(&Size { rows: 40, ..size })[0] - DRAWING, 1000 + 7 + 400);
        assert_eq!(parts.predict(&Size { samples: 5, ..size })[0] - DRAWING, 1000 + 7 + 100 + 160);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_holds_memory() {
        assert!(peak().is_some_and(|bytes| bytes > 100_000));
        assert!(resident().zip(available()).is_some_and(|(held, available)| held > 100_000 && available > held));
    }
}
