//! What Slurm is given: two scripts, and the arguments that they are submitted with.

use std::path::Path;

use moa_store::Layout;

use crate::device::DeviceName;
use crate::error::CliError;
use crate::global::Global;
use crate::shell::quoted;

/// How long before the end of its time a task is told so, in seconds.
const NOTICE: u32 = 120;

/// What all jobs of a submission have in common.
pub(crate) struct Work<'a> {
    /// This program.
    pub(crate) program: &'a Path,
    /// The folder that relative paths of the experiment count from.
    pub(crate) folder: &'a Path,
    /// The experiment file.
    pub(crate) file: &'a Path,
    /// The experiment's name.
    pub(crate) name: &'a str,
    /// The results; absolute, as all paths here.
    pub(crate) layout: &'a Layout,
    /// What is changed in the experiment, as arguments.
    pub(crate) changes: Vec<String>,
    /// The devices.
    pub(crate) global: Global,
    /// What the user has for `sbatch`.
    pub(crate) sbatch: &'a [String],
    /// Whether gathering may choose a further weighting, which is submitted then.
    pub(crate) chooses: bool,
}

/// A script, and what it is submitted with.
pub(crate) struct Script {
    /// Where it is written; absolute.
    pub(crate) path: String,
    /// Its text.
    pub(crate) text: String,
    /// `sbatch`'s arguments, the script among them.
    pub(crate) arguments: Vec<String>,
}

