//! One step of Lloyd's algorithm as sums that can be stored, sent and merged.
//!
//! All sums are exact, so that a step over all rows is the merge of the steps over their parts, to
//! the bit, whatever the parts were and in whatever order they came.

use super::{KMeans, NO_SEGMENT};
use crate::fixed_point::{FixedPoint, LOW_BITS};
use crate::moments::{Moments, TotalMoments};
use crate::scaling::{Scaled, is_rounding};
use crate::simd::vectorize;
use crate::{Error, ExactSum, MAX_MAGNITUDE, TILE_ROWS};
use std::cmp::Ordering;
use std::ops::Range;

/// Rows below which sums are made one by one.
const MIN_RUN: usize = 64;
/// Rows that are kept for segments which have become empty.
const MAX_FARTHEST: usize = 16;

/// What rows say about the centroids of a model. All values are scaled.
#[derive(Clone, Debug)]
pub struct Step {
    /// Usable rows.
    pub rows: u64,
    /// Rows left out for a missing value.
    pub skipped: u64,
    /// The weighted sum of squared distances to the nearest centroid.
    pub inertia: ExactSum,
    /// One for each feature.
    pub features: Vec<FeatureStep>,
    /// One for each segment.
    pub segments: Vec<SegmentStep>,
    /// The distinct rows that are farthest from their centroids, the farthest first.
    pub farthest: Vec<FarRow>,
}

/// The values of a feature in all rows.
#[derive(Clone, Debug)]
pub struct FeatureStep {
    /// The least; infinite without a row.
    pub min: f64,
    /// The greatest; minus infinity without a row.
    pub max: f64,
    /// The weighted sum of their squares.
    pub squares: ExactSum,
}

/// The rows of a segment.
#[derive(Clone, Debug)]
pub struct SegmentStep {
    /// Their number.
    pub rows: u64,
    /// Their weight; their number where rows have none.
    pub weight: ExactSum,
    /// The weighted sum of each feature.
    pub sums: Vec<ExactSum>,
}

/// A row far from its centroid.
#[derive(Clone, Debug, PartialEq)]
pub struct FarRow {
    /// The squared distance.
    pub distance: f64,
    /// Its features.
    pub values: Vec<f64>,
}

impl FarRow {
    /// The farther first, ties by content.
    fn compare(&self, other: &Self) -> Ordering {
        let by_content = || {
            let mut pairs = self.values.iter().zip(&other.values);
            pairs.find_map(|(x, y)| Some(x.total_cmp(y)).filter(|order| order.is_ne()))
        };
        let by_distance = other.distance.total_cmp(&self.distance);
        by_distance.then_with(|| by_content().unwrap_or(Ordering::Equal))
    }
}

impl Step {
    /// Of no rows yet.
    pub fn new(n_segments: usize, n_features: usize) -> Self {
        let feature =
            FeatureStep { min: f64::INFINITY, max: f64::NEG_INFINITY, squares: ExactSum::new() };
        let segment = SegmentStep {
            rows: 0,
            weight: ExactSum::new(),
            sums: vec![ExactSum::new(); n_features],
        };
        Self {
            rows: 0,
            skipped: 0,
            inertia: ExactSum::new(),
            features: vec![feature; n_features],
            segments: vec![segment; n_segments],
            farthest: Vec::new(),
        }
    }

    /// Adds rows, scaled as the model says. `weights` are finite and at least 0; a weight of 0
    /// leaves the row out without counting it.
    ///
    /// # Errors
    /// [`Error::DistanceOverflow`], [`Error::WeightTooLarge`].
    pub fn add(
        &mut self,
        model: &KMeans,
        scaled: &Scaled,
        weights: Option<&[f64]>,
    ) -> Result<(), Error> {
        assert_eq!(
            (self.segments.len(), self.features.len()),
            (model.centroids.len(), scaled.columns.len()),
            "a step of this model"
        );
        let (mut labels, mut distances) = (Vec::new(), Vec::new());
        model.assign(scaled, &mut labels, &mut distances)?;
        let n_rows = labels.len();
        for start in (0..n_rows).step_by(TILE_ROWS) {
            let rows = start..n_rows.min(start + TILE_ROWS);
            self.keep_farthest(scaled, &distances, weights, rows.clone());
            match weights {
                Some(weights) => {
                    self.add_weighted(scaled, &labels, &distances, weights, rows)?;
                }
                None if rows.len() >= MIN_RUN && scaled.usable[rows.clone()].iter().all(|&u| u) => {
                    let columns: Vec<&[f64]> =
                        scaled.columns.iter().map(|column| &column[rows.clone()]).collect();
                    self.add_run(&columns, &labels[rows.clone()], &distances[rows]);
                }
                None => self.add_one_by_one(scaled, &labels, &distances, rows),
            }
        }
        Ok(())
    }

