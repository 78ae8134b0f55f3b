//! Labels of rows by a model, where single precision proves them.

use super::ROWS_TOGETHER;
use super::frame::{Frame, SingleTile};
use super::search::{Search, SearchRows};
use crate::scaling::Transform;
use crate::simd::{dispatch, vectorize};

/// The labels of rows by a model, -1 where there is no proof; `found` gets a multiple of
/// [`ROWS_TOGETHER`] of them. `columns` hold the features after the logarithm.
///
/// Rows are not scaled but brought to the frame at once, with a product for the quotient: what that
/// loses beside the rounding to single precision, which the proof allows for, is a part of the
/// mean.
pub(crate) fn proven_labels(
    columns: &[&[f64]],
    transform: &Transform,
    centroids: &[f64],
    found: &mut Vec<f32>,
) {
    let n_rows = columns.first().map_or(0, |column| column.len());
    let n_features = columns.len();
    let means: Vec<f64> = (0..n_features).map(|feature| transform.scaled_mean(feature)).collect();
    let reach = |feature: usize| {
        let of_feature = centroids.iter().skip(feature).step_by(n_features);
        of_feature.fold(0.0, |reach, c| f64::max(reach, (c - means[feature]).abs()))
    };
    let reaches: Vec<f64> = (0..n_features).map(reach).collect();
    let frame = Frame::of_reach(means, reaches.iter().copied().fold(0.0, f64::max));
    let mut search = Search::new(centroids, &frame);
    let lost = reaches.iter().zip(&frame.means).map(|(reach, mean)| reach * mean.abs());
    search.underflow += (lost.sum::<f64>() * frame.unit * frame.unit * f64::EPSILON * 8.0) as f32;

    let stride = SingleTile::stride(n_rows);
    let mut values = vec![0.0; SingleTile::len(n_features, n_rows)];
    let (singles, squares) = values.split_at_mut(stride * n_features);
    vectorize(
        #[inline(always)]
        || {
            for (feature, (column, singles)) in
                columns.iter().zip(singles.chunks_exact_mut(stride)).enumerate()
            {
                let center = transform.center[feature];
                let factor = frame.unit / transform.spread[feature];
                let mean = frame.means[feature] * frame.unit;
                for ((&x, single), square) in column.iter().zip(singles).zip(&mut *squares) {
                    *single = ((x - center) * factor - mean) as f32;
                    *square += *single * *single;
                }
            }
        },
    );
    found.clear();
    found.resize(n_rows.next_multiple_of(ROWS_TOGETHER), 0.0);
    dispatch(SearchRows { search: &search, single: SingleTile::new(&values, n_rows), found });
}
