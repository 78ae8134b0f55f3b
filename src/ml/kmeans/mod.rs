//! k-means: fit, nearest centroid, distances.

mod evaluate;
mod init;
mod lloyd;
mod metrics;
mod nearest;
mod restarts;
mod sums;

use super::logarithm::ln_1p_all;
use super::scaling::{Nulls, Points, Scale, Scaled, Transform, fit_transform};
use super::{Error, MAX_MAGNITUDE};
use crate::rows::Observations;
use init::Sample;
use lloyd::{Limits, Prepared, Run};
pub use metrics::Figures;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::ops::RangeInclusive;

/// How to fit a [`KMeans`].
#[derive(Clone, Debug)]
pub struct KMeansOptions {
    /// Clusters.
    pub n_clusters: usize,
    /// How features are scaled.
    pub scale: Scale,
    /// What happens to missing values.
    pub nulls: Nulls,
    /// Restarts from other centroids; the best is kept.
    pub n_init: usize,
    /// Most iterations of a run.
    pub max_iter: usize,
    /// A run ends when the squared shift of all centroids is at most this times the mean variance of the
    /// scaled features.
    pub tol: f64,
    /// What restarts draw from.
    pub seed: i64,
    /// Threads that a fit may use; they do not change its result.
    pub n_threads: usize,
    /// A model with the same features in the same order, and as many clusters, to start from instead of
    /// restarts; its labels are kept.
    pub init: Option<KMeans>,
}

/// A fitted k-means model.
#[derive(Clone, Debug, PartialEq)]
pub struct KMeans {
    /// How raw values become scaled ones.
    pub transform: Transform,
    /// `(n_clusters, n_features)`, in scaled space.
    pub centroids: Vec<Vec<f64>>,
    /// Rows of each cluster; they sum to `rows`.
    pub sizes: Vec<u64>,
    /// Weighted sum of squared distances to the nearest centroid, in scaled space.
    pub inertia: f64,
    /// Usable rows.
    pub rows: u64,
    /// Rows left out for a missing value.
    pub skipped: u64,
    /// Rows that the fit held; fewer than `rows` where it worked on a sample.
    pub sampled: u64,
    /// Iterations of the run that gave the centroids.
    pub iterations: u32,
    /// Whether that run ended by itself, before `max_iter`.
    pub converged: bool,
    /// The seed.
    pub seed: i64,
}

impl KMeans {
    /// Fits `n_clusters` centroids by Lloyd's algorithm, from the best of `n_init` starts by greedy k-means++
    /// (D. Arthur, S. Vassilvitskii, 2007), improved by swaps of single centroids (P. Fränti, "Efficiency of random
    /// swap clustering", 2018). Both work on the distinct rows, or where there are more than 32,768 on a sample of them; then
    /// a run over all rows follows. Clusters are numbered by descending size, ties by centroid.
    /// `None` without a usable row.
    ///
    /// # Errors
    /// [`Error::TooFewDistinctRows`], [`Error::NoUsableRow`] and those of the scaling: [`Error::Missing`], [`Error::NegativeLog`],
    /// [`Error::TooLarge`], [`Error::WeightTooLarge`].
    pub fn fit(observations: Observations, options: &KMeansOptions) -> Result<Option<Self>, Error> {
        let n_clusters = options.n_clusters;
        let Some(fitting) = Fitting::new(observations, options)? else {
            return Ok(None);
        };
        let n_distinct = fitting.sample.points.len();
        if n_distinct < n_clusters {
            return Err(fitting.too_few(n_distinct, n_clusters));
        }
        let run = if let Some(init) = &options.init {
            assert_eq!(init.centroids.len(), n_clusters, "one initial centroid for each cluster");
            fitting.run_from(init.centroids_in(&fitting.transform)?)
        } else {
            fitting.run(n_clusters)
        };
        if run.sizes.contains(&0) {
            // Rows that differ may be equal once they are scaled, or so near to each other that no square tells it.
            let n_distinct = run.sizes.iter().filter(|&&size| size > 0).count();
            return Err(fitting.too_few(n_distinct, n_clusters));
        }
        let run = Run { inertia: run.inertia * fitting.points.weight_unit, ..run };
        let counts = [fitting.rows, fitting.skipped, fitting.points.n_samples()];
        Ok(Some(Self::from_run(run, fitting.transform, counts, options)))
    }

    /// Figures of the fits with each number of clusters in `n_clusters`, which take the place of that in `options`;
    /// `None` for a number above that of distinct rows. `None` without a usable row.
    ///
    /// Above 32,768 distinct rows the centroids are those of the sample after one step of Lloyd's algorithm over all
    /// rows, about which the figures of all rows are taken; each number of clusters starts from the one before.
    ///
    /// # Errors
    /// Those of the scaling, as in [`KMeans::fit`].
    pub fn evaluate(
        observations: Observations,
        n_clusters: RangeInclusive<usize>,
        options: &KMeansOptions,
    ) -> Result<Option<Vec<Option<Figures>>>, Error> {
        assert!(options.init.is_none(), "a start has one number of clusters");
        let Some(fitting) = Fitting::new(observations, options)? else {
            return Ok(None);
        };
        let n_distinct = fitting.sample.points.len();
        let feasible = *n_clusters.start()..=(*n_clusters.end()).min(n_distinct);
        let mut clusterings = fitting.search_all(feasible);
        if !fitting.sample.is_whole {
            evaluate::step(&fitting.points, &mut clusterings, options.n_threads);
        }
        let means: Vec<f64> = fitting.points.extents.iter().map(|extent| extent.mean).collect();
        let points = if fitting.sample.is_whole { &fitting.sample.points } else { &fitting.points };
        let mut figures = metrics::figures(points, &clusterings, &means, options.n_threads).into_iter();
        let scale_up = fitting.rows as f64 / fitting.points.n_samples() as f64 * fitting.points.weight_unit;
        let figures = n_clusters.map(|_| {
            figures.next().map(|figures| Figures { inertia: figures.inertia * scale_up, ..figures })
        });
        Ok(Some(figures.collect()))
    }

