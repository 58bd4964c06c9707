//! A snapshot that is kept up to date.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use moa_core::RunEvent;

use crate::journal::{self, Tail};
use crate::{Layout, Snapshot, Source, StoreError, database};

/// What happened to an experiment since the last look.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Nothing.
    Nothing,
    /// These events; the snapshot has taken them.
    Events(Vec<RunEvent>),
    /// The snapshot is another: a sweep began, ended or was killed, or a run was begun again.
    Replaced,
}

/// Follows an experiment while a sweep writes it, and before and after, without disturbing it.
#[derive(Debug)]
pub struct Follower {
    layout: Layout,
    snapshot: Snapshot,
    tail: Option<Tail>,
    stamp: Stamp,
}

/// Tells whether a store that no process holds was written.
type Stamp = Option<(SystemTime, u64)>;

impl Follower {
    /// Begins to follow the experiment in `root`.
    ///
    /// # Errors
    /// Those of [`Snapshot::read`].
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        let layout = Layout::new(root);
        let (snapshot, tail, stamp) = look(&layout)?;
        Ok(Self { layout, snapshot, tail, stamp })
    }

    /// Returns what is known now.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Takes what is new. Cheap when nothing is: call it as often as the screen is drawn.
    ///
    /// # Errors
    /// Those of [`Snapshot::read`]; the snapshot stays as it was, and the next call tries again.
    pub fn poll(&mut self) -> Result<Change, StoreError> {
        let in_use = in_use(&self.layout)?;
        if let Some(tail) = &mut self.tail
            && in_use
            && tail.is_current()?
        {
            let lines = tail.next_lines()?;
            if lines.is_empty() {
                return Ok(Change::Nothing);
            }
            let count = lines.len();
            let events: Vec<_> = lines.into_iter().filter_map(|line| journal::take(&mut self.snapshot, line)).collect();
            self.snapshot.sort();
            return Ok(if events.len() == count { Change::Events(events) } else { Change::Replaced });
        }
        if self.tail.is_none() && !in_use && stamp(&self.layout) == self.stamp {
            return Ok(Change::Nothing);
        }
        (self.snapshot, self.tail, self.stamp) = look(&self.layout)?;
        Ok(Change::Replaced)
    }
}

/// Returns whether a process holds the index; false if there is none.
fn in_use(layout: &Layout) -> Result<bool, StoreError> {
    let folder = layout.metrics_dir();
    if database::exists(&folder) || layout.logs()?.is_empty() { database::is_in_use(&folder) } else { Ok(false) }
}

fn stamp(layout: &Layout) -> Stamp {
    if !database::exists(&layout.metrics_dir()) {
        let lengths = layout.logs().ok()?.into_iter().map(|(_, _, length)| length);
        return Some((SystemTime::UNIX_EPOCH, lengths.sum()));
    }
    let metadata = std::fs::metadata(layout.metrics_dir().join("db")).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

fn look(layout: &Layout) -> Result<(Snapshot, Option<Tail>, Stamp), StoreError> {
    if in_use(layout)?
        && let Some((mut snapshot, tail)) = journal::read(&layout.live_file())?
    {
        snapshot.take_added(layout)?;
        return Ok((snapshot, Some(tail), None));
    }
    let stamp = stamp(layout);
    let snapshot = Snapshot::read(layout.root())?;
    if snapshot.source == Source::Live {
        // A sweep took the store in between; its journal is there now.
        sleep(Duration::from_millis(1));
        if let Some((mut snapshot, tail)) = journal::read(&layout.live_file())? {
            snapshot.take_added(layout)?;
            return Ok((snapshot, Some(tail), None));
        }
    }
    Ok((snapshot, None, stamp))
}
