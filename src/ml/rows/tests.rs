//! Rows come back as they came, and samples are functions of the set of rows.

use super::*;
use crate::test_data::{MEMORY, append, blobs, observe};

fn contents(observations: &Observations) -> Vec<Vec<u64>> {
    let rows = |block: &Arc<Block>| -> Vec<Vec<u64>> {
        (0..block.rows).map(|row| block.row(row).map(f64::to_bits).collect()).collect()
    };
    observations.blocks.iter().flat_map(rows).collect()
}

#[test]
fn rows_come_back_as_they_came() {
    let rows = blobs(1, 5000, 3, 2);
    for chunk in [1, 7, 2048] {
        let mut observations = Observations::new(3, false, false, MEMORY, 42);
        append(&mut observations, &rows, None, chunk);
        let expected: Vec<Vec<u64>> =
            rows.iter().map(|row| row.iter().map(|x| x.to_bits()).collect()).collect();
        assert_eq!(contents(&observations), expected);
        assert_eq!(observations.rows(), 5000);
    }
}

#[test]
fn a_row_with_a_missing_value_is_skipped_and_counted() {
    let rows = [vec![1.0, f64::NAN], vec![2.0, 3.0], vec![f64::INFINITY, 4.0], vec![5.0, -0.0]];
    let observations = observe(&rows);
    assert_eq!((observations.rows(), observations.skipped()), (2, 2));
    assert_eq!(
        contents(&observations),
        [[2.0_f64, 3.0], [5.0, 0.0]].map(|row| row.map(f64::to_bits).to_vec())
    );
}

#[test]
fn a_row_of_weight_zero_is_neither_counted_nor_skipped() {
    let mut observations = Observations::new(1, true, false, MEMORY, 42);
    let rows = [vec![1.0], vec![f64::NAN], vec![f64::NAN], vec![4.0]];
    append(&mut observations, &rows, Some(&[0.0, 0.0, 1.0, 2.0]), 4);
    assert_eq!((observations.rows(), observations.skipped()), (1, 1));
    assert_eq!(observations.blocks[0].weights, [2.0]);
}

#[test]
fn a_small_state_stays_small() {
    let observations = observe(&blobs(1, 3, 4, 1));
    assert_eq!(observations.blocks[0].values.len(), 4 * 4);
}

#[test]
fn a_merge_shares_blocks_and_leaves_the_other_side_alone() {
    let (mut left, right) = (observe(&blobs(1, 10, 2, 1)), observe(&blobs(2, 3000, 2, 1)));
    let before = contents(&right);
    left.merge(&right);
    assert!(Arc::ptr_eq(&left.blocks[0], &right.blocks[0]));
    append(&mut left, &blobs(3, 5000, 2, 1), None, 2048);
    assert_eq!(contents(&right), before);
    assert_eq!((left.rows(), right.rows(), left.held), (8010, 3000, 8010));
}

#[test]
fn an_append_to_a_shared_block_starts_a_new_one() {
    let mut left = observe(&blobs(1, 100, 2, 1));
    let right = left.clone();
    append(&mut left, &blobs(2, 1, 2, 1), None, 1);
    assert_eq!((left.blocks.len(), contents(&right).len(), contents(&left).len()), (2, 100, 101));
}

#[test]
fn the_sample_is_a_function_of_the_set_of_rows() {
    // 30,000 rows, a third of them twice, for a capacity of 4,096.
    let mut rows = blobs(4, 20_000, 2, 5);
    rows.extend_from_within(..10_000);
    let expected = {
        let mut observations = Observations::new(2, false, false, 0, 42);
        append(&mut observations, &rows, None, 2048);
        observations.within_memory()
    };
    assert!((1500..=MIN_CAPACITY).contains(&expected.held), "{} rows", expected.held);
    crate::test_data::Random::new(5).shuffle(&mut rows);
    let parts = rows.chunks(6700).map(|part| {
        let mut observations = Observations::new(2, false, false, 0, 42);
        append(&mut observations, part, None, 100);
        observations
    });
    let mut merged = Observations::new(2, false, false, 0, 42);
    parts.for_each(|part| merged.merge(&part));
    let merged = merged.within_memory();
    // As a set: only a fit gives the rows an order.
    let entries = |observations: &Observations| -> Vec<(Vec<u64>, u64)> {
        let counts = observations
            .blocks
            .iter()
            .flat_map(|block| (0..block.rows).map(|row| block.count(row)));
        let mut entries: Vec<_> = contents(observations).into_iter().zip(counts).collect();
        entries.sort_unstable();
        entries
    };
    assert_eq!(entries(&merged), entries(&expected));
    assert_eq!(entries(&merged).iter().map(|(_, count)| count).max(), Some(&2));
    assert_eq!(merged.rows(), 30_000);
}

#[test]
fn distinct_rows_above_the_capacity_are_given_up_while_they_arrive() {
    let rows = blobs(9, 60_000, 2, 5);
    let mut observations = Observations::new(2, false, false, 0, 42);
    let mut most_held = 0;
    for part in rows.chunks(500) {
        append(&mut observations, part, None, 100);
        most_held = most_held.max(observations.held);
    }
    assert!(most_held <= MIN_CAPACITY * 5 / 4, "{most_held} rows");
    let mut halves = rows.chunks(30_000).map(|half| {
        let mut observations = Observations::new(2, false, false, 0, 42);
        append(&mut observations, half, None, 2048);
        observations
    });
    let mut merged = halves.next().expect("a half");
    halves.for_each(|half| merged.merge(&half));
    assert!(
        merged.held <= MIN_CAPACITY && merged.held == contents(&merged).len(),
        "{} rows",
        merged.held
    );
    let sorted = |observations: Observations| {
        let mut contents = contents(&observations.within_memory());
        contents.sort_unstable();
        contents
    };
    assert_eq!(sorted(merged), sorted(observations));
}

