"""`import rlsweep`: DataFrames with documented columns, and the guard against files that hide our packages."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import URL, Engine

import rlsweep
from db.description.catalog import Kind, relations
from db.errors import DatabaseError, SpecError
from db.views import views
from exchange.frames import Results
from tests.filled import DRAWS, STEPS, fill, save_a_fit

DTYPES = {
    Kind.INTEGER: "Int64",
    Kind.REAL: "float64",
    Kind.BOOLEAN: "boolean",
    Kind.TIMESTAMP: "datetime64[us, UTC]",
    Kind.TEXT: "string",
    Kind.JSON: "string",
    Kind.BYTES: "object",
}


@pytest.fixture
def trials(database: Engine) -> dict[str, tuple[int, ...]]:
    return fill(database)


@pytest.fixture
def results(database: Engine, trials: dict[str, tuple[int, ...]]) -> Results:
    return rlsweep.open(database.url.render_as_string(hide_password=False))


def test_every_view_and_table_is_a_frame_of_the_documented_types(results: Results) -> None:
    for relation in relations().values():
        frame = results.view(relation.name)
        expected = {column.name: DTYPES[column.kind] for column in relation.columns}
        assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == expected, relation.name
        assert frame.attrs["comments"].keys() == expected.keys(), relation.name
    assert len(results.view("trial")) == 3


def test_every_view_has_a_method_of_its_name(results: Results) -> None:
    for name in views.tables:
        pd.testing.assert_frame_equal(getattr(results, name)(), results.view(name))


def test_a_sweeps_rows_are_those_of_its_trials_in_whichever_sweep_they_ran(
    results: Results, trials: dict[str, tuple[int, ...]]
) -> None:
    first, second = trials["grid"]
    assert set(results.learning_curve(sweep="grid").trial_id) == {first, second}
    assert set(results.learning_curve(sweep="other").trial_id) == {first}
    assert list(results.trial_status(sweep="other").trial_id) == list(trials["other"])
    assert list(results.view("trial", sweep="other").id) == list(trials["other"])
    assert list(results.view("sweep", sweep="other").name) == ["other"]
    assert list(results.sweep_coverage(sweep="grid").trials) == [2]
    with pytest.raises(DatabaseError, match=r"no sweep 'grit'.*grid, other"):
        results.learning_curve(sweep="grit")
    with pytest.raises(SpecError, match="do not belong to a sweep"):
        results.view("model", sweep="grid")


def test_rows_are_chosen_by_the_values_of_their_columns(results: Results) -> None:
    curve = results.learning_curve(model="large", step=[1, 3])
    assert list(curve.step) == [1, 3]
    assert len(results.learning_curve(tau=None)) == STEPS + 1
    assert len(results.learning_curve(trial_id=curve.trial_id[0])) == STEPS + 1
    assert len(results.learning_curve(trial_id=curve.trial_id, step=0)) == 1
    now = datetime.now(UTC)
    assert len(results.trial_status(started_at=now)) == 0
    with pytest.raises(SpecError, match="give an aware datetime"):
        results.trial_status(started_at=now.replace(tzinfo=None))


def test_several_values_may_come_in_any_collection_and_hold_a_missing_one(results: Results) -> None:
    assert list(results.learning_curve(trial_id=1, step=range(1, 3)).step) == [1, 2]
    assert len(results.learning_curve(tau=[2.0, None], step=0)) == 2
    assert len(results.learning_curve(tau=float("nan"), step=0)) == 1
    assert len(results.learning_curve(tau=pd.array([None], dtype="Int64"), step=0)) == 1
    assert len(results.learning_curve(num_params=1e6, step=0)) == 2
    assert len(results.learning_curve(model=[])) == 0


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"modl": "x"}, "no column 'modl'. Did you mean `model`?"),
        ({"zzz": 1}, "no column 'zzz'. Its columns: evaluation_id, trial_id, "),
        ({"num_params": "7B"}, "num_params holds integers, and '7B' is none."),
        ({"seed": [1, 0.5]}, "seed holds integers, and 0.5 is none."),
        ({"seed": True}, "seed holds integers, and True is none."),
        ({"model": 7}, "model holds text, and 7 is none."),
        ({"tau": "two"}, "tau holds numbers, and 'two' is none."),
    ],
)
def test_a_column_or_a_value_that_cannot_be_is_named(results: Results, where: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=re.escape(message)):
        results.learning_curve(**where)


def test_what_is_closed_is_closed(database: Engine) -> None:
    results = rlsweep.open(database.url.render_as_string(hide_password=False))
    results.close()
    results.close()
    calls = (results.learning_curve, results.views, results.__enter__, lambda: results.describe("trial"))
    for call in (*calls, lambda: results.sql("SELECT 1")):
        with pytest.raises(rlsweep.Error, match=r"are closed; rlsweep\.open opens them again"):
            call()  # type: ignore[operator]
    assert repr(results).endswith(", closed>")


def test_every_error_is_one_that_can_be_imported(sqlite_url: URL, tmp_path: Path) -> None:
    with pytest.raises(rlsweep.Error, match="neither a path nor text"):
        rlsweep.open(5)  # type: ignore[arg-type]
    with pytest.raises(rlsweep.Error, match=r"There is no database at .*`rlsweep import`"):
        rlsweep.open(tmp_path / "none.db")
    with rlsweep.open(Path(str(sqlite_url.database))) as results, pytest.raises(rlsweep.Error, match="no value for :x"):
        results.sql("SELECT :x")


def test_the_time_limit_is_named_where_it_is_set(sqlite_url: URL) -> None:
    with pytest.raises(rlsweep.Error, match="seconds above 0, or None"):
        rlsweep.open(str(sqlite_url), time_limit_seconds=-1)
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
    results = rlsweep.open(str(sqlite_url), time_limit_seconds=0.1)
    with pytest.raises(rlsweep.Error, match=r"rlsweep\.open\(\.\.\., time_limit_seconds=\.\.\.\) in Python"):
        results.sql(endless)


def test_bytes_are_bytes(database: Engine) -> None:
    save_a_fit(database)
    with rlsweep.open(database.url.render_as_string(hide_password=False)) as results:
        assert results.view("fit_parameter").draws.tolist() == [DRAWS, None]
        assert results.sql("SELECT draws FROM fit_parameter ORDER BY name").draws[0] == DRAWS


def test_rows_come_in_order(results: Results) -> None:
    curve = results.learning_curve()
    pd.testing.assert_frame_equal(curve, curve.sort_values(["trial_id", "attempt", "step"], ignore_index=True))


def test_a_missing_number_stays_missing_and_a_zero_stays_zero(results: Results) -> None:
    steps = results.live_step()
    assert steps.kl.isna().all()
    assert list(steps.old_logprob_flops.unique()) == [0.0]
    assert results.learning_curve(step=0).flops.tolist() == [0.0, 0.0]


def test_a_query_has_the_same_types_on_both_databases(results: Results) -> None:
    frame = results.sql(
        "SELECT trial_id, started_at, num_params * 1.0 / 3 AS third, 'a' AS word, step * 0 AS zero "
        "FROM trial_status WHERE sweep IN :sweeps AND num_params IS NOT NULL ORDER BY trial_id",
        {"sweeps": ["grid"]},
    )
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == {
        "trial_id": "Int64",
        "started_at": "datetime64[us, UTC]",
        "third": "float64",
        "word": "string",
        "zero": "Int64",
    }
    assert abs(frame.started_at[0] - datetime.now(UTC)) < timedelta(minutes=5)
    assert frame.third[0] == pytest.approx(1_000_000 / 3)
    assert "zero" not in frame.attrs["comments"]


def test_aggregates_have_the_same_types_on_both_databases(results: Results) -> None:
    frame = results.sql(
        "SELECT SUM(samples) AS samples, AVG(step) AS step, COUNT(*) AS number, MAX(cumulative_flops) AS flops, "
        "MAX(kl) AS kl FROM live_step"
    )
    assert [str(dtype) for dtype in frame.dtypes] == ["Int64", "float64", "Int64", "float64", "float64"]
    assert frame.loc[0, ["samples", "step", "number", "flops"]].tolist() == [64 * 2 * STEPS, 2.5, 8, 4e19]
    assert frame.kl.isna().all()


def test_json_and_booleans_are_the_same_on_both_databases(results: Results) -> None:
    assert results.view("sweep_trial", sweep="grid")["axes"].tolist() == ['{"seed": 1}', '{"seed": 2}']
    assert results.sql("SELECT axes FROM sweep_trial").dtypes["axes"] == "string"
    assert str(results.sql("SELECT is_milestone FROM live_checkpoint").dtypes["is_milestone"]) == "boolean"


def test_a_query_without_rows_has_its_columns(results: Results) -> None:
    frame = results.sql("SELECT step, reward FROM step WHERE 1 = 0")
    assert len(frame) == 0
    assert [str(dtype) for dtype in frame.dtypes] == ["Int64", "float64"]


def test_columns_that_would_hide_one_another_are_refused(results: Results) -> None:
    with pytest.raises(SpecError, match=r"Two columns of the query are called 'step'; .*AS other_name"):
        results.sql("SELECT step, reward AS step FROM step")


def test_values_of_several_kinds_in_a_column_are_refused(sqlite_database: Engine) -> None:
    results = rlsweep.open(str(sqlite_database.url))
    query = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 20000) "
    with pytest.raises(SpecError, match=r"'mixed' holds values of kind integer and also 'late'.*CAST\(mixed AS"):
        results.sql(query + "SELECT CASE WHEN x < 15000 THEN x ELSE 'late' END AS mixed FROM n")


def test_what_there_is_to_read_is_described(results: Results) -> None:
    listed = results.views().set_index("name")
    assert listed.kind["learning_curve"] == "view"
    assert listed.kind["trial"] == "table"
    assert (listed.comment.str.len() > 0).all()
    described = results.describe("learning_curve").set_index("column")
    assert described.loc["flops"].tolist()[:2] == ["real", "FLOPs"]
    assert pd.isna(described.unit["model"])
    with pytest.raises(SpecError, match="Did you mean learning_curve"):
        results.describe("learning_curv")


def test_nothing_can_be_written(results: Results) -> None:
    with pytest.raises(SpecError, match="only reads"):
        results.sql("DELETE FROM step")


def test_threads_share_one_results(results: Results) -> None:
    seen: list[int] = []
    threads = [threading.Thread(target=lambda: seen.append(len(results.learning_curve()))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [2 * (STEPS + 1)] * 8


def test_it_closes_at_the_end_of_the_block(database: Engine) -> None:
    with rlsweep.open(database.url.render_as_string(hide_password=False), time_limit_seconds=30) as results:
        assert len(results.view("trial")) == 0


def test_its_name_keeps_the_password_to_itself(postgresql_database: Engine) -> None:
    url = postgresql_database.url.set(password="s3cret").render_as_string(hide_password=False)
    assert "s3cret" not in repr(rlsweep.open(url))


def test_a_file_that_hides_one_of_our_packages_is_named(tmp_path: Path) -> None:
    (tmp_path / "db.py").write_text("")
    done = subprocess.run(
        [sys.executable, "-c", "import rlsweep"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert f"rlsweep's package `db` is hidden by {tmp_path / 'db.py'}" in done.stderr
