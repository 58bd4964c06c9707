//! Micro-batches: fixed slices of the samples, worked on by a few threads, with results in order.
//!
//! Runs are trained beside each other, and slices of a run as well: both ask the same [`Workers`] for help, so that no thread waits
//! while another has more than one thing to do.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Returns the slices of `samples` (per adapter) such that one slice of all `members` adapters together has about
/// `limit` rows. The slices do not depend on the number of threads, so neither do results.
pub(crate) fn slices(samples: usize, members: usize, limit: usize) -> Vec<Range<usize>> {
    let most = (limit / members.max(1)).clamp(1, samples.max(1));
    let count = samples.div_ceil(most);
    // Even slices: a short last one would leave a thread idle.
    (0..count).map(|i| i * samples / count..(i + 1) * samples / count).collect()
}

/// The threads that draw and train. Results do not depend on how many there are.
#[derive(Debug)]
pub struct Workers {
    idle: AtomicUsize,
}

/// A thread that helps; it is idle again when this is dropped.
struct Helper<'a>(&'a Workers);

impl Workers {
    /// Returns so many threads, the one that asks among them.
    pub fn new(threads: usize) -> Self {
        Self { idle: AtomicUsize::new(threads.saturating_sub(1)) }
    }

    /// Returns a helper, where a thread is idle.
    fn help(&self) -> Option<Helper<'_>> {
        let taken = self.idle.fetch_update(Ordering::AcqRel, Ordering::Acquire, |idle| idle.checked_sub(1));
        taken.is_ok().then(|| Helper(self))
    }
}

impl Drop for Helper<'_> {
    fn drop(&mut self) {
        self.0.idle.fetch_add(1, Ordering::AcqRel);
    }
}

/// Applies `work` to every item, on this thread and on those that are idle, and returns the results in the items' order; the first
/// error wins.
pub(crate) fn in_order<I: Sync, T: Send, E: Send>(
    items: &[I],
    workers: &Workers,
    work: impl Fn(&I) -> Result<T, E> + Sync,
) -> Result<Vec<T>, E> {
    let helpers: Vec<Helper<'_>> = (1..items.len()).map_while(|_| workers.help()).collect();
    if helpers.is_empty() {
        return items.iter().map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let results: Vec<Mutex<Option<Result<T, E>>>> = items.iter().map(|_| Mutex::new(None)).collect();
    let take = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { break };
            let result = work(item);
            *results[index].lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(result);
        }
    };
    std::thread::scope(|scope| {
        for helper in helpers {
            let take = &take;
            scope.spawn(move || {
                let _helper = helper;
                take();
            });
        }
        take();
    });
    results
        .into_iter()
        .map(|slot| {
            let result = slot.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
            result.unwrap_or_else(|| unreachable!("every item was taken by a thread that has ended"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_cover_all_samples_once_and_evenly() {
        for (samples, members, limit) in [(64, 8, 32), (7, 3, 10), (5, 100, 10), (64, 1, 1000)] {
            let slices = slices(samples, members, limit);
            let all: Vec<usize> = slices.iter().cloned().flatten().collect();
            assert_eq!(all, (0..samples).collect::<Vec<_>>());
            let (least, most) = (slices.iter().map(Range::len).min(), slices.iter().map(Range::len).max());
            assert!(most.unwrap_or(0) - least.unwrap_or(0) <= 1);
        }
    }

    #[test]
    fn results_keep_the_order_of_items_and_errors_surface() {
        let items: Vec<usize> = (0..50).collect();
        let workers = Workers::new(4);
        let doubled: Result<Vec<usize>, ()> = in_order(&items, &workers, |i| Ok(2 * i));
        assert_eq!(doubled, Ok((0..50).map(|i| 2 * i).collect()));
        let failed: Result<Vec<usize>, usize> = in_order(&items, &workers, |i| if *i == 7 { Err(7) } else { Ok(*i) });
        assert_eq!(failed, Err(7));
        assert_eq!(workers.idle.into_inner(), 3, "all that helped are idle again");
    }

    #[test]
    fn work_inside_of_work_shares_the_same_threads() {
        let (workers, most, now) = (Workers::new(3), AtomicUsize::new(0), AtomicUsize::new(0));
        let outer: Vec<usize> = (0..5).collect();
        let sums: Result<Vec<usize>, ()> = in_order(&outer, &workers, |i| {
            let inner: Vec<usize> = (0..8).map(|j| i + j).collect();
            let parts = in_order(&inner, &workers, |j| {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::sleep(std::time::Duration::from_millis(1));
                now.fetch_sub(1, Ordering::SeqCst);
                Ok(*j)
            })?;
            Ok(parts.into_iter().sum())
        });
        assert_eq!(sums, Ok(outer.iter().map(|i| 8 * i + 28).collect()));
        assert!(most.into_inner() <= 3, "no more threads than there are");
    }
}
