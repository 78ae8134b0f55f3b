//! A decision tree over labelled rows (L. Breiman and others, *Classification and Regression
//! Trees*, 1984): cuts of one feature at a time, each the one that lowers the Gini impurity most.
//!
//! The leaf whose best cut gains most is cut next, until there are enough leaves. Sums are whole
//! numbers, so the tree is a function of the set of rows.

use crate::rows::Observations;
use std::sync::Arc;

/// A node of a [`Tree`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Node {
    /// Rows whose value is at most `at` go to the node `low`, others and missing values to `high`.
    Cut {
        /// Index of the feature.
        feature: usize,
        /// Infinite where the cut parts values from missing ones.
        at: f64,
        /// The node of lower values.
        low: usize,
        /// The node of higher and missing values.
        high: usize,
    },
    /// The leaf of that number.
    Leaf(usize),
}

/// Cuts that lead from a row to a leaf.
#[derive(Clone, Debug, PartialEq)]
pub struct Tree {
    /// The root comes first.
    pub nodes: Vec<Node>,
}

impl Tree {
    /// The tree of at most `max_leaves` leaves over `rows`, whose last column is the label: a whole
    /// number from 0. Cuts have the fewest digits that part the values on both sides.
    pub fn fit(rows: Observations, max_leaves: usize) -> Self {
        let samples = Samples::new(rows.within_memory());
        let mut nodes = vec![Node::Leaf(0)];
        let mut open = vec![samples.part(0, samples.presorted())];
        let mut n_leaves = 1;
        while n_leaves < max_leaves {
            // The first of equal gains.
            let best = (0..open.len()).filter(|&i| open[i].best.is_some()).reduce(|a, b| {
                let gain = |i: usize| open[i].best.map_or(0.0, |split| split.gain);
                if gain(b) > gain(a) { b } else { a }
            });
            let Some(best) = best else { break };
            let Part { node, orders, best } = open.remove(best);
            let Split { feature, at, .. } = best.expect("parts without a cut were left out");
            let (low, high) = (nodes.len(), nodes.len() + 1);
            nodes[node] = Node::Cut { feature, at, low, high };
            nodes.extend([Node::Leaf(n_leaves - 1), Node::Leaf(n_leaves)]);
            let is_low = |&row: &u32| samples.columns[feature][row as usize] <= at;
            let (lows, highs) =
                orders.into_iter().map(|order| order.into_iter().partition(is_low)).unzip();
            open.extend([samples.part(low, lows), samples.part(high, highs)]);
            n_leaves += 1;
        }
        let mut leaf = 0;
        for node in &mut nodes {
            if let Node::Leaf(number) = node {
                *number = leaf;
                leaf += 1;
            }
        }
        Self { nodes }
    }

    /// The leaf of the row whose features `value` tells, NaN where one is missing.
    pub fn leaf(&self, value: impl Fn(usize) -> f64) -> usize {
        let mut node = 0;
        loop {
            match self.nodes[node] {
                Node::Leaf(leaf) => return leaf,
                Node::Cut { feature, at, low, high } => {
                    node = if value(feature) <= at { low } else { high };
                }
            }
        }
    }
}

/// Rows with labels and how many rows each stands for.
struct Samples {
    columns: Vec<Vec<f64>>,
    labels: Vec<usize>,
    counts: Vec<u64>,
    n_labels: usize,
}

/// A leaf that may be cut: its rows in the order of each feature, missing values last.
struct Part {
    node: usize,
    orders: Vec<Vec<u32>>,
    best: Option<Split>,
}

#[derive(Clone, Copy)]
struct Split {
    gain: f64,
    feature: usize,
    at: f64,
}

/// Rows by label, with the sum of their squares: what the Gini impurity is made of.
struct Tally {
    of_label: Vec<u64>,
    total: u64,
    squares: u128,
}

impl Tally {
    fn new(n_labels: usize) -> Self {
        Self { of_label: vec![0; n_labels], total: 0, squares: 0 }
    }

    fn add(&mut self, label: usize, count: u64) {
        let before = u128::from(self.of_label[label]);
        let count_wide = u128::from(count);
        self.squares += count_wide * (2 * before + count_wide);
        self.of_label[label] += count;
        self.total += count;
    }

