//! The exact sums that components come from, as they can be stored, sent and merged.

use super::fit::Fitted;
use super::rows::{PcaRows, Store, Sums};
use super::{Pca, PcaOptions};
use crate::gram::Gram;
use crate::rows::Absent;
use crate::scaling::{Nulls, Scale};
use crate::{Error, ExactSum};

/// Sums over rows after fill and logarithm, whatever the number of rows.
#[derive(Clone, Debug)]
pub struct PcaSums {
    /// How features will be scaled.
    pub scale: Scale,
    /// What happened to missing values.
    pub nulls: Nulls,
    /// Which features were taken as ln(1 + x).
    pub log: Vec<bool>,
    /// Which features are not scaled.
    pub unscaled: Vec<bool>,
    /// Usable rows.
    pub rows: u64,
    /// Rows left out for a missing value.
    pub skipped: u64,
    /// Of each feature: in how many rows it is missing, as long as there is no usable row.
    pub missing: Vec<u64>,
    /// Of each feature: the least and the greatest value, infinite without a row, and the sum.
    pub features: Vec<(f64, f64, ExactSum)>,
    /// The sums of products of feature i with those up to i, one i after the other.
    pub products: Vec<ExactSum>,
}

impl PcaRows {
    /// The sums of the rows, for a fit with `scale`.
    ///
    /// # Errors
    /// [`Error::Missing`] and [`Error::NegativeLog`], and [`Error::TooWide`] as for a fit.
    pub fn into_sums(self, scale: Scale) -> Result<PcaSums, Error> {
        self.check()?;
        let n_features = self.n_features;
        let Store::Sums(mut sums) = self.store else {
            panic!("medians and means need the rows themselves")
        };
        let first = |flags: &[bool]| flags.iter().position(|&flag| flag);
        if let (Nulls::Error, Some(feature)) = (sums.nulls, first(&sums.missing)) {
            return Err(Error::Missing { feature });
        }
        if let Some((feature, &value)) = sums.least.iter().enumerate().find(|(_, x)| **x < 0.0) {
            return Err(Error::NegativeLog { feature, value });
        }
        sums.sum_all();
        let gram = sums.sums.take().unwrap_or_else(|| Gram::new(n_features));
        let filled =
            |flags: Vec<bool>| if flags.is_empty() { vec![false; n_features] } else { flags };
        let has_rows = sums.rows > 0;
        let missing = |feature| if has_rows { 0 } else { sums.absent.values(feature) };
        let extremes = gram.min.iter().zip(&gram.max);
        Ok(PcaSums {
            scale,
            nulls: sums.nulls,
            rows: sums.rows,
            skipped: sums.skipped,
            missing: (0..n_features).map(missing).collect(),
            features: extremes
                .zip(&gram.sums)
                .map(|((min, max), sum)| (*min, *max, sum.clone()))
                .collect(),
            products: gram.into_products(),
            log: filled(sums.log),
            unscaled: filled(sums.unscaled),
        })
    }
}

impl PcaSums {
    /// Adds sums of the same kind.
    pub fn merge(&mut self, other: &Self) {
        assert_eq!(
            (self.scale, self.nulls, &self.log, &self.unscaled),
            (other.scale, other.nulls, &other.log, &other.unscaled),
            "only sums of the same kind can be merged"
        );
        self.rows += other.rows;
        self.skipped += other.skipped;
        for (missing, other) in self.missing.iter_mut().zip(&other.missing) {
            *missing = if self.rows > 0 { 0 } else { *missing + other };
        }
        for ((min, max, sum), other) in self.features.iter_mut().zip(&other.features) {
            *min = min.min(other.0);
            *max = max.max(other.1);
            sum.merge(&other.2);
        }
        self.products.iter_mut().zip(&other.products).for_each(|(sum, other)| sum.merge(other));
    }
}

impl Pca {
    /// The components of rows of which the sums are known: those of [`Pca::fit`]. `None` without a
    /// usable row.
    ///
    /// # Errors
    /// [`Error::NoUsableRow`], [`Error::TooLarge`].
    pub fn of_sums(sums: PcaSums, options: &PcaOptions) -> Result<Option<Self>, Error> {
        let n_features = sums.features.len();
        let (mut min, mut max, mut totals) = (Vec::new(), Vec::new(), Vec::new());
        for (least, greatest, sum) in sums.features {
            min.push(least);
            max.push(greatest);
            totals.push(sum);
        }
        let gram = Gram::from_parts(totals, sums.products, min, max);
        let rows = Sums {
            nulls: sums.nulls,
            log: sums.log,
            unscaled: sums.unscaled,
            absent: Absent::from_values(sums.missing),
            least: Vec::new(),
            waiting: Vec::new(),
            sums: Some(gram),
            rows: sums.rows,
            skipped: sums.skipped,
            missing: Vec::new(),
        };
        let options = PcaOptions { scale: sums.scale, nulls: sums.nulls, ..options.clone() };
        let fitted = Fitted::of_sums(rows, n_features, &options)?;
        fitted.map(|fitted| Self::of_fitted(fitted, &options)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pca::Components;
    use crate::test_data::{Random, blobs, columns};

    fn rows_of(rows: &[Vec<f64>], log: &[bool]) -> PcaRows {
        let mut kept =
            PcaRows::new(Scale::Standard, Nulls::Skip, log, &vec![false; log.len()], 1 << 30, 1)
                .expect("memory");
        kept.append(&columns(rows), 0..rows.len());
        kept
    }

    #[test]
    fn sums_of_parts_give_the_components_of_all_rows() {
        let mut random = Random::new(4);
        // More than 128 features, too, of which a fit of few rows takes products of rows.
        for (n, d) in [(3000, 5), (1, 2), (700, 140)] {
            let mut rows = blobs(n as u64, n, d, 3);
            rows.iter_mut().for_each(|row| row[0] = row[0].abs());
            if n > 10 {
                rows[3][1] = f64::NAN;
                rows[4][1] = 1e30;
            }
            let log: Vec<bool> = (0..d).map(|j| j == 0).collect();
            let options = PcaOptions {
                scale: Scale::Standard,
                nulls: Nulls::Skip,
                n: Components::Count(2),
                n_threads: 1,
            };
            let whole = Pca::fit(rows_of(&rows, &log), &options).expect("fits");
            let mut start = 0;
            let mut merged: Option<PcaSums> = None;
            while start < n {
                let end = n.min(start + 1 + random.below(900));
                let part =
                    rows_of(&rows[start..end], &log).into_sums(Scale::Standard).expect("sums");
                match &mut merged {
                    Some(sums) => sums.merge(&part),
                    None => merged = Some(part),
                }
                start = end;
            }
            let own = Pca::of_sums(merged.expect("rows"), &options).expect("fits");
            assert_eq!(own, whole, "{n} rows of {d}");
        }
    }

    #[test]
    fn what_a_fit_refuses_is_refused() {
        let negative = rows_of(&[vec![-1.0]], &[true]).into_sums(Scale::Standard);
        assert_eq!(negative.err(), Some(Error::NegativeLog { feature: 0, value: -1.0 }));
        let mut none =
            rows_of(&[vec![f64::NAN, 1.0]], &[false; 2]).into_sums(Scale::None).expect("sums");
        none.merge(&none.clone());
        let options = PcaOptions {
            scale: Scale::None,
            nulls: Nulls::Skip,
            n: Components::Count(1),
            n_threads: 1,
        };
        assert_eq!(
            Pca::of_sums(none, &options),
            Err(Error::NoUsableRow { feature: 0, missing: 2, rows: 2 })
        );
    }
}