    fn from_run(
        run: Run,
        transform: Transform,
        [rows, skipped, sampled]: [u64; 3],
        options: &KMeansOptions,
    ) -> Self {
        let mut clusters: Vec<(Vec<f64>, u64)> =
            run.centroids.chunks(transform.n_features()).map(<[f64]>::to_vec).zip(run.sizes).collect();
        if options.init.is_none() {
            clusters.sort_by(|(x, x_size), (y, y_size)| {
                let by_centroid = || x.iter().zip(y).map(|(x, y)| x.total_cmp(y)).find(|order| order.is_ne());
                y_size.cmp(x_size).then_with(|| by_centroid().unwrap_or(std::cmp::Ordering::Equal))
            });
        }
        let (centroids, sizes): (Vec<_>, Vec<_>) = clusters.into_iter().unzip();
        Self {
            transform,
            centroids,
            sizes: scale_up(&sizes, rows),
            inertia: if sampled == rows { run.inertia } else { run.inertia * (rows as f64 / sampled as f64) },
            rows,
            skipped,
            sampled,
            iterations: run.iterations,
            converged: run.converged,
            seed: options.seed,
        }
    }

    /// The nearest centroid of each row and its squared distance, in scaled units; of two at the same distance
    /// the lower one. An unusable row gets the label `u32::MAX` and a distance of NaN.
    ///
    /// # Errors
    /// [`Error::DistanceOverflow`] where a usable row is at no finite distance from any centroid.
    pub fn assign(
        &self,
        scaled: &Scaled,
        labels: &mut Vec<u32>,
        distances: &mut Vec<f64>,
    ) -> Result<(), Error> {
        let columns: Vec<&[f64]> = scaled.columns.iter().map(Vec::as_slice).collect();
        let rows = scaled.usable.len();
        labels.clear();
        labels.resize(rows, 0);
        distances.clear();
        distances.resize(rows, 0.0);
        nearest::nearest(&columns, &self.centroids.concat(), labels, distances);
        for ((label, distance), &usable) in labels.iter_mut().zip(distances).zip(&scaled.usable) {
            if !usable {
                (*label, *distance) = (u32::MAX, f64::NAN);
            } else if !distance.is_finite() {
                return Err(Error::DistanceOverflow);
            }
        }
        Ok(())
    }

    /// The label of the nearest centroid of each row of `columns`, one slice of raw values for each feature: those of
    /// [`Transform::apply`] and [`KMeans::assign`], several times as fast. An unusable row gets `u32::MAX`.
    ///
    /// # Errors
    /// Theirs.
    pub fn labels(&self, columns: &[&[f64]], labels: &mut Vec<u32>) -> Result<(), Error> {
        let n_rows = columns.first().map_or(0, |column| column.len());
        labels.clear();
        let mut found = Vec::new();
        let prepare = |(&column, &log): (_, &bool)| {
            let mut prepared: Cow<[f64]> = Cow::Borrowed(column);
            if log {
                ln_1p_all(prepared.to_mut());
            }
            prepared
        };
        let prepared: Vec<Cow<[f64]>> = columns.iter().zip(&self.transform.log).map(prepare).collect();
        let prepared: Vec<&[f64]> = prepared.iter().map(AsRef::as_ref).collect();
        let centroids = self.centroids.concat();
        if centroids.iter().all(|c| c.abs() <= MAX_MAGNITUDE) {
            nearest::proven_labels(&prepared, &self.transform, &centroids, &mut found);
        } else {
            // Distances may overflow, which is an error.
            found.resize(n_rows, -1.0);
        }
        // A logarithm of a negative value may be a number.
        for (column, _) in columns.iter().zip(&self.transform.log).filter(|(_, log)| **log) {
            found.iter_mut().zip(*column).filter(|(_, x)| **x < 0.0).for_each(|(label, _)| *label = -1.0);
        }
        let doubtful: Vec<usize> = (0..n_rows).filter(|&row| found[row] < 0.0).collect();
        labels.extend(found[..n_rows].iter().map(|&label| label as u32));
        if doubtful.is_empty() {
            return Ok(());
        }
        let own: Vec<Vec<f64>> =
            columns.iter().map(|column| doubtful.iter().map(|&row| column[row]).collect()).collect();
        let scaled = self.transform.apply(&own.iter().map(Vec::as_slice).collect::<Vec<_>>())?;
        let (mut own_labels, mut distances) = (Vec::new(), Vec::new());
        self.assign(&scaled, &mut own_labels, &mut distances)?;
        doubtful.iter().zip(own_labels).for_each(|(&row, label)| labels[row] = label);
        Ok(())
    }

