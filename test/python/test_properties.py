"""k-means on generated sets of every kind: never worse than scikit-learn's best of ten, and true to its own model."""

import dataclasses
import zlib

import numpy as np
import pytest

pytest.importorskip("sklearn")
pd = pytest.importorskip("pandas")
pytest.importorskip("pyarrow")

from sklearn.cluster import KMeans  # noqa: E402


@dataclasses.dataclass(frozen=True)
class Set:
    """A generated set and how it is segmented."""

    kind: str
    rows: int
    features: int
    k: int
    scale: str = "standard"

    def __str__(self):
        return f"{self.kind}-{self.rows}x{self.features}-k{self.k}"


def blobs(random, s):
    centres = 6 * random.normal(size=(s.k, s.features))
    return centres[random.integers(0, s.k, s.rows)] + random.normal(size=(s.rows, s.features))


def overlapping(random, s):
    centres = 1.5 * random.normal(size=(s.k, s.features))
    return centres[random.integers(0, s.k, s.rows)] + random.normal(size=(s.rows, s.features))


def no_structure(random, s):
    return random.normal(size=(s.rows, s.features))


def elongated(random, s):
    """Blobs that are stretched along random directions."""
    stretch = random.normal(size=(s.features, s.features)) * np.geomspace(8, 0.2, s.features)
    return blobs(random, s) @ stretch


def heavy_tails(random, s):
    values = random.lognormal(sigma=1.5, size=(s.rows, s.features))
    values[:5] *= 100
    return values


def outliers(random, s):
    values = blobs(random, s)
    values[:10] += 200 * random.normal(size=(10, s.features))
    return values


def tiny_clusters(random, s):
    """One cluster has nearly all rows, each of the others one in a hundred."""
    centres = 12 * random.normal(size=(s.k, s.features))
    share = np.full(s.k, 0.01)
    share[0] = 1 - share[1:].sum()
    return centres[random.choice(s.k, size=s.rows, p=share)] + random.normal(
        size=(s.rows, s.features)
    )


def duplicates(random, s):
    """Few distinct rows, some of them very frequent."""
    distinct = np.round(4 * random.normal(size=(max(4 * s.k, 40), s.features)))
    share = random.pareto(1.0, size=len(distinct)) + 0.01
    return distinct[random.choice(len(distinct), size=s.rows, p=share / share.sum())]


def constant_columns(random, s):
    values = blobs(random, s)
    values[:, ::2] = 7.0
    return values


def counts(random, s):
    """What users do: whole numbers, mostly small."""
    return random.negative_binomial(0.5, 0.05, size=(s.rows, s.features)).astype(float)


def mixed_units(random, s):
    return blobs(random, s) * 10.0 ** random.integers(-6, 7, s.features) + 10.0 ** random.integers(
        0, 7, s.features
    )


KINDS = {
    kind.__name__: kind
    for kind in [
        blobs, overlapping, no_structure, elongated, heavy_tails, outliers, tiny_clusters, duplicates,
        constant_columns, counts, mixed_units,
    ]
}  # fmt: skip
SETS = [
    Set("blobs", 5000, 2, 5),
    Set("blobs", 3000, 8, 20),
    Set("blobs", 1000, 64, 10),
    Set("blobs", 4000, 4, 100),
    Set("blobs", 3000, 16, 256),
    Set("blobs", 30_000, 3, 8),
    Set("overlapping", 3000, 5, 8),
    Set("overlapping", 2000, 2, 40),
    Set("overlapping", 25_000, 6, 4),
    Set("no_structure", 2000, 1, 5),
    Set("no_structure", 2000, 2, 10),
    Set("no_structure", 1500, 8, 6),
    Set("no_structure", 500, 32, 3),
    Set("elongated", 3000, 2, 6),
    Set("elongated", 3000, 6, 12),
    Set("elongated", 2000, 16, 4),
    Set("heavy_tails", 4000, 4, 6),
    Set("heavy_tails", 3000, 8, 12, "none"),
    Set("heavy_tails", 25_000, 3, 8),
    Set("outliers", 4000, 4, 6),
    Set("outliers", 3000, 10, 16, "robust"),
    Set("tiny_clusters", 5000, 3, 8),
    Set("tiny_clusters", 4000, 8, 20),
    Set("tiny_clusters", 25_000, 4, 6),
    Set("duplicates", 4000, 3, 6),
    Set("duplicates", 3000, 6, 40),
    Set("constant_columns", 3000, 6, 7),
    Set("counts", 4000, 5, 5),
    Set("counts", 3000, 3, 30, "minmax"),
    Set("mixed_units", 3000, 7, 9),
    Set("blobs", 400, 3, 1),
]


