//! Quartiles of rows, some of which stand for several or have a weight.

use crate::rows::Block;
use std::sync::Arc;

/// The rows of which quartiles are taken; none where no scale needs them.
#[derive(Default)]
pub(crate) struct HeldRows<'b> {
    pub(super) blocks: &'b [Arc<Block>],
    /// How weights count as copies of rows, where there are weights.
    pub(super) copies: Option<Copies>,
}

impl HeldRows<'_> {
    /// The quartiles, linear between order statistics as in numpy's `percentile`. The counts of
    /// equal rows count, and a weight as that many rows (see [`Copies`]).
    pub(super) fn quartiles(&self, feature: usize) -> [f64; 3] {
        match &self.copies {
            Some(Copies { unit, are_whole: true }) => {
                let copies = |block: &Block, row: usize| (block.weights[row] / unit).round() as u64;
                quartiles_of_copies(self.blocks, feature, copies)
            }
            Some(Copies { unit, are_whole: false }) => {
                quartiles_of_weights(self.blocks, feature, *unit)
            }
            None if self.blocks.iter().all(|block| block.counts.is_empty()) => {
                quartiles_of_rows(self.blocks, feature)
            }
            None => quartiles_of_copies(self.blocks, feature, Block::count),
        }
    }
}

/// What weights are multiples of, so that a row counts as often as its weight has it: the greatest
/// common divisor of all weights, or the lightest one where that is not a small multiple of a
/// common divisor. Thus a common factor of all weights changes nothing, and whole weights without
/// one are copies of rows.
pub(super) struct Copies {
    unit: f64,
    are_whole: bool,
}

impl Copies {
    pub(super) fn of(blocks: &[Arc<Block>]) -> Self {
        /// How often the lightest weight may hold the divisor.
        const MOST_PARTS: f64 = 1000.0;
        /// A rest that is rounding, as a share of the weight.
        const ROUNDING: f64 = f64::EPSILON * 256.0;
        /// Copies of a row whose sums stay exact.
        const MOST_COPIES: f64 = 4_294_967_296.0;
        let mut weights: Vec<f64> =
            blocks.iter().flat_map(|block| &block.weights).copied().collect();
        weights.sort_unstable_by(f64::total_cmp);
        weights.dedup();
        let Some(&lightest) = weights.first() else {
            return Self { unit: 1.0, are_whole: true };
        };
        let fractional = Self { unit: lightest, are_whole: false };
        let mut divisor = lightest;
        for &weight in &weights {
            // Euclid's algorithm, up to the rounding of weights.
            let (mut of, mut by) = (weight, divisor);
            loop {
                let rest = (of - (of / by).round() * by).abs();
                if rest <= ROUNDING * weight {
                    break;
                }
                (of, by) = (by, rest);
                if lightest > MOST_PARTS * by {
                    return fractional;
                }
            }
            divisor = by;
        }
        let unit = lightest / (lightest / divisor).round();
        let is_multiple = |&weight: &f64| {
            let copies = weight / unit;
            copies <= MOST_COPIES && (copies - copies.round()).abs() <= copies * ROUNDING * 4.0
        };
        if weights.iter().all(is_multiple) { Self { unit, are_whole: true } } else { fractional }
    }
}

/// Where the quarters of `n` rows lie among their ranks.
fn position(n: f64, quarter: u32) -> f64 {
    (n - 1.0) * f64::from(quarter) / 4.0
}

/// Between two order statistics.
fn between(share: f64, low: f64, high: f64) -> f64 {
    if share < 0.5 { low + (high - low) * share } else { high - (high - low) * (1.0 - share) }
}

fn quartiles_of_rows(blocks: &[Arc<Block>], feature: usize) -> [f64; 3] {
    let mut values: Vec<f64> =
        blocks.iter().flat_map(|block| block.column(feature)).copied().collect();
    let n = values.len() as f64;
    let mut rest = values.as_mut_slice();
    let mut start = 0;
    [1, 2, 3].map(|quarter| {
        let position = position(n, quarter);
        let at = position as usize - start;
        let (_, &mut low, above) = rest.select_nth_unstable_by(at, f64::total_cmp);
        let high = above.iter().copied().min_by(f64::total_cmp).unwrap_or(low);
        rest = &mut std::mem::take(&mut rest)[at..];
        start += at;
        between(position.fract(), low, high)
    })
}

/// The same where an entry stands for several rows.
fn quartiles_of_copies(
    blocks: &[Arc<Block>],
    feature: usize,
    copies: impl Fn(&Block, usize) -> u64,
) -> [f64; 3] {
    let entries = |block: &Arc<Block>| -> Vec<(f64, u64)> {
        block.column(feature).iter().enumerate().map(|(row, &x)| (x, copies(block, row))).collect()
    };
    let mut values: Vec<(f64, u64)> = blocks.iter().flat_map(entries).collect();
    values.sort_unstable_by(|x, y| x.0.total_cmp(&y.0));
    let ends: Vec<u64> = values
        .iter()
        .scan(0, |end: &mut u64, (_, count)| {
            *end = end.saturating_add(*count);
            Some(*end)
        })
        .collect();
    let n = ends.last().copied().unwrap_or(0);
    let at = |rank: u64| values[ends.partition_point(|&end| end <= rank)].0;
    [1, 2, 3].map(|quarter| {
        let position = position(n as f64, quarter);
        let rank = (position as u64).min(n - 1);
        between(position.fract(), at(rank), at((rank + 1).min(n - 1)))
    })
}

/// The same where an entry is as many rows as its weight has of `unit`, the lightest weight: it
/// takes up its share of the ranks, and the last unit leads over to the next value.
fn quartiles_of_weights(blocks: &[Arc<Block>], feature: usize, unit: f64) -> [f64; 3] {
    let entries = blocks.iter().flat_map(|block| block.column(feature).iter().zip(&block.weights));
    let mut values: Vec<(f64, f64)> = entries.map(|(&x, &weight)| (x, weight / unit)).collect();
    values.sort_unstable_by(|x, y| x.0.total_cmp(&y.0).then(x.1.total_cmp(&y.1)));
    let mut total = 0.0;
    for (_, end) in &mut values {
        total += *end;
        *end = total;
    }
    [1, 2, 3].map(|quarter| {
        let position = position(total, quarter);
        let at = values.partition_point(|(_, end)| *end <= position).min(values.len() - 1);
        let (low, end) = values[at];
        let high = values.get(at + 1).map_or(low, |(high, _)| *high);
        between((position - (end - 1.0)).clamp(0.0, 1.0), low, high)
    })
}