    /// The Euclidean distances of a usable row to all centroids, in scaled units.
    ///
    /// # Errors
    /// [`Error::DistanceOverflow`] where one is beyond the doubles.
    pub fn distances(&self, scaled: &Scaled, row: usize) -> Result<Vec<f64>, Error> {
        let distance = |centroid: &Vec<f64>| {
            let differences = || scaled.columns.iter().zip(centroid).map(|(column, c)| column[row] - c);
            let distance = differences().map(|x| x.powi(2)).sum::<f64>().sqrt();
            let distance = if (1e-150..1e150).contains(&distance) {
                distance
            } else {
                // Squares leave the range of doubles where the distance does not.
                let greatest = differences().map(f64::abs).fold(0.0, f64::max);
                let unit = if greatest > 0.0 { greatest } else { 1.0 };
                differences().map(|x| (x / unit).powi(2)).sum::<f64>().sqrt() * unit
            };
            if distance.is_finite() { Ok(distance) } else { Err(Error::DistanceOverflow) }
        };
        self.centroids.iter().map(distance).collect()
    }

    /// The centroids in the scaled space of another transform of the same features, one after the other.
    fn centroids_in(&self, transform: &Transform) -> Result<Vec<f64>, Error> {
        let own = &self.transform;
        assert_eq!(own.n_features(), transform.n_features(), "the same features");
        let convert = |(feature, &x): (usize, &f64)| {
            let value = own.invert(feature, x);
            let prepared = match (own.log[feature], transform.log[feature]) {
                (true, true) => x * own.spread[feature] + own.center[feature],
                (_, false) => value,
                (false, true) if value < 0.0 => return Err(Error::NegativeLog { feature, value }),
                (false, true) => value.ln_1p(),
            };
            let scaled = (prepared - transform.center[feature]) / transform.spread[feature] + 0.0;
            if scaled.abs() <= MAX_MAGNITUDE { Ok(scaled) } else { Err(Error::TooLarge { feature, value }) }
        };
        self.centroids.iter().flat_map(|centroid| centroid.iter().enumerate().map(convert)).collect()
    }
}

/// The rows of a fit, scaled, and the distinct ones that restarts work on.
struct Fitting<'o> {
    options: &'o KMeansOptions,
    transform: Transform,
    points: Points,
    sample: Sample,
    /// Usable rows, those that a sample left out included.
    rows: u64,
    skipped: u64,
    /// The sum of the variances of the scaled features.
    variance: f64,
}

impl<'o> Fitting<'o> {
    fn new(observations: Observations, options: &'o KMeansOptions) -> Result<Option<Self>, Error> {
        assert!(
            options.n_clusters > 0 && options.n_init > 0 && options.max_iter > 0,
            "options are checked before"
        );
        observations.check_usable()?;
        if observations.rows() == 0 {
            return Ok(None);
        }
        let observations = observations.settled();
        let (rows, skipped) = (observations.rows(), observations.skipped());
        let (transform, points) =
            fit_transform(observations, options.scale, options.nulls, options.n_threads)?;
        let variance = points.extents.iter().map(|extent| extent.variance).sum::<f64>();
        let sample = Sample::draw(&points, variance, options.n_clusters, options.seed, options.n_threads);
        Ok(Some(Self { options, transform, points, sample, rows, skipped, variance }))
    }

    /// The error that says what rows there are.
    fn too_few(&self, n_distinct: usize, n_clusters: usize) -> Error {
        let rows =
            self.points.tiles().into_iter().flat_map(|tile| (0..tile.rows()).map(move |row| tile.row(row)));
        let compare = |x: &Vec<f64>, y: &Vec<f64>| {
            x.iter()
                .zip(y)
                .map(|(x, y)| x.total_cmp(y))
                .find(|order| order.is_ne())
                .unwrap_or(Ordering::Equal)
        };
        let least = rows.map(Iterator::collect::<Vec<f64>>).min_by(compare).unwrap_or_default();
        let original = |(&x, &log): (&f64, &bool)| if log { x.exp_m1() } else { x };
        Error::TooFewDistinctRows {
            n_distinct,
            n_clusters,
            rows: self.rows,
            least: least.iter().zip(&self.transform.log).map(original).collect(),
        }
    }

    fn limits(&self, n_rows: usize, n_clusters: usize) -> Limits {
        let n_features = self.transform.n_features();
        Limits {
            max_iter: most_iterations(self.options.max_iter, (n_rows * n_clusters * n_features) as u64),
            tolerance: self.options.tol * self.variance / n_features as f64,
        }
    }

    /// The run over all rows from some centroids on; `leads`: whether single precision is fine enough to lead it.
    fn run_over_all(&self, centroids: Vec<f64>, leads: bool) -> Run {
        let n_clusters = centroids.len() / self.transform.n_features();
        let limits = self.limits(self.points.len(), n_clusters);
        lloyd::run(&self.points, self.variance, centroids, limits, leads, self.options.n_threads)
    }

    /// The run from given centroids on.
    fn run_from(&self, centroids: Vec<f64>) -> Run {
        let sample = Prepared::new(&self.sample.points);
        let limits = self.limits(sample.len(), centroids.len() / self.transform.n_features());
        if self.sample.is_whole {
            return sample.run(centroids, limits);
        }
        let mut rough = sample.attempt(centroids.clone(), true);
        rough.go_on(limits, f64::INFINITY);
        let leads = sample.resolves(rough.inertia);
        self.run_over_all(centroids, leads)
    }

    /// The run from the best start that the sample gives.
    fn run(&self, n_clusters: usize) -> Run {
        let sample = Prepared::new(&self.sample.points);
        let (centroids, leads) = self.search(&sample, n_clusters, None);
        if self.sample.is_whole {
            sample.run(centroids, self.limits(sample.len(), n_clusters))
        } else {
            self.run_over_all(centroids, leads)
        }
    }