impl Work<'_> {
    /// Returns the script of the job array: each task does one part `of` so many, `parts` are those to do.
    ///
    /// # Errors
    /// Refuses paths that Slurm has no way to write.
    pub(crate) fn sweep(&self, parts: &[u32], of: u32, at_once: Option<u32>) -> Result<Script, CliError> {
        let mut words = vec![
            quoted(text(self.program)?),
            "sweep".into(),
            quoted(text(self.file)?),
            "--out".into(),
            quoted(text(self.layout.root())?),
            "--partition".into(),
            format!("\"$SLURM_ARRAY_TASK_ID/{of}\""),
            "--plain".into(),
        ];
        words.extend(self.changes.iter().map(|argument| quoted(argument)));
        words.extend(self.devices());
        let at_once = at_once.map_or(String::new(), |number| format!("%{number}"));
        let mut arguments = self.common("", "sweep-%A_%a.log")?;
        arguments.push(format!("--signal=B:USR1@{NOTICE}"));
        arguments.extend(self.sbatch.iter().cloned());
        arguments.push(format!("--array={}{at_once}", ranges(parts)));
        self.script(
            "sweep.sh",
            "Each task of the array does the part of the runs that has its number. SIGUSR1 says that its time is nearly\n\
             # up: moa saves, and has Slurm start the task again. Until moa listens to it, the signal must not end the task.",
            &format!("exec {}", words.join(" ")),
            arguments,
        )
    }

    /// Returns the script of the job that gathers, which waits until the job `after` has ended, if there is one; `of` and `at_once` are
    /// those of the array, which a further stage has as well.
    ///
    /// # Errors
    /// Refuses paths that Slurm has no way to write.
    pub(crate) fn gather(&self, after: Option<&str>, of: u32, at_once: Option<u32>) -> Result<Script, CliError> {
        let mut words = vec![quoted(text(self.program)?), "gather".into(), quoted(text(self.layout.root())?)];
        words.extend(self.devices());
        let mut arguments = self.common("-gather", "gather-%j.log")?;
        arguments.extend(self.sbatch.iter().cloned());
        arguments.extend(after.map(|job| format!("--dependency=afterany:{job}")));
        self.script(
            "gather.sh",
            "Runs when all tasks have ended, successfully or not, and says what is missing. It needs no signal before its time limit.",
            &if self.chooses { self.further(&words.join(" "), of, at_once)? } else { format!("exec {}", words.join(" ")) },
            arguments,
        )
    }

    /// Returns the commands that gather, and submit what was chosen to be trained next.
    fn further(&self, gather: &str, of: u32, at_once: Option<u32>) -> Result<String, CliError> {
        let mut words = vec![
            quoted(text(self.program)?),
            "sweep".into(),
            quoted(text(self.file)?),
            "--out".into(),
            quoted(text(self.layout.root())?),
            "--slurm".into(),
            format!("--tasks {of}"),
        ];
        words.extend(at_once.map(|number| format!("--at-once {number}")));
        words.extend(self.changes.iter().map(|argument| quoted(argument)));
        words.extend(self.devices());
        if !self.sbatch.is_empty() {
            words.push("--".into());
            words.extend(self.sbatch.iter().map(|argument| quoted(argument)));
        }
        Ok(format!(
            "{gather}\ncode=$?\n# 3: a further weighting was chosen.\n[ $code -eq 3 ] || exit $code\nexec {}",
            words.join(" ")
        ))
    }

    fn devices(&self) -> Vec<String> {
        let Global { device, reward_device, .. } = self.global;
        let given = (device != DeviceName::default()).then(|| ["--device".into(), device.to_string()]);
        let rewards = reward_device.map(|device| ["--reward-device".into(), device.to_string()]);
        given.into_iter().chain(rewards).flatten().collect()
    }

    /// Returns the arguments of both jobs. The user's stand behind them, where the later of two counts.
    fn common(&self, suffix: &str, log: &str) -> Result<Vec<String>, CliError> {
        let folder = self.layout.slurm_dir();
        // In names of logs `%` stands for something, and a backslash takes that away.
        let folder = text(&folder)?.replace('%', "%%");
        Ok(vec![
            "--parsable".into(),
            format!("--job-name=moa-{}{suffix}", self.name),
            format!("--output={folder}/{log}"),
            "--open-mode=append".into(),
            "--requeue".into(),
        ])
    }

    fn script(
        &self,
        name: &str,
        comment: &str,
        commands: &str,
        mut arguments: Vec<String>,
    ) -> Result<Script, CliError> {
        let path = text(&self.layout.slurm_dir().join(name))?.to_owned();
        arguments.push(path.clone());
        let text = format!(
            "#!/bin/sh\n# Written by `moa sweep --slurm`, and rewritten by each submission.\n# {comment}\n\
             trap '' USR1\ncd -- {} || exit\n{commands}\n",
            quoted(text(self.folder)?),
        );
        Ok(Script { path, text, arguments })
    }
}

/// Returns a path as text.
///
/// # Errors
/// Refuses names that a script or Slurm's names of logs cannot hold.
fn text(path: &Path) -> Result<&str, CliError> {
    let refused = |what: &str| {
        CliError::usage(format!("{:?} has {what}, which Slurm has no way to write", path.to_string_lossy()))
            .hint("rename it, or name another folder with --out")
    };
    let text = path.to_str().ok_or_else(|| refused("bytes that are not UTF-8"))?;
    match text.chars().find(|c| c.is_control() || *c == '\\') {
        Some('\\') => Err(refused("a backslash")),
        Some(_) => Err(refused("a control character")),
        None => Ok(text),
    }
}

/// Returns ascending numbers as Slurm takes them: `1-3,5`.
pub(crate) fn ranges(numbers: &[u32]) -> String {
    let ranges = numbers.chunk_by(|one, next| one + 1 == *next).map(|range| match range {
        [first, .., last] => format!("{first}-{last}"),
        _ => range.iter().map(u32::to_string).collect(),
    });
    ranges.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_become_ranges() {
        for (numbers, text) in
            [(&[1, 2, 3, 4][..], "1-4"), (&[2, 5], "2,5"), (&[1, 2, 4, 6, 7, 8], "1-2,4,6-8"), (&[3], "3"), (&[], "")]
        {
            assert_eq!(ranges(numbers), text);
        }
    }
}