    /// Adds rows that were left out before they could be scaled.
    pub fn skip(&mut self, rows: u64) {
        self.skipped += rows;
    }

    /// Adds the rows of another step of the same model.
    pub fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        self.skipped += other.skipped;
        self.inertia.merge(&other.inertia);
        for (own, other) in self.features.iter_mut().zip(&other.features) {
            own.min = own.min.min(other.min);
            own.max = own.max.max(other.max);
            own.squares.merge(&other.squares);
        }
        for (own, other) in self.segments.iter_mut().zip(&other.segments) {
            own.rows += other.rows;
            own.weight.merge(&other.weight);
            own.sums.iter_mut().zip(&other.sums).for_each(|(sum, other)| sum.merge(other));
        }
        other.farthest.iter().for_each(|row| self.insert(row.clone()));
    }

    /// Sums of usable rows without weights, by their segments.
    fn add_run(&mut self, columns: &[&[f64]], labels: &[u32], distances: &[f64]) {
        let n_rows = labels.len() as u64;
        self.rows += n_rows;
        self.inertia.add_all(distances);
        // Rows in the order of their segments.
        let mut ends = vec![0_usize; self.segments.len()];
        labels.iter().for_each(|&label| ends[label as usize] += 1);
        let mut start = 0;
        for (end, segment) in ends.iter_mut().zip(&mut self.segments) {
            if *end > 0 {
                segment.rows += *end as u64;
                segment.weight.add(*end as f64);
            }
            start += std::mem::replace(end, start);
        }
        let mut order = vec![0_u32; labels.len()];
        for (&label, row) in labels.iter().zip(0..) {
            let place = &mut ends[label as usize];
            order[*place] = row;
            *place += 1;
        }
        let mut values = vec![0.0; labels.len()];
        for (feature, column) in columns.iter().enumerate() {
            let mut moments = TotalMoments::new();
            moments.add(&Moments::of(column), column);
            let own = &mut self.features[feature];
            own.min = own.min.min(moments.min);
            own.max = own.max.max(moments.max);
            own.squares.merge(&moments.squares);

            values.iter_mut().zip(&order).for_each(|(x, &row)| *x = column[row as usize]);
            let fixed_point = FixedPoint::new(moments.max.abs().max(moments.min.abs()));
            let mut start = 0;
            for (segment, &end) in self.segments.iter_mut().zip(&ends) {
                let own = &values[start..end];
                start = end;
                if own.is_empty() {
                    continue;
                }
                let (high, low, is_left) = vectorize(
                    #[inline(always)]
                    || fixed_point.sum(own),
                );
                let sum = &mut segment.sums[feature];
                sum.add_integer(
                    (i128::from(high) << LOW_BITS) + i128::from(low),
                    fixed_point.exponent(),
                );
                if is_left {
                    own.iter().for_each(|&x| sum.add(fixed_point.rest(x)));
                }
            }
        }
    }

    fn add_one_by_one(
        &mut self,
        scaled: &Scaled,
        labels: &[u32],
        distances: &[f64],
        rows: Range<usize>,
    ) {
        for row in rows {
            if labels[row] == NO_SEGMENT {
                self.skipped += 1;
                continue;
            }
            self.rows += 1;
            self.inertia.add(distances[row]);
            let segment = &mut self.segments[labels[row] as usize];
            segment.rows += 1;
            segment.weight.add(1.0);
            for ((column, feature), sum) in
                scaled.columns.iter().zip(&mut self.features).zip(&mut segment.sums)
            {
                let x = column[row];
                feature.min = feature.min.min(x);
                feature.max = feature.max.max(x);
                feature.squares.add_product(x, x);
                sum.add(x);
            }
        }
    }

    fn add_weighted(
        &mut self,
        scaled: &Scaled,
        labels: &[u32],
        distances: &[f64],
        weights: &[f64],
        rows: Range<usize>,
    ) -> Result<(), Error> {
        for row in rows {
            let weight = weights[row];
            if weight <= 0.0 {
                continue;
            }
            if weight > MAX_MAGNITUDE {
                return Err(Error::WeightTooLarge { value: weight });
            }
            if labels[row] == NO_SEGMENT {
                self.skipped += 1;
                continue;
            }
            self.rows += 1;
            self.inertia.add_product(distances[row], weight);
            let segment = &mut self.segments[labels[row] as usize];
            segment.rows += 1;
            segment.weight.add(weight);
            for ((column, feature), sum) in
                scaled.columns.iter().zip(&mut self.features).zip(&mut segment.sums)
            {
                let x = column[row];
                feature.min = feature.min.min(x);
                feature.max = feature.max.max(x);
                feature.squares.add_product_times(x, x, weight);
                sum.add_product(x, weight);
            }
        }
        Ok(())
    }

    fn keep_farthest(
        &mut self,
        scaled: &Scaled,
        distances: &[f64],
        weights: Option<&[f64]>,
        rows: Range<usize>,
    ) {
        for row in rows {
            let distance = distances[row];
            // NaN, of a row that is not usable, is never greater.
            let is_far = distance > 0.0
                && self.farthest.get(MAX_FARTHEST - 1).is_none_or(|last| distance >= last.distance);
            if is_far && weights.is_none_or(|weights| weights[row] > 0.0) {
                let values = scaled.columns.iter().map(|column| column[row]).collect();
                self.insert(FarRow { distance, values });
            }
        }
    }

    fn insert(&mut self, row: FarRow) {
        if let Err(place) = self.farthest.binary_search_by(|known| known.compare(&row)) {
            self.farthest.insert(place, row);
            self.farthest.truncate(MAX_FARTHEST);
        }
    }
}