    /// The centroids of the best run over the sample, and whether single precision was fine enough to lead it; then they
    /// are not quite those of exact sums.
    fn search(&self, rows: &Prepared, n_clusters: usize, fewer: Option<&Vec<f64>>) -> (Vec<f64>, bool) {
        /// Of the tolerance, on a sample: iterations cost little there, and the run over all rows that follows may stop
        /// where it moves slowly.
        const FINER: f64 = 0.1;
        let limits = self.limits(rows.len(), n_clusters);
        let finer = if self.sample.is_whole { 1.0 } else { FINER };
        let limits = Limits { tolerance: finer * limits.tolerance, ..limits };
        let search = |is_rough| {
            let search = restarts::Search {
                points: &self.sample.points,
                rows,
                is_whole: self.sample.is_whole,
                n_clusters,
                seed: self.options.seed,
                n_threads: self.options.n_threads,
                limits,
                is_rough,
            };
            let n_init = self.options.n_init;
            match fewer {
                None => search.best(n_init),
                // The more clusters, the more of them are those of the run before, and the dearer is a restart.
                Some(fewer) => search.best_grown((3 * n_init).div_ceil(n_clusters).min(n_init), fewer),
            }
        };
        let rough = search(true);
        let leads = rows.resolves(rough.inertia);
        let best = if leads { rough } else { search(false) };
        (best.centroids().to_vec(), leads)
    }

    /// The centroids of the best runs over the sample. Where it is not all rows, and figures are those of a sample
    /// in any case, each run starts from the one before.
    fn search_all(&self, n_clusters: RangeInclusive<usize>) -> Vec<Vec<f64>> {
        let sample = Prepared::new(&self.sample.points);
        let mut clusterings: Vec<Vec<f64>> = Vec::new();
        for n_clusters in n_clusters {
            let fewer = clusterings.last().filter(|_| !self.sample.is_whole);
            let (mut centroids, _) = self.search(&sample, n_clusters, fewer);
            if self.sample.is_whole {
                centroids = sample.run(centroids, self.limits(sample.len(), n_clusters)).centroids;
            }
            clusterings.push(centroids);
        }
        clusterings
    }
}

/// Iterations that a run may take, each of so many products of a row, a centroid and a feature. Nothing can interrupt
/// it: it ends after 2^40 products, about two minutes of one processor.
fn most_iterations(max_iter: usize, products: u64) -> usize {
    const MAX_RUN_PRODUCTS: u64 = 1 << 40;
    max_iter.min((MAX_RUN_PRODUCTS / products) as usize).max(1)
}

/// Sizes of a sample's clusters in proportion to all `rows`, by the method of largest remainders.
fn scale_up(sizes: &[u64], rows: u64) -> Vec<u64> {
    let total = u128::from(sizes.iter().sum::<u64>());
    let shares: Vec<u128> = sizes.iter().map(|&size| u128::from(size) * u128::from(rows)).collect();
    let mut scaled: Vec<u64> = shares.iter().map(|share| (share / total) as u64).collect();
    let mut by_remainder: Vec<usize> = (0..sizes.len()).collect();
    by_remainder.sort_by_key(|&cluster| std::cmp::Reverse(shares[cluster] % total));
    let missing = rows - scaled.iter().sum::<u64>();
    for &cluster in by_remainder.iter().take(missing as usize) {
        scaled[cluster] += 1;
    }
    scaled
}

#[cfg(test)]
mod tests {
    use super::super::simd::tests::on_each;
    use super::super::test_data::{MEMORY, Random, append, blobs, columns, observe, observe_all, options};
    use super::*;

    fn fit(rows: &[Vec<f64>], options: &KMeansOptions) -> KMeans {
        KMeans::fit(observe(rows), options).expect("rows to fit").expect("a usable row")
    }

    fn scaled(model: &KMeans, rows: &[Vec<f64>]) -> Scaled {
        let columns = columns(rows);
        model.transform.apply(&columns.iter().map(Vec::as_slice).collect::<Vec<_>>()).expect("rows to scale")
    }

    fn predict(model: &KMeans, rows: &[Vec<f64>]) -> (Vec<u32>, Vec<f64>) {
        let (mut labels, mut distances) = (Vec::new(), Vec::new());
        model.assign(&scaled(model, rows), &mut labels, &mut distances).expect("rows to label");
        (labels, distances)
    }

    fn column(values: &[f64]) -> Vec<Vec<f64>> {
        values.iter().map(|&x| vec![x]).collect()
    }

    #[test]
    fn a_run_ends_after_a_bounded_amount_of_work() {
        assert_eq!(most_iterations(300, 1_000_000 * 8 * 8), 300);
        assert_eq!(most_iterations(300, 6_000_000 * 8 * 1024), 22);
        assert_eq!(most_iterations(300, 1 << 50), 1);
    }

    #[test]
    fn one_cluster_is_the_mean() {
        let model = fit(&column(&[0.0, 0.0, 10.0, 10.0]), &options(1));
        assert_eq!((model.centroids, model.sizes, model.inertia), (vec![vec![5.0]], vec![4], 100.0));
        assert!(model.converged);
    }

