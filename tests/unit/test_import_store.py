"""Imported runs in the database: twice the same, grown, contradicting, replaced, and never half written."""

from __future__ import annotations

import math
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine, event, func, insert, select

from db.connection.engines import begin_write
from db.errors import DatabaseError, SpecError
from db.reader import Reader
from db.records import EvaluationRecord, ImportedFile, ImportedRun, ModelRecord, StepRecord
from db.store.import_curves import scored_by
from db.store.imports import ImportStore
from db.tables import Attempt, Evaluation, ImportFile, Model, Step, Sweep, SweepTrial, Trial
from db.types import database_now
from db.views import live_step
from tests.postgresql import PostgresqlServer

FILE = ImportedFile("runs.csv", "csv", "a" * 64, 100, {"loss": "test_loss"})
LONGER = replace(FILE, sha256="b" * 64)


def run_of(last: int, *, name: str = "r", first: int = 1, **changes: Any) -> ImportedRun:
    """A run of steps 1 to `last`, scored at each of them."""
    steps = tuple(
        StepRecord(step=n, cumulative_samples=512 * n, cumulative_flops=1e19 * n, reward=0.1)
        for n in range(first, last + 1)
    )
    scores = tuple(EvaluationRecord(n, "math", "greedy", n / 100, problems=500) for n in range(first, last + 1))
    facts: dict[str, Any] = dict.fromkeys(
        (
            "data",
            "algorithm",
            "group_size",
            "prompts_per_step",
            "updates_per_step",
            "learning_rate",
            "kl_coefficient",
            "tau",
        )
    )
    facts |= {"model": ModelRecord("base-7B", 7_000_000_000, variant="base"), "seed": 3, "steps": steps}
    return ImportedRun(name=name, evaluations=scores, **(facts | changes))


def count(engine: Engine) -> dict[str, int]:
    tables = (ImportFile, Model, Sweep, Trial, SweepTrial, Attempt, Step, Evaluation)
    with engine.connect() as connection:
        return {
            table.__tablename__: connection.scalar(select(func.count()).select_from(table)) or 0 for table in tables
        }


def curve(engine: Engine, sweep: str = "s") -> list[tuple[Any, ...]]:
    """Attempt, step, samples and score of the live lineage."""
    reader = Reader(engine)
    rows = reader.curve([trial.trial_id for trial in reader.trials(reader.sweep(sweep).id)])
    return [(row["attempt"], row["step"], row["samples"], row["score"]) for row in rows]


def test_an_imported_run_is_a_trial_with_a_curve_and_its_provenance(database: Engine) -> None:
    outcome = ImportStore(database).save(FILE, sweep="s", runs=[run_of(3)])
    assert (outcome.named("new"), outcome.num_steps, outcome.num_evaluations) == (("r",), 3, 3)
    assert curve(database) == [(1, 1, 512, 0.01), (1, 2, 1024, 0.02), (1, 3, 1536, 0.03)]
    (row,) = Reader(database).trials(outcome.sweep_id or 0)
    assert (row.model, row.num_params, row.seed, row.state, row.step) == ("base-7B", 7_000_000_000, 3, "succeeded", 3)
    assert [row.first_loss, row.last_loss] == pytest.approx([0.99, 0.97])
    assert row.axes == {"model": "base-7B", "seed": 3}
    with database.connect() as connection:
        trial = connection.execute(select(Trial.__table__)).one()
        assert (trial.origin, trial.reached_samples, trial.reached_flops, trial.group_size) == ("csv", 1536, 3e19, None)
        assert trial.science_hash.startswith("import:v1:")
        file = connection.execute(select(ImportFile.__table__)).one()
        assert (file.path, file.sha256, file.mapping) == ("runs.csv", "a" * 64, {"loss": "test_loss"})
        assert connection.scalar(select(Attempt.import_file_id)) == file.id
        recorded, now = connection.scalar(select(Step.recorded_at)), connection.scalar(select(database_now()))
        assert recorded is not None
        assert now is not None
        assert 0 <= (now - recorded).total_seconds() < 60


