//! Lloyd's algorithm with exact centroid sums, which only rows that change their cluster update.

use super::super::exact_sum::ExactSum;
use super::super::observations::Block;
use super::super::scaling::Points;
use super::super::threads::map_parts;
use super::nearest::{Frame, Search, Shadow, own_distances};
use super::sums::{Arithmetic, ClusterSums, Move};

/// Distances times features below which a further thread costs more than it saves.
const WORK_PER_THREAD: usize = 1 << 20;
/// Labels that are compared at once: late iterations change few.
const RUN: usize = 16;

/// What a run ends with.
#[derive(Clone)]
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
    rows: &Prepared,
    centroids: Vec<f64>,
    max_iter: usize,
    tolerance: f64,
    n_threads: usize,
) -> Run {
    let n_threads = n_threads.min(rows.len() * centroids.len() / WORK_PER_THREAD).max(1);
    let mut state = State::new(rows, centroids, n_threads);
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

/// Rows as Lloyd's algorithm reads them: in single precision beside the doubles, with what exact sums need.
pub(super) struct Prepared<'a> {
    n_features: usize,
    blocks: Vec<(&'a Block, Shadow)>,
    frame: Frame,
    arithmetic: Arithmetic,
}

impl<'a> Prepared<'a> {
    pub(super) fn new(points: &'a Points, n_threads: usize) -> Self {
        let frame = Frame::new(&points.extents);
        let mut blocks: Vec<&Block> = points.blocks.iter().collect();
        let prepare = |blocks: &mut [&'a Block]| -> Vec<(&'a Block, Shadow)> {
            blocks.iter().map(|block| (*block, Shadow::new(block, &frame))).collect()
        };
        let blocks = map_parts(&mut blocks, n_threads, prepare).into_iter().flatten().collect();
        Self { n_features: points.n_features, blocks, arithmetic: Arithmetic::of(points), frame }
    }

    /// Rows.
    pub(super) fn len(&self) -> usize {
        self.blocks.iter().map(|(block, _)| block.rows()).sum()
    }
}

/// Labels of a block's rows; the number of clusters where there is none yet.
struct BlockLabels<'a> {
    block: &'a Block,
    shadow: &'a Shadow,
    labels: Vec<u32>,
}

/// The blocks of one thread and their sums.
struct Part<'a> {
    blocks: Vec<BlockLabels<'a>>,
    sums: ClusterSums,
}

impl Part<'_> {
    /// Labels the rows anew; whether a label changed.
    fn assign(&mut self, search: &Search, arithmetic: &Arithmetic) -> bool {
        let mut changed = false;
        let (mut labels, mut moves) = (Vec::new(), Vec::new());
        for BlockLabels { block, shadow, labels: old_labels } in &mut self.blocks {
            search.labels(block, shadow, &mut labels);
            moves.clear();
            let runs = old_labels.chunks(RUN).zip(labels.chunks(RUN)).enumerate();
            for (run, (old, new)) in runs.filter(|(_, (old, new))| old != new) {
                let rows = (run * RUN) as u32..;
                let pairs = rows.zip(old.iter().zip(new)).filter(|(_, (old, new))| old != new);
                moves.extend(pairs.map(|(row, (&from, &to))| Move { row, from, to }));
            }
            self.sums.apply(arithmetic, block, &moves);
            changed |= !moves.is_empty();
            std::mem::swap(old_labels, &mut labels);
        }
        changed
    }
}

struct State<'a> {
    rows: &'a Prepared<'a>,
    centroids: Vec<f64>,
    parts: Vec<Part<'a>>,
}