impl KMeans {
    /// The model after a step: its centroids are the means of their rows, its sizes, figures and
    /// the mean and standard deviation of each feature are those of the rows of the step. A segment
    /// that has become empty gets the row farthest from its centroid. `None` without a row.
    ///
    /// The inertia is that of the rows about the new centroids, in the segments of the old ones:
    /// that of the old ones less what the move of each centroid to the mean of its rows saves. The
    /// run has converged when the squared movement of all centroids is at most `tol` times the mean
    /// variance of the features.
    pub fn next(&self, step: &Step, tol: f64) -> Option<Self> {
        if step.rows == 0 {
            return None;
        }
        let n_features = self.transform.n_features();
        let mut centroids = Vec::with_capacity(self.centroids.len());
        let mut farthest = step.farthest.iter();
        let (mut moved, mut saved) = (0.0, ExactSum::new());
        let mut is_full = true;
        let mut total = SegmentStep {
            rows: 0,
            weight: ExactSum::new(),
            sums: vec![ExactSum::new(); n_features],
        };
        for (centroid, segment) in self.centroids.iter().zip(&step.segments) {
            let weight = segment.weight.round();
            if segment.rows == 0 || weight == 0.0 {
                // It stays where no row is left to move it to.
                is_full = false;
                let row = farthest.next().map(|row| row.values.clone());
                centroids.push(row.unwrap_or_else(|| centroid.clone()));
                continue;
            }
            let means: Vec<f64> =
                segment.sums.iter().map(|sum| sum.quotient(weight) + 0.0).collect();
            let square: f64 = means.iter().zip(centroid).map(|(x, y)| (x - y).powi(2)).sum();
            moved += square;
            saved.add_product(square, weight);
            total.weight.merge(&segment.weight);
            total.sums.iter_mut().zip(&segment.sums).for_each(|(sum, own)| sum.merge(own));
            centroids.push(means);
        }
        let mut inertia = step.inertia.clone();
        inertia.subtract(&saved);

        let mut next = Self {
            centroids,
            sizes: step.segments.iter().map(|segment| segment.rows).collect(),
            inertia: inertia.round().max(0.0),
            rows: step.rows,
            skipped: step.skipped,
            sampled: step.rows,
            iterations: self.iterations.saturating_add(1),
            converged: false,
            ..self.clone()
        };
        let weight = total.weight.round();
        let mut variance = 0.0;
        for (feature, (values, sum)) in step.features.iter().zip(&total.sums).enumerate() {
            let (center, spread) = (self.transform.center[feature], self.transform.spread[feature]);
            let mean = sum.quotient(weight).clamp(values.min, values.max);
            let mut scatter = values.squares.product(&total.weight);
            scatter.subtract(&sum.square());
            let [min, max] = [values.min, values.max].map(|x| x * spread + center);
            let is_constant = is_rounding(min, max);
            let stddev = if is_constant { 0.0 } else { scatter.root_quotient(weight) };
            variance += stddev.powi(2);
            next.transform.mean[feature] = mean * spread + center;
            next.transform.stddev[feature] = stddev * spread;
        }
        next.converged = is_full && moved <= tol * variance / n_features as f64;
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_data::{Random, blobs, observe};
    use crate::{KMeansOptions, Nulls, Scale};

    fn options(n_clusters: usize) -> KMeansOptions {
        KMeansOptions {
            n_clusters,
            scale: Scale::Standard,
            nulls: Nulls::Skip,
            n_init: 1,
            max_iter: 1,
            tol: 0.0,
            seed: 1,
            n_threads: 1,
            init: None,
        }
    }

    fn columns(rows: &[Vec<f64>]) -> Vec<Vec<f64>> {
        (0..rows[0].len()).map(|j| rows.iter().map(|row| row[j]).collect()).collect()
    }

    fn step_of(model: &KMeans, rows: &[Vec<f64>], weights: Option<&[f64]>) -> Step {
        let columns = columns(rows);
        let slices: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
        let scaled = model.transform.apply(&slices).expect("rows to scale");
        let mut step = Step::new(model.centroids.len(), slices.len());
        step.add(model, &scaled, weights).expect("rows to add");
        step
    }

    fn bits(model: &KMeans) -> (Vec<Vec<u64>>, Vec<u64>, u64, Vec<u64>) {
        let bits = |values: &[f64]| values.iter().map(|x| x.to_bits()).collect::<Vec<u64>>();
        let centroids = model.centroids.iter().map(|centroid| bits(centroid)).collect();
        (
            centroids,
            model.sizes.clone(),
            model.inertia.to_bits(),
            bits(&[model.transform.mean.clone(), model.transform.stddev.clone()].concat()),
        )
    }

    #[test]
    fn parts_in_any_order_give_the_same_bits() {
        let mut random = Random::new(5);
        for case in 0..12 {
            let mut rows = blobs(case, 5000, 3, 4);
            rows[7][1] = 1e30;
            rows[8][0] = f64::NAN;
            let model = KMeans::fit(observe(&rows[20..]), &options(5)).expect("fits");
            let model = model.expect("rows");
            let weights: Vec<f64> =
                (0..rows.len()).map(|_| (random.below(4) as f64) / 3.0).collect();
            for weights in [None, Some(weights.as_slice())] {
                let whole = step_of(&model, &rows, weights);
                let whole = bits(&model.next(&whole, 0.0).expect("rows"));
                let mut parts = Vec::new();
                let mut start = 0;
                while start < rows.len() {
                    let end =
                        rows.len().min(start + 1 + random.below([3, 100, 3000][case as usize % 3]));
                    let own = weights.map(|weights| &weights[start..end]);
                    parts.push(step_of(&model, &rows[start..end], own));
                    start = end;
                }
                if case % 2 == 0 {
                    parts.reverse();
                }
                let mut merged = Step::new(5, 3);
                parts.iter().for_each(|part| merged.merge(part));
                assert_eq!(bits(&model.next(&merged, 0.0).expect("rows")), whole, "case {case}");
            }
        }
    }

    #[test]
    fn steps_from_a_start_end_where_a_fit_from_it_ends() {
        for seed in 0..6 {
            let rows = blobs(seed, 4000, 4, 6);
            let start = KMeans::fit(observe(&rows), &options(6)).expect("fits").expect("rows");
            let fit = KMeansOptions { init: Some(start.clone()), max_iter: 300, ..options(6) };
            let fit = KMeans::fit(observe(&rows), &fit).expect("fits").expect("rows");
            let mut model = start;
            for _ in 0..300 {
                model = model.next(&step_of(&model, &rows, None), 0.0).expect("rows");
                if model.converged {
                    break;
                }
            }
            assert!(model.converged && fit.converged);
            assert_eq!(model.sizes, fit.sizes);
            assert!((model.inertia / fit.inertia - 1.0).abs() < 1e-12);
            for (own, other) in model.centroids.iter().flatten().zip(fit.centroids.iter().flatten())
            {
                assert!((own - other).abs() < 1e-12, "{own} {other}");
            }
            for (own, other) in model.transform.stddev.iter().zip(&fit.transform.stddev) {
                assert!((own / other - 1.0).abs() < 1e-12, "{own} {other}");
            }
        }
    }

    #[test]
    fn a_segment_without_rows_gets_the_farthest_row() {
        let rows: Vec<Vec<f64>> = [0.0, 1.0, 2.0, 50.0].iter().map(|&x| vec![x]).collect();
        let fit = KMeansOptions { scale: Scale::None, ..options(2) };
        let mut model = KMeans::fit(observe(&rows), &fit).expect("fits").expect("rows");
        model.centroids = vec![vec![0.0], vec![1e6]];
        let next = model.next(&step_of(&model, &rows, None), 0.0).expect("rows");
        assert_eq!(next.centroids, [[13.25], [50.0]]);
        assert_eq!((next.sizes.as_slice(), next.converged), ([4, 0].as_slice(), false));
        let last = next.next(&step_of(&next, &rows, None), 0.0).expect("rows");
        assert_eq!(last.centroids, [[1.0], [50.0]]);
        assert_eq!(last.inertia, 2.0);
    }

    #[test]
    fn no_row_gives_no_model() {
        let rows = blobs(1, 20, 2, 2);
        let model = KMeans::fit(observe(&rows), &options(2)).expect("fits").expect("rows");
        let step = step_of(&model, &[vec![f64::NAN, 1.0]], None);
        assert_eq!((step.rows, step.skipped), (0, 1));
        assert!(model.next(&step, 0.0).is_none());
    }
}
