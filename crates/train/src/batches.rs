//! Micro-batches: fixed slices of the samples, worked on by a few threads, with results in order.

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

/// Applies `work` to every item on `workers` threads and returns the results in the items' order; the first error wins.
pub(crate) fn in_order<I: Sync, T: Send, E: Send>(
    items: &[I],
    workers: usize,
    work: impl Fn(&I) -> Result<T, E> + Sync,
) -> Result<Vec<T>, E> {
    if workers <= 1 || items.len() <= 1 {
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
        for _ in 0..workers.min(items.len()) {
            scope.spawn(take);
        }
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
        let doubled: Result<Vec<usize>, ()> = in_order(&items, 4, |i| Ok(2 * i));
        assert_eq!(doubled, Ok((0..50).map(|i| 2 * i).collect()));
        let failed: Result<Vec<usize>, usize> = in_order(&items, 4, |i| if *i == 7 { Err(7) } else { Ok(*i) });
        assert_eq!(failed, Err(7));
    }
}
