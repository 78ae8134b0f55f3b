//! The rows of one thread, their labels and their sums.

use super::super::nearest::{ROWS_TOGETHER, Search};
use super::super::sums::{ClusterSums, Move, Quanta, SingleSums, moves};
use super::singles::Singles;
use super::{Lead, Prepared, Scheme};
use crate::pages::Pages;
use crate::rows::{Block, Tile};
use crate::scaling::Points;
use std::sync::Arc;

/// The rows of one thread, their labels and their sums.
#[derive(Clone)]
pub(super) struct Part<'a> {
    pub(super) singles: Arc<Singles<'a>>,
    /// The number of clusters where there is none yet.
    pub(super) labels: Pages<f32>,
    pub(super) sizes: Vec<u64>,
    pub(super) sums: SingleSums,
    pub(super) exact: Option<Exact>,
    /// New labels of a tile, and the rows that moved; memory that is used again.
    found: Vec<f32>,
    moved: Vec<Move>,
}

/// Exact sums, and the labels that they are of, where they are not those of no row.
#[derive(Clone)]
pub(super) struct Exact {
    labels: Option<Pages<u16>>,
    pub(super) sums: ClusterSums,
}

impl<'a> Part<'a> {
    pub(super) fn new(
        singles: Arc<Singles<'a>>,
        n_clusters: usize,
        n_features: usize,
        quanta: Quanta,
    ) -> Self {
        let mut labels = Pages::new(singles.n_labels());
        labels.fill(n_clusters as f32);
        Self {
            labels,
            sizes: vec![0; n_clusters],
            sums: SingleSums::new(n_clusters, n_features, quanta),
            exact: None,
            found: Vec::new(),
            moved: Vec::new(),
            singles,
        }
    }

    /// Rows in single precision, labels and exact sums of some tiles, in one pass.
    pub(super) fn assigned(
        points: &Points,
        scheme: &Scheme,
        search: &Search,
        tiles: &[Tile<'a>],
        n_clusters: usize,
    ) -> Self {
        let padded = |tile: &Tile| tile.rows().next_multiple_of(ROWS_TOGETHER);
        let mut labels = Pages::new(tiles.iter().map(padded).sum());
        let mut rest = &mut *labels;
        let mut sums = ClusterSums::new(n_clusters, points.n_features);
        let mut sizes = vec![0; n_clusters];
        let singles = Singles::new(points, scheme, tiles, |scaled, single| {
            let rows = scaled.rows();
            let (found, others) = std::mem::take(&mut rest).split_at_mut(padded(scaled));
            rest = others;
            search.labels(single, rows, |row| scaled.row(row), found);
            sums.add(&scheme.arithmetic, scaled, &found[..rows]);
            for (row, &label) in found[..rows].iter().enumerate() {
                sizes[label as usize] += scaled.count(row);
            }
        });
        let exact = Some(Exact { labels: Some(whole(&labels)), sums });
        let sums = SingleSums::new(n_clusters, points.n_features, scheme.quanta);
        let (found, moved) = (Vec::new(), Vec::new());
        Self { singles: Arc::new(singles), labels, sizes, sums, exact, found, moved }
    }

    /// Labels the rows anew; whether a label changed.
    pub(super) fn assign(&mut self, search: &Search, rows: &Prepared, lead: Lead) -> bool {
        let mut changed = false;
        let Self { found, moved, .. } = self;
        for (i, tile) in self.singles.tiles.iter().enumerate() {
            let single = self.singles.single(i);
            found.resize(tile.rows().next_multiple_of(ROWS_TOGETHER), 0.0);
            search.labels(single, tile.rows(), |row| rows.points.scaled_row(tile, row), found);
            let labels = &mut self.labels[self.singles.labels(i)];
            moves(labels, &found[..tile.rows()], moved);
            if moved.is_empty() {
                continue;
            }
            changed = true;
            labels.copy_from_slice(&found[..tile.rows()]);
            for Move { row, from, to } in &*moved {
                let count = tile.count(*row as usize);
                if let Some(size) = self.sizes.get_mut(*from as usize) {
                    *size -= count;
                }
                self.sizes[*to as usize] += count;
            }
            if lead == Lead::Exact {
                continue;
            }
            let weights = &self.singles.weights[i];
            if moved[0].from as usize == self.sizes.len() {
                self.sums.add(single, labels, weights);
            } else {
                self.sums.apply(single, moved, weights);
            }
        }
        changed
    }

    /// Gives all rows that equal `row` another label.
    pub(super) fn relabel(
        &mut self,
        lead: Lead,
        row: &[f64],
        to: usize,
        distances: &mut [Vec<f64>],
    ) {
        for (i, (tile, distances)) in self.singles.tiles.iter().zip(distances).enumerate() {
            let labels = &mut self.labels[self.singles.labels(i)];
            for equal in (0..tile.rows()).filter(|&equal| tile.row(equal).eq(row.iter().copied())) {
                let moved = Move { row: equal as u32, from: labels[equal] as u32, to: to as u32 };
                let count = tile.count(equal);
                self.sizes[moved.from as usize] -= count;
                self.sizes[to] += count;
                if lead != Lead::Exact {
                    self.sums.apply(self.singles.single(i), &[moved], &self.singles.weights[i]);
                }
                (labels[equal], distances[equal]) = (to as f32, 0.0);
            }
        }
    }

    /// Brings the exact sums to the labels.
    pub(super) fn catch_up(&mut self, rows: &Prepared) {
        let (n_clusters, n_features) = (self.sizes.len(), rows.points.n_features);
        let exact = self.exact.get_or_insert_with(|| Exact {
            labels: None,
            sums: ClusterSums::new(n_clusters, n_features),
        });
        let (mut moved, mut old_labels) = (Vec::new(), Vec::new());
        let mut scratch = Block::scratch();
        for (i, tile) in self.singles.tiles.iter().enumerate() {
            let new = &self.labels[self.singles.labels(i)];
            match &mut exact.labels {
                None => {
                    let scaled = rows.points.scaled(*tile, &mut scratch);
                    exact.sums.add(&rows.scheme.arithmetic, &scaled, new);
                }
                Some(old) => {
                    let old = &mut old[self.singles.labels(i)];
                    old_labels.clear();
                    old_labels.extend(old.iter().map(|&label| f32::from(label)));
                    moves(&old_labels, new, &mut moved);
                    let scale = |feature, x| rows.points.scaled_value(feature, x);
                    exact.sums.apply(&rows.scheme.arithmetic, tile, &moved, scale);
                    moved.iter().for_each(|moved| old[moved.row as usize] = moved.to as u16);
                }
            }
        }
        exact.labels.get_or_insert_with(|| whole(&self.labels));
    }
}

/// Labels as whole numbers, of which there are at most 1,024.
fn whole(labels: &[f32]) -> Pages<u16> {
    let mut whole = Pages::new(labels.len());
    whole.iter_mut().zip(labels).for_each(|(whole, &label)| *whole = label as u16);
    whole
}
