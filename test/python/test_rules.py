"""Rules of segments beside the trees of scikit-learn, which have as many leaves."""

import pytest

datasets = pytest.importorskip("sklearn.datasets")
pd = pytest.importorskip("pandas")

from sklearn.tree import DecisionTreeClassifier  # noqa: E402

# Set, segments, leaves: how often rules have to agree with the segments.
AGREEMENT = [
    ("iris", 3, 3, 0.927),
    ("iris", 3, 6, 0.980),
    ("wine", 3, 3, 0.904),
    ("wine", 3, 6, 0.972),
    ("breast_cancer", 2, 2, 0.951),
    ("breast_cancer", 2, 4, 0.968),
    ("digits", 10, 10, 0.723),
    ("digits", 10, 20, 0.802),
]


@pytest.mark.parametrize(("name", "k", "leaves", "agreement"), AGREEMENT)
def test_rules_agree_as_often_as_the_tree_of_scikit_learn(con, name, k, leaves, agreement):
    values = getattr(datasets, f"load_{name}")().data
    rows = pd.DataFrame(values, columns=[f"x{i}" for i in range(values.shape[1])])  # noqa: F841
    con.execute(f"CREATE TABLE segmented AS FROM amz.kmeans_segments(rows, k := {k})")
    sql = "SELECT sum(precision * share) FROM amz.segment_rules(segmented, max_rules := $1)"
    (ours,) = con.execute(sql, [leaves]).fetchone()
    segmented = con.execute("FROM segmented").df()
    features, labels = segmented.drop(columns="segment"), segmented["segment"]
    tree = DecisionTreeClassifier(max_leaf_nodes=leaves, random_state=0).fit(features, labels)
    assert ours >= tree.score(features, labels) - 0.002
    assert ours >= agreement - 0.001
