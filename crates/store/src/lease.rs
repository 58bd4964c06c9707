//! Who works on a run: a file with a sign of life, which works where locks do not, as on network file systems.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::{StoreError, write_atomically};

/// How often an owner gives a sign of life.
const BEAT: Duration = Duration::from_secs(5);
/// How long an owner on another machine may be silent before it is taken for dead.
const PATIENCE: Duration = Duration::from_mins(1);

/// What a lease says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Owner {
    /// The machine's name.
    node: String,
    /// The process there.
    pid: u32,
    /// Tells one owner of that number from the next.
    token: u64,
    /// Signs of life so far.
    beats: u64,
    /// When the last one was, in seconds since 1970 by the owner's clock.
    when: u64,
}

/// A run that is this process's to work on, until this is dropped.
#[derive(Debug)]
pub struct Lease {
    path: PathBuf,
    owner: Owner,
    last: Instant,
}

impl Lease {
    /// Takes the lease at `path`. A dead owner's is taken over: one of this machine whose process is gone, at once; one of another, when it
    /// gives no sign of life for a minute, which is waited for. Clocks of machines need not agree.
    ///
    /// # Errors
    /// [`StoreError::Owned`] where its owner lives, and what the system says.
    pub fn take(path: &Path) -> Result<Self, StoreError> {
        Self::take_within(path, PATIENCE)
    }

    fn take_within(path: &Path, patience: Duration) -> Result<Self, StoreError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let token = now.as_nanos() as u64 ^ u64::from(std::process::id()) << 40;
        let owner = Owner { node: node(), pid: std::process::id(), token, beats: 0, when: now.as_secs() };
        let mut seen: Option<(Owner, Instant)> = None;
        loop {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder).map_err(|source| StoreError::write(folder, source))?;
            }
            // Creating a file that must not exist is one step on network file systems, too.
            match OpenOptions::new().write(true).create_new(true).open(path) {
                Ok(mut file) => {
                    let text = serde_json::to_vec(&owner).unwrap_or_default();
                    file.write_all(&text).map_err(|source| StoreError::write(path, source))?;
                    return Ok(Self { path: path.to_path_buf(), owner, last: Instant::now() });
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(StoreError::write(path, error)),
            }
            let found = read(path)?;
            match (found, &seen) {
                (None, _) => {}
                (Some(found), _) if found.node == owner.node && !lives(found.pid) => give_up(path, &found)?,
                (Some(found), _) if found.node == owner.node => return Err(owned(path, &found)),
                (Some(found), Some((known, since))) if *known == found => {
                    if since.elapsed() >= patience {
                        give_up(path, &found)?;
                    }
                }
                (Some(found), Some((known, _))) if known.token == found.token => return Err(owned(path, &found)),
                (Some(found), _) => seen = Some((found, Instant::now())),
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Gives a sign of life, where the last one is some seconds old.
    ///
    /// # Errors
    /// [`StoreError::Owned`] where another has taken it over meanwhile, and what the system says.
    pub fn beat(&mut self) -> Result<(), StoreError> {
        if self.last.elapsed() < BEAT {
            return Ok(());
        }
        if let Some(found) = read(&self.path)?
            && found.token != self.owner.token
        {
            return Err(owned(&self.path, &found));
        }
        self.owner.beats += 1;
        self.owner.when = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        self.last = Instant::now();
        write_atomically(&self.path, &serde_json::to_vec(&self.owner).unwrap_or_default())
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if read(&self.path).is_ok_and(|found| found.is_some_and(|found| found.token == self.owner.token)) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Returns this machine's name.
fn node() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok().or_else(|| std::env::var("HOSTNAME").ok());
    name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).unwrap_or_else(|| "localhost".into())
}

/// Returns who owns a lease; nothing where nobody does, or the file is being written.
fn read(path: &Path) -> Result<Option<Owner>, StoreError> {
    match fs::read(path) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreError::read(path, error)),
    }
}

/// Removes the lease of an owner that is dead: renamed first, so that of two that do so one alone removes it.
fn give_up(path: &Path, dead: &Owner) -> Result<(), StoreError> {
    let aside = path.with_extension(format!("dead-{:x}", dead.token));
    match fs::rename(path, &aside) {
        Ok(()) => fs::remove_file(&aside).map_err(|source| StoreError::write(&aside, source)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(StoreError::write(path, error)),
    }
}

fn owned(path: &Path, owner: &Owner) -> StoreError {
    StoreError::Owned { path: path.to_path_buf(), node: owner.node.clone(), pid: owner.pid }
}

/// Returns whether a process of this machine lives; where that cannot be told, it does.
fn lives(pid: u32) -> bool {
    if pid == std::process::id() {
        return true;
    }
    let Ok(status) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return !Path::new("/proc/self").exists() };
    // What has ended and was not waited for is no more.
    !status.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_one_owner_and_the_next_comes_when_it_is_gone() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("runs/a/lease.json");
        let lease = Lease::take(&path).unwrap();
        let message = Lease::take(&path).unwrap_err().to_string();
        assert!(message.contains(&format!("process {}", std::process::id())), "{message}");
        drop(lease);
        assert!(!path.exists());
        drop(Lease::take(&path).unwrap());
    }

    #[test]
    fn the_dead_are_taken_over_and_those_of_another_machine_after_a_while() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("lease.json");
        let owner = |node: &str, pid| Owner { node: node.into(), pid, token: 7, beats: 3, when: 5 };
        // No process has this number.
        fs::write(&path, serde_json::to_vec(&owner(&node(), u32::MAX)).unwrap()).unwrap();
        let mut lease = Lease::take(&path).unwrap();
        lease.last -= 2 * BEAT;
        lease.beat().unwrap();
        fs::write(&path, serde_json::to_vec(&owner("elsewhere", 1)).unwrap()).unwrap();
        lease.last -= 2 * BEAT;
        assert!(lease.beat().unwrap_err().to_string().contains("elsewhere"), "another has taken it over");
        drop(lease);
        let began = Instant::now();
        let lease = Lease::take_within(&path, Duration::from_millis(200)).unwrap();
        assert!(began.elapsed() >= Duration::from_millis(200));
        drop(lease);
        // One that gives signs of life is left alone.
        fs::write(&path, serde_json::to_vec(&owner("elsewhere", 1)).unwrap()).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(120));
                let alive = Owner { beats: 4, ..owner("elsewhere", 1) };
                write_atomically(&path, &serde_json::to_vec(&alive).unwrap()).unwrap();
            });
            assert!(Lease::take_within(&path, Duration::from_secs(5)).is_err());
        });
    }
}
