//! The model that a survey and its sample give: what steps over all rows start from.

use super::{Drawn, Survey};
use crate::Error;
use crate::kmeans::fitting::scale_up;
use crate::kmeans::{KMeans, KMeansOptions};
use crate::moments::TotalMoments;
use crate::rows::Observations;
use crate::scaling::{
    HeldRows, Nulls, Plan, Scale, Scaled, Transform, WeightedMoments, fit_transform, transform_of,
};

impl Survey {
    /// How rows are scaled, but for medians and quartiles, which need the rows; and the sum of the
    /// variances of the scaled features.
    pub(super) fn transform(&self) -> Result<(Transform, f64), Error> {
        let moments: Vec<WeightedMoments> = self
            .features
            .iter()
            .map(|feature| {
                let moments = TotalMoments {
                    min: feature.min,
                    max: feature.max,
                    sum: feature.sum.clone(),
                    squares: feature.squares.clone(),
                };
                WeightedMoments::of_weight(moments, self.weight.clone())
            })
            .collect();
        let options = &self.options;
        let is_robust = options.scale == Scale::Robust;
        let fill = match options.nulls {
            Nulls::Zero => vec![0.0; self.features.len()],
            _ => Vec::new(),
        };
        let plan = Plan {
            scale: if is_robust { Scale::Standard } else { options.scale },
            nulls: options.nulls,
            log: options.log.clone(),
            fill,
            unscaled: &options.unscaled,
        };
        let (transform, extents) = transform_of(&moments, &HeldRows::default(), &[], plan, 1)?;
        let variance = extents.iter().map(|extent| extent.variance).sum();
        Ok((Transform { scale: options.scale, ..transform }, variance))
    }

    /// The model that a fit of the sample gives, in the scale of all rows. Its sizes and inertia
    /// are estimates, until a step over all rows has taken place. Of `options`, what rows are and
    /// how they are scaled is the survey's. `None` without a usable row.
    ///
    /// # Errors
    /// Those of [`KMeans::fit`].
    pub fn start(&self, drawn: &Drawn, options: &KMeansOptions) -> Result<Option<KMeans>, Error> {
        self.check()?;
        self.check_usable()?;
        if self.rows == 0 {
            return Ok(None);
        }
        let (mut transform, _) = self.transform()?;
        let (level, rows) = drawn.parts();
        let weighted: Vec<_> = rows.map(|row| (row, row.stands_for(level))).collect();
        let n_features = self.features.len();
        let weights: Vec<f64> = weighted.iter().map(|(_, weight)| *weight).collect();
        let observe = |columns: &[Vec<f64>]| {
            let mut rows = Observations::new(n_features, true, false, u64::MAX, options.seed)
                .with_unscaled(&self.options.unscaled);
            rows.append(columns, Some(&weights), 0..weights.len());
            rows
        };
        let mut columns: Vec<Vec<f64>> = (0..n_features)
            .map(|feature| weighted.iter().map(|(row, _)| row.values[feature]).collect())
            .collect();
        if self.options.scale == Scale::Robust {
            let rows = observe(&columns);
            let (robust, _) = fit_transform(rows, Scale::Robust, Nulls::Skip, options.n_threads)?;
            transform.center = robust.center;
            transform.spread = robust.spread;
        }
        for (feature, column) in columns.iter_mut().enumerate() {
            column.iter_mut().for_each(|x| *x = transform.scaled(feature, *x));
        }
        let scaled_options =
            KMeansOptions { scale: Scale::None, nulls: Nulls::Skip, init: None, ..options.clone() };
        let fit = KMeans::fit(observe(&columns), &scaled_options);
        let Some(fit) = fit.map_err(|error| self.original(error, &transform))? else {
            return Ok(None);
        };
        let model = KMeans {
            transform,
            rows: self.rows,
            skipped: self.skipped,
            sampled: weighted.iter().map(|(row, _)| row.count).sum(),
            ..fit
        };
        self.numbered(model, &weighted, columns).map(Some)
    }

    /// With estimated sizes, and clusters numbered by them.
    fn numbered(
        &self,
        mut model: KMeans,
        weighted: &[(&super::DrawnRow, f64)],
        columns: Vec<Vec<f64>>,
    ) -> Result<KMeans, Error> {
        let scaled = Scaled { columns, usable: vec![true; weighted.len()] };
        let (mut labels, mut distances) = (Vec::new(), Vec::new());
        model.assign(&scaled, &mut labels, &mut distances)?;
        let mut sizes = vec![0.0; model.centroids.len()];
        for (&label, (row, weight)) in labels.iter().zip(weighted) {
            sizes[label as usize] += weight / row.weight;
        }
        // Whole numbers, at least 1, in proportion to all rows.
        let sizes: Vec<u64> =
            sizes.iter().map(|size| (1024.0 * size).round().max(1.0) as u64).collect();
        let mut clusters: Vec<(Vec<f64>, u64)> =
            std::mem::take(&mut model.centroids).into_iter().zip(sizes).collect();
        clusters.sort_by(|(x, x_size), (y, y_size)| {
            let by_centroid = x.iter().zip(y).map(|(x, y)| x.total_cmp(y)).find(|o| o.is_ne());
            y_size.cmp(x_size).then(by_centroid.unwrap_or(std::cmp::Ordering::Equal))
        });
        let (centroids, sizes): (Vec<_>, Vec<_>) = clusters.into_iter().unzip();
        model.sizes = scale_up(&sizes, self.rows);
        model.centroids = centroids;
        Ok(model)
    }

    /// An error about scaled rows as one about the rows.
    fn original(&self, error: Error, transform: &Transform) -> Error {
        match error {
            Error::TooFewDistinctRows { n_distinct, n_clusters, least, .. } => {
                let least = least.iter().enumerate().map(|(i, x)| transform.invert(i, *x));
                Error::TooFewDistinctRows {
                    n_distinct,
                    n_clusters,
                    rows: self.rows,
                    least: least.collect(),
                }
            }
            error => error,
        }
    }
}
