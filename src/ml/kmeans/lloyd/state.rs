//! A run of Lloyd's algorithm: labels, means, and what ends it.

use super::super::nearest::{Search, own_distances};
use super::super::sums::{ClusterSums, SingleSums};
use super::part::Part;
use super::singles::Singles;
use super::{Lead, Limits, Prepared, Run};
use crate::exact_sum::ExactSum;
use crate::rows::{Block, Tile};
use crate::threads::map_parts;
use std::sync::Arc;

/// The share of the inertia in the variance of the rows from which on a difference of both is exact
/// enough.
const MIN_SHARE: f64 = 1e-4;
/// How many times what an iteration gained the later ones may gain, where a run has a rival.
const MAX_LATER_GAIN: f64 = 10.0;

#[derive(Clone)]
pub(super) struct State<'p, 'a> {
    pub(super) rows: &'p Prepared<'a>,
    pub(super) centroids: Vec<f64>,
    pub(super) parts: Vec<Part<'a>>,
    pub(super) lead: Lead,
    /// Weight of each cluster in the exact sums, and its means, under [`Lead::Both`].
    pub(super) base: Vec<(f64, Vec<f64>)>,
    /// Whether the labels are those of the centroids already.
    pub(super) is_fresh: bool,
    /// The inertia to come below, under [`Lead::Single`].
    pub(super) rival: f64,
    pub(super) n_threads: usize,
}