    fn remove(&mut self, label: usize, count: u64) {
        self.of_label[label] -= count;
        self.total -= count;
        let after = u128::from(self.of_label[label]);
        let count = u128::from(count);
        self.squares -= count * (2 * after + count);
    }

    /// Rows less their Gini impurity.
    fn purity(&self) -> f64 {
        if self.total == 0 { 0.0 } else { self.squares as f64 / self.total as f64 }
    }
}

impl Samples {
    fn new(rows: Observations) -> Self {
        let n_features = rows.n_features() - 1;
        let blocks: Vec<Arc<_>> = rows.into_blocks();
        let column = |feature: usize| -> Vec<f64> {
            blocks.iter().flat_map(|block| block.column(feature)).copied().collect()
        };
        let labels: Vec<usize> = column(n_features).into_iter().map(|x| x as usize).collect();
        let counts =
            blocks.iter().flat_map(|block| (0..block.rows()).map(|row| block.count(row))).collect();
        Self {
            columns: (0..n_features).map(column).collect(),
            n_labels: labels.iter().max().map_or(0, |label| label + 1),
            labels,
            counts,
        }
    }

    fn presorted(&self) -> Vec<Vec<u32>> {
        let order = |column: &Vec<f64>| {
            let mut order: Vec<u32> = (0..column.len() as u32).collect();
            // NaN is positive here and comes last.
            order.sort_unstable_by(|&a, &b| column[a as usize].total_cmp(&column[b as usize]));
            order
        };
        self.columns.iter().map(order).collect()
    }

    fn part(&self, node: usize, orders: Vec<Vec<u32>>) -> Part {
        Part { node, best: self.best(&orders), orders }
    }

    /// The cut that gains most, the first of equals.
    fn best(&self, orders: &[Vec<u32>]) -> Option<Split> {
        /// What rounding makes of no gain.
        const ROUNDING: f64 = 1e-12;
        let mut best: Option<Split> = None;
        let labelled = |row: u32| (self.labels[row as usize], self.counts[row as usize]);
        let (mut low, mut high) = (Tally::new(self.n_labels), Tally::new(self.n_labels));
        for &row in orders.first()? {
            let (label, count) = labelled(row);
            high.add(label, count);
        }
        let base = high.purity();
        if high.squares == u128::from(high.total).pow(2) {
            return None;
        }
        for (feature, order) in orders.iter().enumerate() {
            let column = &self.columns[feature];
            let following = order.iter().skip(1).map(|&row| Some(column[row as usize]));
            for (&row, next) in order.iter().zip(following.chain([None])) {
                let (label, count) = labelled(row);
                low.add(label, count);
                high.remove(label, count);
                let x = column[row as usize];
                let Some(next) = next.filter(|&next| x != next && !x.is_nan()) else { continue };
                let gain = low.purity() + high.purity() - base;
                if gain > base * ROUNDING && best.is_none_or(|best| gain > best.gain) {
                    let at = if next.is_nan() { f64::INFINITY } else { between(x, next) };
                    best = Some(Split { gain, feature, at });
                }
            }
            // All rows are low now, and high again for the next feature.
            std::mem::swap(&mut low, &mut high);
        }
        best
    }
}