@pytest.fixture(scope="module", params=SETS, ids=str)
def case(request, connect):
    """A set, its rows, a connection that has them as table `t`, and the model of its fit."""
    s = request.param
    values = KINDS[s.kind](np.random.default_rng(zlib.crc32(str(s).encode())), s)
    frame = pd.DataFrame(values, columns=[f"x{i}" for i in range(s.features)])
    frame.insert(0, "row_id", np.arange(s.rows))
    connection = connect()
    connection.register("frame", frame)
    connection.execute("CREATE TABLE t AS FROM frame")
    connection.unregister("frame")
    model = one(connection, f"SELECT kmeans_fit(t, {s.k}, {{'scale': '{s.scale}'}}) FROM t")
    yield s, values, connection, model
    connection.close()


def one(connection, sql, *parameters):
    """The one value of a query."""
    [[value]] = connection.execute(sql, list(parameters)).fetchall()
    return value


def scaled(model, values):
    return (values - np.array(model["center"])) / np.array(model["spread"])


def squared_distances(model, values):
    """Of shape (rows, k), by differences: products alone would lose digits."""
    points = scaled(model, values)
    return np.stack(
        [((points - centroid) ** 2).sum(axis=1) for centroid in np.array(model["centroids"])],
        axis=1,
    )


def segments(connection, model):
    rows = connection.execute(
        "SELECT kmeans_predict($1, t) FROM t ORDER BY row_id", [model]
    ).fetchall()
    return np.array(rows)[:, 0]


def test_inertia_is_never_worse_than_the_best_of_ten_of_scikit_learn(case):
    s, values, _, model = case
    theirs = KMeans(n_clusters=s.k, n_init=10, random_state=0).fit(scaled(model, values))
    assert model["inertia"] <= 1.001 * theirs.inertia_


def test_each_row_has_the_segment_of_its_nearest_centroid(case):
    _, values, connection, model = case
    squares = squared_distances(model, values)
    found = segments(connection, model)
    nearest = squares.min(axis=1)
    # Two centroids may be equally near, up to rounding.
    assert (squares[np.arange(len(values)), found] <= nearest * (1 + 1e-12)).all()
    assert (found == squares.argmin(axis=1)).mean() > 0.999
    np.testing.assert_allclose(model["inertia"], nearest.sum(), rtol=1e-9)
    assert model["sizes"] == np.bincount(found, minlength=len(model["sizes"])).tolist()


def test_segments_stay_under_a_warm_start(case):
    """A fit of the same rows that starts from its own model keeps labels and improves nothing but the last digits."""
    s, _, connection, model = case
    again = one(
        connection,
        f"SELECT kmeans_fit(t, {s.k}, {{'scale': '{s.scale}', 'init': $1}}) FROM t",
        model,
    )
    assert again["inertia"] <= model["inertia"] * (1 + 1e-12)
    before, after = segments(connection, model), segments(connection, again)
    assert (before == after).mean() > 0.99


def test_whole_weights_count_like_repeated_rows(case):
    s, _, connection, _ = case
    # Quartiles do not see weights.
    scale = "standard" if s.scale == "robust" else s.scale
    weighted = one(
        connection,
        f"SELECT kmeans_fit(t, {s.k}, {{'scale': '{scale}', 'n_init': 2, 'weight': 'w'}}) "
        "FROM (SELECT *, 1 + row_id % 3 AS w FROM t) AS t",
    )
    repeated = one(
        connection,
        f"SELECT kmeans_fit(t, {s.k}, {{'scale': '{scale}', 'n_init': 2}}) "
        "FROM (SELECT t.* FROM t, range(1 + row_id % 3)) AS t",
    )
    np.testing.assert_allclose(weighted["mean"], repeated["mean"], rtol=1e-12)
    np.testing.assert_allclose(weighted["inertia"], repeated["inertia"], rtol=1e-9)
