//! Lloyd's algorithm with centroid sums that only rows which change their cluster update.
//!
//! There are two kinds of sums. Those of the rows' shadows (single precision, in the cache after a search) lead a run, as
//! long as rounding the rows is nothing beside their distances to the centroids. Exact sums of the doubles give the
//! centroids that it ends with; the rows whose labels differ from those of last time bring them up to date.

use std::ops::Range;
use std::sync::Arc;

use super::super::exact_sum::ExactSum;
use super::super::pages::Pages;
use super::super::scaling::Points;
use super::super::threads::{PARTS_PER_THREAD, map_parts};
use super::nearest::{Frame, ROWS_TOGETHER, Search, Shadow, own_distances};
use super::sums::{Arithmetic, ClusterSums, Move, Quanta, ShadowSums, moves};
use crate::rows::{Block, Tile};

/// Distances times features below which a further thread costs more than it saves.
const WORK_PER_THREAD: usize = 1 << 20;
/// Sums of a part of the rows up to which a thread may have several.
const MAX_SUMS: usize = 1 << 14;
/// The share of the inertia that rounding the rows to single precision may make up.
const MAX_NOISE: f64 = 1e-9;
/// The share of the inertia in the variance of the rows from which on a difference of both is exact enough.
const MIN_SHARE: f64 = 1e-4;
/// How many times what an iteration gained the later ones may gain, where a run has a rival.
const FORESIGHT: f64 = 10.0;

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

/// When a run ends.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub(super) max_iter: usize,
    /// The squared shift of all centroids that counts as none.
    pub(super) tolerance: f64,
}

/// How rows become numbers whose sums are exact.
struct Scheme {
    frame: Frame,
    quanta: Quanta,
    arithmetic: Arithmetic,
}

impl Scheme {
    fn of(points: &Points) -> Self {
        let (frame, quanta) = (Frame::new(&points.extents), Quanta::of(points));
        Self { frame, quanta, arithmetic: Arithmetic::of(points) }
    }
}

/// Rows as Lloyd's algorithm reads them: with their shadows, and what sums need.
pub(super) struct Prepared<'a> {
    points: &'a Points,
    scheme: Scheme,
    parts: Vec<Arc<Shadows<'a>>>,
    /// In the frame: the weighted squares of what the sums of shadows add up, and of what rounding takes away.
    squares: f64,
    noise: f64,
}

impl<'a> Prepared<'a> {
    /// Few rows, for runs of one thread each.
    pub(super) fn new(points: &'a Points) -> Self {
        let scheme = Scheme::of(points);
        let Scheme { frame, quanta, .. } = &scheme;
        let (mut squares, mut noise) = (0.0, 0.0);
        let shadows = Shadows::new(points, &scheme, &points.tiles(), |scaled, shadow| {
            for row in 0..scaled.rows() {
                let weight = if scaled.weights().is_empty() { 1 } else { quanta.weight(scaled.weight(row)) };
                for (feature, (x, rounded)) in scaled.row(row).zip(shadow.row(row)).enumerate() {
                    let summed = quanta.rounded(rounded);
                    squares += weight as f64 * summed * summed;
                    noise += weight as f64 * (frame.place(feature, x) - summed).powi(2);
                }
            }
        });
        Self { points, scheme, parts: vec![Arc::new(shadows)], squares, noise }
    }

    /// Rows.
    pub(super) fn len(&self) -> usize {
        self.points.len()
    }

    /// Whether rounding the rows to single precision is nothing beside the inertia of a rough attempt.
    pub(super) fn resolves(&self, inertia: f64) -> bool {
        let inertia = inertia * self.scheme.quanta.weight_unit() * self.scheme.frame.unit().powi(2);
        // What cancels in the difference of squares is no inertia either.
        self.noise <= MAX_NOISE * inertia && 1e-12 * self.squares <= inertia
    }

    /// A run that has not begun; `is_rough`: the shadows lead it to its end. Then its inertia is that of the last labels
    /// about their means, to the digits that [`Prepared::resolves`] asks for.
    pub(super) fn attempt(&self, centroids: Vec<f64>, is_rough: bool) -> Attempt<'_, 'a> {
        let lead = if is_rough { Lead::Shadows } else { Lead::Exact };
        Attempt { inertia: f64::INFINITY, iterations: 0, state: State::new(self, centroids, lead) }
    }

