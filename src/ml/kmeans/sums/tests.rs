//! Sums of a tile at once are those of its rows one by one.

use super::*;
use crate::rows::Block;
use crate::scaling::{Nulls, Scale, fit_transform};
use crate::simd::tests::on_each;
use crate::test_data::{Random, blobs, observe};

#[test]
fn a_tile_that_is_added_at_once_gives_the_sums_of_its_rows_one_by_one() {
    let mut random = Random::new(1);
    for case in 0..20 {
        let mut rows = blobs(case, 1 + random.below(5000), 3, 4);
        if case % 3 == 0 {
            // What is below 2^-95 of the greatest.
            rows[0][1] = 1e30;
        }
        let (_, points) =
            fit_transform(observe(&rows), Scale::None, Nulls::Skip, 1).expect("rows to scale");
        let arithmetic = Arithmetic::of(&points);
        let n_clusters = 1 + random.below(9);
        let label = |row: usize| (mixed(row) % n_clusters) as f32;
        let means = |sums: &ClusterSums| -> Vec<Vec<f64>> {
            let used =
                (0..n_clusters).filter(|&c| ClusterSums::weight(&[sums], &arithmetic, c) > 0.0);
            used.map(|cluster| {
                let mut means = vec![0.0; 3];
                ClusterSums::means(&[sums], &arithmetic, cluster, &mut means);
                means
            })
            .collect()
        };
        let mut one_by_one = ClusterSums::new(n_clusters, 3);
        for tile in points.tiles() {
            for row in 0..tile.rows() as u32 {
                let moved = Move { row, from: n_clusters as u32, to: label(row as usize) as u32 };
                one_by_one.apply(&arithmetic, &tile, &[moved], |_, x| x);
            }
        }
        let at_once = on_each(|| {
            let mut sums = ClusterSums::new(n_clusters, 3);
            for tile in points.tiles() {
                let labels: Vec<f32> = (0..tile.rows()).map(label).collect();
                sums.add(&arithmetic, &points.scaled(tile, &mut Block::scratch()), &labels);
            }
            means(&sums)
        });
        at_once.iter().for_each(|at_once| assert_eq!(*at_once, means(&one_by_one)));
    }
}

fn mixed(row: usize) -> usize {
    (crate::rows::mix(row as u64) >> 40) as usize
}

#[test]
fn rows_that_moved_are_found() {
    let mut random = Random::new(2);
    let old: Vec<f32> = (0..1000).map(|_| random.below(5) as f32).collect();
    let mut new = old.clone();
    for row in [0, 63, 64, 500, 999] {
        new[row] += 1.0;
    }
    let mut found = Vec::new();
    moves(&old, &new, &mut found);
    let rows: Vec<u32> = found.iter().map(|moved| moved.row).collect();
    assert_eq!(rows, [0, 63, 64, 500, 999]);
    assert!(found.iter().all(|moved| moved.to == moved.from + 1));
}
