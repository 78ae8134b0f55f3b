//! Lloyd's algorithm with exact centroid sums, which only rows that change their cluster update.

use super::super::exact_sum::ExactSum;
use super::super::observations::Block;
use super::super::scaling::Points;
use super::super::threads::map_parts;

/// Rows whose distances are computed together, so that they fill vector registers.
const LANES: usize = 8;
/// Distances times features below which a further thread costs more than it saves.
const WORK_PER_THREAD: usize = 1 << 17;
const UNASSIGNED: u32 = u32::MAX;

/// What a run ends with.
pub(super) struct Run {
    /// `n_clusters` centroids, one after the other.
    pub(super) centroids: Vec<f64>,
    /// Rows of each cluster.
    pub(super) sizes: Vec<u64>,
    pub(super) inertia: f64,
    pub(super) iterations: u32,
    pub(super) converged: bool,
}

/// Lloyd's algorithm from `centroids` on, as scikit-learn runs it: it ends when no label changes, when the squared
/// shift of all centroids is at most `tolerance`, or after `max_iter` iterations. Labels, sizes and inertia
/// belong to the last centroids.
pub(super) fn run(
    points: &Points,
    centroids: Vec<f64>,
    max_iter: usize,
    tolerance: f64,
    n_threads: usize,
) -> Run {
    let n_threads = n_threads.min(points.len() * centroids.len() / WORK_PER_THREAD).max(1);
    let mut state = State::new(points, centroids, n_threads);
    let mut converged = false;
    let mut is_assigned = false;
    let mut iterations = 0;
    while iterations < max_iter && !converged {
        iterations += 1;
        if !state.assign() {
            (converged, is_assigned) = (true, true);
        } else {
            state.relocate_empty();
            converged = state.update() <= tolerance;
        }
    }
    if !is_assigned {
        state.assign();
    }
    let sizes = (0..state.n_clusters()).map(|cluster| state.size(cluster)).collect();
    Run {
        sizes,
        inertia: state.inertia(),
        centroids: state.centroids,
        iterations: iterations as u32,
        converged,
    }
}

/// Index of the nearest centroid of each row of `columns` and its squared distance; of two at the same distance
/// the lower one. Fit and predict share it, so their labels agree.
pub(super) fn nearest(columns: &[&[f64]], centroids: &[f64], labels: &mut [u32], distances: &mut [f64]) {
    let full = labels.len() / LANES * LANES;
    let (full_labels, rest_labels) = labels.split_at_mut(full);
    let (full_distances, rest_distances) = distances.split_at_mut(full);
    let lanes = full_labels.chunks_exact_mut(LANES).zip(full_distances.chunks_exact_mut(LANES));
    for (i, (labels, distances)) in lanes.enumerate() {
        let load = |column: &[f64]| -> [f64; LANES] {
            *column[i * LANES..].first_chunk().expect("as many values as labels")
        };
        nearest_lanes(columns, centroids, load, labels, distances);
    }
    if !rest_labels.is_empty() {
        let load = |column: &[f64]| {
            let mut x = [0.0; LANES];
            x[..rest_labels.len()].copy_from_slice(&column[full..full + rest_distances.len()]);
            x
        };
        let (mut labels, mut distances) = ([0; LANES], [0.0; LANES]);
        nearest_lanes(columns, centroids, load, &mut labels, &mut distances);
        rest_labels.copy_from_slice(&labels[..rest_distances.len()]);
        rest_distances.copy_from_slice(&distances[..rest_labels.len()]);
    }
}

#[inline(always)]
fn nearest_lanes(
    columns: &[&[f64]],
    centroids: &[f64],
    load: impl Fn(&[f64]) -> [f64; LANES],
    labels: &mut [u32],
    distances: &mut [f64],
) {
    let mut best = [f64::INFINITY; LANES];
    // Labels as doubles share the mask of the comparison.
    let mut best_label = [0.0; LANES];
    for (cluster, centroid) in centroids.chunks_exact(columns.len()).enumerate() {
        let mut squares = [0.0; LANES];
        for (column, &c) in columns.iter().zip(centroid) {
            let x = load(column);
            for lane in 0..LANES {
                squares[lane] += (x[lane] - c) * (x[lane] - c);
            }
        }
        let label = cluster as f64;
        for lane in 0..LANES {
            let closer = squares[lane] < best[lane];
            best[lane] = if closer { squares[lane] } else { best[lane] };
            best_label[lane] = if closer { label } else { best_label[lane] };
        }
    }
    for lane in 0..LANES {
        labels[lane] = best_label[lane] as u32;
        distances[lane] = best[lane];
    }
}

/// Labels of a block's rows and their squared distances.
struct BlockLabels<'a> {
    block: &'a Block,
    labels: Vec<u32>,
    distances: Vec<f64>,
}

/// The sums over the rows of a cluster.
#[derive(Clone)]
struct ClusterSum {
    features: Vec<ExactSum>,
    weight: ExactSum,
    size: u64,
}

impl ClusterSum {
    /// Adds a row, or takes it away (`sign` of -1).
    fn add(&mut self, block: &Block, row: usize, sign: f64) {
        if block.weights.is_empty() {
            self.features.iter_mut().zip(block.row(row)).for_each(|(sum, x)| sum.add(sign * x));
            self.weight.add(sign);
        } else {
            let weight = sign * block.weight(row);
            self.features.iter_mut().zip(block.row(row)).for_each(|(sum, x)| sum.add_product(x, weight));
            self.weight.add(weight);
        }
        if sign < 0.0 {
            self.size -= block.count(row);
        } else {
            self.size += block.count(row);
        }
    }
}