@pytest.mark.parametrize("file", [FILE, LONGER])
def test_importing_the_same_rows_again_changes_nothing(database: Engine, file: ImportedFile) -> None:
    store = ImportStore(database)
    store.save(FILE, sweep="s", runs=[run_of(3)])
    before, submitted = count(database), Reader(database).sweep("s").submitted_at
    outcome = store.save(file, sweep="s", runs=[run_of(3)])
    assert (outcome.named("unchanged"), outcome.num_steps, outcome.num_evaluations) == (("r",), 0, 0)
    assert count(database) == before
    assert Reader(database).sweep("s").submitted_at == submitted


def test_a_run_that_has_grown_is_extended_by_an_attempt_of_the_longer_file(database: Engine) -> None:
    store = ImportStore(database)
    store.save(FILE, sweep="s", runs=[run_of(2)])
    outcome = store.save(LONGER, sweep="s", runs=[run_of(4)])
    assert (outcome.named("extended"), outcome.num_steps, outcome.num_evaluations) == (("r",), 2, 2)
    assert [(attempt, step) for attempt, step, _, _ in curve(database)] == [(1, 1), (1, 2), (2, 3), (2, 4)]
    (row,) = Reader(database).trials(outcome.sweep_id or 0)
    assert (row.step, row.attempt) == (4, 2)
    assert row.last_loss == pytest.approx(0.96)


def test_a_shorter_file_changes_nothing(database: Engine) -> None:
    store = ImportStore(database)
    store.save(LONGER, sweep="s", runs=[run_of(4)])
    assert store.save(FILE, sweep="s", runs=[run_of(2)]).named("unchanged") == ("r",)


def test_scores_from_another_file_join_the_steps_they_belong_to(database: Engine) -> None:
    store = ImportStore(database)
    store.save(FILE, sweep="s", runs=[replace(run_of(2), evaluations=())])
    scores = replace(run_of(3), steps=tuple(StepRecord(step=n, reward=None) for n in (1, 2, 3)))
    store.save(LONGER, sweep="s", runs=[scores])
    assert curve(database) == [(1, 1, 512, 0.01), (1, 2, 1024, 0.02), (2, 3, None, 0.03)]


def test_steps_that_come_after_their_scores_give_these_their_x(database: Engine) -> None:
    store = ImportStore(database)
    store.save(FILE, sweep="s", runs=[replace(run_of(2), steps=())])
    store.save(LONGER, sweep="s", runs=[replace(run_of(2), evaluations=())])
    assert curve(database) == [(1, 1, 512, 0.01), (1, 2, 1024, 0.02)]


def test_other_values_are_refused_by_name_and_nothing_is_written(database: Engine) -> None:
    store = ImportStore(database)
    store.save(FILE, sweep="s", runs=[run_of(2)])
    before = count(database)
    changed = replace(run_of(2), steps=(StepRecord(step=2, cumulative_samples=999, kl=0.5),), learning_rate=1e-6)
    with pytest.raises(SpecError) as caught:
        store.save(LONGER, sweep="s", runs=[run_of(3, name="other"), changed])
    for line in (
        "2 values of 1 run differ",
        "run r, step 2: cumulative_samples is 1024 here and 999 in the file",
        "run r, step 2: kl is nothing here and 0.5 in the file",
        "--replace",
    ):
        assert line in str(caught.value)
    assert count(database) == before


def test_replacing_keeps_the_old_rows_but_they_count_no_more(database: Engine) -> None:
    store = ImportStore(database)
    store.save(FILE, sweep="s", runs=[run_of(3)])
    changed = replace(run_of(2), evaluations=(EvaluationRecord(2, "math", "greedy", 0.5),), seed=4)
    outcome = store.save(LONGER, sweep="s", runs=[changed], replace=True)
    assert outcome.named("replaced") == ("r",)
    assert curve(database) == [(2, 2, 1024, 0.5)]
    (row,) = Reader(database).trials(outcome.sweep_id or 0)
    assert (row.seed, row.step, row.first_loss, row.last_loss) == (4, 2, 0.5, 0.5)
    assert row.axes["seed"] == 4
    assert [(run.lost_steps, run.lost_evaluations) for run in outcome.runs] == [(1, 2)]
    assert count(database)["evaluation"] == 4
    assert store.save(LONGER, sweep="s", runs=[changed]).named("unchanged") == ("r",)