    /// A run with exact sums.
    pub(super) fn run(&self, centroids: Vec<f64>, limits: Limits) -> Run {
        let mut state = State::new(self, centroids, Lead::Exact);
        let (iterations, converged) = state.finish(limits);
        let inertia = state.inertia();
        state.into_run(inertia, iterations, converged)
    }
}

/// A run over few rows, from which others can go on.
#[derive(Clone)]
pub(super) struct Attempt<'p, 'a> {
    pub(super) inertia: f64,
    pub(super) iterations: u32,
    state: State<'p, 'a>,
}

impl Attempt<'_, '_> {
    pub(super) fn centroids(&self) -> &[f64] {
        &self.state.centroids
    }

    /// The same labels, for a run from other centroids.
    pub(super) fn with_centroids(&self, centroids: Vec<f64>) -> Self {
        Self { iterations: 0, state: State { centroids, ..self.state.clone() }, ..*self }
    }

    /// Goes on. A rough run ends early where it will not come below the inertia `rival`.
    pub(super) fn go_on(&mut self, limits: Limits, rival: f64) {
        self.state.rival = rival;
        if self.state.lead == Lead::Shadows {
            self.iterations += self.state.iterate(limits, 0).0;
            self.inertia = self.state.rough_inertia();
        } else {
            self.iterations += self.state.finish(limits).0;
            self.inertia = self.state.inertia();
        }
    }
}

/// A run over many rows. The first labels and sums are made with the shadows, in one pass. `leads`: whether single
/// precision is fine enough to lead it.
pub(super) fn run(
    points: &Points,
    variance: f64,
    centroids: Vec<f64>,
    limits: Limits,
    leads: bool,
    n_threads: usize,
) -> Run {
    let n_threads = n_threads.min(points.len() * centroids.len() / WORK_PER_THREAD).max(1);
    let scheme = Scheme::of(points);
    let search = Search::new(&centroids, &scheme.frame);
    let n_clusters = centroids.len() / points.n_features;
    let tiles = points.tiles();
    // Each part has sums of its own: of many centroids they are not worth the memory.
    let per_thread = if centroids.len() > MAX_SUMS { 1 } else { PARTS_PER_THREAD };
    let n_parts = if n_threads == 1 { 1 } else { n_threads * per_thread };
    let mut shares: Vec<&[Tile]> = tiles.chunks(tiles.len().div_ceil(n_parts)).collect();
    let parts = map_parts(&mut shares, n_threads, |shares| {
        shares
            .iter()
            .map(|share| Part::assigned(points, &scheme, &search, share, n_clusters))
            .collect::<Vec<Part>>()
    });
    let parts: Vec<Part> = parts.into_iter().flatten().collect();
    let shadows = parts.iter().map(|part| part.shadows.clone()).collect();
    let prepared = Prepared { points, scheme, parts: shadows, squares: 0.0, noise: 0.0 };
    let is_weighted = points.blocks.iter().any(|block| !block.weights.is_empty());
    let lead = if leads && !is_weighted { Lead::Both } else { Lead::Exact };
    let mut state = State {
        rows: &prepared,
        centroids,
        parts,
        lead,
        base: Vec::new(),
        is_fresh: true,
        rival: f64::INFINITY,
        n_threads,
    };
    if lead == Lead::Both {
        state.rebase();
    }
    let (iterations, converged) = state.finish(limits);
    let inertia = state.inertia_by_difference(variance).unwrap_or_else(|| state.inertia());
    state.into_run(inertia, iterations, converged)
}

/// The tiles of one thread with their shadows.
struct Shadows<'a> {
    tiles: Vec<Tile<'a>>,
    values: Pages<f32>,
    /// Where the shadow of each tile starts, and where its labels do; then where the last ones end.
    starts: Vec<(usize, usize)>,
    /// The weights of the rows of each tile as whole numbers; none where all weigh 1.
    weights: Vec<Vec<i64>>,
}