    #[test]
    fn two_clusters_agree_with_hand_work() {
        let rows = column(&[0.0, 10.0, 2.0, 12.0, 1.0]);
        let model = fit(&rows, &options(2));
        assert_eq!((&model.centroids, &model.sizes), (&vec![vec![1.0], vec![11.0]], &vec![3, 2]));
        assert_eq!((model.inertia, model.rows, model.sampled, model.skipped), (4.0, 5, 5, 0));
        assert_eq!(predict(&model, &rows), (vec![0, 1, 0, 1, 0], vec![1.0, 1.0, 1.0, 1.0, 0.0]));
        assert_eq!(model.distances(&scaled(&model, &rows), 1), Ok(vec![9.0, 1.0]));
    }

    #[test]
    fn no_row_has_no_model_and_rows_without_values_are_an_error() {
        let nothing = Observations::new(2, false, false, MEMORY, 42);
        assert_eq!(KMeans::fit(nothing.clone(), &options(3)), Ok(None));
        let rows = [vec![1.0, f64::NAN], vec![f64::INFINITY, f64::NAN], vec![2.0, f64::NAN]];
        for split in 0..=3 {
            let (mut all, mut others) = (nothing.clone(), nothing.clone());
            append(&mut all, &rows[..split], None, 2);
            append(&mut others, &rows[split..], None, 2);
            all.merge(&others);
            let error = Error::NoUsableRow { feature: 1, missing: 3, rows: 3 };
            assert_eq!(KMeans::fit(all.clone(), &options(1)), Err(error));
            append(&mut all, &[vec![1.0, 2.0]], None, 2);
            assert_eq!(KMeans::fit(all, &options(1)).map(|fit| fit.map(|fit| fit.skipped)), Ok(Some(3)));
        }
    }

    #[test]
    fn values_at_the_ends_of_the_doubles_never_leave_a_cluster_empty() {
        let values =
            [0.0, 5e-324, -5e-324, 1e-320, 2e-308, 1e-200, 1e-160, 1e-100, 1.0, -1.0, 1e50, 3e99, -1e100];
        let mut random = Random::new(8);
        for case in 0..600 {
            let n = 2 + random.below(12);
            let rows: Vec<Vec<f64>> = (0..n)
                .map(|_| (0..1 + case % 2).map(|_| values[random.below(values.len())]).collect())
                .collect();
            let scale = [Scale::None, Scale::Standard, Scale::MinMax, Scale::Robust][random.below(4)];
            let n_clusters = 1 + random.below(4.min(n));
            let Ok(model) = KMeans::fit(observe(&rows), &KMeansOptions { scale, ..options(n_clusters) })
            else {
                continue;
            };
            let model = model.expect("usable rows");
            assert!(!model.sizes.contains(&0), "{rows:?}, {scale:?}: {:?}", model.sizes);
            assert_eq!(model.sizes.iter().sum::<u64>(), n as u64);
            let columns = columns(&rows);
            let mut labels = Vec::new();
            let found = model.labels(&columns.iter().map(Vec::as_slice).collect::<Vec<_>>(), &mut labels);
            found.expect("rows that were fitted");
            let of =
                |cluster: usize| labels.iter().filter(|&&label| label as usize == cluster).count() as u64;
            let sizes: Vec<u64> = (0..n_clusters).map(of).collect();
            assert_eq!(sizes, model.sizes, "{rows:?}, {scale:?}, {n_clusters}");
        }
    }

    #[test]
    fn distances_beyond_the_squares_of_doubles_are_right() {
        let model = |centroid: f64| {
            let model = fit(&[vec![0.0, 0.0], vec![1.0, 1.0]], &options(1));
            KMeans { centroids: vec![vec![centroid, centroid * 0.75]], ..model }
        };
        for (centroid, distance) in [(4.0, 5.0), (4e200, 5e200), (4e-200, 5e-200)] {
            let model = model(centroid);
            let scaled = model.transform.apply(&[&[0.0], &[0.0]]).expect("a row");
            let found = model.distances(&scaled, 0).expect("a distance")[0];
            assert!((found - distance).abs() < 1e-12 * distance, "{found}");
        }
        let far = model(f64::MAX);
        let scaled = far.transform.apply(&[&[-1e99], &[0.0]]).expect("a row");
        assert_eq!(far.distances(&scaled, 0), Err(Error::DistanceOverflow));
    }

    #[test]
    fn fewer_distinct_rows_than_clusters_are_an_error() {
        let rows = column(&[1.0, 2.0, 2.0, -0.0, 0.0, 0.0]);
        let least = vec![0.0];
        let error = Err(Error::TooFewDistinctRows { n_distinct: 3, n_clusters: 5, rows: 6, least });
        assert_eq!(KMeans::fit(observe(&rows), &options(5)), error);
        assert_eq!(fit(&rows, &options(3)).inertia, 0.0);
    }

    #[test]
    fn every_row_can_be_a_cluster() {
        for n_features in [1, 3, 1000] {
            let rows = blobs(1, 40, n_features, 4);
            let model = fit(&rows, &options(40));
            assert_eq!((model.sizes, model.inertia), (vec![1; 40], 0.0));
            let model = fit(&rows, &options(1));
            assert_eq!(model.sizes, [40]);
        }
        assert_eq!(fit(&column(&[7.0]), &options(1)).centroids, [[7.0]]);
    }