def test_what_a_replacing_file_does_not_speak_of_still_counts(database: Engine) -> None:
    store = ImportStore(database)
    code = tuple(EvaluationRecord(n, "code", "greedy", n / 10) for n in (1, 2, 3))
    before = run_of(3)
    store.save(FILE, sweep="s", runs=[replace(before, evaluations=before.evaluations + code)])
    scores = replace(run_of(3), steps=(), evaluations=(EvaluationRecord(2, "math", "greedy", 0.5),), seed=None)
    told = store.save(LONGER, sweep="s", runs=[scores], replace=True, dry_run=True)
    outcome = store.save(LONGER, sweep="s", runs=[scores], replace=True)
    assert told.runs == outcome.runs
    (run,) = outcome.runs
    assert (run.change, run.lost_steps, run.lost_evaluations) == ("replaced", 0, 2)
    assert curve(database) == [(2, 1, 512, 0.1), (2, 2, 1024, 0.2), (2, 2, 1024, 0.5), (2, 3, 1536, 0.3)]
    (row,) = Reader(database).trials(outcome.sweep_id or 0)
    assert (row.step, row.seed, row.axes) == (3, 3, {"model": "base-7B", "seed": 3})
    assert store.save(LONGER, sweep="s", runs=[scores]).named("unchanged") == ("r",)


def test_a_replaced_column_is_the_new_files_alone_and_the_others_stay(database: Engine) -> None:
    store = ImportStore(database)
    store.save(FILE, sweep="s", runs=[replace(run_of(3), evaluations=())])
    changed = replace(run_of(1), steps=(StepRecord(step=2, cumulative_samples=999),), evaluations=())
    (run,) = store.save(LONGER, sweep="s", runs=[changed], replace=True).runs
    assert (run.lost_steps, run.lost_evaluations) == (2, 0)
    with database.connect() as connection:
        step = live_step.c
        rows = connection.execute(select(step.step, step.cumulative_samples, step.reward).order_by(step.step)).all()
    assert [tuple(row) for row in rows] == [(1, None, 0.1), (2, 999, 0.1), (3, None, 0.1)]


def test_a_dry_run_says_what_would_happen_and_leaves_nothing(database: Engine) -> None:
    store = ImportStore(database)
    first = store.save(FILE, sweep="s", runs=[run_of(2)], dry_run=True)
    assert (first.sweep_id, first.named("new"), first.num_steps) == (None, ("r",), 2)
    assert set(count(database).values()) == {0}
    store.save(FILE, sweep="s", runs=[run_of(2), run_of(2, name="same"), run_of(2, name="other", seed=9)])
    before = count(database)
    outcome = store.save(
        LONGER, sweep="s", runs=[run_of(3), run_of(2, name="same"), run_of(2, name="other"), run_of(1, name="more")],
        dry_run=True,
    )  # fmt: skip
    found = {run.name: run.change for run in outcome.runs}
    assert found == {"r": "extended", "same": "unchanged", "other": "conflicting", "more": "new"}
    assert [str(each) for each in outcome.runs[2].contradictions] == ["run other: seed is 9 here and 3 in the file"]
    assert count(database) == before


def test_files_of_one_import_are_kept_all_or_none(database: Engine) -> None:
    store = ImportStore(database)
    store.save(FILE, sweep="s", runs=[run_of(2, name="old")])
    before = count(database)
    with pytest.raises(SpecError):
        store.save_all([(LONGER, [run_of(1)]), (FILE, [run_of(2, name="old", seed=1)])], sweep="s")
    assert count(database) == before


def test_runs_that_cannot_be_made_leave_nothing_behind(database: Engine) -> None:
    def runs() -> Iterator[ImportedRun]:
        yield run_of(2)
        raise SpecError("the second run is impossible")

    with pytest.raises(SpecError, match="impossible"):
        ImportStore(database).save(FILE, sweep="s", runs=runs())
    assert set(count(database).values()) == {0}


def test_imported_runs_are_not_mixed_into_a_submitted_sweep(database: Engine) -> None:
    with begin_write(database) as connection:
        values = {"name": "s", "source": "name: s", "overrides": [], "caveats": []}
        connection.execute(insert(Sweep).values(values))
    with pytest.raises(SpecError, match="Sweep 's' was submitted to run here"):
        ImportStore(database).save(FILE, sweep="s", runs=[run_of(1)])


