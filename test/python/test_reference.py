"""The figures against scikit-learn and numpy: k-means, PCA, scaling and summaries on the data sets of the field."""

import numpy as np
import pytest

from conftest import ROOT

sklearn = pytest.importorskip("sklearn")
pd = pytest.importorskip("pandas")
pa = pytest.importorskip("pyarrow")

from sklearn.cluster import KMeans  # noqa: E402
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine  # noqa: E402
from sklearn.decomposition import PCA  # noqa: E402
from sklearn.metrics import (  # noqa: E402
    calinski_harabasz_score,
    davies_bouldin_score,
    silhouette_score,
)
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler  # noqa: E402

DATA_SETS = {
    "iris": load_iris,
    "wine": load_wine,
    "digits": load_digits,
    "breast_cancer": load_breast_cancer,
}
SCALERS = {"standard": StandardScaler, "minmax": MinMaxScaler, "robust": RobustScaler}


@pytest.fixture(scope="module")
def data():
    """Name -> array of shape (n_samples, n_features)."""
    return {name: load().data.astype(float) for name, load in DATA_SETS.items()}


@pytest.fixture(scope="module")
def db(connect, data):
    """A database with one table for each data set: `row_id`, then `x0`, `x1`, ... in the order of the array."""
    connection = connect()
    for name, values in data.items():
        frame = pd.DataFrame(values, columns=[f"x{i}" for i in range(values.shape[1])])
        frame.insert(0, "row_id", np.arange(len(frame)))
        connection.register("frame", frame)
        connection.execute(f"CREATE TABLE {name} AS FROM frame ORDER BY row_id")
        connection.unregister("frame")
    yield connection
    connection.close()


def one(db, sql, *parameters):
    """The one value of a query."""
    [[value]] = db.execute(sql, list(parameters)).fetchall()
    return value


def fit(db, table, k, **options):
    return one(db, f"SELECT kmeans_fit(t, {k}, {struct(options)}) FROM {table} AS t")


def pca(db, table, **options):
    return one(db, f"SELECT pca_fit(t, {struct(options)}) FROM {table} AS t")


def struct(options):
    """A STRUCT literal; `seed` is always given, because an empty one cannot be written."""
    return (
        "{"
        + ", ".join(f"'{name}': {value!r}" for name, value in {"seed": 42, **options}.items())
        + "}"
    )


def scaled(model, values):
    return (values - np.array(model["center"])) / np.array(model["spread"])


def close(actual, expected, rel=1e-9, scale=None):
    """Equal within `rel` of the largest magnitude: single values near zero have no digits of their own."""
    actual, expected = np.asarray(actual, dtype=float), np.asarray(expected, dtype=float)
    assert actual.shape == expected.shape
    largest = np.abs(expected).max() if scale is None else scale
    np.testing.assert_allclose(
        actual, expected, rtol=0, atol=rel * max(largest, np.finfo(float).tiny)
    )
    return True


# k-means


@pytest.mark.parametrize(
    "name, k, inertia",
    [("iris", 3, 78.851441), ("wine", 3, 2370689.69), ("breast_cancer", 2, 77943099.88)],
)
def test_inertia_of_raw_data_is_the_known_one(db, name, k, inertia):
    digits = len(str(inertia).split(".")[1])
    assert round(fit(db, name, k, scale="none")["inertia"], digits) == inertia


@pytest.mark.parametrize("name", DATA_SETS)
@pytest.mark.parametrize("k", range(2, 11))
def test_inertia_is_as_good_as_scikit_learn(db, data, name, k):
    """Within 0.1 % of the best of ten starts of scikit-learn on standardised data."""
    standardised = StandardScaler().fit_transform(data[name])
    theirs = KMeans(n_clusters=k, n_init=10, random_state=0).fit(standardised).inertia_
    assert fit(db, name, k)["inertia"] <= 1.001 * theirs


