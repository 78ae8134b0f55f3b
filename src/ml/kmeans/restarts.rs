//! The best start that a bounded amount of work finds: restarts, then swaps of single centroids.

use super::lloyd::{Attempt, Limits, Prepared};
use super::nearest::NearestTwo;
use super::seeding::{Cumulative, Draw, distances_to, plus_plus, row_of};
use crate::rows::mix;
use crate::scaling::Points;
use crate::threads::{map_parts, worth};

/// Products (of a row, a centroid and a feature) that restarts may take: a few tenths of a second.
const MAX_RESTART_PRODUCTS: u64 = 1 << 32;
/// Products after which no further swap is tried: about a tenth of a second.
const MAX_SWAP_PRODUCTS: u64 = 1 << 30;
/// Products of the passes of trials that are made in any case, on all rows and on a sample.
const CHEAP_TRIALS: u64 = 1 << 20;
const CHEAP_SAMPLE_TRIALS: u64 = 1 << 22;
/// Iterations after which half of the restarts are given up; further ones after which half of the
/// rest are, and so on.
const HALVING_ROUNDS: [usize; 3] = [5, 10, 20];
/// Rows that a round of swaps looks at: the same for any number of threads.
const DRAWS: usize = 8;

/// Where a search takes place.
pub(super) struct Search<'a> {
    /// Distinct rows in canonical order, so that a draw is a function of their set; scaled.
    pub(super) points: &'a Points,
    pub(super) rows: &'a Prepared<'a>,
    /// Whether they are all: then no run over further rows evens out what the search has missed.
    pub(super) is_whole: bool,
    pub(super) n_clusters: usize,
    pub(super) seed: i64,
    pub(super) n_threads: usize,
    pub(super) limits: Limits,
    /// Whether sums in single precision lead the runs.
    pub(super) in_single_precision: bool,
}

impl<'a> Search<'a> {
    /// The best of `n_init` runs from greedy k-means++ starts, improved by swaps.
    pub(super) fn best(&self, n_init: usize) -> Attempt<'a, 'a> {
        let best = self.restart(n_init, Vec::new());
        self.swap(best)
    }

    /// The same with further starts: the centroids of a run with one cluster less, and one more
    /// row. That run has done most of the search.
    pub(super) fn best_grown(&self, n_init: usize, fewer: &[f64]) -> Attempt<'a, 'a> {
        /// Rows that are tried.
        const ROWS: usize = 2;
        let costs = SwapCosts::of(self.points, fewer);
        let mut draw = Draw::new(mix(self.seed as u64) ^ 2);
        let grown =
            (0..ROWS).map(|_| [fewer, &row_of(self.points, draw.row(&costs.cumulative))].concat());
        let best = self.restart(n_init, grown.collect());
        self.swap(best)
    }

    /// Goes on with some runs in parallel, each for at most `max_iter` iterations. A run is given
    /// up where it will not come below the inertia `rival`.
    fn go_on(&self, attempts: &mut [Attempt<'a, 'a>], max_iter: usize, rival: f64) {
        let limits = Limits { max_iter: max_iter.min(self.limits.max_iter), ..self.limits };
        let n_threads = worth(attempts.len() * 10 * self.products() as usize, self.n_threads);
        map_parts(attempts, n_threads, |attempts| {
            attempts.iter_mut().for_each(|attempt| attempt.go_on(limits, rival));
        });
    }

