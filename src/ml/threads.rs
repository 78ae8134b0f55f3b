//! Work on parts of a slice, on several threads.

use std::panic::resume_unwind;
use std::thread;

/// Simple operations, about a millisecond, below which further threads cost more than they save: under `GROUP BY` there
/// may be hundreds of thousands of small fits.
const WORTH_THREADS: usize = 1 << 22;

/// The threads that `work` simple operations are worth.
pub(super) fn worth(work: usize, n_threads: usize) -> usize {
    if work < WORTH_THREADS { 1 } else { n_threads }
}

/// Calls `work` on up to `n_threads` contiguous parts of `items`, each on a thread of its own, and returns its
/// results in the order of the parts. A panic in a part continues in the caller.
pub(super) fn map_parts<T: Send, R: Send>(
    items: &mut [T],
    n_threads: usize,
    work: impl Fn(&mut [T]) -> R + Sync,
) -> Vec<R> {
    let n_parts = n_threads.min(items.len());
    if n_parts <= 1 {
        return vec![work(items)];
    }
    let (first, rest) = items.split_at_mut(items.len() / n_parts);
    let size = rest.len().div_ceil(n_parts - 1);
    thread::scope(|scope| {
        let work = &work;
        let running: Vec<_> = rest.chunks_mut(size).map(|part| scope.spawn(move || work(part))).collect();
        let mut results = vec![work(first)];
        results
            .extend(running.into_iter().map(|part| part.join().unwrap_or_else(|panic| resume_unwind(panic))));
        results
    })
}