/// The number of fewest digits that is at least `low` and below `high`, the one nearest to their
/// middle among a few.
///
/// Where both are numbers of single precision, it parts them when it is rounded to that, too.
fn between(low: f64, high: f64) -> f64 {
    let is_single = |x: f64| f64::from(x as f32) == x;
    let single = is_single(low) && is_single(high);
    let parts = |x: f64| {
        let fits = |x: f64| low <= x && x < high;
        fits(x) && (!single || fits(f64::from(x as f32)))
    };
    let middle = low / 2.0 + high / 2.0;
    let greatest = low.abs().max(high.abs());
    let top = greatest.log10().floor() as i32 + 1;
    // 17 digits tell any two doubles apart.
    for exponent in (top - 18..=top).rev() {
        // Scaling by text rounds once.
        let scaled = |x: f64| format!("{x:e}").parse().map(|x: f64| x / 10_f64.powi(exponent));
        let Ok(digits) = scaled(middle) else { break };
        for digits in [digits.round(), digits.floor(), digits.ceil()] {
            let candidate = format!("{digits}e{exponent}").parse().unwrap_or(f64::NAN) + 0.0;
            if parts(candidate) {
                return candidate;
            }
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_data::{Random, observe_all};

    /// How many of the rows of `(features, label)` lie in a leaf of which most have their label.
    fn agreement(tree: &Tree, rows: &[Vec<f64>]) -> f64 {
        let n_labels = 16;
        let mut counts = vec![vec![0_u64; n_labels]; tree.nodes.len()];
        for row in rows {
            counts[tree.leaf(|feature| row[feature])][row[row.len() - 1] as usize] += 1;
        }
        let agreeing: u64 = counts.iter().filter_map(|counts| counts.iter().max()).sum();
        agreeing as f64 / rows.len() as f64
    }

    fn fit(rows: &[Vec<f64>], max_leaves: usize) -> Tree {
        Tree::fit(observe_all(rows), max_leaves)
    }

    #[test]
    fn a_cut_parts_labels_by_the_fewest_digits() {
        let rows = [[1.0, 0.0], [2.0, 0.0], [16.2, 1.0], [19.9, 1.0]].map(|row| row.to_vec());
        let tree = fit(&rows, 8);
        let cut = Node::Cut { feature: 0, at: 10.0, low: 1, high: 2 };
        assert_eq!(tree.nodes, [cut, Node::Leaf(0), Node::Leaf(1)]);
    }

    #[test]
    fn rows_of_one_label_or_without_differences_are_one_leaf() {
        let alike = [[1.0, 0.0], [2.0, 0.0]].map(|row| row.to_vec());
        assert_eq!(fit(&alike, 8).nodes, [Node::Leaf(0)]);
        let equal = [[1.0, 0.0], [1.0, 1.0]].map(|row| row.to_vec());
        assert_eq!(fit(&equal, 8).nodes, [Node::Leaf(0)]);
    }

    #[test]
    fn missing_values_are_parted_from_others_or_lie_above_them() {
        let nan = f64::NAN;
        let rows = [[1.0, 0.0], [2.0, 0.0], [nan, 1.0], [3.0, 0.0]].map(|row| row.to_vec());
        let cut = Node::Cut { feature: 0, at: f64::INFINITY, low: 1, high: 2 };
        assert_eq!(fit(&rows, 2).nodes[0], cut);
        let rows = [[1.0, 0.0], [2.0, 1.0], [nan, 1.0]].map(|row| row.to_vec());
        assert_eq!(fit(&rows, 2).leaf(|_| nan), fit(&rows, 2).leaf(|_| 2.0));
    }

    #[test]
    fn a_tree_ignores_the_order_of_rows_and_has_as_many_leaves_as_asked() {
        let mut random = Random::new(9);
        let mut rows: Vec<Vec<f64>> = (0..3000)
            .map(|_| {
                let (x, y) = (random.normal(), random.normal());
                vec![x, y, f64::from(u8::from(x > 0.3) + 2 * u8::from(y * y > 1.0 + x))]
            })
            .collect();
        let tree = fit(&rows, 8);
        let leaves = tree.nodes.iter().filter(|node| matches!(node, Node::Leaf(_))).count();
        assert_eq!(leaves, 8);
        assert!(agreement(&tree, &rows) > 0.9, "{}", agreement(&tree, &rows));
        assert!(agreement(&fit(&rows, 40), &rows) > 0.97);
        rows.reverse();
        assert_eq!(fit(&rows, 8), tree);
    }

    #[test]
    fn numbers_between_have_few_digits_and_part_what_they_lie_between() {
        assert_eq!(between(19.4, 20.7), 20.0);
        assert_eq!(between(119.6, 120.4), 120.0);
        assert_eq!(between(-3.0, 5.0), 0.0);
        assert_eq!(between(0.0011, 0.0013), 0.0012);
        let tenth = f64::from(0.1_f32);
        assert!(between(0.099_999_994, tenth) < tenth);
        let mut random = Random::new(2);
        for _ in 0..2000 {
            let size = 10_f64.powi(random.below(600) as i32 - 300);
            let low = random.normal() * size;
            for high in [low.next_up(), low + size * 1e-9, low + size, low.abs() * 3.0 + size] {
                if low < high {
                    let found = between(low, high);
                    assert!(low <= found && found < high, "{low:?} {found:?} {high:?}");
                }
            }
        }
    }
}