@pytest.mark.parametrize("name", DATA_SETS)
@pytest.mark.parametrize("k", [2, 5])
def test_lloyd_from_the_same_start_ends_at_the_same_centroids(db, data, name, k):
    """Both start from the first k distinct rows; `tol` 0 runs both to the fixed point."""
    values = data[name]
    start = np.unique(values, axis=0)[:k]
    theirs = KMeans(n_clusters=k, init=start, n_init=1, tol=0, max_iter=1000).fit(values)
    columns = [f"x{i}" for i in range(values.shape[1])]
    init = {"features": columns, "scale": "none", "centroids": start.tolist()}
    ours = one(
        db,
        f"SELECT kmeans_fit(t, {k}, {{'scale': 'none', 'tol': 0, 'max_iter': 1000, 'init': $1}})"
        f" FROM {name} AS t",
        init,
    )
    close(ours["centroids"], theirs.cluster_centers_)
    close(ours["inertia"], theirs.inertia_)
    assert ours["sizes"] == np.bincount(theirs.labels_, minlength=k).tolist()
    segments = db.execute(
        f"SELECT kmeans_predict($1, t) FROM {name} AS t ORDER BY row_id", [ours]
    ).fetchall()
    assert [segment for (segment,) in segments] == theirs.labels_.tolist()


@pytest.mark.parametrize("name", DATA_SETS)
@pytest.mark.parametrize("scale", ["standard", "minmax", "robust", "none"])
def test_each_row_gets_the_nearest_centroid(db, data, name, scale):
    model = fit(db, name, 4, scale=scale, n_init=2)
    differences = scaled(model, data[name])[:, None, :] - np.array(model["centroids"])[None, :, :]
    distances = np.sqrt((differences**2).sum(axis=2))
    rows = db.execute(
        f"SELECT kmeans_predict($1, t), kmeans_distance($1, t), kmeans_distances($1, t) FROM {name}"
        " AS t ORDER BY row_id",
        [model],
    ).fetchall()
    segments, own, all_distances = zip(*rows)
    close(all_distances, distances)
    close(own, distances.min(axis=1))
    assert list(segments) == distances.argmin(axis=1).tolist()
    close(model["inertia"], (distances.min(axis=1) ** 2).sum())
    assert model["sizes"] == np.bincount(segments).tolist() == sorted(model["sizes"], reverse=True)


@pytest.mark.parametrize("name", DATA_SETS)
def test_a_fitted_model_is_a_fixed_point(db, data, name):
    """Each centroid is the mean of its rows, up to the tolerance at which the run ended."""
    model = fit(db, name, 5, tol=0)
    assert model["converged"]
    points = scaled(model, data[name])
    labels = (
        ((points[:, None, :] - np.array(model["centroids"])[None]) ** 2).sum(axis=2).argmin(axis=1)
    )
    close(model["centroids"], [points[labels == segment].mean(axis=0) for segment in range(5)])


def test_centroids_in_original_units_are_the_means_of_the_segments(db):
    rows = db.execute("""
        WITH segmented AS (FROM amz.kmeans_segments(wine, k := 3, tol := 0)),
        means AS (
            SELECT segment, feature, avg(value) AS mean
            FROM (UNPIVOT segmented ON COLUMNS('x.*') INTO NAME feature VALUE value)
            GROUP BY segment, feature
        )
        SELECT c.value, m.mean
        FROM amz.kmeans_centroids(wine, k := 3, tol := 0) AS c INNER JOIN means AS m USING (segment, feature)
        """).fetchall()
    ours, means = np.array(rows).T
    assert len(rows) == 3 * 13
    np.testing.assert_allclose(ours, means, rtol=1e-9)


def test_weights_count_like_repeated_rows(db):
    weighted = one(
        db,
        "SELECT kmeans_fit(t, 3, {'scale': 'none', 'tol': 0, 'weight': 'w'}) "
        "FROM (SELECT *, 1 + row_id % 3 AS w FROM iris) AS t",
    )
    repeated = one(
        db,
        "SELECT kmeans_fit(t, 3, {'scale': 'none', 'tol': 0}) FROM (SELECT i.* FROM iris AS i,"
        " range(1 + row_id % 3)) AS t",
    )
    close(weighted["inertia"], repeated["inertia"])
    close(weighted["mean"], repeated["mean"])
    close(weighted["stddev"], repeated["stddev"])
    order = (
        np.lexsort(np.array(weighted["centroids"]).T),
        np.lexsort(np.array(repeated["centroids"]).T),
    )
    close(np.array(weighted["centroids"])[order[0]], np.array(repeated["centroids"])[order[1]])


