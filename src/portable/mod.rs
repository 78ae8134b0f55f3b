//! Models as queries that any database runs: plain SQL of nested SELECTs.
//!
//! The text does with a row what [`crate::ml`] does: the same operations on doubles in the same
//! order, so that equal distances are equal there too. What is an error here, such as the logarithm
//! of a negative value, is NULL there, because a query has no errors of its own.

mod dialect;

pub use dialect::Dialect;

use dialect::{literal, minus};

use crate::ml::{self, KMeans, MAX_MAGNITUDE, Nulls, Pca, Transform};

/// What cannot be written as a query.
pub type Result<T> = std::result::Result<T, String>;

/// Pairs of a feature with a segment or a component that a query has at most: some 10 MB of text.
const MOST_PAIRS: usize = 100_000;

/// A query that adds a column `segment` to the rows of `source`: the label of the nearest centroid,
/// as `KMeans::labels` tells it; NULL for a row that is not usable.
pub fn segments(
    model: &KMeans,
    names: &[String],
    source: &str,
    dialect: &Dialect,
) -> Result<String> {
    let n_clusters = model.centroids.len();
    check_size(n_clusters, "segments", names.len())?;
    let distances = model.centroids.iter().enumerate().map(|(i, centroid)| {
        let square = |(feature, &c): (usize, &f64)| {
            let difference = minus(&format!("__z.z{feature}"), c);
            format!("{difference} * {difference}")
        };
        let squares: Vec<String> = centroid.iter().enumerate().map(square).collect();
        format!("{} AS d{i}", squares.join(" + "))
    });
    let distances: Vec<String> = distances.collect();
    if let Some(c) = model.centroids.iter().flatten().find(|c| c.abs() > MAX_MAGNITUDE) {
        return Err(format!(
            "the model's centroids have the value {c:?}, a query takes magnitudes up to \
             {MAX_MAGNITUDE:?}"
        ));
    }
    let all: Vec<String> = (0..n_clusters).map(|i| format!("__d.d{i}")).collect();
    let cases: Vec<String> = (0..n_clusters).map(|i| format!("WHEN __n.d{i} THEN {i}")).collect();
    Ok(format!(
        "SELECT
    __s.*,
    (
        SELECT CASE __n.nearest {cases} END
        FROM (
            SELECT __d.*, {least} AS nearest
            FROM (
                SELECT
                    {distances}
                FROM (
                    SELECT
                        {scaled}
                    FROM (
                        SELECT
                            {columns}
                    ) AS __x
                ) AS __z
            ) AS __d
        ) AS __n
    ) AS segment
FROM {source} AS __s
",
        cases = cases.join(" "),
        least = dialect.least(&all),
        distances = distances.join(",\n                    "),
        scaled = scaled(&model.transform).join(",\n                        "),
        columns = columns(names, dialect).join(",\n                            "),
    ))
}

/// A query that adds columns `pc1`, `pc2`, ... to the rows of `source`: their scores on the
/// components, as `Pca::transform` tells them; NULL for a row that is not usable.
pub fn scores(model: &Pca, names: &[String], source: &str, dialect: &Dialect) -> Result<String> {
    check_size(model.components.len(), "components", names.len())?;
    let transform = &model.transform;
    let means: Vec<f64> = (0..names.len()).map(|feature| transform.scaled_mean(feature)).collect();
    let scaled = scaled(transform).join(",\n                ");
    let columns = columns(names, dialect).join(",\n                    ");
    let score = |(i, component): (usize, &Vec<f64>)| {
        let term = |(feature, (loading, &mean)): (usize, (&f64, &f64))| {
            format!("{} * {}", minus(&format!("__z.z{feature}"), mean), literal(*loading))
        };
        let terms: Vec<String> = component.iter().zip(&means).enumerate().map(term).collect();
        format!(
            "(
        SELECT
            {terms}
        FROM (
            SELECT
                {scaled}
            FROM (
                SELECT
                    {columns}
            ) AS __x
        ) AS __z
    ) AS pc{number}",
            terms = terms.join(" + "),
            number = i + 1,
        )
    };
    let scores: Vec<String> = model.components.iter().enumerate().map(score).collect();
    Ok(format!("SELECT\n    __s.*,\n    {}\nFROM {source} AS __s\n", scores.join(",\n    ")))
}

fn check_size(n: usize, of_what: &str, n_features: usize) -> Result<()> {
    if n * n_features <= MOST_PAIRS {
        return Ok(());
    }
    Err(format!(
        "{n} {of_what} of {n_features} features are too many for a query, which has at most \
         {MOST_PAIRS} pairs of them"
    ))
}

/// The features of a row as doubles `x0`, `x1`, ...
fn columns(names: &[String], dialect: &Dialect) -> Vec<String> {
    let column = |(feature, name): (usize, &String)| {
        let name = dialect.column(name);
        format!("CAST(__s.{name} AS {}) AS x{feature}", dialect.double)
    };
    names.iter().enumerate().map(column).collect()
}