#[test]
fn duplicates_alone_need_no_sample() {
    let rows: Vec<Vec<f64>> = (0..20_000).map(|i| vec![f64::from(i % 10)]).collect();
    let mut observations = Observations::new(1, false, false, 0, 42);
    append(&mut observations, &rows, None, 2048);
    let within_memory = observations.within_memory();
    assert_eq!((within_memory.held, within_memory.level), (10, 0));
    assert_eq!(within_memory.blocks[0].counts, [2000; 10]);
}

/// Each row with its weight and the number of rows that it stands for.
fn counted(observations: &Observations) -> Vec<(Vec<u64>, u64, u64)> {
    let of_block = |block: &Block| {
        let of_row = |row: usize| {
            let values = block.row(row).map(f64::to_bits).collect();
            (values, block.weight(row).to_bits(), block.count(row))
        };
        (0..block.rows).map(of_row).collect::<Vec<_>>()
    };
    let blocks = observations.clone().into_blocks();
    let mut rows: Vec<_> = blocks.iter().flat_map(|block| of_block(block)).collect();
    rows.sort_unstable();
    rows
}

/// States of parts of some rows, of different lengths, brought together in another order.
fn in_parts(
    rows: &[Vec<f64>],
    weights: Option<&[f64]>,
    keep_missing: bool,
    memory: u64,
    n_parts: usize,
) -> Observations {
    let new = || Observations::new(rows[0].len(), weights.is_some(), keep_missing, memory, 42);
    let ends = (0..=n_parts).map(|part| rows.len() * part * part / (n_parts * n_parts));
    let ends: Vec<usize> = ends.collect();
    let states = ends.windows(2).map(|ends| {
        let mut state = new();
        let weights = weights.map(|weights| &weights[ends[0]..ends[1]]);
        append(&mut state, &rows[ends[0]..ends[1]], weights, 1000);
        state
    });
    let states: Vec<Observations> = states.collect();
    let mut all = new();
    states.iter().rev().for_each(|state| all.merge(state));
    all
}

#[test]
fn rows_that_repeat_become_one_each_however_they_come() {
    let mut random = crate::test_data::Random::new(7);
    let mut distinct = blobs(6, 3000, 2, 5);
    distinct[7][1] = f64::NAN;
    for (weighted, memory) in [(false, MEMORY), (true, MEMORY), (false, 0)] {
        let mut rows: Vec<(Vec<f64>, f64)> = (0..200_000)
            .map(|_| {
                let row = random.below(3000).min(random.below(3000));
                (distinct[row].clone(), [0.5, 3.0][row % 2])
            })
            .collect();
        let mut expected = std::collections::HashMap::new();
        for (row, weight) in &rows {
            let values: Vec<u64> = row.iter().map(|x| x.to_bits()).collect();
            let weight = if weighted { *weight } else { 1.0 };
            *expected.entry((values, weight.to_bits())).or_insert(0) += 1;
        }
        let mut expected: Vec<_> =
            expected.into_iter().map(|((row, weight), count)| (row, weight, count)).collect();
        expected.sort_unstable();
        for n_parts in [1, 2, 9] {
            let (values, weights): (Vec<Vec<f64>>, Vec<f64>) = rows.iter().cloned().unzip();
            let weights = weighted.then_some(weights.as_slice());
            let all = in_parts(&values, weights, true, memory, n_parts);
            assert!(all.held < 10_000, "{} rows are held", all.held);
            assert_eq!(all.rows(), 200_000);
            assert_eq!(counted(&all.within_memory()), expected);
            random.shuffle(&mut rows);
        }
        // Copies that come one after the other are found as well.
        rows.sort_by(|(x, _), (y, _)| x[0].total_cmp(&y[0]));
        let (values, weights): (Vec<Vec<f64>>, Vec<f64>) = rows.into_iter().unzip();
        let weights = weighted.then_some(weights.as_slice());
        let all = in_parts(&values, weights, true, memory, 3);
        assert_eq!(counted(&all.within_memory()), expected);
    }
}

#[test]
fn rows_that_stop_repeating_are_held_one_by_one() {
    let repeated = blobs(1, 500, 2, 3);
    let mut rows: Vec<Vec<f64>> = (0..140_000).map(|row| repeated[row % 500].clone()).collect();
    rows.extend(blobs(2, 400_000, 2, 3));
    let expected = {
        let mut rows: Vec<Vec<u64>> =
            rows.iter().map(|row| row.iter().map(|x| x.to_bits()).collect()).collect();
        rows.sort_unstable();
        rows
    };
    for n_parts in [1, 4] {
        let all = in_parts(&rows, None, false, MEMORY, n_parts).within_memory();
        assert_eq!(all.held, rows.len());
        let held = counted(&all);
        assert!(held.iter().all(|(_, _, count)| *count == 1));
        assert!(held.into_iter().map(|(row, _, _)| row).eq(expected.iter().cloned()));
        rows.reverse();
    }
}