    /// The run of least inertia, the first of equals, from `n_init` drawn starts and those given.
    /// On a sample, those that lag behind after a few iterations are given up.
    fn restart(&self, n_init: usize, given: Vec<Vec<f64>>) -> Attempt<'a, 'a> {
        let affordable = (MAX_RESTART_PRODUCTS / self.expected_products()).max(1);
        let mut restarts: Vec<usize> = (0..n_init.min(affordable as usize)).collect();
        let n_threads = worth(restarts.len() * self.expected_products() as usize, self.n_threads);
        let parts = map_parts(&mut restarts, n_threads, |restarts| {
            let start =
                |restart: &usize| plus_plus(self.points, self.n_clusters, self.seed, *restart);
            restarts.iter().map(start).collect::<Vec<Vec<f64>>>()
        });
        let mut starts = given;
        for start in parts.into_iter().flatten() {
            // Few rows have few starts, and equal starts have equal runs.
            if !starts.contains(&start) {
                starts.push(start);
            }
        }
        let start = |start| self.rows.attempt(start, self.in_single_precision);
        let mut attempts: Vec<Attempt> = starts.into_iter().map(start).collect();
        let mut iterations = 0;
        for n_iterations in HALVING_ROUNDS {
            if attempts.len() <= 2 || self.is_whole || !self.in_single_precision {
                break;
            }
            self.go_on(&mut attempts, n_iterations, f64::INFINITY);
            iterations += n_iterations;
            attempts.sort_by(|x, y| x.inertia.total_cmp(&y.inertia));
            attempts.truncate(attempts.len().div_ceil(2));
        }
        let left = self.limits.max_iter.saturating_sub(iterations).max(1);
        self.go_on(&mut attempts, left, f64::INFINITY);
        let best = attempts.into_iter().min_by(|x, y| x.inertia.total_cmp(&y.inertia));
        best.expect("at least one restart")
    }

    /// Products that a restart is likely to take.
    fn expected_products(&self) -> u64 {
        self.products() * (20 + plus_plus_passes(self.n_clusters))
    }

    /// Products of one pass over the points.
    fn products(&self) -> u64 {
        (self.points.len() * self.n_clusters * self.points.n_features) as u64
    }

    /// Moves single centroids to rows far from all of them, as long as that helps: what Lloyd's
    /// algorithm cannot do. Rows are drawn as k-means++ draws them. A round tries two swaps: that
    /// which costs least before any centroid has moved, and, as the best one is not always among
    /// these, one of each centroid in turn.
    fn swap(&self, start: Attempt<'a, 'a>) -> Attempt<'a, 'a> {
        let mut best = start;
        if self.n_clusters < 2 || best.inertia == 0.0 {
            return best;
        }
        let mut draw = Draw::new(mix(self.seed as u64) ^ 1);
        let mut products = 0;
        let wanted = if self.is_whole {
            // Few rows have many bad ends, and trials cost next to nothing.
            20 + 2 * self.n_clusters + (CHEAP_TRIALS / self.products()).min(200) as usize
        } else {
            4 + self.n_clusters / 2 + (CHEAP_SAMPLE_TRIALS / self.products()) as usize
        };
        // Of few rows there are few pairs.
        let n = self.points.len();
        let max_failures = wanted.min((n / 4).max(n * n / 100));
        let mut n_failures = 0;
        let mut costs = SwapCosts::of(self.points, best.centroids());
        // Since the last success: swaps in turn, and all that failed.
        let (mut turn, mut tried) = (0, Vec::new());
        while n_failures < max_failures && products < MAX_SWAP_PRODUCTS {
            let mut rows: Vec<usize> = (0..DRAWS).map(|_| draw.row(&costs.cumulative)).collect();
            let n_threads =
                worth(rows.len() * self.points.len() * self.points.n_features, self.n_threads);
            let parts = map_parts(&mut rows, n_threads, |rows| {
                rows.iter().map(|&row| costs.swap(self.points, row)).collect::<Vec<Swap>>()
            });
            let swaps = parts
                .into_iter()
                .flatten()
                .filter(|swap| !tried.contains(&(swap.row, swap.removed)));
            let in_turn =
                Swap { row: rows[0], removed: costs.cheapest[turn % self.n_clusters], change: 0.0 };
            turn += 1;
            let mut chosen = vec![in_turn];
            chosen.extend(swaps.min_by(|x, y| x.change.total_cmp(&y.change)));
            tried.extend(chosen.iter().map(|swap| (swap.row, swap.removed)));
            // From the labels of the best, of which a swap changes few.
            let start =
                |swap: &Swap| best.with_centroids(swap.centroids(self.points, best.centroids()));
            let mut attempts: Vec<Attempt> = chosen.iter().map(start).collect();
            self.go_on(&mut attempts, usize::MAX, best.inertia);
            let passes: u64 =
                attempts.iter().map(|attempt| 2 + u64::from(attempt.iterations)).sum();
            products += self.products() * passes
                + (DRAWS * self.points.len() * self.points.n_features) as u64;
            n_failures += attempts.len();
            for attempt in attempts {
                if attempt.inertia < best.inertia {
                    best = attempt;
                    n_failures = 0;
                }
            }
            if n_failures == 0 {
                costs = SwapCosts::of(self.points, best.centroids());
                (turn, tried) = (0, Vec::new());
            }
        }
        best
    }
}