/// The blocks of one thread and their sums.
struct Part<'a> {
    blocks: Vec<BlockLabels<'a>>,
    sums: Vec<ClusterSum>,
}

impl Part<'_> {
    /// Labels the rows anew; whether a label changed.
    fn assign(&mut self, centroids: &[f64]) -> bool {
        let mut changed = false;
        let mut labels = Vec::new();
        for BlockLabels { block, labels: old_labels, distances } in &mut self.blocks {
            labels.clear();
            labels.resize(block.rows(), 0);
            nearest(&block.columns(), centroids, &mut labels, distances);
            for (row, (old, &new)) in old_labels.iter_mut().zip(&labels).enumerate() {
                if *old != new {
                    changed = true;
                    if *old != UNASSIGNED {
                        self.sums[*old as usize].add(block, row, -1.0);
                    }
                    self.sums[new as usize].add(block, row, 1.0);
                    *old = new;
                }
            }
        }
        changed
    }
}

struct State<'a> {
    n_features: usize,
    centroids: Vec<f64>,
    parts: Vec<Part<'a>>,
}

impl<'a> State<'a> {
    fn new(points: &'a Points, centroids: Vec<f64>, n_threads: usize) -> Self {
        let n_features = points.n_features;
        let n_clusters = centroids.len() / n_features;
        let empty =
            ClusterSum { features: vec![ExactSum::new(); n_features], weight: ExactSum::new(), size: 0 };
        let part = |blocks: &'a [Block]| {
            let unlabelled = |block: &'a Block| BlockLabels {
                block,
                labels: vec![UNASSIGNED; block.rows()],
                distances: vec![0.0; block.rows()],
            };
            Part { blocks: blocks.iter().map(unlabelled).collect(), sums: vec![empty.clone(); n_clusters] }
        };
        let parts = points.blocks.chunks(points.blocks.len().div_ceil(n_threads)).map(part).collect();
        Self { n_features, centroids, parts }
    }

    fn n_clusters(&self) -> usize {
        self.centroids.len() / self.n_features
    }

    fn size(&self, cluster: usize) -> u64 {
        self.parts.iter().map(|part| part.sums[cluster].size).sum()
    }

    /// Labels all rows; whether a label changed.
    fn assign(&mut self) -> bool {
        let (centroids, n_threads) = (&self.centroids, self.parts.len());
        let assign =
            |parts: &mut [Part]| parts.iter_mut().fold(false, |any, part| part.assign(centroids) | any);
        map_parts(&mut self.parts, n_threads, assign).contains(&true)
    }

    /// Gives each empty cluster the row that is farthest from its centroid, with all rows equal to it. Of rows at
    /// the same distance the one of least content is taken, wherever it lies.
    fn relocate_empty(&mut self) {
        while let Some(empty) = (0..self.n_clusters()).find(|&cluster| self.size(cluster) == 0) {
            let Some(farthest) = self.farthest_row() else {
                return;
            };
            for part in &mut self.parts {
                for BlockLabels { block, labels, distances } in &mut part.blocks {
                    for row in (0..block.rows()).filter(|&row| block.row(row).eq(farthest.iter().copied())) {
                        part.sums[labels[row] as usize].add(block, row, -1.0);
                        part.sums[empty].add(block, row, 1.0);
                        (labels[row], distances[row]) = (empty as u32, 0.0);
                    }
                }
            }
        }
    }

    /// The row at the greatest distance from its centroid; `None` where all are 0.
    fn farthest_row(&self) -> Option<Vec<f64>> {
        let mut farthest: Option<(f64, &Block, usize)> = None;
        for BlockLabels { block, distances, .. } in self.parts.iter().flat_map(|part| &part.blocks) {
            for (row, &distance) in distances.iter().enumerate().filter(|&(_, &distance)| distance > 0.0) {
                let is_farther = farthest.is_none_or(|(greatest, other, other_row)| {
                    distance > greatest || distance == greatest && block.row(row).lt(other.row(other_row))
                });
                if is_farther {
                    farthest = Some((distance, block, row));
                }
            }
        }
        farthest.map(|(_, block, row)| block.row(row).collect())
    }

    /// Moves the centroids to the means of their rows; the squared shift of all. The centroid of a cluster
    /// without rows stays.
    fn update(&mut self) -> f64 {
        let mut shift = 0.0;
        for cluster in 0..self.n_clusters() {
            if self.size(cluster) == 0 {
                continue;
            }
            let total = |sum: &dyn Fn(&'_ ClusterSum) -> &'_ ExactSum| {
                let mut total = ExactSum::new();
                self.parts.iter().for_each(|part| total.merge(sum(&part.sums[cluster])));
                total
            };
            let weight = total(&|sum| &sum.weight).round();
            let start = cluster * self.n_features;
            for feature in 0..self.n_features {
                let mean = total(&|sum| &sum.features[feature]).quotient(weight) + 0.0;
                let centroid = &mut self.centroids[start + feature];
                shift += (mean - *centroid).powi(2);
                *centroid = mean;
            }
        }
        shift
    }

    fn inertia(&self) -> f64 {
        let mut inertia = ExactSum::new();
        for BlockLabels { block, distances, .. } in self.parts.iter().flat_map(|part| &part.blocks) {
            if block.weights.is_empty() {
                distances.iter().for_each(|&distance| inertia.add(distance));
            } else {
                distances.iter().zip(&block.weights).for_each(|(&x, &weight)| inertia.add_product(x, weight));
            }
        }
        inertia.round()
    }
}