impl<'a> State<'a> {
    fn new(rows: &'a Prepared<'a>, centroids: Vec<f64>, n_threads: usize) -> Self {
        let n_clusters = centroids.len() / rows.n_features;
        let part = |blocks: &'a [(&'a Block, Shadow)]| Part {
            blocks: blocks
                .iter()
                .map(|(block, shadow)| BlockLabels {
                    block,
                    shadow,
                    labels: vec![n_clusters as u32; block.rows()],
                })
                .collect(),
            sums: ClusterSums::new(n_clusters, rows.n_features),
        };
        let parts = rows.blocks.chunks(rows.blocks.len().div_ceil(n_threads)).map(part).collect();
        Self { rows, centroids, parts }
    }

    fn n_clusters(&self) -> usize {
        self.centroids.len() / self.rows.n_features
    }

    fn size(&self, cluster: usize) -> u64 {
        self.parts.iter().map(|part| part.sums.size(cluster)).sum()
    }

    /// Labels all rows; whether a label changed.
    fn assign(&mut self) -> bool {
        let search = Search::new(&self.centroids, &self.rows.frame);
        let (arithmetic, n_threads) = (&self.rows.arithmetic, self.parts.len());
        let assign = |parts: &mut [Part]| {
            parts.iter_mut().fold(false, |any, part| part.assign(&search, arithmetic) | any)
        };
        map_parts(&mut self.parts, n_threads, assign).contains(&true)
    }

    /// Gives each empty cluster the row that is farthest from its centroid, with all rows equal to it. Of rows at
    /// the same distance the one of least content is taken, wherever it lies.
    fn relocate_empty(&mut self) {
        if (0..self.n_clusters()).all(|cluster| self.size(cluster) > 0) {
            return;
        }
        let mut distances = self.distances();
        while let Some(empty) = (0..self.n_clusters()).find(|&cluster| self.size(cluster) == 0) {
            let Some(farthest) = self.farthest_row(&distances) else {
                return;
            };
            let arithmetic = &self.rows.arithmetic;
            let mut distances = distances.iter_mut();
            for Part { blocks, sums } in &mut self.parts {
                for (BlockLabels { block, labels, .. }, distances) in blocks.iter_mut().zip(&mut distances) {
                    for row in (0..block.rows()).filter(|&row| block.row(row).eq(farthest.iter().copied())) {
                        let moved = Move { row: row as u32, from: labels[row], to: empty as u32 };
                        sums.apply(arithmetic, block, &[moved]);
                        (labels[row], distances[row]) = (empty as u32, 0.0);
                    }
                }
            }
        }
    }

    /// The squared distances of all rows to their centroids, block by block.
    fn distances(&self) -> Vec<Vec<f64>> {
        let blocks = self.parts.iter().flat_map(|part| &part.blocks);
        blocks
            .map(|BlockLabels { block, labels, .. }| {
                let mut distances = Vec::new();
                own_distances(block, &self.centroids, labels, &mut distances);
                distances
            })
            .collect()
    }

    /// The row at the greatest distance from its centroid; `None` where all are 0.
    fn farthest_row(&self, distances: &[Vec<f64>]) -> Option<Vec<f64>> {
        let mut farthest: Option<(f64, &Block, usize)> = None;
        let blocks = self.parts.iter().flat_map(|part| &part.blocks);
        for (BlockLabels { block, .. }, distances) in blocks.zip(distances) {
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
        let n_features = self.rows.n_features;
        let sums: Vec<&ClusterSums> = self.parts.iter().map(|part| &part.sums).collect();
        let mut shift = 0.0;
        let mut means = vec![0.0; n_features];
        for (cluster, centroid) in self.centroids.chunks_exact_mut(n_features).enumerate() {
            if sums.iter().all(|sums| sums.size(cluster) == 0) {
                continue;
            }
            ClusterSums::means(&sums, &self.rows.arithmetic, cluster, &mut means);
            for (c, mean) in centroid.iter_mut().zip(&means) {
                shift += (mean - *c).powi(2);
                *c = *mean;
            }
        }
        shift
    }

    fn inertia(&mut self) -> f64 {
        let (centroids, n_threads) = (&self.centroids, self.parts.len());
        let inertia = |parts: &mut [Part]| {
            let mut inertia = ExactSum::new();
            let mut distances = Vec::new();
            for BlockLabels { block, labels, .. } in parts.iter().flat_map(|part| &part.blocks) {
                own_distances(block, centroids, labels, &mut distances);
                if block.weights.is_empty() {
                    inertia.add_all(&distances);
                } else {
                    distances
                        .iter()
                        .zip(&block.weights)
                        .for_each(|(&x, &weight)| inertia.add_product(x, weight));
                }
            }
            inertia
        };
        let parts = map_parts(&mut self.parts, n_threads, inertia);
        let mut inertia = ExactSum::new();
        parts.iter().for_each(|part| inertia.merge(part));
        inertia.round()
    }
}
