//! Panics are bugs: they end in one line that says how to report them, without a backtrace.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, PanicHookInfo, UnwindSafe};

use crate::terminal;

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Replaces the default message of panics.
pub(crate) fn install_hook() {
    panic::set_hook(Box::new(|info| {
        if !QUIET.get() {
            terminal::say_afterwards(report(info));
        }
    }));
}

fn report(info: &PanicHookInfo<'_>) -> String {
    let place =
        info.location().map_or_else(|| "an unknown place".into(), |place| format!("{}:{}", place.file(), place.line()));
    let message = message(info.payload());
    let message = message.lines().next().unwrap_or("no message");
    format!(
        "error: moa {} has a bug at {place}: {message}; nothing that was saved is lost. Please report this line and the \
         command at {}/issues",
        env!("CARGO_PKG_VERSION"),
        env!("CARGO_PKG_REPOSITORY"),
    )
}

/// Returns the text of a panic.
fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".into())
}

/// Calls what may panic for reasons outside of moa, and returns the panic's text instead.
pub(crate) fn quietly<T>(call: impl FnOnce() -> T + UnwindSafe) -> Result<T, String> {
    QUIET.set(true);
    let result = panic::catch_unwind(call);
    QUIET.set(false);
    result.map_err(|payload| message(&*payload))
}
