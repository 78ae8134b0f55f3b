//! Memory that is asked for before it is needed: an allocation that fails would end the process.

use std::cell::Cell;

use super::{Error, Result};

/// What so many callbacks of a thread may allocate in small pieces.
const CALLBACKS_BYTES: usize = 64 << 20;
const CALLBACKS: u32 = 64;
/// Vectors of DuckDB's below this are not asked for.
const LARGE_VECTOR_BYTES: usize = 1 << 20;

thread_local! {
    /// Callbacks of this thread that need not ask.
    static PAID: Cell<u32> = const { Cell::new(0) };
}

/// Whether the process can still have what a callback takes in small pieces. Nothing is touched,
/// but to ask costs two calls of the system, so one callback asks for many.
pub(super) fn for_callback() -> Result<()> {
    let paid = PAID.get();
    if paid == 0 {
        of(CALLBACKS_BYTES)?;
    }
    PAID.set(paid.checked_sub(1).unwrap_or(CALLBACKS - 1));
    Ok(())
}

/// Whether DuckDB can have a vector of `n` values of `bytes` each, which it makes as long as the
/// next power of two, beside the one that it copies: it tells of a failure by an exception, which
/// must not pass our frames.
pub(super) fn for_vector(n: usize, bytes: usize) -> Result<()> {
    match n.checked_next_power_of_two().and_then(|n| n.checked_mul(bytes)) {
        Some(size) if size < LARGE_VECTOR_BYTES => Ok(()),
        Some(size) => of(size),
        None => Err(out_of_memory(usize::MAX)),
    }
}

fn of(bytes: usize) -> Result<()> {
    let mut probe = Vec::<u8>::new();
    probe.try_reserve_exact(bytes).map_err(|_| out_of_memory(bytes))?;
    // Or the compiler could leave the allocation out.
    std::hint::black_box(&mut probe);
    Ok(())
}

/// An error as DuckDB's, for `bytes` that could not be had.
pub(super) fn out_of_memory(bytes: usize) -> Error {
    Error::new(format!("out of memory: failed to allocate {} MiB", bytes.div_ceil(1 << 20)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_machine_has_is_an_error() {
        assert!((0..2 * CALLBACKS).all(|_| for_callback() == Ok(())));
        assert_eq!(for_vector(1000, 8), Ok(()));
        let error = for_vector(1 << 59, 8).expect_err("2^62 bytes");
        assert_eq!(error.text("f"), "f: out of memory: failed to allocate 4398046511104 MiB");
        assert!(for_vector(usize::MAX, 8).is_err());
    }
}
