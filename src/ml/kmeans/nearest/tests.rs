//! Labels of single precision are those of doubles.

use super::search::SearchRows;
use super::*;
use crate::rows::Block;
use crate::scaling::{Nulls, Points, Scale, fit_transform};
use crate::simd::dispatch;
use crate::simd::tests::on_each;
use crate::test_data::{Random, blobs, observe};

fn points(rows: &[Vec<f64>], scale: Scale) -> Points {
    fit_transform(observe(rows), scale, Nulls::Skip, 1).expect("rows to scale").1
}

/// The labels by both ways, and how many rows had to be searched again.
fn compare(points: &Points, centroids: &[f64]) -> usize {
    let frame = Frame::new(&points.extents);
    let search = Search::new(centroids, &frame);
    let mut n_doubtful = 0;
    let mut scratch = Block::scratch();
    for tile in points.tiles() {
        let scaled = points.scaled(tile, &mut scratch);
        let rows = tile.rows();
        let mut values = vec![f32::NAN; SingleTile::len(points.n_features, rows)];
        frame.cast(&scaled, &mut values);
        let single = SingleTile::new(&values, rows);
        let padded = rows.next_multiple_of(ROWS_TOGETHER);
        let mut labels = vec![0.0; padded];
        search.labels(single, rows, |row| points.scaled_row(&tile, row), &mut labels);
        let (mut expected, mut distances) = (vec![0; rows], vec![0.0; rows]);
        nearest(&scaled.columns(), centroids, &mut expected, &mut distances);
        assert!(labels.iter().zip(&expected).all(|(&label, &expected)| label as u32 == expected));
        let mut own = Vec::new();
        own_distances(&scaled, centroids, &labels[..rows], &mut own);
        assert_eq!(own, distances);
        let mut found = vec![0.0; padded];
        dispatch(SearchRows { search: &search, single, found: &mut found });
        n_doubtful += found[..rows].iter().filter(|&&label| label < 0.0).count();
    }
    n_doubtful
}

#[test]
fn labels_of_single_precision_are_those_of_doubles() {
    let mut random = Random::new(1);
    for case in 0..60 {
        let n_features = 1 + random.below(20);
        let n_clusters = 1 + random.below(70);
        let mut rows = blobs(case, 1 + random.below(5000), n_features, 1 + random.below(9));
        // Offsets, units and outliers that single precision alone could not bear.
        let (offset, unit) =
            ([0.0, 1e9, -1e4][random.below(3)], [1.0, 1e-20, 1e30][random.below(3)]);
        rows.iter_mut().flatten().for_each(|x| *x = (*x + offset) * unit);
        if case % 4 == 0 {
            rows[0][0] = 1e12 * unit;
        }
        let points = points(&rows, [Scale::None, Scale::Standard][case as usize % 2]);
        let tiles = points.tiles();
        let centroids: Vec<f64> = (0..n_clusters)
            .flat_map(|_| {
                let tile = tiles[random.below(tiles.len())];
                points.scaled_row(&tile, random.below(tile.rows())).collect::<Vec<f64>>()
            })
            .collect();
        on_each(|| compare(&points, &centroids));
    }
}

#[test]
fn rows_between_two_centroids_go_to_the_lower_one() {
    // Half of the rows are as near to one centroid as to another, and some centroids are equal.
    let rows: Vec<Vec<f64>> = (0..4000).map(|i| vec![f64::from(i % 9), f64::from(i % 5)]).collect();
    let centroids = [[4.0, 2.0], [0.0, 2.0], [8.0, 2.0], [4.0, 2.0]].concat();
    assert!(compare(&points(&rows, Scale::None), &centroids) > 1000);
}

#[test]
fn few_rows_are_in_doubt() {
    let rows = blobs(2, 20_000, 8, 1);
    let n_doubtful = compare(&points(&rows, Scale::None), &rows[..16].concat());
    assert!(n_doubtful < 20, "{n_doubtful}");
}