impl<'a> Shadows<'a> {
    /// Makes the shadows of `tiles`; calls `each` with the scaled rows of each, while they are in the cache.
    fn new(
        points: &Points,
        scheme: &Scheme,
        tiles: &[Tile<'a>],
        mut each: impl FnMut(&Tile, Shadow),
    ) -> Self {
        let (mut starts, mut end) = (Vec::new(), (0, 0));
        for tile in tiles {
            starts.push(end);
            end.0 += Shadow::len(points.n_features, tile.rows());
            end.1 += tile.rows().next_multiple_of(ROWS_TOGETHER);
        }
        starts.push(end);
        let mut values = Pages::new(end.0);
        let mut scratch = Block::scratch();
        for (i, tile) in tiles.iter().enumerate() {
            let scaled = points.scaled(*tile, &mut scratch);
            let own = &mut values[starts[i].0..starts[i + 1].0];
            scheme.frame.cast(&scaled, own);
            each(&scaled, Shadow::new(own, tile.rows()));
        }
        let weight = |&weight: &f64| scheme.quanta.weight(weight);
        let weights = |tile: &Tile| tile.weights().iter().map(weight).collect();
        Self { tiles: tiles.to_vec(), values, starts, weights: tiles.iter().map(weights).collect() }
    }

    fn shadow(&self, tile: usize) -> Shadow<'_> {
        let values = &self.values[self.starts[tile].0..self.starts[tile + 1].0];
        Shadow::new(values, self.tiles[tile].rows())
    }

    /// Where the labels of a tile's rows are.
    fn labels(&self, tile: usize) -> Range<usize> {
        let start = self.starts[tile].1;
        start..start + self.tiles[tile].rows()
    }

    fn n_labels(&self) -> usize {
        self.starts.last().map_or(0, |end| end.1)
    }
}

/// Which sums lead the iterations.
#[derive(Clone, Copy, PartialEq)]
enum Lead {
    Shadows,
    /// Exact sums of some labels, and those of the shadows that have moved since.
    Both,
    Exact,
}

/// The rows of one thread, their labels and their sums.
#[derive(Clone)]
struct Part<'a> {
    shadows: Arc<Shadows<'a>>,
    /// The number of clusters where there is none yet.
    labels: Pages<f32>,
    sizes: Vec<u64>,
    sums: ShadowSums,
    exact: Option<Exact>,
    /// New labels of a tile, and the rows that moved; memory that is used again.
    found: Vec<f32>,
    moved: Vec<Move>,
}

/// Exact sums, and the labels that they are of, where they are not those of no row.
#[derive(Clone)]
struct Exact {
    labels: Option<Pages<u16>>,
    sums: ClusterSums,
}

impl<'a> Part<'a> {
    fn new(shadows: Arc<Shadows<'a>>, n_clusters: usize, n_features: usize, quanta: Quanta) -> Self {
        let mut labels = Pages::new(shadows.n_labels());
        labels.fill(n_clusters as f32);
        Self {
            labels,
            sizes: vec![0; n_clusters],
            sums: ShadowSums::new(n_clusters, n_features, quanta),
            exact: None,
            found: Vec::new(),
            moved: Vec::new(),
            shadows,
        }
    }

    /// Shadows, labels and exact sums of some tiles, in one pass.
    fn assigned(
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
        let shadows = Shadows::new(points, scheme, tiles, |scaled, shadow| {
            let rows = scaled.rows();
            let (found, others) = std::mem::take(&mut rest).split_at_mut(padded(scaled));
            rest = others;
            search.labels(shadow, rows, |row| scaled.row(row), found);
            sums.add(&scheme.arithmetic, scaled, &found[..rows]);
            for (row, &label) in found[..rows].iter().enumerate() {
                sizes[label as usize] += scaled.count(row);
            }
        });
        let exact = Some(Exact { labels: Some(whole(&labels)), sums });
        let sums = ShadowSums::new(n_clusters, points.n_features, scheme.quanta);
        let (found, moved) = (Vec::new(), Vec::new());
        Self { shadows: Arc::new(shadows), labels, sizes, sums, exact, found, moved }
    }

    /// Labels the rows anew; whether a label changed.
    fn assign(&mut self, search: &Search, rows: &Prepared, lead: Lead) -> bool {
        let mut changed = false;
        let Self { found, moved, .. } = self;
        for (i, tile) in self.shadows.tiles.iter().enumerate() {
            let shadow = self.shadows.shadow(i);
            found.resize(tile.rows().next_multiple_of(ROWS_TOGETHER), 0.0);
            search.labels(shadow, tile.rows(), |row| rows.points.scaled_row(tile, row), found);
            let labels = &mut self.labels[self.shadows.labels(i)];
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
            let weights = &self.shadows.weights[i];
            if moved[0].from as usize == self.sizes.len() {
                self.sums.add(shadow, labels, weights);
            } else {
                self.sums.apply(shadow, moved, weights);
            }
        }
        changed
    }

