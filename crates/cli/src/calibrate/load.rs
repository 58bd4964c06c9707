//! How busy the machine is with other work while costs are measured, and what that says of the time that a sweep takes.

use std::fs;
use std::thread::available_parallelism;
use std::time::Instant;

use crate::device::OpenDevice;

/// By how much an estimate may be off where nothing else runs.
const BELOW: f64 = 0.85;
const ABOVE: f64 = 1.25;
/// Cores that are taken by what always runs do not count.
const NOTHING: f64 = 0.25;

/// The machine while costs were measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Load {
    /// Cores that other processes kept busy, on average.
    pub(crate) taken: f64,
    /// Cores that there are.
    pub(crate) cores: usize,
    /// The processor time that this process had, of that which its threads could use on an idle machine, 0 to 1.
    pub(crate) share: f64,
    /// The part of that which other processes had, 0 to 1: none as long as there are cores for both.
    pub(crate) kept: f64,
}

impl Load {
    /// Returns whether other work takes so much that it lengthens a sweep.
    pub(crate) fn is_busy(self) -> bool {
        self.kept * self.cores as f64 > NOTHING
    }

    /// Returns what is to be said of it, where it is busy.
    pub(crate) fn warning(self) -> Option<String> {
        let Self { taken, cores, .. } = self;
        self.is_busy().then(|| {
            format!(
                "the machine is busy: {taken:.1} of {cores} cores are taken; the lesser time is for a machine that does nothing else, the \
                 greater one if that goes on"
            )
        })
    }
}

/// Watches the machine's clocks.
pub(super) struct Watch {
    began: Instant,
    at: Option<Clocks>,
}

/// Processor time since some moment, in the system's ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Clocks {
    /// All cores together, busy or not.
    all: u64,
    /// All cores together, busy.
    busy: u64,
    /// This process, with all its threads.
    own: u64,
    cores: usize,
}

impl Watch {
    pub(super) fn begin() -> Self {
        Self { began: Instant::now(), at: Clocks::read() }
    }

    /// Returns how busy the machine was since.
    pub(super) fn end(&self) -> Option<Load> {
        let now = Clocks::read()?;
        let threads = available_parallelism().map_or(now.cores, usize::from);
        self.at.filter(|_| self.began.elapsed().as_millis() > 50)?.until(now, threads)
    }
}

impl Clocks {
    /// Reads Linux's clocks.
    fn read() -> Option<Self> {
        Self::of(&fs::read_to_string("/proc/stat").ok()?, &fs::read_to_string("/proc/self/stat").ok()?)
    }

    fn of(machine: &str, process: &str) -> Option<Self> {
        let first = machine.lines().next()?.strip_prefix("cpu ")?;
        // user, nice, system, idle, waiting for a disk, interrupts, soft ones, taken by other guests; what follows is counted in `user`.
        let ticks: Vec<u64> = first.split_whitespace().take(8).map_while(|ticks| ticks.parse().ok()).collect();
        let idle = ticks.get(3)? + ticks.get(4)?;
        let all = ticks.iter().sum();
        let is_core = |line: &&str| line.starts_with("cpu") && !line.starts_with("cpu ");
        // The name of the program may hold blanks; it ends with the last bracket. User and system time are the 14th and 15th field.
        let mut fields = process.rsplit(')').next()?.split_whitespace().skip(11);
        let own = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
        Some(Self { all, busy: all - idle, own, cores: machine.lines().filter(is_core).count().max(1) })
    }

    fn until(self, now: Self, threads: usize) -> Option<Load> {
        let all = now.all.checked_sub(self.all).filter(|ticks| *ticks > 0)? as f64;
        let busy = now.busy.saturating_sub(self.busy) as f64;
        let own = now.own.saturating_sub(self.own) as f64;
        let cores = now.cores as f64;
        let taken = ((busy - own).max(0.0) / all * cores).min(cores);
        let threads = threads.min(now.cores) as f64;
        let share = (own / (all / cores * threads)).clamp(0.01, 1.0);
        let kept = ((taken - (cores - threads)) / threads).clamp(0.0, 1.0);
        Some(Load { taken, cores: now.cores, share, kept })
    }
}

/// Returns the least and the most seconds of a sweep that `seconds` were estimated for while the machine was under this load.
///
/// What was measured is how long things take now. On an idle machine this process could use what other work keeps from it, too, and would
/// take less in that proportion.
pub(super) fn range(seconds: f64, load: Option<Load>, device: &OpenDevice) -> [f64; 2] {
    alone(seconds, load.filter(|load| load.is_busy() && device.is_host()))
}

fn alone(seconds: f64, busy: Option<Load>) -> [f64; 2] {
    let faster = busy.map_or(1.0, |Load { share, kept, .. }| share / (share + kept));
    [seconds * faster * BELOW, seconds * ABOVE]
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE: &str =
        "cpu  100 0 50 800 50 0 0 0 0 0\ncpu0 50 0 25 400 25 0 0 0 0 0\ncpu1 50 0 25 400 25 0 0 0 0 0\nintr 5\n";

    #[test]
    fn what_other_processes_take_is_what_is_busy_and_not_our_own() {
        let process = |own: u64| format!("7 (a (strange) name) R 1 1 1 0 0 0 0 0 0 0 {own} 10 0 0 20 0");
        let before = Clocks::of(MACHINE, &process(20)).unwrap();
        assert_eq!(before, Clocks { all: 1000, busy: 150, own: 30, cores: 2 });
        // 200 ticks later: 150 were busy, 50 of them ours.
        let now = Clocks { all: 1200, busy: 300, own: 80, cores: 2 };
        let load = before.until(now, 2).unwrap();
        let near = |one: f64, other: f64| (one - other).abs() < 1e-9;
        assert!(near(load.taken, 1.0) && near(load.share, 0.25) && near(load.kept, 0.5), "{load:?}");
        assert!(load.is_busy() && load.warning().unwrap().contains("1.0 of 2 cores"));
        // One thread has a core of its own beside the one that is taken.
        assert!(!before.until(now, 1).unwrap().is_busy());
        assert_eq!(before.until(before, 2), None);
    }

    #[test]
    fn the_lesser_time_is_without_other_work() {
        let [least, most] = alone(100.0, None);
        assert!(least < 100.0 && 100.0 < most && most / least < 1.6);
        let [busy, same] = alone(100.0, Some(Load { taken: 1.8, cores: 2, share: 0.1, kept: 0.9 }));
        assert!(busy < 10.0 && (same - most).abs() < 1e-9, "{busy}");
    }
}
