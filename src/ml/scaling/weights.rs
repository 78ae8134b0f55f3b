//! Weights without the power of two that they have in common.

use crate::exact_sum::{exponent_above, scale_by_power};
use crate::rows::Block;
use std::sync::Arc;

/// Takes out of the weights what powers of two they have in common, where they are whole numbers
/// then, and brings those far from 1 near to it. What is left is the same whatever power of two all
/// were multiplied by; returns that power.
pub(super) fn reduce_weights(blocks: &mut [Arc<Block>]) -> f64 {
    /// Total weight up to which sums of whole numbers are exact.
    const MOST_WHOLE: f64 = (1_u64 << 31) as f64;
    /// Beyond 2 to this, products of weights and squares might leave the range of doubles.
    const FAR: i32 = 200;
    let weights = || blocks.iter().flat_map(|block| &block.weights).copied();
    let heaviest = weights().fold(0.0, f64::max);
    if heaviest == 0.0 {
        return 1.0;
    }
    let top = exponent_above(heaviest);
    let lowest = weights().map(lowest_bit).min().unwrap_or(0);
    let are_whole = top.saturating_sub(lowest) <= 31 && {
        let of_block = |block: &Arc<Block>| {
            let of_row = |(row, weight): (usize, &f64)| {
                scale_by_power(*weight, -lowest) * block.count(row) as f64
            };
            block.weights.iter().enumerate().map(of_row).sum::<f64>()
        };
        blocks.iter().map(of_block).sum::<f64>() < MOST_WHOLE
    };
    let exponent = match (are_whole, top.abs() > FAR) {
        (true, _) => lowest,
        (false, true) => top,
        (false, false) => 0,
    };
    if exponent != 0 {
        for block in blocks {
            let block = Arc::make_mut(block);
            // A weight that is nothing beside the heaviest stays one.
            let reduce = |weight: &mut f64| {
                *weight = scale_by_power(*weight, -exponent).max(f64::MIN_POSITIVE)
            };
            block.weights.iter_mut().for_each(reduce);
        }
    }
    scale_by_power(1.0, exponent)
}

/// The exponent of the lowest bit that is set in a positive number.
fn lowest_bit(x: f64) -> i32 {
    let bits = x.to_bits();
    let (exponent, fraction) = ((bits >> 52 & 0x7ff) as i32, bits & ((1 << 52) - 1));
    let mantissa = if exponent == 0 { fraction } else { fraction | 1 << 52 };
    exponent.max(1) - 1075 + mantissa.trailing_zeros() as i32
}
