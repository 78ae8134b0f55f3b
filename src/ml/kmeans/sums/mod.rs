//! Sums over the rows of each cluster, to which rows are added and from which they are taken away.

mod exact;
mod single;

use crate::simd::vectorize;
pub(super) use exact::{Arithmetic, ClusterSums};
pub(super) use single::{Quanta, SingleSums};

/// A row of a tile that goes from one cluster to another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Move {
    pub(crate) row: u32,
    /// The number of clusters stands for none.
    pub(crate) from: u32,
    pub(crate) to: u32,
}

/// Rows of a tile that are compared at once: late iterations change few.
const RUN: usize = 32;

/// Collects the rows whose labels differ.
pub(crate) fn moves(old: &[f32], new: &[f32], moves: &mut Vec<Move>) {
    moves.clear();
    vectorize(
        #[inline(always)]
        || {
            let runs = old.chunks(RUN).zip(new.chunks(RUN));
            for (first, (old, new)) in (0..).step_by(RUN).zip(runs) {
                let bits =
                    old.iter().zip(new).fold(0, |bits, (x, y)| bits | (x.to_bits() ^ y.to_bits()));
                if bits == 0 {
                    continue;
                }
                // Without a branch for each row, which could not be foreseen.
                let mut rows = [0; RUN];
                let mut n_rows = 0;
                for (row, (x, y)) in (0..).zip(old.iter().zip(new)) {
                    rows[n_rows] = row;
                    n_rows += usize::from(x != y);
                }
                moves.extend(rows[..n_rows].iter().map(|&row: &u32| Move {
                    row: first + row,
                    from: old[row as usize] as u32,
                    to: new[row as usize] as u32,
                }));
            }
        },
    );
}

#[cfg(test)]
mod tests;