def test_the_same_run_in_another_sweep_is_another_trial_of_the_same_model(database: Engine) -> None:
    store = ImportStore(database)
    for sweep in ("s", "t"):
        store.save(FILE, sweep=sweep, runs=[run_of(1)])
    found = count(database)
    assert (found["trial"], found["model"], found["import_file"]) == (2, 1, 1)


def test_models_of_one_name_and_two_sizes_are_two_models(database: Engine) -> None:
    small = run_of(1, name="small", model=ModelRecord("base-7B", 1_000_000_000, variant="base"))
    ImportStore(database).save(FILE, sweep="s", runs=[run_of(1), small])
    assert count(database)["model"] == 2


def test_weights_known_by_their_content_are_not_taken_for_an_imported_model(database: Engine) -> None:
    with begin_write(database) as connection:
        known = {"name": "base-7B", "num_params": 7_000_000_000, "variant": "base", "weights_sha256": "c" * 64}
        connection.execute(insert(Model).values(known | {"created_at": database_now()}))
    ImportStore(database).save(FILE, sweep="s", runs=[run_of(1)])
    assert count(database)["model"] == 2


def test_what_is_not_a_number_never_reaches_the_database(database: Engine) -> None:
    run = replace(run_of(1), steps=(StepRecord(step=1, cumulative_samples=512, reward=math.nan, kl=0.5),))
    store = ImportStore(database)
    store.save(FILE, sweep="s", runs=[run])
    with database.connect() as connection:
        assert connection.execute(select(Step.reward, Step.kl)).one() == (None, 0.5)
    assert store.save(FILE, sweep="s", runs=[run]).named("unchanged") == ("r",)


def test_of_importers_that_race_with_one_file_one_writes(database: Engine) -> None:
    outcomes: list[tuple[str, ...]] = []
    barrier = threading.Barrier(4)

    def save() -> None:
        barrier.wait()
        outcomes.append(ImportStore(database).save(FILE, sweep="s", runs=[run_of(20)]).named("new"))

    threads = [threading.Thread(target=save) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [(), (), (), ("r",)]
    assert count(database)["step"] == 20


def test_one_file_may_be_imported_into_several_sweeps_at_the_same_moment(database: Engine) -> None:
    barrier = threading.Barrier(4)

    def save(sweep: str) -> tuple[str, ...]:
        barrier.wait()
        return ImportStore(database).save(FILE, sweep=sweep, runs=[run_of(20)]).named("new")

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(save, "stuv")) == [("r",)] * 4
    found = count(database)
    assert (found["import_file"], found["model"], found["trial"]) == (1, 1, 4)


def test_a_server_that_stops_during_an_import_is_one_error_and_leaves_nothing(
    postgresql_database: Engine, postgresql_server: PostgresqlServer
) -> None:
    def runs() -> Iterator[ImportedRun]:
        yield run_of(20)
        postgresql_server.stop()
        yield run_of(20, name="other")

    with pytest.raises(DatabaseError, match="Cannot use the database"):
        ImportStore(postgresql_database).save(FILE, sweep="s", runs=runs())
    postgresql_server.start()
    assert set(count(postgresql_database).values()) == {0}


def test_a_full_disk_during_an_import_is_one_error_and_leaves_nothing(sqlite_database: Engine) -> None:
    @event.listens_for(sqlite_database, "connect")
    def _limit(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages + 5}")

    with sqlite_database.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    sqlite_database.dispose()
    with pytest.raises(DatabaseError, match="database or disk is full"):
        ImportStore(sqlite_database).save(FILE, sweep="s", runs=[run_of(2000)])
    assert set(count(sqlite_database).values()) == {0}