/// Passes over the points that greedy k-means++ costs, in those of Lloyd's algorithm.
fn plus_plus_passes(n_clusters: usize) -> u64 {
    2 + (n_clusters as f64).ln() as u64
}

/// A centroid moved to a row.
struct Swap {
    row: usize,
    /// The cluster whose centroid moves.
    removed: usize,
    /// What the inertia changes by, before any other centroid moves.
    change: f64,
}

impl Swap {
    fn centroids(&self, points: &Points, centroids: &[f64]) -> Vec<f64> {
        let n_features = points.n_features;
        let mut centroids = centroids.to_vec();
        centroids.splice(
            self.removed * n_features..(self.removed + 1) * n_features,
            row_of(points, self.row),
        );
        centroids
    }
}

/// What swaps cost: from the two nearest centroids of each row.
struct SwapCosts {
    /// Weighted squared distances to the nearest centroid.
    cumulative: Cumulative,
    labels: Vec<u32>,
    /// Squared distances.
    first: Vec<f64>,
    second: Vec<f64>,
    /// Clusters in the order of what it costs to remove their centroids.
    cheapest: Vec<usize>,
}

impl SwapCosts {
    fn of(points: &Points, centroids: &[f64]) -> Self {
        let (mut labels, mut first, mut second) = (Vec::new(), Vec::new(), Vec::new());
        let mut steps = Vec::with_capacity(points.len());
        let mut costs = vec![0.0; centroids.len() / points.n_features];
        let mut nearest = NearestTwo::default();
        for tile in points.tiles() {
            nearest.search(&tile, centroids);
            for row in 0..tile.rows() {
                let weight = tile.weight(row);
                costs[nearest.labels[row] as usize] +=
                    weight * (nearest.second[row] - nearest.first[row]);
                steps.push(weight * nearest.first[row]);
            }
            labels.extend_from_slice(&nearest.labels);
            first.extend_from_slice(&nearest.first);
            second.extend_from_slice(&nearest.second);
        }
        let mut cheapest: Vec<usize> = (0..costs.len()).collect();
        cheapest.sort_by(|&x, &y| costs[x].total_cmp(&costs[y]));
        Self { cumulative: Cumulative::of(steps), labels, first, second, cheapest }
    }

    /// The best swap that moves a centroid of another cluster to `row` (S. Lattanzi, C. Sohler, "A
    /// better k-means++ algorithm via local search", 2019).
    fn swap(&self, points: &Points, row: usize) -> Swap {
        let center = row_of(points, row);
        let mut gain = 0.0;
        let mut losses = vec![0.0; self.cheapest.len()];
        let mut distances = Vec::new();
        let mut start = 0;
        for tile in points.tiles() {
            distances_to(&tile, &center, &mut distances);
            for (i, &distance) in distances.iter().enumerate() {
                let (first, second) = (self.first[start + i], self.second[start + i]);
                let weight = tile.weight(i);
                let with = if distance < first { distance } else { first };
                let without = if distance < second { distance } else { second };
                gain += weight * (first - with);
                losses[self.labels[start + i] as usize] += weight * (without - with);
            }
            start += tile.rows();
        }
        let own = self.labels[row] as usize;
        let others = (0..losses.len()).filter(|&cluster| cluster != own);
        let removed = others.min_by(|&x, &y| losses[x].total_cmp(&losses[y])).unwrap_or(own);
        Swap { row, removed, change: losses[removed] - gain }
    }
}
