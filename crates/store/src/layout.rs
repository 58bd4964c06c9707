//! Where each file of an experiment lies.

use std::path::{Path, PathBuf};

use moa_core::{PointKind, RunId};

use crate::StoreError;
use crate::atomic::remove_leftovers;

/// The paths under `results/<experiment>/`. Making one touches no file.
///
/// ```text
/// experiment.ron             the experiment as run
/// receipt.json               versions, seed, hashes
/// hypervolume.json           what counts as 0 and as 1 in the hypervolume, once that is measured
/// runs/<id>/                 all that is a run's own: log.jsonl (epochs, evaluation), checkpoint.bin (what a killed sweep
///                            goes on from), adapter.safetensors, adapter_config.json, scores.jsonl (of every image evaluated), samples.png;
///                            lease.json while it is worked on
/// soups/<id>/                log.jsonl, scores.jsonl, adapter and samples.png of a soup, which the experiment plans or which was added when it
///                            was measured
/// blends/<id>/               log.jsonl, scores.jsonl and samples.png of a blend
/// metrics.sled/              an index over all logs, for reading fast
/// live.jsonl                 the same while a sweep runs, for readers
/// plots/                     fronts and curves
/// explain/                   report cards of the rewards, once `moa explain` has made them
/// tasks/<part>-of-<parts>.json  what each part of the sweep says of itself, where it is done in parts
/// arrivals.jsonl             of online training, the prompts that arrived, look by look
/// released/<id>/             the adapters that are released; of each run, runs/<id>/versions.jsonl and versions/<number>/ have all
/// remarks.json               the user's own notes and tags
/// phases/<number>-<name>/    of an experiment in phases, the results of each: a folder like this one, in which
///   across/<phase>/<run>/    evaluation.json and scores.jsonl of another phase's adapter on this one's prompts and rewards
/// phases.json, phases.csv    the same experiment's matrix: what adapters gain in each phase's rewards after each phase
/// slurm/                     scripts, logs and numbers of the jobs, where Slurm does it
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    /// Returns the layout of an experiment's folder.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Returns the experiment's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the path of the experiment file as run.
    pub fn experiment_file(&self) -> PathBuf {
        self.root.join("experiment.ron")
    }

    /// Returns the path of the receipt: versions, seed and hashes.
    pub fn receipt_file(&self) -> PathBuf {
        self.root.join("receipt.json")
    }

    /// Returns the path of what counts as 0 and as 1 in the hypervolume.
    pub fn hypervolume_file(&self) -> PathBuf {
        self.root.join("hypervolume.json")
    }

    /// Returns the path of the user's own notes and tags.
    pub fn remarks_file(&self) -> PathBuf {
        self.root.join("remarks.json")
    }

    /// Returns the folder of the metric store.
    pub fn metrics_dir(&self) -> PathBuf {
        self.root.join("metrics.sled")
    }

    /// Returns the path of the journal that exists while the store is being written.
    pub fn live_file(&self) -> PathBuf {
        self.root.join("live.jsonl")
    }

    /// Returns the checkpoint in which earlier versions kept all runs together.
    pub fn earlier_checkpoint(&self) -> PathBuf {
        self.root.join("checkpoint").join("trainer.bin")
    }

    /// Returns the file that says where the time of each epoch went.
    pub fn timings_file(&self) -> PathBuf {
        self.root.join("timings.csv")
    }

    /// Returns the folder of all runs.
    pub fn runs_dir(&self) -> PathBuf {
        self.root.join("runs")
    }

    /// Returns the folder of one run.
    pub fn run_dir(&self, run: &RunId) -> PathBuf {
        self.runs_dir().join(run.as_str())
    }

    /// Returns the path of what a killed sweep goes on from with a run.
    pub fn checkpoint_file(&self, run: &RunId) -> PathBuf {
        self.run_dir(run).join("checkpoint.bin")
    }

    /// Returns the path of the file that says who works on a run.
    pub fn lease_file(&self, run: &RunId) -> PathBuf {
        self.run_dir(run).join(LEASE)
    }

    /// Returns the path of the file that says who gathers the results.
    pub fn gather_lease_file(&self) -> PathBuf {
        self.root.join("gather.lease.json")
    }

    /// Returns the path of a run's adapter.
    pub fn adapter_file(&self, run: &RunId) -> PathBuf {
        self.run_dir(run).join(ADAPTER)
    }

    /// Returns the path of the configuration of a run's adapter.
    pub fn adapter_config_file(&self, run: &RunId) -> PathBuf {
        self.run_dir(run).join(ADAPTER_CONFIG)
    }

    /// Returns the folder of an adapter that was given; its files are named as a run's.
    pub fn given_dir(&self, adapter: &RunId) -> PathBuf {
        self.root.join("adapters").join(adapter.as_str())
    }

    /// Returns the folder of what soups are made of: a run, or an adapter that was given.
    pub fn ingredient_dir(&self, id: &RunId) -> PathBuf {
        let given = self.given_dir(id);
        if given.join(ADAPTER).is_file() { given } else { self.run_dir(id) }
    }

    /// Returns the folder of one soup; its files are named as a run's.
    pub fn soup_dir(&self, soup: &RunId) -> PathBuf {
        self.root.join("soups").join(soup.as_str())
    }

    /// Returns the names of the soups' folders that hold a log.
    ///
    /// # Errors
    /// What the system says of a folder that it cannot list.
    pub fn soups(&self) -> Result<Vec<RunId>, StoreError> {
        Ok(self.logs_in(PointKind::Soup, "soups")?.into_iter().map(|(_, id, _)| id).collect())
    }

    /// Returns the folder of one blend, which has images and no adapter of its own.
    pub fn blend_dir(&self, blend: &RunId) -> PathBuf {
        self.root.join("blends").join(blend.as_str())
    }

    /// Returns the folder of what is evaluated, by its kind.
    pub fn point_dir(&self, kind: PointKind, id: &RunId) -> PathBuf {
        match kind {
            PointKind::Base | PointKind::Trained => self.run_dir(id),
            PointKind::Given => self.given_dir(id),
            PointKind::Soup => self.soup_dir(id),
            PointKind::Blend => self.blend_dir(id),
        }
    }

    /// Returns the path of what is known of something that is evaluated.
    pub fn log_file(&self, kind: PointKind, id: &RunId) -> PathBuf {
        self.point_dir(kind, id).join("log.jsonl")
    }

    /// Returns the logs that are there: kind, name and length of each, by kind and name.
    ///
    /// # Errors
    /// What the system says of a folder that it cannot list.
    pub fn logs(&self) -> Result<Vec<(PointKind, RunId, u64)>, StoreError> {
        let mut logs = Vec::new();
        let folders = [
            (PointKind::Trained, "runs"),
            (PointKind::Given, "adapters"),
            (PointKind::Soup, "soups"),
            (PointKind::Blend, "blends"),
        ];
        for (kind, folder) in folders {
            logs.extend(self.logs_in(kind, folder)?);
        }
        logs.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        Ok(logs)
    }

    fn logs_in(&self, kind: PointKind, folder: &str) -> Result<Vec<(PointKind, RunId, u64)>, StoreError> {
        let folder = self.root.join(folder);
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(StoreError::read(&folder, error)),
        };
        let mut logs = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|source| StoreError::read(&folder, source))?;
            let id = RunId(entry.file_name().to_string_lossy().into_owned());
            let kind = if id.as_str() == RunId::BASE { PointKind::Base } else { kind };
            if let Ok(metadata) = std::fs::metadata(entry.path().join("log.jsonl")) {
                logs.push((kind, id, metadata.len()));
            }
        }
        Ok(logs)
    }

    /// Returns the path of a table of the results, e.g. of `front`, in a format.
    pub fn table_file(&self, table: ResultTable, ending: &str) -> PathBuf {
        let name = match table {
            ResultTable::Front => "front",
            ResultTable::Hypervolume => "hypervolume",
            ResultTable::SoupEdges => "soup-edges",
        };
        self.root.join(format!("{name}.{ending}"))
    }

    /// Returns the path of a page of the image grids of all points, counted from 1.
    pub fn pictures_file(&self, page: usize) -> PathBuf {
        self.plot_file(&if page == 1 { "pictures.png".into() } else { format!("pictures-{page}.png") })
    }

    /// Returns the folder of the results of all phases.
    pub fn phases_dir(&self) -> PathBuf {
        self.root.join("phases")
    }

    /// Returns the folder of the evaluation of another phase's adapter on this experiment's prompts and rewards.
    ///
    /// - `phase`: the name of the other phase's folder
    pub fn across_dir(&self, phase: &str, run: &RunId) -> PathBuf {
        self.root.join("across").join(phase).join(run.as_str())
    }

    /// Returns the folder of all plots.
    pub fn plots_dir(&self) -> PathBuf {
        self.root.join("plots")
    }

    /// Returns the path of one plot, e.g. `front.svg`.
    pub fn plot_file(&self, name: &str) -> PathBuf {
        self.plots_dir().join(name)
    }

    /// Returns the folder of what was found out about the rewards.
    pub fn explain_dir(&self) -> PathBuf {
        self.root.join("explain")
    }

    /// Returns the folder of what the tasks of a sweep say of themselves.
    pub fn tasks_dir(&self) -> PathBuf {
        self.root.join("tasks")
    }

    /// Returns the path of what the task of one part says of itself; parts count from 1.
    pub fn task_file(&self, part: u32, of: u32) -> PathBuf {
        self.tasks_dir().join(format!("{part}-of-{of}.json"))
    }

    /// Returns the folder of scripts, logs and numbers of the jobs that Slurm was given.
    pub fn slurm_dir(&self) -> PathBuf {
        self.root.join("slurm")
    }

    /// Returns the path of the record of what was submitted to Slurm.
    pub fn submitted_file(&self) -> PathBuf {
        self.slurm_dir().join("submitted.json")
    }

    /// Deletes the temporary files that killed processes left in the experiment's folder.
    ///
    /// # Errors
    /// What the system says of a folder that it cannot list or a file that it cannot delete.
    pub fn remove_leftovers(&self) -> Result<(), StoreError> {
        remove_leftovers(&self.root)
    }
}

