"""A fit by parts: one model whatever the parts and who computes them; parts that fail, are lost or come twice."""

import json
import sys

import pytest

from conftest import ROOT

sys.path.insert(0, str(ROOT / "orchestration"))
import distribute


@pytest.fixture
def files(connect, tmp_path):
    with connect() as con:
        con.execute("""
            CREATE TABLE users AS
            SELECT i AS user_id, 30 * (i * 7919 % 5) + sin(i) AS spend, (i * 104729 % 1000) / 50 AS minutes, 1 + i % 3 AS w
            FROM range(40000) AS r(i)
        """)
        for part in range(12):
            # One file has no row.
            con.execute(
                f"COPY (FROM users WHERE user_id % 11 = {part}) TO '{tmp_path}/{part}.parquet' (FORMAT parquet)"
            )
    return sorted(tmp_path.glob("*.parquet"))


@pytest.fixture
def drive(files, extension):
    def make(parts=None, executor=None, files=files):
        executor = executor or distribute.Threads(2)
        return distribute.Driver(files, executor, extension, parts, tell=lambda _: None)

    return make


def test_one_model_whatever_the_parts(drive):
    models = {drive(parts).fit(5, {"id": ["w"]})[0] for parts in [1, 2, 7, 12]}
    models.add(drive(5, executor=distribute.Threads(1)).fit(5, {"id": ["w"]})[0])
    assert len(models) == 1
    [model] = map(json.loads, models)
    assert model["converged"] and model["rows"] == 40000 == sum(model["sizes"])


def test_the_model_is_as_good_as_that_of_one_process(drive, connect):
    model = json.loads(drive(4).fit(5, {"features": ["spend", "minutes"]})[0])
    with connect() as con:
        [(inertia,)] = con.execute("""
            SELECT kmeans_fit(u, 5, {'features': ['spend', 'minutes']}).inertia
            FROM (SELECT 30 * (i * 7919 % 5) + sin(i) AS spend, (i * 104729 % 1000) / 50 AS minutes
                FROM range(40000) AS r(i)) AS u
        """).fetchall()
    assert model["inertia"] <= 1.001 * inertia


def test_weights_travel_to_all_parts(drive):
    options = {"features": ["spend", "minutes"], "weight": "w"}
    one, many = drive(1).fit(4, options), drive(12).fit(4, options)
    assert one == many


def test_every_row_gets_its_segment_once(drive, connect, tmp_path):
    driver = drive(5)
    model = driver.fit(3, {"features": ["spend", "minutes"]})
    written = driver.segments(model, tmp_path / "out")
    assert driver.segments(model, tmp_path / "out") == written and len(written) == 12
    with connect() as con:
        [found] = con.execute(
            f"""
            SELECT count(*), count(DISTINCT user_id), count(segment),
                count(*) FILTER (segment <> kmeans_predict({distribute.typed(*model)}, r))
            FROM '{tmp_path}/out/*.parquet' AS r
            """
        ).fetchall()
    assert found == (40000, 40000, 40000, 0)


def test_what_columns_and_files_are_called_does_not_matter(drive, connect, tmp_path):
    folder = tmp_path / "{rows} {model}"
    folder.mkdir()
    with connect() as con:
        con.execute(
            "CREATE TABLE users AS SELECT i % 9 AS x, [i % 7, 1] AS r, i % 5 AS s FROM range(500) AS t(i)"
        )
        for name, form in [
            ("a.parquet", "parquet"),
            ("a.csv", "csv, HEADER"),
            ("a.csv.gz", "csv, HEADER"),
            ("a.csv.zst", "csv, HEADER"),
            ("a.json", "json"),
            ("a.ndjson", "json"),
            ("a.json.gz", "json"),
            ("a.jsonl.zst", "json"),
        ]:
            con.execute(f"COPY users TO '{folder}/{name}' (FORMAT {form})")
        [(expected,)] = con.execute(
            "SELECT kmeans_fit(u, 3, {'features': ['x', 's']}).rows FROM users AS u"
        ).fetchall()
    models = set()
    for file in sorted(folder.iterdir()):
        driver = drive(files=[file])
        model = driver.fit(3, {"features": ["x", "s"]})
        [written] = driver.segments(model, tmp_path / "of")
        assert json.loads(model[0])["rows"] == expected == 500
        with connect() as con:
            assert con.execute(
                f"SELECT count(segment) FROM {distribute.literal(written)}"
            ).fetchall() == [(500,)]
        models.add(model[0])
    assert len(models) == 1