/// The features as `z0`, `z1`, ... in scaled space. Comparisons leave out NaN in every database,
/// whether it orders NaN above all numbers or not at all.
fn scaled(transform: &Transform) -> Vec<String> {
    let column = |feature: usize| {
        let x = format!("__x.x{feature}");
        let (center, spread) = (transform.center[feature], transform.spread[feature]);
        let (low, high) = bounds(transform, feature);
        let between =
            |low: f64, high: f64| format!("{x} BETWEEN {} AND {}", literal(low), literal(high));
        let prepared = if transform.log[feature] { format!("LN(1e0 + {x})") } else { x.clone() };
        let mut z = minus(&prepared, center);
        if spread != 1.0 {
            z = format!("{z} / {}", literal(spread));
        }
        let filled = match transform.nulls {
            Nulls::Skip | Nulls::Error => String::new(),
            Nulls::Mean | Nulls::Zero => {
                // What is too large is no missing value.
                let fill = transform.fill[feature];
                let fill = if transform.log[feature] { ml::ln_1p(fill) } else { fill };
                let missing = between(-f64::MAX, f64::MAX);
                let fill = literal((fill - center) / spread);
                format!(" WHEN {missing} THEN NULL ELSE {fill}")
            }
        };
        format!("CASE WHEN {} THEN {z}{filled} END AS z{feature}", between(low, high))
    };
    (0..transform.n_features()).map(column).collect()
}

/// Between which raw values a feature is usable.
fn bounds(transform: &Transform, feature: usize) -> (f64, f64) {
    let (center, spread) = (transform.center[feature], transform.spread[feature]);
    let reach = spread * MAX_MAGNITUDE;
    let low = (center - reach).max(-MAX_MAGNITUDE);
    let high = (center + reach).min(MAX_MAGNITUDE);
    if !transform.log[feature] {
        return (low, high);
    }
    let inverse = |x: f64| x.exp_m1().clamp(0.0, f64::MAX);
    (inverse(low), inverse(high))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::Scale;

    fn transform(nulls: Nulls) -> Transform {
        Transform {
            scale: Scale::Standard,
            nulls,
            log: vec![false, true],
            fill: if nulls == Nulls::Skip { Vec::new() } else { vec![-3.0, 0.0] },
            center: vec![-3.0, 0.5],
            spread: vec![2.0, 1.0],
            mean: vec![-3.0, 0.5],
            stddev: vec![2.0, 1.0],
        }
    }

    fn names() -> Vec<String> {
        ["a", "b c"].map(str::to_string).to_vec()
    }

    fn model(centroids: Vec<Vec<f64>>) -> KMeans {
        KMeans {
            transform: transform(Nulls::Skip),
            sizes: vec![0; centroids.len()],
            centroids,
            inertia: 0.0,
            rows: 0,
            skipped: 0,
            sampled: 0,
            iterations: 0,
            converged: true,
            seed: 0,
        }
    }

    fn sqlite() -> &'static Dialect {
        Dialect::from_name("sqlite").expect("a dialect")
    }

    #[test]
    fn a_query_casts_scales_measures_and_picks() {
        let text = segments(&model(vec![vec![0.0, 1.0], vec![-0.5, 2.0]]), &names(), "t", sqlite())
            .expect("a query");
        let text: Vec<&str> = text.split_whitespace().collect();
        assert_eq!(
            text.join(" "),
            "SELECT __s.*, ( SELECT CASE __n.nearest WHEN __n.d0 THEN 0 WHEN __n.d1 THEN 1 END \
             FROM ( SELECT __d.*, MIN(__d.d0, __d.d1) AS nearest FROM ( SELECT \
             __z.z0 * __z.z0 + (__z.z1 - 1e0) * (__z.z1 - 1e0) AS d0, \
             (__z.z0 + 5e-1) * (__z.z0 + 5e-1) + (__z.z1 - 2e0) * (__z.z1 - 2e0) AS d1 FROM ( \
             SELECT CASE WHEN __x.x0 BETWEEN -1e100 AND 1e100 THEN (__x.x0 + 3e0) / 2e0 END AS \
             z0, CASE WHEN __x.x1 BETWEEN 0e0 AND 1.7976931348623157e308 THEN (LN(1e0 + __x.x1) \
             - 5e-1) END AS z1 FROM ( SELECT CAST(__s.\"a\" AS REAL) AS x0, CAST(__s.\"b c\" AS \
             REAL) AS x1 ) AS __x ) AS __z ) AS __d ) AS __n ) AS segment FROM t AS __s"
        );
    }

    #[test]
    fn what_is_missing_is_filled_and_what_is_too_large_is_not() {
        let text = scaled(&transform(Nulls::Mean)).join("\n");
        let fill = "WHEN __x.x0 BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308 THEN \
                    NULL ELSE 0e0 END AS z0";
        assert!(text.contains(fill), "{text}");
        assert!(text.contains("ELSE -5e-1 END AS z1"), "{text}");
    }

    #[test]
    fn values_that_scaling_makes_too_large_are_out_of_bounds() {
        let narrow = Transform { spread: vec![1e-10, 1.0], ..transform(Nulls::Skip) };
        assert_eq!(bounds(&narrow, 0).1, 1e-10 * 1e100 - 3.0);
    }

    #[test]
    fn what_no_query_can_hold_is_refused() {
        let error = segments(&model(vec![vec![0.0, 1e101]]), &names(), "t", sqlite());
        assert_eq!(
            error,
            Err("the model's centroids have the value 1e101, a query takes magnitudes up to 1e100"
                .to_string())
        );
        let error =
            segments(&model(vec![vec![0.0; 200]; 1000]), &vec![String::new(); 200], "t", sqlite());
        assert!(error.is_err_and(|error| error.starts_with("1000 segments of 200 features")));
    }
}
