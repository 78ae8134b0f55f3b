//! A survey and its sample are functions of the multiset of rows, and good starts.

use super::*;
use crate::kmeans::{KMeans, KMeansOptions, Step};
use crate::test_data::{Random, blobs, columns, observe};

fn options(n_features: usize) -> SurveyOptions {
    SurveyOptions {
        scale: Scale::Standard,
        nulls: Nulls::Skip,
        log: vec![false; n_features],
        unscaled: vec![false; n_features],
        weighted: false,
        seed: 7,
    }
}

fn fit(n_clusters: usize) -> KMeansOptions {
    KMeansOptions {
        n_clusters,
        scale: Scale::Standard,
        nulls: Nulls::Skip,
        n_init: 10,
        max_iter: 300,
        tol: 1e-4,
        seed: 7,
        n_threads: 2,
        init: None,
    }
}

/// Cuts rows into parts of some sizes.
fn parts(random: &mut Random, n: usize, most: usize) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let mut start = 0;
    while start < n {
        let end = n.min(start + 1 + random.below(most));
        parts.push(start..end);
        start = end;
    }
    parts
}

#[test]
fn parts_in_any_order_give_the_same_start() {
    let mut random = Random::new(3);
    for case in 0..6 {
        let n = [300, 40_000, 60_000][case % 3];
        let mut rows = blobs(case as u64, n, 3, 5);
        if case >= 3 {
            // Rows that repeat.
            rows.iter_mut().flatten().for_each(|x| *x = (*x / 4.0).round());
        }
        rows[5][1] = f64::NAN;
        let weights: Vec<f64> = (0..n).map(|_| random.below(3) as f64).collect();
        let weighted = case % 2 == 1;
        let own = weighted.then_some(weights.as_slice());
        let columns = columns(&rows);
        let survey_of = |parts: &[Range<usize>]| {
            let options = SurveyOptions { weighted, ..options(3) };
            let mut whole = Survey::new(options.clone());
            for part in parts {
                let mut survey = Survey::new(options.clone());
                survey.append(&columns, own, part.clone());
                whole.merge(&survey);
            }
            whole
        };
        let drawn_of = |survey: &Survey, parts: &[Range<usize>]| {
            let drawing = Drawing::new(survey, 5).expect("rows to draw from");
            let mut whole = Drawn::default();
            for part in parts {
                let mut drawn = Drawn::default();
                drawn.append(survey, &drawing, &columns, own, part.clone());
                whole.merge(&drawn);
            }
            whole
        };
        let all = 0..n;
        let whole = survey_of(std::slice::from_ref(&all));
        let mut cut = parts(&mut random, n, 5000);
        random.shuffle(&mut cut);
        let other = survey_of(&cut);
        assert_eq!(other.sketch, whole.sketch);
        let (one, two) = (drawn_of(&whole, std::slice::from_ref(&all)), drawn_of(&other, &cut));
        assert!(one.parts().1.eq(two.parts().1), "case {case}");
        let start = |survey: &Survey, drawn: &Drawn| survey.start(drawn, &fit(5)).expect("fits");
        assert_eq!(start(&whole, &one), start(&other, &two), "case {case}");
        // And what was stored.
        let (level, rows) = one.parts();
        let rows: Vec<DrawnRow> = rows.cloned().collect();
        assert_eq!(Drawn::from_parts(level, rows), Some(one));
    }
}

#[test]
fn a_start_is_near_the_fit_of_all_rows() {
    for (seed, scale) in [(1, Scale::Standard), (2, Scale::Robust), (3, Scale::MinMax)] {
        let rows = blobs(seed, 80_000, 4, 7);
        let columns = columns(&rows);
        let mut survey = Survey::new(SurveyOptions { scale, ..options(4) });
        survey.append(&columns, None, 0..rows.len());
        let drawing = Drawing::new(&survey, 7).expect("rows to draw from");
        let mut drawn = Drawn::default();
        drawn.append(&survey, &drawing, &columns, None, 0..rows.len());
        assert!((15_000..25_000).contains(&drawn.parts().1.len()));
        let options = KMeansOptions { scale, ..fit(7) };
        let mut model = survey.start(&drawn, &options).expect("fits").expect("rows");
        let all = KMeans::fit(observe(&rows), &options).expect("fits").expect("rows");
        let slices: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
        for _ in 0..3 {
            let mut step = Step::new(7, 4);
            let scaled = model.transform.apply(&slices).expect("rows to scale");
            step.add(&model, &scaled, None).expect("rows to add");
            model = model.next(&step, 1e-4).expect("rows");
        }
        if scale != Scale::Robust {
            assert!((model.inertia / all.inertia - 1.0).abs() < 0.002, "{seed}");
            assert_eq!(model.transform.center, all.transform.center);
            assert_eq!(model.transform.spread, all.transform.spread);
        } else {
            // Quartiles are those of the sample.
            for (own, other) in model.transform.spread.iter().zip(&all.transform.spread) {
                assert!((own / other - 1.0).abs() < 0.05, "{own} {other}");
            }
        }
    }
}