/// Files of a run, soup or blend in its own folder.
pub const ADAPTER: &str = "adapter.safetensors";
/// The configuration beside an adapter.
pub const ADAPTER_CONFIG: &str = "adapter_config.json";
/// Who works on it.
pub const LEASE: &str = "lease.json";
/// The first images of its evaluation, pixel by pixel.
pub const PICTURES: &str = "pictures.png";
/// An image grid.
pub const SAMPLES: &str = "samples.png";

/// A table of the results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResultTable {
    /// Every point with its scores.
    Front,
    /// The hypervolumes.
    Hypervolume,
    /// Soups between two adapters.
    SoupEdges,
}

/// Refuses names of runs that are no plain folder names.
pub(crate) fn check_run_id(run: &RunId) -> Result<(), StoreError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if run.as_str().starts_with(|c: char| c.is_ascii_alphanumeric()) && run.as_str().chars().all(plain) {
        Ok(())
    } else {
        Err(StoreError::BadRunId { id: run.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_leave_the_folder_are_refused() {
        for good in ["base", "0", "centre", "w-0.25_0.75", "aesthetics"] {
            assert!(check_run_id(&RunId(good.to_owned())).is_ok(), "{good}");
        }
        for bad in ["", "..", ".hidden", "a/b", "a\0b", "-rf", "über", "a b"] {
            assert!(check_run_id(&RunId(bad.to_owned())).is_err(), "{bad:?}");
        }
    }
}
