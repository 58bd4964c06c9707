//! Calls into sled that may panic on damaged files, turned into errors.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::{Arc, Mutex, PoisonError};

type Hook = Box<dyn Fn(&PanicHookInfo<'_>) + Send + Sync>;

thread_local! {
    static SILENT: Cell<bool> = const { Cell::new(false) };
}

/// Runs `body`; a panic on this thread becomes its message, and is not reported.
///
/// Panics of other threads are reported as before. The program's panic hook is the same again afterwards.
pub(crate) fn catch<T>(body: impl FnOnce() -> T) -> Result<T, String> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);

    let previous: Arc<Hook> = Arc::new(panic::take_hook());
    let outer = Arc::clone(&previous);
    panic::set_hook(Box::new(move |info| {
        if !SILENT.get() {
            outer(info);
        }
    }));
    SILENT.set(true);
    let outcome = panic::catch_unwind(AssertUnwindSafe(body));
    SILENT.set(false);
    drop(panic::take_hook());
    match Arc::try_unwrap(previous) {
        Ok(hook) => panic::set_hook(hook),
        // Another thread is inside the hook at this moment.
        Err(shared) => panic::set_hook(Box::new(move |info| shared(info))),
    }
    outcome.map_err(|payload| message(payload.as_ref()))
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("unreadable").lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_first_line() {
        assert_eq!(catch(|| 3), Ok(3));
        assert_eq!(catch(|| -> u32 { panic!("page {} is gone\nand more", 7) }), Err("page 7 is gone".to_owned()));
        assert_eq!(catch(|| 4), Ok(4));
    }
}