#[test]
fn the_number_of_distinct_rows_is_known_to_a_few_percent() {
    let mut sketch = Sketch::new();
    let hashes: Vec<u64> = (0..1000).map(crate::rows::mix).collect();
    sketch.add(&hashes);
    sketch.add(&hashes);
    assert_eq!(sketch.n_distinct(), 1000.0);
    let many: Vec<u64> = (0..200_000).map(crate::rows::mix).collect();
    many.chunks(2048).for_each(|hashes| sketch.add(hashes));
    assert!((sketch.n_distinct() / 200_000.0 - 1.0).abs() < 0.1, "{}", sketch.n_distinct());
}

#[test]
fn frequent_rows_are_found() {
    let mut sketch = Sketch::new();
    let many: Vec<u64> = (0..100_000).map(crate::rows::mix).collect();
    many.chunks(2048).for_each(|hashes| sketch.add(hashes));
    let heavy = crate::rows::mix(1 << 40);
    sketch.add(&vec![heavy; 400]);
    let frequent = sketch.frequent(100_400);
    assert!(frequent.contains(heavy));
    let others = many.iter().filter(|&&hash| frequent.contains(hash)).count();
    assert!(others < 10, "{others}");
}

#[test]
fn what_no_fit_takes_is_told() {
    let check = |options: SurveyOptions, values: &[f64]| {
        let mut survey = Survey::new(options);
        survey.append(&[values], None, 0..values.len());
        survey.check()
    };
    let log = SurveyOptions { log: vec![true], ..options(1) };
    assert_eq!(check(log, &[1.0, -2.0, -3.0]), Err(Error::NegativeLog { feature: 0, value: -3.0 }));
    let value = 1e101;
    assert_eq!(check(options(1), &[1.0, value]), Err(Error::TooLarge { feature: 0, value }));
    let strict = SurveyOptions { nulls: Nulls::Error, ..options(1) };
    assert_eq!(check(strict, &[f64::NAN]), Err(Error::Missing { feature: 0 }));
    let mut survey = Survey::new(options(1));
    survey.append(&[[f64::NAN; 3]], None, 0..3);
    assert_eq!(survey.check_usable(), Err(Error::NoUsableRow { feature: 0, missing: 3, rows: 3 }));
}

#[test]
fn a_sample_of_many_rows_far_out_stays_small() {
    // Nearly all rows are one, so that the few others are far out.
    let mut random = Random::new(9);
    let n = 1_200_000;
    let far = |random: &mut Random| if random.below(8) == 0 { random.normal() } else { 0.0 };
    let columns: Vec<Vec<f64>> =
        (0..2).map(|_| (0..n).map(|_| far(&mut random)).collect()).collect();
    let mut survey = Survey::new(options(2));
    survey.append(&columns, None, 0..n);
    let drawing = Drawing::new(&survey, 5).expect("rows to draw from");
    let (mut one, mut two, mut whole) = (Drawn::default(), Drawn::default(), Drawn::default());
    one.append(&survey, &drawing, &columns, None, 0..n / 3);
    two.append(&survey, &drawing, &columns, None, n / 3..n);
    whole.append(&survey, &drawing, &columns, None, 0..n);
    two.merge(&one);
    assert_eq!(two, whole);
    let (level, rows) = whole.parts();
    let stand_for: f64 = rows.map(|row| row.stands_for(level)).sum();
    assert!((stand_for / n as f64 - 1.0).abs() < 0.05, "{stand_for}");
}
