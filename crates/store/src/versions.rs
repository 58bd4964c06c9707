//! The versions of a run's adapter while it is trained online: what was released, held back, and taken back.

use std::path::PathBuf;

use moa_core::RunId;
use serde::{Deserialize, Serialize};

use crate::layout::check_run_id;
use crate::lines::{read_lines, write_lines};
use crate::{Layout, StoreError};

/// What such a file is called in messages.
const WHAT: &str = "history of versions";

/// A mean with its interval; ends that are not known are nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VersionGain {
    /// The reward or judge.
    pub name: String,
    /// The mean gain over the base, in the score's own unit.
    pub mean: f64,
    /// The lower end of its 95 % interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lo: Option<f64>,
    /// The upper end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hi: Option<f64>,
}

/// What an alarm is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlarmKind {
    /// The prompts that arrive are others than those of the reference. It says nothing against the adapter, and holds no version back.
    Prompts,
    /// On the reference, the adapter is worse than the last sound one in what it is trained for.
    Reward,
    /// On the reference, a reward rose while a judge that watches it fell.
    Judge,
    /// On prompts that arrived, the adapter is worse than the base in what it is trained for.
    Arrivals,
}

impl AlarmKind {
    /// Returns the kind's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Prompts => "prompts",
            Self::Reward => "reward",
            Self::Judge => "judge",
            Self::Arrivals => "arrivals",
        }
    }

    /// Returns whether a version with such an alarm is sound all the same.
    pub fn is_harmless(self) -> bool {
        self == Self::Prompts
    }
}

/// Something that drifts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alarm {
    /// What it is about.
    pub kind: AlarmKind,
    /// What was found, in a sentence.
    pub message: String,
}

/// A version of a run's adapter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Version {
    /// Its number; numbers rise from 1, and none is used twice.
    pub number: u32,
    /// The epochs that it was trained.
    pub after_epoch: u32,
    /// The prompts that had arrived and counted.
    pub arrived: u64,
    /// SHA-256 of its factors.
    pub sha256: String,
    /// When it was made, in seconds since 1970. It differs between repetitions.
    pub made: u64,
    /// Gains over the base on the reference, by reward.
    pub rewards: Vec<VersionGain>,
    /// The same by judge.
    pub judges: Vec<VersionGain>,
    /// Gains over the base on prompts that arrived last, by reward; none before any did.
    #[serde(default)]
    pub on_arrivals: Vec<VersionGain>,
    /// What drifts.
    #[serde(default)]
    pub alarms: Vec<Alarm>,
    /// Whether it was released when it was made.
    pub released: bool,
}

impl Version {
    /// Returns whether nothing speaks against it.
    pub fn is_sound(&self) -> bool {
        self.alarms.iter().all(|alarm| alarm.kind.is_harmless())
    }
}

/// What happened to the versions of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Happened {
    Made(Version),
    RolledBack {
        /// The version that is released again.
        to: u32,
        /// When, in seconds since 1970.
        at: u64,
        /// Whether training went back to it, too.
        training: bool,
    },
}

/// How a version stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is the adapter that is released.
    Released,
    /// It was, before a later one.
    Superseded,
    /// It was not released.
    Held,
    /// It was taken back.
    Withdrawn,
}

impl Standing {
    /// Returns the standing's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Released => "released",
            Self::Superseded => "superseded",
            Self::Held => "held",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// The versions of a run: `versions.jsonl` in its folder.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Versions {
    happened: Vec<Happened>,
}

impl Versions {
    /// Reads the versions of a run; none where none was made.
    ///
    /// # Errors
    /// Names the file that is unreadable or damaged.
    pub fn read(layout: &Layout, run: &RunId) -> Result<Self, StoreError> {
        check_run_id(run)?;
        Ok(Self { happened: read_lines(&layout.versions_file(run), WHAT)? })
    }

    /// Returns all versions in the order of their numbers, each with how it stands.
    pub fn all(&self) -> Vec<(&Version, Standing)> {
        let mut all: Vec<(&Version, Standing)> = Vec::new();
        let release = |all: &mut Vec<(&Version, Standing)>, number: u32| {
            for (version, standing) in all.iter_mut() {
                if version.number == number {
                    *standing = Standing::Released;
                } else if *standing == Standing::Released {
                    *standing = if version.number > number { Standing::Withdrawn } else { Standing::Superseded };
                }
            }
        };
        for happened in &self.happened {
            match happened {
                Happened::Made(version) => {
                    all.push((version, Standing::Held));
                    if version.released {
                        release(&mut all, version.number);
                    }
                }
                Happened::RolledBack { to, .. } => {
                    release(&mut all, *to);
                    all.iter_mut().filter(|(version, _)| version.number > *to).for_each(|(_, standing)| {
                        *standing = Standing::Withdrawn;
                    });
                }
            }
        }
        all
    }

    /// Returns the version of so many epochs; nothing of those to before which training went back.
    pub fn at(&self, after_epoch: u32) -> Option<&Version> {
        let mut found = None;
        for happened in &self.happened {
            match happened {
                Happened::Made(version) if version.after_epoch == after_epoch => found = Some(version),
                Happened::RolledBack { to, training: true, .. } => {
                    found = found.filter(|version: &&Version| version.number <= *to);
                }
                _ => {}
            }
        }
        found
    }

