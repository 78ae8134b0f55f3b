//! Work on parts of a slice, on several threads.

use std::panic::resume_unwind;
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Simple operations, about a millisecond, below which further threads cost more than they save:
/// under `GROUP BY` there may be hundreds of thousands of small fits.
const WORTH_THREADS: usize = 1 << 22;
/// Parts for each thread: one that gets less of a processor than the others, because DuckDB waits
/// on it too, takes fewer.
pub(super) const PARTS_PER_THREAD: usize = 4;

/// The threads that `work` simple operations are worth.
pub(super) fn worth(work: usize, n_threads: usize) -> usize {
    if work < WORTH_THREADS { 1 } else { n_threads }
}

/// Calls `work` on contiguous parts of `items`, on up to `n_threads` threads, and returns its
/// results in the order of the parts. A panic in a part continues in the caller.
pub(super) fn map_parts<T: Send, R: Send>(
    items: &mut [T],
    n_threads: usize,
    work: impl Fn(&mut [T]) -> R + Sync,
) -> Vec<R> {
    let n_threads = n_threads.min(items.len());
    if n_threads <= 1 {
        return vec![work(items)];
    }
    let size = items.len().div_ceil(n_threads * PARTS_PER_THREAD);
    let parts = Mutex::new(items.chunks_mut(size).enumerate());
    let take_parts = || {
        let mut results = Vec::new();
        loop {
            let next = parts.lock().unwrap_or_else(PoisonError::into_inner).next();
            match next {
                Some((index, part)) => results.push((index, work(part))),
                None => return results,
            }
        }
    };
    thread::scope(|scope| {
        // A thread that the system does not give is one fewer: the parts are done by those there
        // are.
        let spawn = |_| thread::Builder::new().spawn_scoped(scope, take_parts).ok();
        let others: Vec<_> = (1..n_threads).map_while(spawn).collect();
        let mut results = take_parts();
        for other in others {
            results.extend(other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        results.sort_by_key(|(index, _)| *index);
        results.into_iter().map(|(_, result)| result).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_parts_whatever_the_threads() {
        for n_threads in 1..5 {
            for n in [0, 1, 3, 8, 100] {
                let mut items: Vec<usize> = (0..n).collect();
                let parts = map_parts(&mut items, n_threads, |part| {
                    part.iter_mut().for_each(|x| *x += 1);
                    part.to_vec()
                });
                assert_eq!(parts.concat(), (1..=n).collect::<Vec<usize>>());
            }
        }
    }

    #[test]
    #[should_panic(expected = "part of 7")]
    fn a_panic_in_a_part_continues_in_the_caller() {
        map_parts(&mut [1, 7, 3], 3, |part| assert!(!part.contains(&7), "part of 7"));
    }
}
