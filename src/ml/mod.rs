//! The mathematics of segmentation, free of SQL: rows in column blocks, scaling, k-means, PCA and
//! summaries; and numbers that are repeated.
//!
//! Every result is a function of the multiset of rows: sums over rows are exact (see [`ExactSum`]),
//! draws are made over rows in the order of a hash of their content, so neither the order of the
//! rows, nor the threads, nor the way they were cut into chunks and merged can change a bit.

pub mod clv;
mod exact_sum;
mod fixed_point;
mod gram;
pub mod kmeans;
mod logarithm;
pub mod mixture;
mod moments;
mod pages;
pub mod pca;
mod repeats;
mod rows;
pub mod scaling;
pub mod season;
mod simd;
pub mod summary;
#[cfg(test)]
mod test_data;
mod threads;
mod tree;

pub use exact_sum::ExactSum;
pub use kmeans::{
    Drawing, Drawn, DrawnRow, FarRow, FeatureStep, FeatureSurvey, Figures, KMeans, KMeansOptions,
    NO_SEGMENT, SegmentStep, Sketch, Step, Survey, SurveyOptions,
};
pub use logarithm::ln_1p;
pub use mixture::{Covariance, GaussianMixture};
pub use pca::{Components, Pca, PcaOptions, PcaRows, PcaSums};
pub use repeats::Repeats;
pub use rows::{Observations, TILE_ROWS};
pub use scaling::{Nulls, Scale, Scaled, Transform};
pub use simd::registers;
pub use summary::{FeatureMoments, FeatureSummary, Summary};
pub use tree::{Node, Tree};

use std::fmt;

/// The largest magnitude of a value (after the logarithm, before and after scaling) that a model
/// takes: its square and sums of squares over any number of rows and features stay far below the
/// largest double.
pub const MAX_MAGNITUDE: f64 = 1e100;

/// What the functions of this package return where data or options can be wrong.
pub type Result<T> = std::result::Result<T, Error>;

/// What the data or the options cannot satisfy. `feature` is an index in the order of the columns
/// given. Where several rows are at fault, the one reported does not depend on their order.
#[derive(Clone, Debug, PartialEq)]
pub enum Error {
    /// Fewer distinct rows (in scaled space) than clusters.
    TooFewDistinctRows {
        /// Distinct rows there are.
        n_distinct: usize,
        /// Clusters asked for.
        n_clusters: usize,
        /// Usable rows.
        rows: u64,
        /// Of them the one of least values, in original units: it tells which group they are.
        least: Vec<f64>,
    },
    /// The logarithm of a value below 0.
    NegativeLog {
        /// Index of the feature.
        feature: usize,
        /// The value, in original units.
        value: f64,
    },
    /// A value beyond [`MAX_MAGNITUDE`] after the logarithm, or after scaling.
    TooLarge {
        /// Index of the feature.
        feature: usize,
        /// The value, in original units.
        value: f64,
    },
    /// A row weight beyond [`MAX_MAGNITUDE`].
    WeightTooLarge {
        /// The weight.
        value: f64,
    },
    /// A missing value where [`Nulls::Error`] forbids it.
    Missing {
        /// Index of the feature.
        feature: usize,
    },
    /// No row has a value in every feature, where rows with a missing one are left out.
    NoUsableRow {
        /// The feature that most rows lack; the first of equals.
        feature: usize,
        /// Rows that lack it.
        missing: u64,
        /// All rows.
        rows: u64,
    },
    /// The covariances of so many features, 8 bytes each, take more than the memory.
    OverMemory {
        /// Features.
        features: usize,
        /// Features whose covariances fit.
        most: usize,
        /// Bytes.
        memory: u64,
    },
    /// So many rows of so many features that the components would take long, which nothing can
    /// interrupt.
    TooWide {
        /// Usable rows.
        rows: u64,
        /// Features.
        features: usize,
        /// Rows of so many features that a fit takes.
        most: u64,
    },
    /// So many components of few rows of many features that they would take long, which nothing can
    /// interrupt.
    TooManyComponents {
        /// Components asked for.
        components: usize,
        /// Features.
        features: usize,
        /// Components that a fit makes of so many rows and features.
        most: usize,
    },
    /// The distances of a row to all centroids of a model are infinite or undefined.
    DistanceOverflow,
    /// So many rows, components and features that a mixture would take long, which nothing can
    /// interrupt.
    TooManyProducts {
        /// Components, of the largest fit.
        n_components: usize,
        /// Features.
        features: usize,
        /// Distinct rows.
        rows: u64,
        /// Rows that the fits take with so many components and features.
        most: u64,
    },
    /// The densities of all components of a mixture at a row are beyond the doubles.
    DensityUnderflow,
}

/// Says what is wrong with features by their index; callers that know names say it better.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooFewDistinctRows { n_distinct, n_clusters, rows, .. } => {
                write!(
                    f,
                    "{n_distinct} distinct rows cannot form {n_clusters} clusters (of {rows} rows)"
                )
            }
            Self::NegativeLog { feature, value } => {
                write!(
                    f,
                    "feature {feature} has the value {value:?}, logarithms take values of at \
                     least 0"
                )
            }
            Self::TooLarge { feature, value } => {
                write!(
                    f,
                    "feature {feature} has the value {value:?}, magnitudes above {MAX_MAGNITUDE:?} \
                     cannot be used"
                )
            }
            Self::WeightTooLarge { value } => {
                write!(f, "a weight is {value:?}, weights above {MAX_MAGNITUDE:?} cannot be used")
            }
            Self::Missing { feature } => write!(f, "feature {feature} has a missing value"),
            Self::NoUsableRow { feature, missing, rows } => {
                write!(
                    f,
                    "none of {rows} rows has a value in every feature, {missing} lack feature \
                     {feature}"
                )
            }
            Self::OverMemory { features, most, memory } => {
                write!(
                    f,
                    "{features} features are too many for {memory} bytes, which are enough for \
                     {most}"
                )
            }
            Self::TooWide { rows, features, most } => {
                write!(
                    f,
                    "{rows} rows of {features} features are too many, a fit takes at most {most} \
                     such rows"
                )
            }
            Self::TooManyComponents { components, features, most } => {
                write!(
                    f,
                    "{components} components of {features} features are too many, a fit makes at \
                     most {most}"
                )
            }
            Self::DistanceOverflow => write!(f, "a distance is not finite"),
            Self::TooManyProducts { n_components, features, rows, most } => {
                write!(
                    f,
                    "{rows} rows of {features} features are too many for {n_components} \
                     components, a fit takes at most {most} such rows"
                )
            }
            Self::DensityUnderflow => write!(f, "a density is not finite"),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_the_feature_and_the_value() {
        let error: Box<dyn std::error::Error> =
            Box::new(Error::NegativeLog { feature: 3, value: -0.5 });
        assert_eq!(
            error.to_string(),
            "feature 3 has the value -0.5, logarithms take values of at least 0"
        );
    }
}