    /// Gives all rows that equal `row` another label.
    fn relabel(&mut self, lead: Lead, row: &[f64], to: usize, distances: &mut [Vec<f64>]) {
        for (i, (tile, distances)) in self.shadows.tiles.iter().zip(distances).enumerate() {
            let labels = &mut self.labels[self.shadows.labels(i)];
            for equal in (0..tile.rows()).filter(|&equal| tile.row(equal).eq(row.iter().copied())) {
                let moved = Move { row: equal as u32, from: labels[equal] as u32, to: to as u32 };
                let count = tile.count(equal);
                self.sizes[moved.from as usize] -= count;
                self.sizes[to] += count;
                if lead != Lead::Exact {
                    self.sums.apply(self.shadows.shadow(i), &[moved], &self.shadows.weights[i]);
                }
                (labels[equal], distances[equal]) = (to as f32, 0.0);
            }
        }
    }

    /// Brings the exact sums to the labels.
    fn catch_up(&mut self, rows: &Prepared) {
        let (n_clusters, n_features) = (self.sizes.len(), rows.points.n_features);
        let exact = self
            .exact
            .get_or_insert_with(|| Exact { labels: None, sums: ClusterSums::new(n_clusters, n_features) });
        let (mut moved, mut old_labels) = (Vec::new(), Vec::new());
        let mut scratch = Block::scratch();
        for (i, tile) in self.shadows.tiles.iter().enumerate() {
            let new = &self.labels[self.shadows.labels(i)];
            match &mut exact.labels {
                None => {
                    let scaled = rows.points.scaled(*tile, &mut scratch);
                    exact.sums.add(&rows.scheme.arithmetic, &scaled, new);
                }
                Some(old) => {
                    let old = &mut old[self.shadows.labels(i)];
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

#[derive(Clone)]
struct State<'p, 'a> {
    rows: &'p Prepared<'a>,
    centroids: Vec<f64>,
    parts: Vec<Part<'a>>,
    lead: Lead,
    /// Weight of each cluster in the exact sums, and its means, under [`Lead::Both`].
    base: Vec<(f64, Vec<f64>)>,
    /// Whether the labels are those of the centroids already.
    is_fresh: bool,
    /// The inertia to come below, under [`Lead::Shadows`].
    rival: f64,
    n_threads: usize,
}

impl<'p, 'a> State<'p, 'a> {
    fn new(rows: &'p Prepared<'a>, centroids: Vec<f64>, lead: Lead) -> Self {
        let n_features = rows.points.n_features;
        let n_clusters = centroids.len() / n_features;
        let part = |shadows: &Arc<Shadows<'a>>| {
            Part::new(shadows.clone(), n_clusters, n_features, rows.scheme.quanta)
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

    /// As scikit-learn does it: a run ends when no label changes, when the squared shift of all centroids is at most the
    /// tolerance, or after `max_iter` iterations. Returns the iterations, whether it ended before, and whether the labels
    /// are those of the centroids.
    fn iterate(&mut self, limits: Limits, mut iterations: u32) -> (u32, bool, bool) {
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
                let inertia = self.rough_inertia();
                if inertia - FORESIGHT * (before - inertia) > self.rival {
                    return (iterations, false, false);
                }
                before = inertia;
            }
        }
        (iterations, false, false)
    }

    /// Runs to an end at which centroids, labels and sizes are those of exact sums. Returns the iterations, and whether it
    /// ended before `max_iter`.
    fn finish(&mut self, limits: Limits) -> (u32, bool) {
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
        // The last step may have taken a cluster its rows: none is to be empty as long as rows differ.
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

    fn into_run(self, inertia: f64, iterations: u32, converged: bool) -> Run {
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
    fn rebase(&mut self) {
        self.base = self.exact_means();
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
            let mut rest = distances.as_mut_slice();
            for part in &mut self.parts {
                let (own, others) = std::mem::take(&mut rest).split_at_mut(part.shadows.tiles.len());
                part.relabel(self.lead, &farthest, empty, own);
                rest = others;
            }
        }
    }

    /// The squared distances of all rows to their centroids, tile by tile.
    fn distances(&self) -> Vec<Vec<f64>> {
        let mut scratch = Block::scratch();
        let mut all = Vec::new();
        for Part { shadows, labels, .. } in &self.parts {
            for (i, tile) in shadows.tiles.iter().enumerate() {
                let mut distances = Vec::new();
                let scaled = self.rows.points.scaled(*tile, &mut scratch);
                own_distances(&scaled, &self.centroids, &labels[shadows.labels(i)], &mut distances);
                all.push(distances);
            }
        }
        all
    }

    /// The row at the greatest distance from its centroid, as it is held; `None` where all are 0.
    fn farthest_row(&self, distances: &[Vec<f64>]) -> Option<Vec<f64>> {
        let mut farthest: Option<(f64, &Tile, usize)> = None;
        let tiles = self.parts.iter().flat_map(|part| &part.shadows.tiles);
        for (tile, distances) in tiles.zip(distances) {
            for (row, &distance) in distances.iter().enumerate().filter(|&(_, &distance)| distance > 0.0) {
                let is_farther = farthest.is_none_or(|(greatest, other, other_row)| {
                    distance > greatest || distance == greatest && tile.row(row).lt(other.row(other_row))
                });
                if is_farther {
                    farthest = Some((distance, tile, row));
                }
            }
        }
        farthest.map(|(_, tile, row)| tile.row(row).collect())
    }

    /// Moves the centroids to the means of their rows; the squared shift of all. The centroid of a cluster
    /// without rows stays.
    fn update(&mut self) -> f64 {
        if self.lead == Lead::Exact {
            self.catch_up();
        }
        let means: Vec<(f64, Vec<f64>)> = match self.lead {
            Lead::Exact => self.exact_means(),
            Lead::Both | Lead::Shadows => self.led_means(),
        };
        let mut shift = 0.0;
        let centroids = self.centroids.chunks_exact_mut(self.rows.points.n_features);
        for (centroid, (_, means)) in centroids.zip(means).filter(|(_, (weight, _))| *weight > 0.0) {
            for (c, mean) in centroid.iter_mut().zip(means) {
                shift += (mean - *c).powi(2);
                *c = mean;
            }
        }
        shift
    }

    /// Weight and means of each cluster by the shadows.
    fn led_means(&self) -> Vec<(f64, Vec<f64>)> {
        let frame = &self.rows.scheme.frame;
        let sums: Vec<&ShadowSums> = self.parts.iter().map(|part| &part.sums).collect();
        let of_cluster = |cluster| {
            let moved = ShadowSums::weight(&sums, cluster) as f64;
            let sum = |feature| ShadowSums::sum(&sums, cluster, feature);
            let features = 0..self.rows.points.n_features;
            match self.base.get(cluster) {
                // Only under weights of 1, whose unit is 1.
                Some((weight, means)) => {
                    let total = weight + moved;
                    let mean = |feature: usize| {
                        let of_moved = moved * frame.invert(feature, 0.0) + sum(feature) / frame.unit();
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

    /// The inertia of the labels about their means, by the shadows.
    fn rough_inertia(&self) -> f64 {
        let sums: Vec<&ShadowSums> = self.parts.iter().map(|part| &part.sums).collect();
        let mut inertia = self.rows.squares;
        for cluster in 0..self.n_clusters() {
            let weight = ShadowSums::weight(&sums, cluster) as f64;
            if weight > 0.0 {
                let squares = (0..self.rows.points.n_features)
                    .map(|feature| ShadowSums::sum(&sums, cluster, feature).powi(2));
                inertia -= squares.sum::<f64>() / weight;
            }
        }
        inertia.max(0.0) / (self.rows.scheme.quanta.weight_unit() * self.rows.scheme.frame.unit().powi(2))
    }

    /// The inertia as the variance of the rows, which is the sum of those of the scaled features, without that between
    /// the clusters; `None` where that is not exact enough.
    fn inertia_by_difference(&mut self, variance: f64) -> Option<f64> {
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

    fn inertia(&mut self) -> f64 {
        let (points, centroids, n_threads) = (self.rows.points, &self.centroids, self.n_threads);
        let inertia = |parts: &mut [Part]| {
            let mut inertia = ExactSum::new();
            let mut distances = Vec::new();
            let mut scratch = Block::scratch();
            for Part { shadows, labels, .. } in parts.iter() {
                for (i, tile) in shadows.tiles.iter().enumerate() {
                    let scaled = points.scaled(*tile, &mut scratch);
                    own_distances(&scaled, centroids, &labels[shadows.labels(i)], &mut distances);
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
