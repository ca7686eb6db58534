"""One driver a sweep: whoever comes second is refused, and one that is dead or silent is replaced."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import Engine, text

from db.errors import SweepIsDriven
from db.records import Process
from db.store import DriverStore, PlanStore
from tests.contract.steering import let_leases_run_out
from tests.records import HERE, SWEEP

THERE = replace(HERE, host="node-2", pid=815)


@pytest.fixture
def sweep(database: Engine) -> int:
    return PlanStore(database).register(SWEEP, []).sweep_id


def drivers(database: Engine, *dead: Process) -> DriverStore:
    """The store, where these processes are known to be dead."""
    return DriverStore(database, is_dead=lambda process: process in dead)


def test_a_second_driver_is_refused_by_name_until_the_first_has_gone(database: Engine, sweep: int) -> None:
    store = drivers(database)
    store.refuse_driven("s")
    store.claim(sweep, HERE)
    with pytest.raises(SweepIsDriven, match=r"running sweep 's' \(process 4711 on node-1\)"):
        store.claim(sweep, THERE)
    with pytest.raises(SweepIsDriven):
        store.refuse_driven("s")
    store.refuse_driven("another")
    store.release(sweep, HERE)
    store.refuse_driven("s")
    store.claim(sweep, THERE)


def test_a_driver_that_is_known_to_be_dead_is_replaced_at_once(database: Engine, sweep: int) -> None:
    drivers(database).claim(sweep, HERE)
    drivers(database, HERE).claim(sweep, THERE)
    assert not drivers(database).renew(sweep, HERE)
    assert drivers(database).renew(sweep, THERE)


def test_a_driver_of_which_nothing_is_heard_is_replaced_when_its_lease_has_run_out(
    database: Engine, sweep: int
) -> None:
    store = drivers(database)
    store.claim(sweep, HERE)
    let_leases_run_out(database)
    assert store.renew(sweep, HERE), "late, and nobody has taken its place"
    with pytest.raises(SweepIsDriven):
        store.claim(sweep, THERE)
    let_leases_run_out(database)
    store.claim(sweep, THERE)
    assert not store.renew(sweep, HERE)
    store.release(sweep, HERE)
    assert store.renew(sweep, THERE), "who was replaced cannot end the hold of who replaced it"


def test_where_it_runs_is_kept_with_the_sweep(database: Engine, sweep: int) -> None:
    store = drivers(database)
    store.claim(sweep, HERE, cluster="10.0.0.1:6379", job="rlsweep-s-1")
    kept = "SELECT driver_host, driver_pid, driver_cluster, driver_job FROM sweep"
    with database.connect() as connection:
        assert connection.execute(text(kept)).one() == ("node-1", 4711, "10.0.0.1:6379", "rlsweep-s-1")
    store.release(sweep, HERE)
    with database.connect() as connection:
        assert connection.execute(text(kept)).one() == (None, None, "10.0.0.1:6379", "rlsweep-s-1")
    store.claim(sweep, HERE)
    with database.connect() as connection:
        assert connection.execute(text(kept)).one() == ("node-1", 4711, None, None)
