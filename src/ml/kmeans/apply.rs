//! What a model says of rows: labels and distances.

use super::{KMeans, NO_SEGMENT, nearest};
use crate::logarithm::ln_1p_all;
use crate::scaling::{Scaled, Transform};
use crate::{Error, MAX_MAGNITUDE};
use std::borrow::Cow;

impl KMeans {
    /// The nearest centroid of each row and its squared distance, in scaled units; of two at the
    /// same distance the lower one. An unusable row gets the label [`NO_SEGMENT`] and a distance of
    /// NaN.
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
                (*label, *distance) = (NO_SEGMENT, f64::NAN);
            } else if !distance.is_finite() {
                return Err(Error::DistanceOverflow);
            }
        }
        Ok(())
    }

    /// The label of the nearest centroid of each row of `columns`, one slice of raw values for each
    /// feature: those of [`Transform::apply`] and [`KMeans::assign`], several times as fast. An
    /// unusable row gets [`NO_SEGMENT`].
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
        let prepared: Vec<Cow<[f64]>> =
            columns.iter().zip(&self.transform.log).map(prepare).collect();
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
            found
                .iter_mut()
                .zip(*column)
                .filter(|(_, x)| **x < 0.0)
                .for_each(|(label, _)| *label = -1.0);
        }
        let doubtful: Vec<usize> = (0..n_rows).filter(|&row| found[row] < 0.0).collect();
        labels.extend(found[..n_rows].iter().map(|&label| label as u32));
        if doubtful.is_empty() {
            return Ok(());
        }
        let own: Vec<Vec<f64>> = columns
            .iter()
            .map(|column| doubtful.iter().map(|&row| column[row]).collect())
            .collect();
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
            let differences =
                || scaled.columns.iter().zip(centroid).map(|(column, c)| column[row] - c);
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

    /// The simplified silhouette of a usable row: 1 - a / b, a and b being the distances to the
    /// nearest and to the second nearest centroid; 0 where both are 0, and in a cluster of one row.
    /// `None` for one cluster.
    ///
    /// # Errors
    /// Those of [`KMeans::distances`].
    pub fn silhouette(&self, scaled: &Scaled, row: usize) -> Result<Option<f64>, Error> {
        let distances = self.distances(scaled, row)?;
        let (mut own, mut first, mut second) = (0, f64::INFINITY, f64::INFINITY);
        for (cluster, &distance) in distances.iter().enumerate() {
            if distance < first {
                (own, first, second) = (cluster, distance, first);
            } else if distance < second {
                second = distance;
            }
        }
        Ok(match second {
            _ if distances.len() == 1 => None,
            _ if second == 0.0 || self.sizes[own] == 1 => Some(0.0),
            second => Some(1.0 - first / second),
        })
    }

    /// The centroids in the scaled space of another transform of the same features, one after the
    /// other.
    pub(super) fn centroids_in(&self, transform: &Transform) -> Result<Vec<f64>, Error> {
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
            if scaled.abs() <= MAX_MAGNITUDE {
                Ok(scaled)
            } else {
                Err(Error::TooLarge { feature, value })
            }
        };
        self.centroids
            .iter()
            .flat_map(|centroid| centroid.iter().enumerate().map(convert))
            .collect()
    }
}
