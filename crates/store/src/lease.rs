//! Who works on a run: a file with a sign of life, which works where locks do not, as on network file systems.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::{StoreError, write_atomically};

/// How often an owner gives a sign of life.
const BEAT: Duration = Duration::from_secs(5);
/// How long an owner on another machine may be silent before it is taken for dead.
const PATIENCE: Duration = Duration::from_mins(1);

/// What a lease says of its owner.
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

/// Runs that are this process's to work on, until this is dropped.
#[derive(Debug)]
pub struct Leases {
    held: Arc<Mutex<Held>>,
    over: Option<Sender<()>>,
    keeper: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Held {
    leases: Vec<Lease>,
    /// That a lease was taken over meanwhile, or cannot be written.
    lost: Option<StoreError>,
}

/// One of them.
#[derive(Debug)]
struct Lease {
    path: PathBuf,
    owner: Owner,
}

impl Leases {
    /// Takes the leases at these paths, and gives signs of life from then on. A dead owner's is taken over: one of this machine whose process is
    /// gone, at once; one of another, when it gives no sign of life for a minute, which is waited for. Clocks of machines need not agree.
    ///
    /// # Errors
    /// [`StoreError::Owned`] where an owner lives, and what the system says; none is held then.
    pub fn take(paths: &[PathBuf]) -> Result<Self, StoreError> {
        let leases = paths.iter().map(|path| Lease::take(path, PATIENCE)).collect::<Result<_, _>>()?;
        let held = Arc::new(Mutex::new(Held { leases, lost: None }));
        let (over, ended) = channel();
        let shared = Arc::clone(&held);
        let keeper = std::thread::spawn(move || {
            while ended.recv_timeout(BEAT) == Err(RecvTimeoutError::Timeout) {
                shared.lock().unwrap_or_else(PoisonError::into_inner).beat();
            }
        });
        Ok(Self { held, over: Some(over), keeper: Some(keeper) })
    }

    /// Checks that all are still held.
    ///
    /// # Errors
    /// [`StoreError::Owned`] where another has taken one over, as this process seemed dead to it.
    pub fn check(&self) -> Result<(), StoreError> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).lost.take().map_or(Ok(()), Err)
    }
}

impl Drop for Leases {
    fn drop(&mut self) {
        drop(self.over.take());
        if let Some(keeper) = self.keeper.take() {
            let _ = keeper.join();
        }
    }
}

impl Held {
    fn beat(&mut self) {
        for lease in &mut self.leases {
            if let Err(error) = lease.beat() {
                self.lost = Some(error);
            }
        }
    }
}

impl Lease {
    fn take(path: &Path, patience: Duration) -> Result<Self, StoreError> {
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
                    return Ok(Self { path: path.to_path_buf(), owner });
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(StoreError::write(path, error)),
            }
            let found = read(path)?;
            match (found, &seen) {
                // It is being written, or was killed as it was: then it stays so.
                (None, _) => {
                    let unknown = Owner { node: String::new(), pid: 0, token: 0, beats: 0, when: 0 };
                    match &seen {
                        Some((known, since)) if *known == unknown => {
                            if since.elapsed() >= patience {
                                give_up(path, &unknown)?;
                            }
                        }
                        _ => seen = Some((unknown, Instant::now())),
                    }
                }
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

    /// Gives a sign of life.
    fn beat(&mut self) -> Result<(), StoreError> {
        if let Some(found) = read(&self.path)?
            && found.token != self.owner.token
        {
            return Err(owned(&self.path, &found));
        }
        self.owner.beats += 1;
        self.owner.when = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
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

/// Returns the owner of a lease; nothing if there is none, or while the file is being written.
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
        let paths = [root.path().join("runs/a/lease.json"), root.path().join("runs/b/lease.json")];
        let leases = Leases::take(&paths).unwrap();
        leases.check().unwrap();
        let message = Leases::take(&paths[1..]).unwrap_err().to_string();
        assert!(message.contains(&format!("process {}", std::process::id())), "{message}");
        drop(leases);
        assert!(!paths[0].exists() && !paths[1].exists());
        drop(Leases::take(&paths).unwrap());
    }

    #[test]
    fn the_dead_are_taken_over_and_those_of_another_machine_after_a_while() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("lease.json");
        let owner = |node: &str, pid| Owner { node: node.into(), pid, token: 7, beats: 3, when: 5 };
        // No process has this number.
        fs::write(&path, serde_json::to_vec(&owner(&node(), u32::MAX)).unwrap()).unwrap();
        let mut lease = Lease::take(&path, PATIENCE).unwrap();
        lease.beat().unwrap();
        fs::write(&path, serde_json::to_vec(&owner("elsewhere", 1)).unwrap()).unwrap();
        let mut held = Held { leases: vec![lease], lost: None };
        held.beat();
        assert!(held.lost.unwrap().to_string().contains("elsewhere"), "another has taken it over");
        drop(held.leases);
        let soon = Duration::from_millis(200);
        // One of another machine that says nothing, and one whose owner was killed as it wrote it.
        for text in [serde_json::to_vec(&owner("elsewhere", 1)).unwrap(), b"{".to_vec()] {
            fs::write(&path, text).unwrap();
            let began = Instant::now();
            let lease = Lease::take(&path, soon).unwrap();
            assert!(began.elapsed() >= soon);
            drop(lease);
        }
        // One that gives signs of life is left alone.
        fs::write(&path, serde_json::to_vec(&owner("elsewhere", 1)).unwrap()).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(120));
                let alive = Owner { beats: 4, ..owner("elsewhere", 1) };
                write_atomically(&path, &serde_json::to_vec(&alive).unwrap()).unwrap();
            });
            assert!(Lease::take(&path, Duration::from_secs(5)).is_err());
        });
    }
}