def test_components_are_those_of_all_rows(drive, connect, tmp_path):
    options = {"features": ["spend", "minutes"]}
    found = {drive(parts).components(2, options)[0] for parts in [1, 3, 12]}
    with connect() as con:
        [(expected,)] = con.execute(
            f"SELECT to_json(pca_fit(r, {distribute.literal(options)}))::VARCHAR FROM '{tmp_path}/*.parquet' AS r"
        ).fetchall()
    assert found == {expected}


class Faulty(distribute.Threads):
    """Loses some of the work that is given to it."""

    def __init__(self, fault):
        super().__init__(2)
        self.fault = fault
        self.calls = 0

    def map(self, function, tasks):
        self.calls += 1
        yield from self.fault(self.calls, list(super().map(function, tasks)))


def test_a_part_that_fails_is_done_again(drive):
    def fails_once(call, answers):
        return [OSError("lost"), *answers[1:]] if call % 2 else answers

    faulty = drive(4, executor=Faulty(fails_once)).fit(3, {"id": ["w"]})
    assert faulty == drive(4).fit(3, {"id": ["w"]})


def test_a_part_that_always_fails_is_told(drive):
    def fails(call, answers):
        return [OSError("no such node"), *answers[1:]] if answers else answers

    with pytest.raises(distribute.PartError, match=r"part 0 \(.*\) failed 3 times: no such node"):
        drive(4, executor=Faulty(fails)).fit(3)


def test_parts_that_are_lost_or_come_twice_are_an_error(drive):
    for fault in [lambda _, answers: answers[1:], lambda _, answers: [*answers, answers[0]]]:
        with pytest.raises(distribute.PartError, match=r"4 parts were asked for, [35] came back"):
            drive(4, executor=Faulty(fault)).fit(3)


def test_another_state_in_place_of_a_part_is_an_error(drive):
    def swaps(call, answers):
        # The third pass is the first step: one part stands twice there, another is missing.
        return [answers[3], *answers[1:]] if call == 3 else answers

    with pytest.raises(Exception, match="a part is missing or was counted twice"):
        drive(4, executor=Faulty(swaps)).fit(3, {"id": ["w"]})


def test_a_new_driver_goes_on_from_the_last_model(drive, tmp_path):
    models = tmp_path / "models"
    whole = drive(4).fit(4, {"id": ["w"]}, tol=0)
    first = drive(4).fit(4, {"id": ["w"]}, passes=2, tol=0, models=models)
    assert sorted(path.name for path in models.iterdir()) == [
        "pass-0000.json",
        "pass-0001.json",
        "pass-0002.json",
    ]
    counted = Faulty(lambda _, answers: answers)
    last = drive(4, executor=counted).fit(4, {"id": ["w"]}, tol=0, models=models)
    assert first != last == whole
    # No survey, no sample, and not the passes that were made.
    passes = json.loads(whole[0])["iterations"] - json.loads(first[0])["iterations"]
    assert counted.calls == passes
    with pytest.raises(distribute.PartError, match="is of another fit"):
        drive(4).fit(5, {"id": ["w"]}, models=models)


def test_the_command_says_what_it_did(files, extension, tmp_path, capsys):
    arguments = ["segments", f"{tmp_path}/*.parquet", "--k", "3", "--extension", str(extension)]
    assert distribute.main([*arguments, "--parts", "3", "--out", str(tmp_path / "out")]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("pass 1: 40000 rows, inertia ") and told[-2].startswith(
        "12 files in "
    )
    assert json.loads(told[-1])["k"] == 3
    (tmp_path / "x.txt").write_text("a")
    assert (
        distribute.main(["segments", str(tmp_path / "x.txt"), "--extension", str(extension)]) == 1
    )
    assert "files of one kind are needed" in capsys.readouterr().err
    assert distribute.main(["segments", "none/*.parquet", "--extension", str(extension)]) == 1
    assert "no such file: none/*.parquet" in capsys.readouterr().err