    #[test]
    fn fit_depends_neither_on_order_nor_on_chunks_merges_or_threads() {
        // More than the restarts hold, so that all stages take part, with duplicates and weights.
        let mut rows = blobs(2, 24_000, 4, 6);
        rows.extend_from_within(..6_000);
        let mut weighted: Vec<(Vec<f64>, f64)> =
            rows.into_iter().enumerate().map(|(i, row)| (row, [1.0, 0.3, 2.5, 0.0][i % 4])).collect();
        let fit =
            |weighted: &[(Vec<f64>, f64)], parts: usize, chunk: usize, memory: u64, n_threads: usize| {
                let mut observations = Observations::new(4, true, false, memory, 42);
                for part in weighted.chunks(weighted.len().div_ceil(parts)) {
                    let (rows, weights): (Vec<Vec<f64>>, Vec<f64>) = part.iter().cloned().unzip();
                    let mut state = Observations::new(4, true, false, memory, 42);
                    append(&mut state, &rows, Some(&weights), chunk);
                    observations.merge(&state);
                }
                let options = KMeansOptions { scale: Scale::Standard, n_init: 3, n_threads, ..options(9) };
                KMeans::fit(observations, &options).expect("rows to fit").expect("a usable row")
            };
        for memory in [MEMORY, 0] {
            let expected = fit(&weighted, 1, 2048, memory, 1);
            assert_eq!(expected.sampled == expected.rows, memory == MEMORY);
            assert_eq!(expected.sizes.iter().sum::<u64>(), expected.rows);
            for (parts, chunk, n_threads) in [(1, 2048, 2), (2, 100, 3), (7, 999, 1)] {
                Random::new(parts as u64).shuffle(&mut weighted);
                assert_eq!(fit(&weighted, parts, chunk, memory, n_threads), expected, "{parts} parts");
            }
        }
    }

    #[test]
    fn fit_has_the_same_bits_on_registers_of_any_width() {
        // All rows, a sample of restarts, and a sample of rows.
        for (n_rows, memory) in [(900, MEMORY), (40_000, MEMORY), (40_000, 0)] {
            let rows = blobs(9, n_rows, 5, 4);
            let models = on_each(|| {
                let mut observations = Observations::new(5, false, false, memory, 42).with_log(&[false; 5]);
                append(&mut observations, &rows, None, 2048);
                let options = KMeansOptions { scale: Scale::Standard, n_threads: 2, ..options(6) };
                KMeans::fit(observations, &options).expect("rows to fit").expect("a usable row")
            });
            assert!(models.windows(2).all(|pair| pair[0] == pair[1]), "{n_rows} rows");
        }
    }

    #[test]
    fn outliers_that_single_precision_cannot_bear_do_not_hide_the_clusters() {
        // Rounded about their mean, the blobs would be one point.
        let mut rows = blobs(10, 2000, 3, 4);
        rows.extend([vec![1e12; 3], vec![-1e12; 3]]);
        let model = fit(&rows, &options(6));
        assert!(model.inertia < 2000.0 * 3.0 * 1.1, "{}", model.inertia);
    }

    #[test]
    fn a_row_that_is_most_rows_is_in_the_sample() {
        // Half of the rows are one point, far from the others, among more distinct rows than restarts work on.
        let mut rows = blobs(11, 45_000, 2, 3);
        rows.extend(std::iter::repeat_n(vec![500.0, 500.0], 45_000));
        let model = fit(&rows, &KMeansOptions { n_init: 1, ..options(4) });
        assert_eq!((model.sizes[0], &model.centroids[0]), (45_000, &vec![500.0, 500.0]));
    }

    #[test]
    fn equal_rows_and_weights_draw_the_same_sample() {
        let rows = blobs(12, 40_000, 3, 5);
        let weights: Vec<f64> = (0..rows.len()).map(|row| (1 + row % 3) as f64).collect();
        let mut weighted = Observations::new(3, true, false, MEMORY, 42);
        append(&mut weighted, &rows, Some(&weights), 2048);
        let copies: Vec<Vec<f64>> =
            rows.iter().zip(&weights).flat_map(|(row, &weight)| vec![row.clone(); weight as usize]).collect();
        let options = options(7);
        let weighted = KMeans::fit(weighted, &options).expect("rows to fit").expect("a usable row");
        let repeated = fit(&copies, &options);
        let sorted = |model: &KMeans| {
            let mut centroids = model.centroids.clone();
            centroids.sort_by(|x, y| x[0].total_cmp(&y[0]));
            centroids
        };
        for (x, y) in sorted(&weighted).concat().iter().zip(sorted(&repeated).concat()) {
            assert!((x - y).abs() < 1e-9, "{x} and {y}");
        }
    }

    #[test]
    fn a_weight_of_three_is_the_row_three_times() {
        let rows = blobs(3, 3000, 2, 4);
        let weights: Vec<f64> =
            (0..rows.len()).map(|row| f64::from(1 + 2 * u8::from(row % 5 == 0))).collect();
        let mut weighted = Observations::new(2, true, false, MEMORY, 42);
        append(&mut weighted, &rows, Some(&weights), 2048);
        let copies: Vec<Vec<f64>> =
            rows.iter().zip(&weights).flat_map(|(row, &weight)| vec![row.clone(); weight as usize]).collect();
        for scale in [Scale::None, Scale::Standard, Scale::MinMax] {
            let options = KMeansOptions { scale, init: None, ..options(6) };
            let weighted =
                KMeans::fit(weighted.clone(), &options).expect("rows to fit").expect("a usable row");
            let repeated = fit(&copies, &options);
            let sorted = |model: &KMeans| {
                let mut centroids = model.centroids.clone();
                centroids.sort_by(|x, y| x[0].total_cmp(&y[0]));
                centroids
            };
            assert_eq!(sorted(&weighted), sorted(&repeated));
            assert_eq!((weighted.inertia, &weighted.transform), (repeated.inertia, &repeated.transform));
            assert_eq!((weighted.rows, repeated.rows), (3000, 4200));
        }
    }