def test_what_was_not_known_of_a_run_is_filled_in(database: Engine) -> None:
    store = ImportStore(database)
    bare = replace(run_of(2), model=ModelRecord("Q", None), seed=None)
    store.save(FILE, sweep="s", runs=[bare])
    known = replace(bare, model=ModelRecord("Q", 7_000_000_000, family="Q"), seed=3, learning_rate=1e-6)
    told = store.save(FILE, sweep="s", runs=[known], dry_run=True)
    outcome = store.save(FILE, sweep="s", runs=[known])
    assert told.runs == outcome.runs
    (run,) = outcome.runs
    assert (run.change, run.num_steps, set(run.filled)) == (
        "extended", 0, {"seed", "learning_rate", "num_params", "family"},
    )  # fmt: skip
    (row,) = Reader(database).trials(outcome.sweep_id or 0)
    assert (row.num_params, row.seed, row.axes) == (
        7_000_000_000, 3, {"model": "Q", "seed": 3, "learning_rate": 1e-6},
    )  # fmt: skip
    for again in (known, bare):
        assert store.save(FILE, sweep="s", runs=[again]).named("unchanged") == ("r",)
    with database.connect() as connection:
        science = connection.scalar(select(Trial.science)) or {}
        assert (science["num_params"], science["seed"]) == (7_000_000_000, 3)
    with pytest.raises(SpecError, match="num_params is 7000000000 here and 8000000000 in the file"):
        store.save(FILE, sweep="s", runs=[replace(known, model=ModelRecord("Q", 8_000_000_000))])


def test_filling_in_a_size_changes_no_run_of_another_sweep(database: Engine) -> None:
    store, bare = ImportStore(database), replace(run_of(1), model=ModelRecord("Q", None))
    outcomes = [store.save(FILE, sweep=sweep, runs=[bare]) for sweep in ("s", "t")]
    store.save(FILE, sweep="s", runs=[replace(bare, model=ModelRecord("Q", 7_000_000_000))])
    sizes = [Reader(database).trials(outcome.sweep_id or 0)[0].num_params for outcome in outcomes]
    assert sizes == [7_000_000_000, None]


def test_what_a_model_of_the_same_size_lacks_is_filled_in_once(database: Engine) -> None:
    store = ImportStore(database)
    store.save(FILE, sweep="s", runs=[run_of(1)])
    known = replace(run_of(1), model=ModelRecord("base-7B", 7_000_000_000, total_params=7_600_000_000, variant="base"))
    assert store.save(FILE, sweep="s", runs=[known]).runs[0].filled == ("total_params",)
    assert store.save(FILE, sweep="s", runs=[known]).named("unchanged") == ("r",)
    assert count(database)["model"] == 1


def test_replacing_keeps_the_size_that_the_new_file_does_not_say(database: Engine) -> None:
    store = ImportStore(database)
    store.save(FILE, sweep="s", runs=[run_of(1)])
    other = replace(run_of(1), seed=9, model=ModelRecord("base-7B", None))
    outcome = store.save(LONGER, sweep="s", runs=[other], replace=True)
    assert Reader(database).trials(outcome.sweep_id or 0)[0].num_params == 7_000_000_000


def test_contradictions_of_one_kind_are_one_line(database: Engine) -> None:
    store = ImportStore(database)
    scores = tuple(replace(each, problems=None) for each in run_of(30).evaluations)
    names = ("a", "b", "c")
    store.save(FILE, sweep="s", runs=[replace(run_of(30, name=name), evaluations=scores) for name in names])
    with pytest.raises(SpecError) as caught:
        store.save(FILE, sweep="s", runs=[run_of(30, name=name) for name in names])
    _, line = str(caught.value).splitlines()
    assert line == (
        "  run a, step 1: problems on math (greedy) is nothing here and 500 in the file "
        "[89 more like it: 3 runs, steps 2, 3, 4, ...]"
    )


def test_what_scores_can_be_drawn_against_is_read_from_all_files_together(database: Engine) -> None:
    store = ImportStore(database)
    store.save(FILE, sweep="s", runs=[replace(run_of(2), steps=(), model=ModelRecord("Q", None))])
    (alone,) = scored_by(database, "s")
    assert (alone.benchmark, alone.rising, alone.unsized) == ("math", {"step"}, ("Q",))
    store.save(LONGER, sweep="s", runs=[replace(run_of(2), evaluations=(), model=ModelRecord("Q", 10**9))])
    (both,) = scored_by(database, "s")
    assert (both.rising, both.unsized) == ({"step", "samples", "flops"}, ())
    assert scored_by(database, "other") == []
