//! Code for the processor at hand: the same operations on wider registers where there are some.
//!
//! AVX-512, AVX2 with FMA, NEON or what every processor of the target has, chosen at run time.
//! Whatever is chosen, results have the same bits: loops through [`vectorize`] never fuse a product
//! and a sum, and kernels through [`dispatch`], where they may, only make sums that are exact and
//! decisions that are proven.

use pulp::{Arch, WithSimd};

/// Runs `work`, compiled once for each kind of registers.
///
/// Only what is inlined into `work` is compiled for them, so kernels are `#[inline(always)]`.
#[inline(always)]
pub(super) fn vectorize<R>(work: impl FnOnce() -> R) -> R {
    arch().dispatch(work)
}

/// Runs a kernel that is written in operations on whole registers.
#[inline(always)]
pub(super) fn dispatch<O: WithSimd>(kernel: O) -> O::Output {
    match arch() {
        // Operations on four doubles at once that the compiler maps to what there is; pulp's own
        // are on one.
        Arch::Scalar => pulp::Simd::vectorize(pulp::Scalar256b, kernel),
        arch => arch.dispatch(kernel),
    }
}

/// The registers that kernels run on.
pub fn registers() -> &'static str {
    match arch() {
        #[cfg(any(target_arch = "x86_64", target_arch = "x86"))]
        Arch::V4(_) => "AVX-512",
        #[cfg(any(target_arch = "x86_64", target_arch = "x86"))]
        Arch::V3(_) => "AVX2",
        #[cfg(target_arch = "aarch64")]
        Arch::Neon(_) => "NEON",
        _ => "baseline",
    }
}

#[cfg(not(test))]
#[inline(always)]
fn arch() -> Arch {
    Arch::new()
}

#[cfg(test)]
use tests::arch;

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU8, Ordering};
    use std::sync::{Mutex, PoisonError};

    /// A kind of registers, 0 for the best. All threads see it: no result depends on it.
    static CHOSEN: AtomicU8 = AtomicU8::new(0);

    pub(super) fn arch() -> Arch {
        match CHOSEN.load(Ordering::Relaxed) {
            1 => Arch::Scalar,
            #[cfg(target_arch = "x86_64")]
            2 => pulp::x86::V3::try_new().map_or_else(Arch::new, Arch::V3),
            _ => Arch::new(),
        }
    }

    /// One caller of [`on_each`] at a time: another would put its own kind in the place of the one
    /// that is tested.
    static CHOOSING: Mutex<()> = Mutex::new(());

    /// What `work` gives with each kind of registers that there is.
    pub(in super::super) fn on_each<R>(work: impl Fn() -> R) -> Vec<R> {
        let _chosen_here = CHOOSING.lock().unwrap_or_else(PoisonError::into_inner);
        let results = (0..3).map(|kind| {
            CHOSEN.store(kind, Ordering::Relaxed);
            work()
        });
        let results = results.collect();
        CHOSEN.store(0, Ordering::Relaxed);
        results
    }
}