# Figures of several numbers of segments


@pytest.mark.parametrize("name", DATA_SETS)
@pytest.mark.parametrize("scale", ["standard", "none"])
def test_metrics_are_those_of_scikit_learn(db, data, name, scale):
    """At the fixed point, where centroids are the means of their rows, about which scikit-learn takes its figures."""
    entries = one(
        db,
        f"SELECT kmeans_evaluate(t, 2, 10, {struct({'scale': scale, 'tol': 0})}) FROM {name} AS t",
    )
    assert [entry["k"] for entry in entries] == list(range(2, 11))
    for entry in entries:
        model = fit(db, name, entry["k"], scale=scale, tol=0)
        points = scaled(model, data[name])
        distances = np.sqrt(
            ((points[:, None, :] - np.array(model["centroids"])[None]) ** 2).sum(axis=2)
        )
        labels = distances.argmin(axis=1)
        assert entry["inertia"] == model["inertia"]
        nearest = np.sort(distances, axis=1)
        alone = np.array(model["sizes"])[labels] == 1
        close(entry["silhouette"], np.where(alone, 0, 1 - nearest[:, 0] / nearest[:, 1]).mean())
        close(entry["davies_bouldin"], davies_bouldin(points, labels))
        # Its distances between centroids are differences of squares, which cancel: some processors lose half the digits.
        close(entry["davies_bouldin"], davies_bouldin_score(points, labels), rel=1e-7)
        close(entry["calinski_harabasz"], calinski_harabasz_score(points, labels))


