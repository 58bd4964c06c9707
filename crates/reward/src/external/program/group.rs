//! Processes with all that they start: a program is the leader of a process group, which is killed as one.

use std::io;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The programs that run now, by process id.
static RUNNING: Mutex<Vec<u32>> = Mutex::new(Vec::new());

fn running() -> MutexGuard<'static, Vec<u32>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Kills every program that rewards have started, with all that these have started.
///
/// For the moment before a process ends without dropping its rewards; each is killed with its reward otherwise.
pub fn kill_programs() {
    for id in running().drain(..) {
        platform::kill_group(id);
    }
}

/// Starts a command as the leader of a group of its own, which an interrupt from the terminal does not reach.
pub(super) fn start(command: &mut Command) -> io::Result<Child> {
    platform::lead_group(command);
    let mut running = running();
    let child = command.spawn()?;
    running.push(child.id());
    Ok(child)
}

/// Returns whether a child has ended; it is not reaped, so that its group's id stays its own.
pub(super) fn has_ended(child: &mut Child) -> bool {
    platform::has_ended(child)
}

/// Kills a child's group, and returns how the child ended.
pub(super) fn end(child: &mut Child) -> io::Result<ExitStatus> {
    // The lock is held until the child is reaped: a group's id may be another's from then on.
    let mut running = running();
    if running.contains(&child.id()) {
        platform::kill_group(child.id());
        let _ = child.kill();
    }
    let status = child.wait();
    running.retain(|id| *id != child.id());
    status
}

#[cfg(unix)]
mod platform {
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command};

    use nix::sys::signal::{Signal, killpg};
    use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
    use nix::unistd::Pid;

    pub(super) fn lead_group(command: &mut Command) {
        command.process_group(0);
    }

    pub(super) fn kill_group(id: u32) {
        if let Ok(id) = i32::try_from(id) {
            // Fails where all have ended already.
            let _ = killpg(Pid::from_raw(id), Signal::SIGKILL);
        }
    }

    pub(super) fn has_ended(child: &mut Child) -> bool {
        let Ok(id) = i32::try_from(child.id()) else { return false };
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        !matches!(waitid(Id::Pid(Pid::from_raw(id)), flags), Ok(WaitStatus::StillAlive))
    }
}

#[cfg(not(unix))]
mod platform {
    use std::process::{Child, Command};

    /// There are no process groups: what a program has started ends when it does, if it does.
    pub(super) fn lead_group(_: &mut Command) {}

    pub(super) fn kill_group(_: u32) {}

    pub(super) fn has_ended(child: &mut Child) -> bool {
        child.try_wait().is_ok_and(|status| status.is_some())
    }
}
