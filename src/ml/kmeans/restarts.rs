//! The best start that a bounded amount of work finds: restarts, then swaps of single centroids.

use super::super::observations::mix;
use super::super::scaling::Points;
use super::super::threads::{map_parts, worth};
use super::init::{Cumulative, Draw, plus_plus, row_of};
use super::lloyd::{Limits, Prepared, Run};
use super::nearest::TwoNearest;

/// Products (of a row, a centroid and a feature) after which no further restart begins: about a second.
const MAX_RESTART_PRODUCTS: u64 = 1 << 32;
/// Products after which no further swap is tried: about a tenth of a second.
const MAX_SWAP_PRODUCTS: u64 = 1 << 28;

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
    /// Whether the shadows lead the runs.
    pub(super) is_rough: bool,
}

impl Search<'_> {
    /// The best of `n_init` runs from greedy k-means++ starts, improved by swaps.
    pub(super) fn best(&self, n_init: usize) -> Run {
        let best = self.restart(n_init);
        self.swap(best)
    }

    /// The same with further starts: the centroids of a run with one cluster less, and one more row. That run
    /// has done most of the search.
    pub(super) fn best_grown(&self, n_init: usize, fewer: &[f64]) -> Run {
        /// Rows that are tried.
        const DRAWS: usize = 2;
        let mut best = self.restart(n_init);
        let gaps = Gaps::of(self.points, fewer);
        let mut draw = Draw::new(mix(self.seed as u64) ^ 2);
        let mut starts: Vec<Vec<f64>> =
            (0..DRAWS).map(|_| [fewer, &row_of(self.points, draw.row(&gaps.cumulative))].concat()).collect();
        let runs = map_parts(&mut starts, self.n_threads, |starts| {
            starts.iter_mut().map(|start| self.lloyd(std::mem::take(start))).collect::<Vec<_>>()
        });
        for run in runs.into_iter().flatten() {
            if run.inertia < best.inertia {
                best = run;
            }
        }
        self.swap(best)
    }

    /// Lloyd's algorithm from some centroids on.
    fn lloyd(&self, centroids: Vec<f64>) -> Run {
        if self.is_rough {
            self.rows.rough_run(centroids, self.limits)
        } else {
            self.rows.run(centroids, self.limits)
        }
    }

    /// The run of least inertia, the first of equals. The first restart always takes place; which others do depends
    /// on the work of those before them and not on the threads.
    fn restart(&self, n_init: usize) -> Run {
        let mut best: Option<Run> = None;
        let mut products = 0;
        let mut restarts: Vec<usize> = (0..n_init).collect();
        // Enough at once to keep the threads busy, not so many that much would be thrown away.
        for wave in restarts.chunks_mut(self.wave()) {
            let n_threads = worth(wave.len() * self.expected_products() as usize, self.n_threads);
            let runs = map_parts(wave, n_threads, |restarts| {
                let (mut starts, mut runs): (Vec<Vec<f64>>, Vec<Run>) = (Vec::new(), Vec::new());
                for restart in restarts {
                    let start = plus_plus(self.points, self.n_clusters, self.seed, *restart);
                    // Few rows have few starts, and equal starts have equal runs.
                    let run = match starts.iter().position(|known| *known == start) {
                        Some(known) => runs[known].clone(),
                        None => self.lloyd(start.clone()),
                    };
                    starts.push(start);
                    runs.push(run);
                }
                runs
            });
            for run in runs.into_iter().flatten() {
                if products >= MAX_RESTART_PRODUCTS {
                    break;
                }
                products += self.products() * (u64::from(run.iterations) + plus_plus_passes(self.n_clusters));
                if best.as_ref().is_none_or(|best| run.inertia < best.inertia) {
                    best = Some(run);
                }
            }
            if products >= MAX_RESTART_PRODUCTS {
                break;
            }
        }
        best.expect("at least one restart")
    }

    /// Restarts that are begun together.
    fn wave(&self) -> usize {
        if self.expected_products() * 4 * self.n_threads as u64 > MAX_RESTART_PRODUCTS {
            self.n_threads
        } else {
            usize::MAX
        }
    }

    /// Products that a restart is likely to take.
    fn expected_products(&self) -> u64 {
        self.products() * (20 + plus_plus_passes(self.n_clusters))
    }

    /// Products of one pass over the points.
    fn products(&self) -> u64 {
        (self.points.len() * self.n_clusters * self.points.n_features) as u64
    }

    /// Moves single centroids to rows far from all of them, as long as that helps: what Lloyd's algorithm cannot do.
    /// The centroids that cost least to lose are tried first; the rows are drawn as k-means++ draws them.
    fn swap(&self, start: Run) -> Run {
        let mut best = start;
        if self.n_clusters < 2 || best.inertia == 0.0 {
            return best;
        }
        let n_features = self.points.n_features;
        let mut draw = Draw::new(mix(self.seed as u64) ^ 1);
        let mut products = 0;
        let wanted = if self.is_whole { 20 + 2 * self.n_clusters } else { self.n_clusters };
        let max_failures = wanted.min(self.points.len() / 4);
        let mut n_failures = 0;
        let mut gaps = Gaps::of(self.points, &best.centroids);
        while n_failures < max_failures && products < MAX_SWAP_PRODUCTS {
            let row = draw.row(&gaps.cumulative);
            let lost = gaps.cheapest[n_failures % self.n_clusters];
            let mut centroids = best.centroids.clone();
            centroids.splice(lost * n_features..(lost + 1) * n_features, row_of(self.points, row));
            let run = self.lloyd(centroids);
            products += self.products() * (2 + u64::from(run.iterations));
            if run.inertia < best.inertia {
                best = run;
                gaps = Gaps::of(self.points, &best.centroids);
                n_failures = 0;
            } else {
                n_failures += 1;
            }
        }
        best
    }
}

/// Passes over the points that greedy k-means++ costs, in those of Lloyd's algorithm.
fn plus_plus_passes(n_clusters: usize) -> u64 {
    2 + (n_clusters as f64).ln() as u64
}

/// What a swap goes by.
struct Gaps {
    /// Weighted squared distances to the nearest centroid.
    cumulative: Cumulative,
    /// Clusters in the order of what the loss of their centroids costs.
    cheapest: Vec<usize>,
}

impl Gaps {
    fn of(points: &Points, centroids: &[f64]) -> Self {
        let n_clusters = centroids.len() / points.n_features;
        let mut costs = vec![0.0; n_clusters];
        let mut steps = Vec::with_capacity(points.len());
        let mut nearest = TwoNearest::default();
        for tile in points.tiles() {
            nearest.search(&tile, centroids);
            for row in 0..tile.rows() {
                let weight = tile.weight(row);
                costs[nearest.labels[row] as usize] += weight * (nearest.second[row] - nearest.first[row]);
                steps.push(weight * nearest.first[row]);
            }
        }
        let mut cheapest: Vec<usize> = (0..n_clusters).collect();
        cheapest.sort_by(|&x, &y| costs[x].total_cmp(&costs[y]));
        Self { cumulative: Cumulative::of(steps), cheapest }
    }
}