    #[test]
    fn sizes_and_inertia_are_those_of_predicted_labels() {
        let mut random = Random::new(4);
        for case in 0..30 {
            let n_features = 1 + random.below(6);
            let n_rows = 50 + random.below(3000);
            let n_clusters = 1 + random.below(12);
            let rows = blobs(case, n_rows, n_features, 1 + random.below(8));
            let scale = [Scale::Standard, Scale::MinMax, Scale::Robust, Scale::None][random.below(4)];
            // A run cut short ends with labels that belong to its last centroids, too.
            let max_iter = if case % 3 == 0 { 1 } else { 300 };
            let model = fit(&rows, &KMeansOptions { scale, max_iter, n_init: 2, ..options(n_clusters) });
            let (labels, distances) = predict(&model, &rows);
            let mut sizes = vec![0; n_clusters];
            labels.iter().for_each(|&label| sizes[label as usize] += 1);
            assert_eq!(sizes, model.sizes);
            assert!(sizes.is_sorted_by(|x, y| x >= y));
            let mut inertia = crate::ExactSum::new();
            distances.iter().for_each(|&distance| inertia.add(distance));
            assert_eq!(inertia.round(), model.inertia);
        }
    }

    #[test]
    fn inertia_of_many_rows_is_that_of_their_distances_to_twelve_digits() {
        for (case, scale) in [Scale::Standard, Scale::Robust, Scale::None].into_iter().enumerate() {
            let rows = blobs(case as u64, 50_000, 4, 5);
            let model = fit(&rows, &KMeansOptions { scale, ..options(7) });
            let inertia: f64 = predict(&model, &rows).1.iter().sum();
            assert!((model.inertia / inertia - 1.0).abs() < 1e-12, "{} and {inertia}", model.inertia);
        }
    }

    #[test]
    fn labels_are_those_of_scaling_and_assigning() {
        let mut random = Random::new(13);
        for case in 0..80_usize {
            let n_features = 1 + random.below(9);
            let mut rows = blobs(case as u64, 40 + random.below(3000), n_features, 1 + random.below(6));
            let (offset, unit) = ([0.0, 1e9, -1e4][case % 3], [1.0, 1e-20, 1e30][random.below(3)]);
            rows.iter_mut().flatten().for_each(|x| *x = (*x + offset) * unit);
            let log: Vec<bool> = (0..n_features).map(|feature| case % 4 == 1 && feature % 2 == 0).collect();
            if case % 4 == 1 {
                rows.iter_mut().flatten().for_each(|x| *x = x.abs());
            }
            let scale = [Scale::Standard, Scale::MinMax, Scale::Robust, Scale::None][random.below(4)];
            let nulls = [Nulls::Skip, Nulls::Mean][case % 2];
            let mut observations =
                Observations::new(n_features, false, nulls != Nulls::Skip, MEMORY, 42).with_log(&log);
            append(&mut observations, &rows, None, 2048);
            let n_clusters = 1 + random.below(12);
            let options = KMeansOptions { scale, nulls, n_init: 1, max_iter: 3, ..options(n_clusters) };
            let mut model = KMeans::fit(observations, &options).expect("rows to fit").expect("a usable row");
            if case % 5 == 0 {
                // As a model that a user has written.
                model.transform.mean = vec![0.0; n_features];
            }
            // Rows that were not fitted, between centroids, far away, missing.
            for row in &mut rows {
                match random.below(30) {
                    0 => row[0] = f64::NAN,
                    1 => row[n_features - 1] = f64::INFINITY,
                    2 => row[0] *= 1e6,
                    3 => row[0] = row[0] * 1e40 + 1e-40,
                    _ => {}
                }
            }
            let columns = columns(&rows);
            let columns: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
            let expected = model.transform.apply(&columns).and_then(|scaled| {
                let (mut labels, mut distances) = (Vec::new(), Vec::new());
                model.assign(&scaled, &mut labels, &mut distances).map(|()| labels)
            });
            for labels in on_each(|| {
                let mut labels = Vec::new();
                model.labels(&columns, &mut labels).map(|()| labels)
            }) {
                assert_eq!(labels, expected, "case {case}");
            }
        }
    }

    #[test]
    fn labels_fail_as_scaling_does() {
        let mut observations = Observations::new(1, false, true, MEMORY, 42).with_log(&[true]);
        append(&mut observations, &column(&[1.0, 2.0, 9.0]), None, 2048);
        let options = KMeansOptions { nulls: Nulls::Error, ..options(2) };
        let model = KMeans::fit(observations, &options).expect("rows to fit").expect("a usable row");
        let labels = |x: f64| model.labels(&[&[1.0, x]], &mut Vec::new());
        assert_eq!(labels(3.0), Ok(()));
        assert_eq!(labels(f64::NAN), Err(Error::Missing { feature: 0 }));
        assert_eq!(labels(-0.5), Err(Error::NegativeLog { feature: 0, value: -0.5 }));
        assert_eq!(labels(-7.0), Err(Error::NegativeLog { feature: 0, value: -7.0 }));
    }

    #[test]
    fn centroids_of_a_settled_fit_are_the_means_of_their_rows() {
        let rows = blobs(5, 2500, 3, 5);
        let model = fit(&rows, &KMeansOptions { tol: 0.0, ..options(5) });
        assert!(model.converged);
        let (labels, _) = predict(&model, &rows);
        for (label, centroid) in (0..).zip(&model.centroids) {
            for (feature, &c) in centroid.iter().enumerate() {
                let mut sum = crate::ExactSum::new();
                let own = rows.iter().zip(&labels).filter(|&(_, &other)| other == label);
                own.for_each(|(row, _)| sum.add(row[feature]));
                assert_eq!(c, sum.quotient(model.sizes[label as usize] as f64));
            }
        }
    }

