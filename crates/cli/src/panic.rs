//! Panics are bugs: they end in one line that says how to report them, without a backtrace. But LibTorch has no other way to say that
//! a device failed, and most often it has run out of memory: these panics are errors.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, PanicHookInfo, UnwindSafe};

use crate::error::CliError;
use crate::terminal;
use crate::text::memory;

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Replaces the default message of panics.
pub(crate) fn install_hook() {
    panic::set_hook(Box::new(|info| {
        if !QUIET.get() && Failure::of(&message(info.payload())).is_none() {
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

/// How a device failed, as LibTorch's panic says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It has no memory left; how much was wanted, in LibTorch's words.
    OutOfMemory(Option<String>),
    /// It does not work, or no longer: what LibTorch said, without its stack.
    Broken(String),
}

impl Failure {
    /// Reads a panic's text; nothing where it is a bug's.
    fn of(message: &str) -> Option<Self> {
        let exhausted = ["out of memory", "can't allocate memory", "_ALLOC_FAILED", "cudaErrorMemoryAllocation"];
        if message.contains("Torch(") && exhausted.iter().any(|words| message.contains(words)) {
            let wanted = ["Tried to allocate ", "you tried to allocate "].iter().find_map(|words| {
                let rest = message.split(words).nth(1)?;
                let wanted = rest.split(". ").next()?.trim_end_matches('.');
                let bytes = wanted.split_once(" bytes").and_then(|(bytes, _)| bytes.parse().ok());
                Some(bytes.map_or_else(|| wanted.to_owned(), memory))
            });
            return Some(Self::OutOfMemory(wanted));
        }
        let broken = ["CUDA error", "CUDNN_STATUS", "CUBLAS_STATUS", "cuDNN error", "CUDA driver"];
        let said = message.split_once("Torch(\"").map_or(message, |(_, said)| said);
        broken.iter().any(|words| said.contains(words)).then(|| Self::Broken(first_line(said).to_owned()))
    }
}

/// Returns the sentence of what LibTorch says, without the frames of its stack.
pub(crate) fn first_line(message: &str) -> &str {
    let said = message.split_once("Torch(\"").map_or(message, |(_, said)| said);
    let line = said.split("\\n").next().unwrap_or(said).lines().next().unwrap_or("it does not answer");
    line.trim_end_matches(['"', ')'])
}

/// Calls what computes on a device, and returns the device's failure as `failed` puts it.
///
/// # Panics
/// Goes on with panics that are bugs.
pub(crate) fn on_device<T>(
    call: impl FnOnce() -> T + UnwindSafe,
    failed: impl FnOnce(Failure) -> CliError,
) -> Result<T, CliError> {
    panic::catch_unwind(call).map_err(|payload| match Failure::of(&message(&*payload)) {
        Some(failure) => failed(failure),
        None => panic::resume_unwind(payload),
    })
}

/// Says how a device failed, where nothing more is known.
pub(crate) fn failed(failure: Failure) -> CliError {
    match failure {
        Failure::OutOfMemory(wanted) => {
            let wanted = wanted.map_or(String::new(), |wanted| format!(" ({wanted} more were needed)"));
            CliError::failure(format!("the device has no memory left{wanted}"))
        }
        Failure::Broken(said) => CliError::failure(format!("the device failed: {said}")).hint(
            "`nvidia-smi` shows whether the GPU still answers; `moa device --device …` whether it computes rightly",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CUDA: &str = r#"called `Result::unwrap()` on an `Err` value: Torch("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.11 GiB of which 1.19 GiB is free.\nException raised from malloc at …\nframe #0: c10::Error")"#;
    const CPU: &str = r#"called `Result::unwrap()` on an `Err` value: Torch("[enforce fail at alloc_cpu.cpp:121] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate 805306368 bytes. Error code 12 (Cannot allocate memory)\nframe #0")"#;

    #[test]
    fn a_device_without_memory_is_no_bug() {
        assert_eq!(Failure::of(CUDA), Some(Failure::OutOfMemory(Some("2.00 GiB".into()))));
        assert_eq!(Failure::of(CPU), Some(Failure::OutOfMemory(Some("768 MiB".into()))));
        assert_eq!(Failure::of("index out of bounds"), None);
        assert_eq!(Failure::of("the attic is out of memory"), None, "no words of LibTorch's");
        let broken = r#"called `Result::unwrap()` on an `Err` value: Torch("CUDA error: an illegal memory access was encountered\nCUDA kernel errors …")"#;
        assert_eq!(
            Failure::of(broken),
            Some(Failure::Broken("CUDA error: an illegal memory access was encountered".into()))
        );
    }

    #[test]
    fn bugs_go_on_and_failures_are_told() {
        let told = on_device(|| panic!("{CUDA}"), failed).map(|(): ()| ()).expect_err("it failed");
        assert!(told.message().contains("2.00 GiB"), "{}", told.message());
        let bug = panic::catch_unwind(|| on_device(|| panic!("a bug"), failed).map(|(): ()| ()));
        assert!(bug.is_err());
    }

    #[test]
    fn stacks_of_libtorch_are_cut() {
        assert!(first_line(CUDA).starts_with("CUDA out of memory. Tried") && first_line(CUDA).ends_with("is free."));
        assert_eq!(first_line("a line\nmore"), "a line");
    }
}
