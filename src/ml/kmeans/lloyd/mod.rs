//! Lloyd's algorithm with centroid sums that only rows which change their cluster update.
//!
//! There are two kinds of sums. Those of the rows in single precision (in the cache after a search)
//! lead a run, as long as rounding the rows is nothing beside their distances to the centroids.
//! Exact sums of the doubles give the centroids that it ends with; the rows whose labels differ
//! from those of last time bring them up to date.

mod part;
mod singles;
mod state;

use super::nearest::{Frame, Search};
use super::sums::{Arithmetic, Quanta};
use crate::rows::Tile;
use crate::scaling::Points;
use crate::threads::{PARTS_PER_THREAD, map_parts};
use part::Part;
use singles::Singles;
use state::State;
use std::sync::Arc;

/// Distances times features below which a further thread costs more than it saves.
const WORK_PER_THREAD: usize = 1 << 20;
/// Sums of a part of the rows up to which a thread may have several.
const MAX_SUMS: usize = 1 << 14;
/// The share of the inertia that rounding the rows to single precision may make up.
const MAX_NOISE: f64 = 1e-9;

/// What a run ends with.
#[derive(Clone)]
pub(crate) struct Run {
    /// `n_clusters` centroids, one after the other.
    pub(crate) centroids: Vec<f64>,
    /// Rows of each cluster.
    pub(crate) sizes: Vec<u64>,
    pub(crate) inertia: f64,
    pub(crate) iterations: u32,
    pub(crate) converged: bool,
}

/// When a run ends.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) max_iter: usize,
    /// The squared shift of all centroids that counts as none.
    pub(crate) tolerance: f64,
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

/// Rows as Lloyd's algorithm reads them: in single precision too, with what sums need.
pub(crate) struct Prepared<'a> {
    points: &'a Points,
    scheme: Scheme,
    parts: Vec<Arc<Singles<'a>>>,
    /// In the frame: the weighted squares of what the sums in single precision add up, and of what
    /// rounding takes away.
    squares: f64,
    noise: f64,
}

impl<'a> Prepared<'a> {
    /// Few rows, for runs of one thread each.
    pub(crate) fn new(points: &'a Points) -> Self {
        let scheme = Scheme::of(points);
        let Scheme { frame, quanta, .. } = &scheme;
        let (mut squares, mut noise) = (0.0, 0.0);
        let singles = Singles::new(points, &scheme, &points.tiles(), |scaled, single| {
            for row in 0..scaled.rows() {
                let weight =
                    if scaled.weights().is_empty() { 1 } else { quanta.weight(scaled.weight(row)) };
                for (feature, (x, rounded)) in scaled.row(row).zip(single.row(row)).enumerate() {
                    let summed = quanta.rounded(rounded);
                    squares += weight as f64 * summed * summed;
                    noise += weight as f64 * (frame.place(feature, x) - summed).powi(2);
                }
            }
        });
        Self { points, scheme, parts: vec![Arc::new(singles)], squares, noise }
    }

    /// Rows.
    pub(crate) fn len(&self) -> usize {
        self.points.len()
    }

    /// Whether rounding the rows to single precision is nothing beside the inertia of an attempt in
    /// single precision.
    pub(crate) fn resolves(&self, inertia: f64) -> bool {
        let inertia = inertia * self.scheme.quanta.weight_unit() * self.scheme.frame.unit().powi(2);
        // What cancels in the difference of squares is no inertia either.
        self.noise <= MAX_NOISE * inertia && 1e-12 * self.squares <= inertia
    }

    /// A run that has not begun; `in_single_precision`: such sums lead it to its end. Then its
    /// inertia is that of the last labels about their means, to the digits that
    /// [`Prepared::resolves`] asks for.
    pub(crate) fn attempt(
        &self,
        centroids: Vec<f64>,
        in_single_precision: bool,
    ) -> Attempt<'_, 'a> {
        let lead = if in_single_precision { Lead::Single } else { Lead::Exact };
        Attempt { inertia: f64::INFINITY, iterations: 0, state: State::new(self, centroids, lead) }
    }

    /// A run with exact sums.
    pub(crate) fn run(&self, centroids: Vec<f64>, limits: Limits) -> Run {
        let mut state = State::new(self, centroids, Lead::Exact);
        let (iterations, converged) = state.finish(limits);
        let inertia = state.inertia();
        state.into_run(inertia, iterations, converged)
    }
}

/// A run over few rows, from which others can go on.
#[derive(Clone)]
pub(crate) struct Attempt<'p, 'a> {
    pub(crate) inertia: f64,
    pub(crate) iterations: u32,
    state: State<'p, 'a>,
}

impl Attempt<'_, '_> {
    pub(crate) fn centroids(&self) -> &[f64] {
        &self.state.centroids
    }

    /// The same labels, for a run from other centroids.
    pub(crate) fn with_centroids(&self, centroids: Vec<f64>) -> Self {
        Self { iterations: 0, state: State { centroids, ..self.state.clone() }, ..*self }
    }

    /// Goes on. A run in single precision ends early where it will not come below the inertia
    /// `rival`.
    pub(crate) fn go_on(&mut self, limits: Limits, rival: f64) {
        self.state.rival = rival;
        if self.state.lead == Lead::Single {
            self.iterations += self.state.iterate(limits, 0).0;
            self.inertia = self.state.inertia_in_single_precision();
        } else {
            self.iterations += self.state.finish(limits).0;
            self.inertia = self.state.inertia();
        }
    }
}

/// A run over many rows. The first labels and sums are made in single precision, in one pass.
/// `leads`: whether single precision is fine enough to lead it.
pub(crate) fn run(
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
    let singles = parts.iter().map(|part| part.singles.clone()).collect();
    let prepared = Prepared { points, scheme, parts: singles, squares: 0.0, noise: 0.0 };
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

/// Which sums lead the iterations.
#[derive(Clone, Copy, PartialEq)]
enum Lead {
    Single,
    /// Exact sums of some labels, and those in single precision of the rows that have moved since.
    Both,
    Exact,
}