    #[test]
    fn labels_are_numbered_by_size_and_then_by_centroid() {
        let model = fit(&column(&[5.0, 5.0, 9.0, 1.0, 7.0, 7.0, 7.0]), &options(4));
        assert_eq!(model.centroids, [[7.0], [5.0], [1.0], [9.0]]);
        assert_eq!(model.sizes, [3, 2, 1, 1]);
    }

    #[test]
    fn a_warm_start_keeps_its_labels_and_its_units() {
        let rows: Vec<Vec<f64>> = column(&[1.0, 2.0, 3.0, 100.0, 110.0, 120.0, 130.0]);
        let first = fit(&rows, &KMeansOptions { scale: Scale::Standard, ..options(2) });
        assert_eq!(first.sizes, [4, 3]);
        for (scale, log) in [(Scale::MinMax, false), (Scale::Robust, true), (Scale::Standard, false)] {
            let more: Vec<Vec<f64>> = rows.iter().cloned().chain(column(&[0.0, 1.5, 2.5, 3.5])).collect();
            let options = KMeansOptions { scale, init: Some(first.clone()), ..options(2) };
            let mut observations = Observations::new(1, false, false, MEMORY, 42).with_log(&[log]);
            append(&mut observations, &more, None, 2048);
            let model = KMeans::fit(observations, &options).expect("rows to fit").expect("a usable row");
            assert_eq!(model.sizes, [4, 7]);
            assert!(model.transform.invert(0, model.centroids[0][0]) > 100.0);
            assert!(model.transform.invert(0, model.centroids[1][0]) < 3.0);
        }
    }

    #[test]
    fn empty_clusters_get_the_farthest_rows() {
        let rows = column(&[0.0, 1.0, 2.0, 50.0, 50.0, 90.0]);
        let mut start = fit(&rows, &options(3));
        // Two of the three are nearest to no row.
        start.centroids = vec![vec![20.0], vec![-1e6], vec![1e6]];
        let model = fit(&rows, &KMeansOptions { init: Some(start), ..options(3) });
        assert_eq!(model.inertia, 2.0);
        let mut sizes = model.sizes;
        sizes.sort_unstable();
        assert_eq!(sizes, [1, 2, 3]);
    }

    #[test]
    fn a_start_with_equal_centroids_still_fills_all_clusters() {
        let rows = blobs(6, 3000, 2, 8);
        let mut start = fit(&rows, &options(8));
        start.centroids = vec![vec![0.0, 0.0]; 8];
        let model = fit(&rows, &KMeansOptions { init: Some(start), ..options(8) });
        assert!(model.sizes.iter().all(|&size| size > 0), "{:?}", model.sizes);
    }

    #[test]
    fn a_missing_value_is_left_out_or_filled() {
        let rows = column(&[1.0, 1.0, f64::NAN, 9.0, 9.0, 9.0]);
        let model = fit(&rows, &options(2));
        assert_eq!((&model.sizes, model.rows, model.skipped), (&vec![3, 2], 5, 1));
        assert_eq!(predict(&model, &rows).0, [1, 1, u32::MAX, 0, 0, 0]);
        let options = KMeansOptions { nulls: Nulls::Zero, ..options(2) };
        let model = KMeans::fit(observe_all(&rows), &options).expect("rows to fit").expect("a usable row");
        assert_eq!((&model.sizes, model.rows, model.skipped), (&vec![3, 3], 6, 0));
        assert_eq!(predict(&model, &rows).0.len(), 6);
    }

    #[test]
    fn a_broken_model_has_no_nearest_centroid() {
        let rows = column(&[1.0, 2.0]);
        let mut model = fit(&rows, &options(1));
        model.centroids[0][0] = 1e300;
        let (mut labels, mut distances) = (Vec::new(), Vec::new());
        let result = model.assign(&scaled(&model, &rows), &mut labels, &mut distances);
        assert_eq!(result, Err(Error::DistanceOverflow));
    }

    #[test]
    fn sizes_of_a_sample_are_scaled_by_largest_remainders() {
        assert_eq!(scale_up(&[5, 3, 2], 10), [5, 3, 2]);
        assert_eq!(scale_up(&[5, 3, 2], 101), [51, 30, 20]);
        assert_eq!(scale_up(&[1, 1, 1], 8), [3, 3, 2]);
    }

    #[test]
    fn restarts_find_the_blobs() {
        let rows = blobs(7, 4000, 5, 10);
        let model = fit(&rows, &options(10));
        // Each blob has 5 features of variance 1.
        assert!((model.inertia / 4000.0 - 5.0).abs() < 0.2, "{}", model.inertia / 4000.0);
    }

    #[test]
    fn a_constant_feature_does_not_matter() {
        let rows = blobs(8, 500, 2, 3);
        let with_constant: Vec<Vec<f64>> = rows.iter().map(|row| vec![row[0], 0.1, row[1]]).collect();
        let options = KMeansOptions { scale: Scale::Standard, ..options(3) };
        let (plain, padded) = (fit(&rows, &options), fit(&with_constant, &options));
        assert_eq!(plain.sizes, padded.sizes);
        assert!(padded.centroids.iter().all(|centroid| centroid[1] == 0.0));
    }
}
