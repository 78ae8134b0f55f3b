//! States of aggregates in memory that DuckDB owns: what both backends do with them.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::mem;
use std::slice;

use super::{Aggregate, Chunk, Error, Output, Result, SqlType, contain, room};

/// A group's state in memory that DuckDB owns, moves and does not understand.
///
/// The heap behind it is freed in finalize and not only in destroy, because DuckDB leaks the states
/// of a `GROUP BY ... LIMIT`. A spent state that is used again (a running window) is an error,
/// never a wrong result.
enum Slot<S> {
    Empty,
    Live(Box<S>),
    Spent,
}

const RUNNING_WINDOW: &str = "a running window (OVER with a growing frame) is not supported, use \
                              GROUP BY";

impl<S: Default> Slot<S> {
    fn live(&mut self) -> Result<&mut S> {
        if let Slot::Empty = self {
            *self = Slot::Live(Box::default());
        }
        match self {
            Slot::Live(state) => Ok(state),
            _ => Err(Error::new(RUNNING_WINDOW)),
        }
    }
}

/// Bytes of one state.
pub(super) fn size<A: Aggregate>() -> usize {
    size_of::<Slot<A::State>>()
}

/// Makes a state without rows.
///
/// # Safety
/// `state` points to uninitialised memory of [`size`] bytes, aligned for pointers.
pub(super) unsafe fn init<A: Aggregate>(state: *mut c_void) {
    // SAFETY: promised by the caller.
    unsafe { state.cast::<Slot<A::State>>().write(Slot::Empty) }
}

/// # Safety
/// `states` holds `count` states that [`init`] wrote; no reference to them exists.
unsafe fn slots<'a, A: Aggregate>(
    states: *const *mut c_void,
    count: usize,
) -> &'a [*mut Slot<A::State>] {
    if count == 0 {
        return &[];
    }
    // SAFETY: promised by the caller; an array of opaque pointers is one of typed pointers.
    unsafe { slice::from_raw_parts(states.cast::<*mut Slot<A::State>>(), count) }
}

/// Adds the rows of a chunk to their groups.
///
/// # Safety
/// `states` has one state of `A` a row.
pub(super) unsafe fn update<A: Aggregate>(
    aggregate: &A,
    rows: &Chunk<'_>,
    states: *const *mut c_void,
) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    room::for_callback()?;
    let batch = aggregate.read(rows)?;
    // SAFETY: promised by the caller.
    let slots = unsafe { slots::<A>(states, rows.len()) };
    let mut start = 0;
    while start < slots.len() {
        let group = slots[start];
        let run = slots[start..].iter().take_while(|slot| **slot == group).count();
        // SAFETY: one group at a time is borrowed.
        aggregate.update(unsafe { (*group).live()? }, &batch, start..start + run)?;
        start += run;
    }
    Ok(())
}

/// Adds each source to its target.
///
/// # Safety
/// Both arrays hold `count` states of `A`; a source is never its own target.
pub(super) unsafe fn combine<A: Aggregate>(
    aggregate: &A,
    sources: *const *mut c_void,
    targets: *const *mut c_void,
    count: usize,
) -> Result<()> {
    room::for_callback()?;
    // SAFETY: promised by the caller.
    unsafe {
        for (source, target) in slots::<A>(sources, count).iter().zip(slots::<A>(targets, count)) {
            match &**source {
                Slot::Empty => {}
                Slot::Live(state) => aggregate.combine(state, (**target).live()?)?,
                Slot::Spent => return Err(Error::new("a finished group cannot be combined")),
            }
        }
    }
    Ok(())
}

/// The results of `count` groups, whose states are spent after that.
///
/// # Safety
/// `states` holds `count` states of `A`.
pub(super) unsafe fn finalize<A: Aggregate>(
    aggregate: &A,
    states: *const *mut c_void,
    count: usize,
    returns: &SqlType,
) -> Result<Output> {
    room::for_callback()?;
    let mut out = Output::new(returns);
    // SAFETY: promised by the caller.
    for slot in unsafe { slots::<A>(states, count) } {
        // SAFETY: as above.
        let state = match mem::replace(unsafe { &mut **slot }, Slot::Spent) {
            Slot::Empty => A::State::default(),
            Slot::Live(state) => *state,
            Slot::Spent => return Err(Error::new(RUNNING_WINDOW)),
        };
        aggregate.finalize(state, &mut out)?;
    }
    assert_eq!(out.len(), count, "one result a group");
    Ok(out)
}

/// Frees what states own; a spent or empty one owns nothing.
///
/// # Safety
/// `states` holds `count` states of `A` that are not used again.
pub(super) unsafe fn destroy<A: Aggregate>(states: *const *mut c_void, count: usize) {
    // SAFETY: promised by the caller.
    for slot in unsafe { slots::<A>(states, count) } {
        // SAFETY: as above.
        let state = mem::replace(unsafe { &mut **slot }, Slot::Spent);
        // There is nobody to tell of a panic.
        let _ = contain(|| {
            drop(state);
            Ok(())
        });
    }
}