impl<'p, 'a> State<'p, 'a> {
    pub(super) fn new(rows: &'p Prepared<'a>, centroids: Vec<f64>, lead: Lead) -> Self {
        let n_features = rows.points.n_features;
        let n_clusters = centroids.len() / n_features;
        let part = |singles: &Arc<Singles<'a>>| {
            Part::new(singles.clone(), n_clusters, n_features, rows.scheme.quanta)
        };
        let parts = rows.parts.iter().map(part).collect();
        Self {
            rows,
            centroids,
            parts,
            lead,
            base: Vec::new(),
            is_fresh: false,
            rival: f64::INFINITY,
            n_threads: 1,
        }
    }

    /// As scikit-learn does it: a run ends when no label changes, when the squared shift of all
    /// centroids is at most the tolerance, or after `max_iter` iterations. Returns the iterations,
    /// whether it ended before, and whether the labels are those of the centroids.
    pub(super) fn iterate(&mut self, limits: Limits, mut iterations: u32) -> (u32, bool, bool) {
        let mut before = f64::INFINITY;
        while (iterations as usize) < limits.max_iter {
            iterations += 1;
            if !std::mem::take(&mut self.is_fresh) && !self.assign() {
                return (iterations, true, true);
            }
            self.relocate_empty();
            if self.update() <= limits.tolerance {
                return (iterations, true, false);
            }
            if self.rival < f64::INFINITY {
                let inertia = self.inertia_in_single_precision();
                if inertia - MAX_LATER_GAIN * (before - inertia) > self.rival {
                    return (iterations, false, false);
                }
                before = inertia;
            }
        }
        (iterations, false, false)
    }

    /// Runs to an end at which centroids, labels and sizes are those of exact sums. Returns the
    /// iterations, and whether it ended before `max_iter`.
    pub(super) fn finish(&mut self, limits: Limits) -> (u32, bool) {
        let (mut iterations, mut converged, mut is_assigned) = self.iterate(limits, 0);
        if self.lead != Lead::Exact {
            self.lead = Lead::Exact;
            self.update();
            if is_assigned && (iterations as usize) < limits.max_iter {
                // Means that are exact may be another fixed point by a row or two.
                (iterations, converged, is_assigned) = self.iterate(limits, iterations);
            } else {
                is_assigned = false;
            }
        }
        if !is_assigned {
            self.assign();
        }
        // The last step may have taken a cluster its rows: none is to be empty as long as rows
        // differ.
        for _ in 0..self.n_clusters() {
            if (0..self.n_clusters()).all(|cluster| self.size(cluster) > 0) {
                break;
            }
            self.relocate_empty();
            self.update();
            self.assign();
        }
        (iterations, converged)
    }

    pub(super) fn into_run(self, inertia: f64, iterations: u32, converged: bool) -> Run {
        let sizes = (0..self.n_clusters()).map(|cluster| self.size(cluster)).collect();
        Run { sizes, inertia, centroids: self.centroids, iterations, converged }
    }

    fn n_clusters(&self) -> usize {
        self.centroids.len() / self.rows.points.n_features
    }

    fn size(&self, cluster: usize) -> u64 {
        self.parts.iter().map(|part| part.sizes[cluster]).sum()
    }

    /// Labels all rows; whether a label changed.
    fn assign(&mut self) -> bool {
        let search = Search::new(&self.centroids, &self.rows.scheme.frame);
        let (rows, lead, n_threads) = (self.rows, self.lead, self.n_threads);
        let assign = |parts: &mut [Part]| {
            parts.iter_mut().fold(false, |any, part| part.assign(&search, rows, lead) | any)
        };
        map_parts(&mut self.parts, n_threads, assign).contains(&true)
    }

    /// Brings the exact sums to the labels.
    fn catch_up(&mut self) {
        let (rows, n_threads) = (self.rows, self.n_threads);
        map_parts(&mut self.parts, n_threads, |parts| {
            parts.iter_mut().for_each(|part| part.catch_up(rows));
        });
    }

    fn exact_sums(&self) -> Vec<&ClusterSums> {
        self.parts.iter().filter_map(|part| part.exact.as_ref()).map(|exact| &exact.sums).collect()
    }

    /// Exact weight and means of each cluster; the means of one without rows are 0.
    fn exact_means(&self) -> Vec<(f64, Vec<f64>)> {
        let sums = self.exact_sums();
        let of_cluster = |cluster| {
            let weight = ClusterSums::weight(&sums, &self.rows.scheme.arithmetic, cluster);
            let mut means = vec![0.0; self.rows.points.n_features];
            if weight > 0.0 {
                ClusterSums::means(&sums, &self.rows.scheme.arithmetic, cluster, &mut means);
            }
            (weight, means)
        };
        (0..self.n_clusters()).map(of_cluster).collect()
    }

    /// Takes the exact sums as the base of what moves from now on.
    pub(super) fn rebase(&mut self) {
        self.base = self.exact_means();
    }

    /// Gives each empty cluster the row that is farthest from its centroid, with all rows equal to
    /// it. Of rows at the same distance the one of least content is taken, wherever it lies.
    fn relocate_empty(&mut self) {
        if (0..self.n_clusters()).all(|cluster| self.size(cluster) > 0) {
            return;
        }
        let mut distances = self.distances();
        while let Some(empty) = (0..self.n_clusters()).find(|&cluster| self.size(cluster) == 0) {
            let Some(farthest) = self.farthest_row(&distances) else {
                return;
            };
            let mut rest = distances.as_mut_slice();
            for part in &mut self.parts {
                let (own, others) =
                    std::mem::take(&mut rest).split_at_mut(part.singles.tiles.len());
                part.relabel(self.lead, &farthest, empty, own);
                rest = others;
            }
        }
    }

    /// The squared distances of all rows to their centroids, tile by tile.
    fn distances(&self) -> Vec<Vec<f64>> {
        let mut scratch = Block::scratch();
        let mut all = Vec::new();
        for Part { singles, labels, .. } in &self.parts {
            for (i, tile) in singles.tiles.iter().enumerate() {
                let mut distances = Vec::new();
                let scaled = self.rows.points.scaled(*tile, &mut scratch);
                own_distances(&scaled, &self.centroids, &labels[singles.labels(i)], &mut distances);
                all.push(distances);
            }
        }
        all
    }

    /// The row at the greatest distance from its centroid, as it is held; `None` where all are 0.
    fn farthest_row(&self, distances: &[Vec<f64>]) -> Option<Vec<f64>> {
        let mut farthest: Option<(f64, &Tile, usize)> = None;
        let tiles = self.parts.iter().flat_map(|part| &part.singles.tiles);
        for (tile, distances) in tiles.zip(distances) {
            for (row, &distance) in
                distances.iter().enumerate().filter(|&(_, &distance)| distance > 0.0)
            {
                let is_farther = farthest.is_none_or(|(greatest, other, other_row)| {
                    distance > greatest
                        || distance == greatest && tile.row(row).lt(other.row(other_row))
                });
                if is_farther {
                    farthest = Some((distance, tile, row));
                }
            }
        }
        farthest.map(|(_, tile, row)| tile.row(row).collect())
    }

    /// Moves the centroids to the means of their rows; the squared shift of all. The centroid of a
    /// cluster without rows stays.
    fn update(&mut self) -> f64 {
        if self.lead == Lead::Exact {
            self.catch_up();
        }
        let means: Vec<(f64, Vec<f64>)> = match self.lead {
            Lead::Exact => self.exact_means(),
            Lead::Both | Lead::Single => self.led_means(),
        };
        let mut shift = 0.0;
        let centroids = self.centroids.chunks_exact_mut(self.rows.points.n_features);
        for (centroid, (_, means)) in centroids.zip(means).filter(|(_, (weight, _))| *weight > 0.0)
        {
            for (c, mean) in centroid.iter_mut().zip(means) {
                shift += (mean - *c).powi(2);
                *c = mean;
            }
        }
        shift
    }

    /// Weight and means of each cluster in single precision.
    fn led_means(&self) -> Vec<(f64, Vec<f64>)> {
        let frame = &self.rows.scheme.frame;
        let sums: Vec<&SingleSums> = self.parts.iter().map(|part| &part.sums).collect();
        let of_cluster = |cluster| {
            let moved = SingleSums::weight(&sums, cluster) as f64;
            let sum = |feature| SingleSums::sum(&sums, cluster, feature);
            let features = 0..self.rows.points.n_features;
            match self.base.get(cluster) {
                // Only under weights of 1, whose unit is 1.
                Some((weight, means)) => {
                    let total = weight + moved;
                    let mean = |feature: usize| {
                        let of_moved =
                            moved * frame.invert(feature, 0.0) + sum(feature) / frame.unit();
                        (weight * means[feature] + of_moved) / total + 0.0
                    };
                    (total, features.map(mean).collect())
                }
                None => {
                    let mean = |feature| frame.invert(feature, sum(feature) / moved) + 0.0;
                    (moved, features.map(mean).collect())
                }
            }
        };
        (0..self.n_clusters()).map(of_cluster).collect()
    }

    /// The inertia of the labels about their means, in single precision.
    pub(super) fn inertia_in_single_precision(&self) -> f64 {
        let sums: Vec<&SingleSums> = self.parts.iter().map(|part| &part.sums).collect();
        let mut inertia = self.rows.squares;
        for cluster in 0..self.n_clusters() {
            let weight = SingleSums::weight(&sums, cluster) as f64;
            if weight > 0.0 {
                let squares = (0..self.rows.points.n_features)
                    .map(|feature| SingleSums::sum(&sums, cluster, feature).powi(2));
                inertia -= squares.sum::<f64>() / weight;
            }
        }
        inertia.max(0.0)
            / (self.rows.scheme.quanta.weight_unit() * self.rows.scheme.frame.unit().powi(2))
    }

    /// The inertia as the variance of the rows, which is the sum of those of the scaled features,
    /// without that between the clusters; `None` where that is not exact enough.
    pub(super) fn inertia_by_difference(&mut self, variance: f64) -> Option<f64> {
        self.catch_up();
        let means = self.exact_means();
        let centroids = self.centroids.chunks_exact(self.rows.points.n_features);
        let weight: f64 = means.iter().map(|(weight, _)| weight).sum();
        let total = variance * weight;
        let mut inertia = total;
        for ((weight, means), centroid) in means.iter().zip(centroids) {
            for ((mean, c), extent) in means.iter().zip(centroid).zip(&self.rows.points.extents) {
                inertia += weight * ((mean - c).powi(2) - (mean - extent.mean).powi(2));
            }
        }
        (inertia >= MIN_SHARE * total && inertia > 0.0).then_some(inertia)
    }

    pub(super) fn inertia(&mut self) -> f64 {
        let (points, centroids, n_threads) = (self.rows.points, &self.centroids, self.n_threads);
        let inertia = |parts: &mut [Part]| {
            let mut inertia = ExactSum::new();
            let mut distances = Vec::new();
            let mut scratch = Block::scratch();
            for Part { singles, labels, .. } in parts.iter() {
                for (i, tile) in singles.tiles.iter().enumerate() {
                    let scaled = points.scaled(*tile, &mut scratch);
                    own_distances(&scaled, centroids, &labels[singles.labels(i)], &mut distances);
                    if tile.weights().is_empty() {
                        inertia.add_all(&distances);
                    } else {
                        let terms = distances.iter().zip(tile.weights());
                        terms.for_each(|(&x, &weight)| inertia.add_product(x, weight));
                    }
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
