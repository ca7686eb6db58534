"""Fits are kept once, whole, and never changed."""

from __future__ import annotations

from math import nan
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.exc import IntegrityError

from db.records import FitRecords
from db.store import FitStore
from db.tables import Fit, FitCheck, FitHoldout, FitParameter
from tests.contract.small_study import FIT, fill, save_fit
from tests.contract.steering import contents, count


def _bare(**changes: Any) -> FitRecords:
    return FitRecords(FIT | {"sweep_id": None} | changes, [], [], [], [], [])


def test_the_same_fit_of_the_same_rows_is_kept_once(database: Engine) -> None:
    store = FitStore(database)
    first = store.save(_bare())
    before = contents(database)
    assert store.save(_bare()) == first
    assert contents(database) == before
    others = [_bare(data_sha256="b" * 64), _bare(settings={"draws": 20}), _bare(rlsweep_version="0.2.0")]
    assert len({first, *(store.save(each) for each in others)}) == 4


def test_of_two_equal_fits_saved_at_once_one_is_kept(database: Engine) -> None:
    found: list[int] = []
    threads = [Thread(target=lambda: found.append(FitStore(database).save(_bare()))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert count(database, Fit) == 1


def test_a_fit_is_kept_with_all_its_parts(database: Engine) -> None:
    fill(database)
    save_fit(database, sweep_id=1)
    before = contents(database)
    save_fit(database, sweep_id=1)
    assert contents(database) == before
    assert [count(database, table) for table in (Fit, FitParameter, FitHoldout, FitCheck)] == [1, 3, 3, 4]


def test_of_a_fit_with_a_part_that_is_refused_nothing_is_left(database: Engine) -> None:
    point = {"evaluation_id": 99, "role": "train", "reason": None, "weight": 1.0, "fitted_loss": 0.5, "residual": 0.0}
    with pytest.raises(IntegrityError):
        FitStore(database).save(FitRecords(FIT | {"sweep_id": None}, [], [point], [], [], []))
    assert count(database, Fit) == 0


def test_what_is_not_a_number_is_missing_and_draws_are_kept_to_the_byte(database: Engine) -> None:
    draws = bytes(range(256))
    parameter = {
        "name": "E", "num_params": None, "estimate": nan, "standard_error": nan, "low": None, "high": nan,
        "interval_method": None, "unit": "", "at_bound": True, "draws": draws,
    }  # fmt: skip
    records = FitRecords(FIT | {"sweep_id": None, "aicc": nan, "r2": nan}, [parameter], [], [], [], [])
    FitStore(database).save(records)
    with database.connect() as connection:
        assert connection.execute(select(Fit.aicc, Fit.r2)).one() == (None, None)
        columns = select(FitParameter.estimate, FitParameter.high, FitParameter.at_bound, FitParameter.draws)
        assert connection.execute(columns).one() == (None, None, True, draws)