    /// Returns the version that is released.
    pub fn released(&self) -> Option<&Version> {
        self.all().into_iter().find(|(_, standing)| *standing == Standing::Released).map(|(version, _)| version)
    }

    /// Returns the last sound version of fewer epochs than these that was not taken back.
    pub fn last_sound_before(&self, after_epoch: u32) -> Option<&Version> {
        let sound = |(version, standing): &(&Version, Standing)| {
            *standing != Standing::Withdrawn && version.is_sound() && version.after_epoch < after_epoch
        };
        self.all().into_iter().rfind(sound).map(|(version, _)| version)
    }

    /// Returns the number that the next version has.
    pub fn next_number(&self) -> u32 {
        self.all().iter().map(|(version, _)| version.number).max().unwrap_or(0) + 1
    }

    /// Adds a version whose files are written.
    ///
    /// # Errors
    /// What the system says.
    pub fn add(&mut self, version: Version, layout: &Layout, run: &RunId) -> Result<(), StoreError> {
        self.happened.push(Happened::Made(version));
        write_lines(&layout.versions_file(run), &self.happened)
    }

    /// Keeps that a version is released again.
    ///
    /// - `at`: seconds since 1970
    /// - `training`: whether training went back to it, too
    ///
    /// # Errors
    /// What the system says.
    pub fn roll_back(
        &mut self,
        to: u32,
        at: u64,
        training: bool,
        layout: &Layout,
        run: &RunId,
    ) -> Result<(), StoreError> {
        self.happened.push(Happened::RolledBack { to, at, training });
        write_lines(&layout.versions_file(run), &self.happened)
    }
}

impl Layout {
    /// Returns the path of the record of prompts that arrived.
    pub fn arrivals_file(&self) -> PathBuf {
        self.root().join("arrivals.jsonl")
    }

    /// Returns the path of the history of a run's versions.
    pub fn versions_file(&self, run: &RunId) -> PathBuf {
        self.run_dir(run).join("versions.jsonl")
    }

    /// Returns the folder of a version of a run.
    pub fn version_dir(&self, run: &RunId, number: u32) -> PathBuf {
        self.run_dir(run).join("versions").join(number.to_string())
    }

    /// Returns the folder of a run's adapter that is released: always the same, for programs that load it.
    pub fn released_dir(&self, run: &RunId) -> PathBuf {
        self.root().join("released").join(run.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(number: u32, after_epoch: u32, kind: Option<AlarmKind>) -> Version {
        let alarms: Vec<Alarm> = kind.map(|kind| Alarm { kind, message: "it falls".into() }).into_iter().collect();
        let gain = VersionGain { name: "safety".into(), mean: 1.0 / 3.0, lo: Some(0.1), hi: None };
        let released = alarms.iter().all(|alarm| alarm.kind.is_harmless());
        Version {
            number,
            after_epoch,
            arrived: 3,
            sha256: "ab".into(),
            made: 7,
            rewards: vec![gain],
            judges: Vec::new(),
            on_arrivals: Vec::new(),
            alarms,
            released,
        }
    }

    #[test]
    fn versions_stand_as_they_were_released_held_and_taken_back() {
        let root = tempfile::tempdir().unwrap();
        let (layout, run) = (Layout::new(root.path()), RunId("safety".into()));
        let mut versions = Versions::read(&layout, &run).unwrap();
        assert_eq!((versions.next_number(), versions.released()), (1, None));
        for version in
            [version(1, 10, None), version(2, 20, Some(AlarmKind::Prompts)), version(3, 30, Some(AlarmKind::Reward))]
        {
            versions.add(version, &layout, &run).unwrap();
        }
        let standings =
            |versions: &Versions| versions.all().into_iter().map(|(_, standing)| standing.name()).collect::<Vec<_>>();
        assert_eq!(standings(&versions), ["superseded", "released", "held"], "other prompts hold nothing back");
        assert_eq!(versions.last_sound_before(99).unwrap().number, 2);
        assert_eq!(versions.last_sound_before(20).unwrap().number, 1);
        versions.roll_back(1, 8, true, &layout, &run).unwrap();
        assert_eq!(standings(&versions), ["released", "withdrawn", "withdrawn"]);
        assert_eq!((versions.at(20), versions.at(10).unwrap().number, versions.next_number()), (None, 1, 4));
        versions.add(version(4, 20, None), &layout, &run).unwrap();
        let read = Versions::read(&layout, &run).unwrap();
        assert_eq!(read, versions);
        assert_eq!(standings(&read), ["superseded", "withdrawn", "withdrawn", "released"]);
        assert_eq!(read.at(20).unwrap().number, 4);
        std::fs::write(layout.versions_file(&run), "{}\n").unwrap();
        assert!(Versions::read(&layout, &run).unwrap_err().to_string().contains("versions.jsonl"));
    }

    #[test]
    fn releasing_an_earlier_version_leaves_training_where_it_is() {
        let root = tempfile::tempdir().unwrap();
        let (layout, run) = (Layout::new(root.path()), RunId("safety".into()));
        let mut versions = Versions::default();
        versions.add(version(1, 10, None), &layout, &run).unwrap();
        versions.add(version(2, 20, None), &layout, &run).unwrap();
        versions.roll_back(1, 8, false, &layout, &run).unwrap();
        assert_eq!(versions.at(20).unwrap().number, 2, "it is not made again");
        assert_eq!(versions.released().unwrap().number, 1);
    }
}
