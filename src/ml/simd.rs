//! Code for the processor at hand: the same operations on wider registers where there are some.

/// Runs `work`, compiled once for every processor of the target and once for those with wider registers.
///
/// Only what is inlined into `work` is compiled for them, so kernels are `#[inline(always)]`. Products and sums are
/// never fused, so the bits are the same on all processors.
#[inline(always)]
pub(super) fn vectorize<R>(work: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(work)
}