def davies_bouldin(points, labels):
    """By its definition."""
    clusters = [points[labels == label] for label in range(labels.max() + 1)]
    means = np.array([cluster.mean(axis=0) for cluster in clusters])
    spreads = [
        np.linalg.norm(cluster - mean, axis=1).mean() for cluster, mean in zip(clusters, means)
    ]
    distances = np.linalg.norm(means[:, None] - means[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    return (np.add.outer(spreads, spreads) / distances).max(axis=1).mean()


def test_the_simplified_silhouette_is_as_near_the_exact_one_as_the_page_says(db, data):
    differences = []
    for name in DATA_SETS:
        entries = one(
            db, f"SELECT kmeans_evaluate(t, 2, 10, {struct({'tol': 0})}) FROM {name} AS t"
        )
        simplified = np.array([entry["silhouette"] for entry in entries])
        exact = []
        for entry in entries:
            model = fit(db, name, entry["k"], tol=0)
            points = scaled(model, data[name])
            labels = (
                ((points[:, None, :] - np.array(model["centroids"])[None]) ** 2)
                .sum(axis=2)
                .argmin(axis=1)
            )
            exact.append(silhouette_score(points, labels))
        assert simplified.argmax() == np.argmax(exact), name
        differences += list(simplified - exact)
    page = (ROOT / "docs" / "silhouette.md").read_text(encoding="utf-8")
    assert f"lies {min(differences):.2f} to {max(differences):.2f} above the exact one" in page, (
        differences
    )


# Scaling


@pytest.mark.parametrize("name", DATA_SETS)
@pytest.mark.parametrize("scale", SCALERS)
def test_center_and_spread_are_those_of_scikit_learn(db, data, name, scale):
    scaler = SCALERS[scale]().fit(data[name])
    center, spread = {
        "standard": lambda: (scaler.mean_, scaler.scale_),
        "minmax": lambda: (scaler.data_min_, 1 / scaler.scale_),
        "robust": lambda: (scaler.center_, scaler.scale_),
    }[scale]()
    model = fit(db, name, 1, scale=scale, n_init=1)
    np.testing.assert_allclose(model["center"], center, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(model["spread"], spread, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(model["mean"], data[name].mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(model["stddev"], data[name].std(axis=0), rtol=1e-9, atol=1e-12)


def test_log_is_log1p(db, data):
    model = one(db, "SELECT kmeans_fit({'x12': x12}, 1, {'log': ['x12']}) FROM wine")
    logs = np.log1p(data["wine"][:, 12])
    close(model["center"], [logs.mean()])
    close(model["spread"], [logs.std()])


# PCA


def with_our_signs(components):
    """In each component the loading of largest magnitude is positive, the first of equal ones."""
    signs = np.sign(components[np.arange(len(components)), np.abs(components).argmax(axis=1)])
    return components * signs[:, None]


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "digits"])
@pytest.mark.parametrize("scale", ["none", "standard"])
def test_components_are_those_of_scikit_learn(db, data, name, scale):
    n = min(data[name].shape[1], 10)
    values = data[name] if scale == "none" else StandardScaler().fit_transform(data[name])
    theirs = PCA(n_components=n, svd_solver="full").fit(values)
    ours = pca(db, name, scale=scale, n=n)
    close(ours["explained_variance"], theirs.explained_variance_)
    close(ours["explained_variance_ratio"], theirs.explained_variance_ratio_)
    # Components of nearly equal variance are only determined up to a rotation among themselves: the gap to the
    # neighbours says how many digits there are.
    variances = np.append(theirs.explained_variance_, 0)
    gap = np.abs(np.diff(variances)).min() / variances[0]
    close(ours["components"], with_our_signs(theirs.components_), rel=max(1e-9, 1e-13 / gap))


@pytest.mark.parametrize("name", DATA_SETS)
def test_scores_are_those_of_scikit_learn(db, data, name):
    values = StandardScaler().fit_transform(data[name])
    theirs = PCA(n_components=2, svd_solver="full").fit(values)
    scores = (values - theirs.mean_) @ with_our_signs(theirs.components_).T
    rows = db.execute(
        f"SELECT pc1, pc2 FROM amz.pca_2d({name}, id := ['row_id']) ORDER BY row_id"
    ).fetchall()
    close(rows, scores)


@pytest.mark.parametrize("share", [0.5, 0.8, 0.95, 0.999])
def test_a_share_of_variance_takes_as_many_components_as_scikit_learn(db, data, share):
    values = StandardScaler().fit_transform(data["wine"])
    theirs = PCA(n_components=share, svd_solver="full").fit(values)
    assert len(pca(db, "wine", n=share)["components"]) == theirs.n_components_


def test_a_thousand_features_have_the_components_of_scikit_learn(connect):
    random = np.random.default_rng(1)
    values = random.normal(size=(2000, 40)) @ random.normal(size=(40, 1000)) + random.normal(
        size=(2000, 1000)
    )
    frame = pd.DataFrame(values, columns=[f"x{i}" for i in range(1000)])
    theirs = PCA(n_components=10, svd_solver="covariance_eigh").fit(
        StandardScaler().fit_transform(values)
    )
    connection = connect()
    connection.register("frame", frame)
    ours = one(connection, "SELECT pca_fit(t, {'n': 10}) FROM frame AS t")
    close(ours["explained_variance"], theirs.explained_variance_)
    close(ours["explained_variance_ratio"], theirs.explained_variance_ratio_)
    # Up to the sign, which scikit-learn fixes by another rule.
    cosines = (np.array(ours["components"]) * theirs.components_).sum(axis=1)
    close(np.abs(cosines), np.ones(10))
    connection.close()


# Summaries


@pytest.mark.parametrize("name", DATA_SETS)
def test_feature_summary_is_that_of_numpy(db, data, name):
    values = data[name]
    summary = one(db, f"SELECT feature_summary(t) FROM {name} AS t")
    assert [entry["feature"] for entry in summary] == [f"x{i}" for i in range(values.shape[1])]
    assert {entry["count"] for entry in summary} == {len(values)}
    np.testing.assert_allclose(
        [entry["mean"] for entry in summary], values.mean(axis=0), rtol=1e-12
    )
    np.testing.assert_allclose(
        [entry["stddev"] for entry in summary], values.std(axis=0), rtol=1e-9, atol=1e-12
    )
    assert [entry["min"] for entry in summary] == values.min(axis=0).tolist()
    assert [entry["max"] for entry in summary] == values.max(axis=0).tolist()


# Sources of Python


def test_a_data_frame_is_a_source(con):
    shop = pd.DataFrame(  # noqa: F841
        {"user_id": [1, 2, 3, 4], "spend": [1.0, 2.0, 100.0, None], "name": list("abcd")}
    )
    rows = con.execute(
        "SELECT user_id, segment FROM amz.kmeans_segments(shop, k := 2) ORDER BY user_id"
    ).fetchall()
    assert rows == [(1, 0), (2, 0), (3, 1), (4, None)]
    con.execute("CREATE TABLE kept AS FROM amz.pca_2d('shop', features := ['spend', 'user_id'])")
    assert one(con, "SELECT count(pc1) FROM kept") == 3


def test_an_arrow_table_is_a_source(con):
    events = pa.table(  # noqa: F841
        {
            "user_id": [1, 2, 3],
            "visits": pa.array([1, 2, 50], pa.uint8()),
            "price": [1.5, None, 2.5],
        }
    )
    rows = con.execute(
        "SELECT user_id, segment FROM amz.kmeans_segments(events, k := 2, features := ['visits'])"
        " ORDER BY user_id"
    ).fetchall()
    assert rows == [(1, 0), (2, 0), (3, 1)]


def test_a_model_makes_the_round_trip_over_python(db):
    model = fit(db, "iris", 3)
    assert fit(db, "iris", 3) == model
    labels = db.execute(
        "SELECT kmeans_predict($1, t) FROM iris AS t ORDER BY row_id", [model]
    ).fetchall()
    assert (
        labels
        == db.execute(
            "SELECT segment FROM amz.kmeans_segments(iris, k := 3) ORDER BY row_id"
        ).fetchall()
    )


# Properties of random data


@pytest.mark.parametrize("seed", range(20))
def test_the_figures_of_a_fit_agree_with_sql(con, seed):
    """Sizes are counts of labels, the inertia is the sum of squares, of random numbers of random shape and gaps."""
    random = np.random.default_rng(seed)
    n_rows, n_features, k = random.integers(5, 3000), random.integers(1, 9), random.integers(1, 6)
    values = random.lognormal(size=(n_rows, n_features)) * 10.0 ** random.integers(
        -6, 7, size=n_features
    )
    values[random.random(values.shape) < 0.02] = np.nan
    scale = str(random.choice(["standard", "minmax", "robust", "none"]))
    nulls = str(random.choice(["skip", "mean", "zero"]))
    frame = pd.DataFrame(values, columns=[f"x{i}" for i in range(n_features)])
    con.register("frame", frame)
    con.execute("CREATE TABLE t AS FROM frame")
    model = fit(con, "t", k, scale=scale, nulls=nulls, n_init=2)
    usable = n_rows if nulls != "skip" else int((~np.isnan(values).any(axis=1)).sum())
    assert (model["rows"], model["skipped"]) == (usable, n_rows - usable)
    segments = con.execute(
        "SELECT segment, count(*), sum(d * d) "
        "FROM (SELECT kmeans_predict($1, t) AS segment, kmeans_distance($1, t) AS d FROM t) "
        "WHERE segment IS NOT NULL GROUP BY segment ORDER BY segment",
        [model],
    ).fetchall()
    assert [size for _, size, _ in segments] == model["sizes"]
    assert sum(model["sizes"]) == usable
    np.testing.assert_allclose(
        sum(squares for *_, squares in segments), model["inertia"], rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize("seed", range(10))
def test_more_segments_never_fit_worse(con, seed):
    """From the same data, the best inertia falls with k up to the noise of local optima."""
    values = np.random.default_rng(seed).normal(size=(500, 3))
    frame = pd.DataFrame(values, columns=["a", "b", "c"])
    con.register("frame", frame)
    inertias = [fit(con, "frame", k, n_init=5)["inertia"] for k in range(1, 8)]
    assert all(more < less for less, more in zip(inertias, inertias[1:]))
    close(inertias[0], 500 * 3)
