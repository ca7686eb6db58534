"""What a trial records while the database is away: none of it is lost, doubled, out of order, or by a dead attempt."""

from __future__ import annotations

import multiprocessing
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from sqlalchemy import URL, Engine, event, select, text, update
from sqlalchemy.exc import DBAPIError

from db.connection.engines import begin_write
from db.database import open_database
from db.errors import SpecError, StaleAttemptError
from db.reader import Reader
from db.records import AttemptRecord, CheckpointRecord, DataSetRecord, ModelRecord, ProblemResult, Process
from db.states import AttemptState, Directive, TrialState
from db.store import PlanStore, Registration, claim
from db.store.spool import SpoolingAttemptStore, claim_with_spool, deliver_left_behind
from db.store.spool_file import Owner, SpoolFile
from db.store.writing import WRITERS
from db.tables import Attempt, Evaluation, EvaluationItem, Step
from db.types import database_now
from tests.contract.attempt_records import STORY
from tests.postgresql import PostgresqlServer
from tests.records import SWEEP, evaluation, planned, step
from workers.provenance import is_dead, this_process

BUSY_SECONDS = 0.2
DATA = DataSetRecord("heldout-2", None, "d" * 64, 2, problem_sha256s=("1" * 64, "2" * 64))
MODEL = ModelRecord("m", 10, 12, source="org/m", revision="main", weights_sha256="a" * 64)
Outage: TypeAlias = Callable[[], AbstractContextManager[None]]


def hurried(url: URL) -> Engine:
    """An engine that waits for SQLite's locks only briefly."""
    engine = open_database(url, create=False)
    engine.dispose()
    if url.get_backend_name() == "sqlite":
        event.listen(engine, "connect", lambda c, _: c.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000:.0f}"))
    return engine


@pytest.fixture
def database(database_url: URL) -> Iterator[Engine]:
    engine = hurried(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def outage(database: Engine, request: pytest.FixtureRequest) -> Outage:
    """Takes the database away: the server is stopped, or a process holds the file's lock."""
    if database.dialect.name == "postgresql":
        server: PostgresqlServer = request.getfixturevalue("postgresql_server")
        return lambda: stopped(server)
    return lambda: locked(database.url)


@contextmanager
def stopped(server: PostgresqlServer) -> Iterator[None]:
    server.stop()
    try:
        yield
    finally:
        server.start()


_HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)
connection.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def locked(url: URL) -> Iterator[None]:
    command = [sys.executable, "-I", "-S", "-c", _HOLD, str(url.database)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        yield  # leaving closes its standard input


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def trial(database: Engine) -> Registration:
    return PlanStore(database).register(SWEEP, [planned(1)])


@pytest.fixture
def attempt(database: Engine, trial: Registration, folder: Path) -> SpoolingAttemptStore:
    return start(database, trial, folder)


def start(
    database: Engine, trial: Registration, folder: Path, say: Callable[[str], None] = print
) -> SpoolingAttemptStore:
    return claim_with_spool(
        database,
        trial_id=trial.trial_ids[0],
        sweep_id=trial.sweep_id,
        process=this_process(),
        folder=folder,
        say=say,
    )


def files(folder: Path) -> list[str]:
    """The suffixes of what is in the spool."""
    return sorted(path.suffix for path in folder.iterdir()) if folder.exists() else []


def steps(database: Engine) -> list[tuple[int, int]]:
    with database.connect() as connection:
        rows = connection.execute(select(Step.attempt, Step.step).order_by(Step.recorded_at, Step.step))
        return [(row.attempt, row.step) for row in rows]


def everything(database: Engine) -> list[list[Any]]:
    """All that an attempt writes, but for leases."""
    tables = ("trial", "attempt", "step", "evaluation", "evaluation_item", "checkpoint", "model", "data_set", "problem")
    with database.connect() as connection:
        found = [connection.execute(text(f"SELECT * FROM {table}")).mappings().all() for table in tables]
    return [sorted(repr({**row, "lease_expires_at": None}) for row in rows) for rows in found]


def test_what_is_recorded_during_an_outage_arrives_when_it_is_over(
    database: Engine, attempt: SpoolingAttemptStore, outage: Outage, folder: Path
) -> None:
    attempt.record_step(step(1))
    with outage():
        attempt.record_model(MODEL)
        attempt.record_data_set(DATA)
        attempt.resume_from(0)
        attempt.enter_phase("scoring base")
        scores = (ProblemResult(0, probability=0.25), ProblemResult(1, probability=1 / 3))
        attempt.record_evaluation(evaluation(0, 0.3, data_set_sha256=DATA.sha256, results=scores))
        attempt.enter_phase("training")
        for number in range(2, 5):
            attempt.record_step(step(number, loss=float("nan"), reward=1 / number))
        attempt.record_evaluation(evaluation(4, 0.4))
        attempt.record_checkpoint(CheckpointRecord(2, "/c2", 10, "a" * 64, False))
        attempt.record_checkpoint(CheckpointRecord(4, "/c4", 10, "b" * 64, True))
        attempt.record_deleted_checkpoint("/c2", step=4)
        assert attempt.is_away
        assert attempt.renew() is Directive.CONTINUE
        assert files(folder) == [".jsonl"]
    attempt.renew()
    assert not attempt.is_away
    assert files(folder) == []
    reader = Reader(database)
    (row,) = reader.trials(attempt.sweep_id)
    assert (row.step, row.phase, row.first_loss, row.last_loss) == (4, "training", 0.7, 0.6)
    assert [(c.step, c.uri) for c in reader.live_checkpoints(attempt.trial_id)] == [(4, "/c4")]
    with database.connect() as connection:
        found = connection.execute(select(Step.step, Step.loss, Step.reward).order_by(Step.step)).all()
        items = connection.scalars(select(EvaluationItem.probability).order_by(EvaluationItem.problem_id)).all()
    assert [tuple(each) for each in found] == [(1, 0.1, 0.3), (2, None, 1 / 2), (3, None, 1 / 3), (4, None, 1 / 4)]
    assert items == [0.25, 1 / 3]
    attempt.record_step(step(5))
    assert files(folder) == []


def test_every_record_comes_out_of_the_file_as_it_went_in(folder: Path) -> None:
    assert {type(record) for record in STORY} == set(WRITERS)
    spool = SpoolFile(folder, Owner(1, 1, this_process()))
    spool.append(STORY)
    assert spool.next_batch().records == STORY
    spool.close()
    (path,) = folder.iterdir()
    left = SpoolFile.left_behind(path)
    assert left is not None
    assert left.owner == spool.owner
    assert left.next_batch().records == STORY
    left.remove()


def test_records_keep_their_order_when_the_database_is_back_before_they_are_delivered(
    database: Engine, attempt: SpoolingAttemptStore, outage: Outage
) -> None:
    with outage():
        attempt.record_step(step(1))
    attempt.record_step(step(2))
    assert steps(database) == []
    attempt.renew()
    attempt.record_step(step(3))
    assert steps(database) == [(1, 1), (1, 2), (1, 3)]


def test_more_than_fits_one_transaction_arrives(
    database: Engine, attempt: SpoolingAttemptStore, outage: Outage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("db.store.spool_file.BATCH_RECORDS", 7)
    with outage():
        attempt.record(*(step(number) for number in range(1, 41)))
    attempt.renew()
    assert steps(database) == [(1, number) for number in range(1, 41)]


def test_the_training_thread_does_not_ask_a_database_that_is_away(
    attempt: SpoolingAttemptStore, outage: Outage
) -> None:
    with outage():
        attempt.record_step(step(1))
        began = time.monotonic()
        for number in range(2, 22):
            attempt.record_step(step(number))
        assert time.monotonic() - began < 20 * BUSY_SECONDS / 4


def test_a_drain_asked_for_before_an_outage_holds_during_it(
    database: Engine, attempt: SpoolingAttemptStore, outage: Outage
) -> None:
    PlanStore(database).request_drain(attempt.sweep_id)
    assert attempt.renew() is Directive.DRAIN
    with outage():
        assert attempt.record_step(step(1)) is Directive.DRAIN
    PlanStore(database).clear_drain(attempt.sweep_id)
    assert attempt.renew() is Directive.CONTINUE


def test_a_trial_that_ends_during_an_outage_is_over_once_that_is_delivered(
    database: Engine, attempt: SpoolingAttemptStore, outage: Outage, folder: Path
) -> None:
    with outage():
        attempt.record_step(step(1))
        attempt.end(AttemptState.SUCCEEDED)
        assert not attempt.wait_until_delivered(0.1)
    delivering = threading.Thread(target=attempt.renew)
    delivering.start()
    assert attempt.wait_until_delivered(10)
    delivering.join()
    assert Reader(database).trial(attempt.trial_id)["state"] == TrialState.SUCCEEDED
    assert files(folder) == []
    attempt.renew()  # as the lease's thread may, before the process is gone


def test_what_could_not_be_kept_is_not_there_and_what_follows_is_whole(
    database: Engine, attempt: SpoolingAttemptStore, outage: Outage, folder: Path
) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with outage():
        attempt.record_step(step(1))
        (spool,) = folder.iterdir()
        resource.setrlimit(resource.RLIMIT_FSIZE, (spool.stat().st_size + 100, limits[1]))
        try:
            with pytest.raises(OSError, match="File too large"):
                attempt.record_step(step(2))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        attempt.end(AttemptState.FAILED, failure_class="disk_full")
    attempt.renew()
    assert steps(database) == [(1, 1)]
    (row,) = Reader(database).trials(attempt.sweep_id)
    assert (row.state, row.failure_class) == ("failed", "disk_full")


def test_a_record_that_the_database_refuses_fails_the_trial_and_what_came_before_it_is_kept(
    database: Engine, attempt: SpoolingAttemptStore, outage: Outage, folder: Path
) -> None:
    attempt.record_model(MODEL)
    with outage():
        attempt.record_step(step(1))
        attempt.record_model(ModelRecord("m", 10, 12, weights_sha256="b" * 64))
        attempt.record_step(step(2))
    with pytest.raises(SpecError, match="are not those that trial 1 was started from"):
        attempt.renew()
    assert steps(database) == [(1, 1)]
    assert files(folder) == [".refused"]
    attempt.renew()
    with pytest.raises(SpecError, match="are not those that trial 1 was started from"):
        attempt.record_step(step(3))
    attempt.end(AttemptState.FAILED, failure_class="spec")
    assert Reader(database).trial(attempt.trial_id)["state"] == TrialState.FAILED


@pytest.mark.parametrize(
    "refused",
    [
        pytest.param(evaluation(2, 0.5, data_set_sha256="f" * 64, results=(ProblemResult(0, 1),)), id="no problem"),
        pytest.param(step(2, samples=2**63), id="too large"),
        pytest.param(step(2, samples="many"), id="no number"),
    ],
)
def test_whatever_cannot_be_written_is_set_aside_once_and_the_attempt_ends_with_it(
    database: Engine, attempt: SpoolingAttemptStore, outage: Outage, folder: Path, refused: AttemptRecord
) -> None:
    with outage():
        attempt.record(step(1), refused, step(3))
    with pytest.raises(Exception, match=r".+"):
        attempt.renew()
    assert not attempt.is_away
    assert steps(database) == [(1, 1)]
    assert files(folder) == [".refused"]
    attempt.renew()
    with pytest.raises(Exception, match=r".+"):
        attempt.record_step(step(4))
    attempt.end(AttemptState.FAILED, failure_class="code")
    assert Reader(database).trial(attempt.trial_id)["state"] == TrialState.FAILED


def test_what_is_refused_twice_is_kept_twice(
    database: Engine, attempt: SpoolingAttemptStore, outage: Outage, trial: Registration, folder: Path
) -> None:
    with outage():
        attempt.record(step(1), step(2, cumulative_samples=-1), step(3))
    with pytest.raises(DBAPIError):
        attempt.renew()
    with outage():
        attempt.end(AttemptState.FAILED)
    take_over(database, trial)
    with pytest.raises(StaleAttemptError):
        attempt.renew()
    first, second = sorted(folder.iterdir(), key=lambda path: len(path.name))
    assert (first.suffix, second.suffix) == (".refused", ".refused")
    assert (first.read_text().count("StepRecord"), second.read_text().count("AttemptEnd")) == (3, 1)


def test_an_attempt_that_was_replaced_during_an_outage_writes_nothing(
    database: Engine, attempt: SpoolingAttemptStore, outage: Outage, trial: Registration, folder: Path
) -> None:
    with outage():
        attempt.record_step(step(1))
    later = take_over(database, trial)
    with pytest.raises(StaleAttemptError):
        attempt.renew()
    later.record_step(step(1))
    assert steps(database) == [(2, 1)]
    assert files(folder) == [".refused"]


def test_an_attempt_that_was_lost_but_not_replaced_leaves_what_it_has_to_the_next_one(
    database: Engine, attempt: SpoolingAttemptStore, outage: Outage, folder: Path
) -> None:
    with outage():
        attempt.record_step(step(1))
    PlanStore(database).declare_lost(attempt.sweep_id, is_dead=lambda _: True)
    with pytest.raises(StaleAttemptError):
        attempt.renew()
    assert steps(database) == []
    assert files(folder) == [".jsonl"]


def take_over(database: Engine, trial: Registration) -> Any:
    PlanStore(database).declare_lost(trial.sweep_id, is_dead=lambda _: True)
    somebody = Process("elsewhere", 1, this_process().process_started_at)
    return claim(database, trial_id=trial.trial_ids[0], sweep_id=trial.sweep_id, process=somebody)


def test_no_lease_has_run_out_when_a_server_comes_back(
    postgresql_database: Engine, postgresql_server: PostgresqlServer, folder: Path
) -> None:
    plan = PlanStore(postgresql_database)
    registration = plan.register(SWEEP, [planned(1)])
    attempt = start(postgresql_database, registration, folder)
    with begin_write(postgresql_database) as connection:
        connection.execute(update(Attempt).values(lease_expires_at=database_now(-1)))
    with stopped(postgresql_server):
        attempt.record_step(step(1))
    assert plan_after_restart(plan, registration)
    attempt.renew()
    assert steps(postgresql_database) == [(1, 1)]


def plan_after_restart(plan: PlanStore, registration: Registration) -> bool:
    """Whether the first look at the server finds the trial held, through a pool of dead connections."""
    assert plan.declare_lost(registration.sweep_id, is_dead=lambda _: False) == []
    return plan.is_held(registration.trial_ids[0])


def test_claiming_again_after_a_lost_answer_finds_the_attempt(
    database: Engine, attempt: SpoolingAttemptStore, trial: Registration, folder: Path
) -> None:
    assert start(database, trial, folder).number == attempt.number == 1


def test_the_spool_holds_no_address_and_no_password(
    postgresql_url: URL, postgresql_server: PostgresqlServer, folder: Path
) -> None:
    url = postgresql_url.set(password="s3cret-word")
    database = open_database(url, create=False)
    said: list[str] = []
    attempt = start(database, PlanStore(database).register(SWEEP, [planned(1)]), folder, said.append)
    with stopped(postgresql_server):
        attempt.record_step(step(1))
        (spool,) = folder.iterdir()
        kept = spool.read_text()
    attempt.renew()
    database.dispose()
    assert "s3cret-word" not in kept + "".join(said)
    assert "postgresql" not in kept
    assert str(url.query["host"]) not in kept


@dataclass
class Victim:
    """A process of its own that runs an attempt and is killed during an outage."""

    url: URL
    folder: Path
    trial: Registration

    def die(self, outage: Outage, *, end: AttemptState | None = None) -> Path:
        """Record step 1; then, with the database away, steps 2 and 3; returns the spool that is left."""
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([__name__])
        claimed, away = context.Event(), context.Event()
        process = context.Process(target=_run_until_killed, args=(self, end, claimed, away))
        process.start()
        assert claimed.wait(30)
        with outage():
            away.set()
            process.join(30)
        assert process.exitcode == -signal.SIGKILL
        (spool,) = self.folder.glob("*.jsonl")
        return spool


def _run_until_killed(victim: Victim, end: AttemptState | None, claimed: Event, away: Event) -> None:
    attempt = start(hurried(victim.url), victim.trial, victim.folder)
    attempt.resume_from(0)
    attempt.record_step(step(1))
    claimed.set()
    away.wait()
    attempt.record_step(step(2))
    attempt.record_evaluation(evaluation(2, 0.4))
    attempt.record_step(step(3))
    attempt.record_checkpoint(CheckpointRecord(3, "/c3", 10, "a" * 64, False))
    if end is not None:
        attempt.end(end)
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture
def victim(database: Engine, trial: Registration, folder: Path) -> Victim:
    return Victim(database.url, folder, trial)


def deliver(database: Engine, victim: Victim) -> AttemptState | None:
    """What the next attempt's process does before it claims the trial."""
    PlanStore(database).declare_lost(victim.trial.sweep_id, is_dead=is_dead)
    return deliver_left_behind(database, victim.folder, trial_id=victim.trial.trial_ids[0], say=print)


def test_what_a_killed_process_left_is_delivered_before_the_next_attempt(
    database: Engine, outage: Outage, victim: Victim
) -> None:
    victim.die(outage)
    assert deliver(database, victim) is None
    assert files(victim.folder) == []
    later = start(database, victim.trial, victim.folder)
    assert later.number == 2
    assert [c.uri for c in Reader(database).live_checkpoints(later.trial_id)] == ["/c3"]
    later.resume_from(3)
    later.record_step(step(4))
    assert steps(database) == [(1, 1), (1, 2), (1, 3), (2, 4)]
    (row,) = Reader(database).trials(victim.trial.sweep_id)
    assert (row.step, row.last_loss) == (4, 0.6)


def test_a_trial_that_ended_before_its_process_was_killed_has_ended(
    database: Engine, outage: Outage, victim: Victim
) -> None:
    victim.die(outage, end=AttemptState.SUCCEEDED)
    assert deliver(database, victim) is AttemptState.SUCCEEDED
    (row,) = Reader(database).trials(victim.trial.sweep_id)
    assert (row.state, row.attempt, row.attempt_state, row.message) == ("succeeded", 1, "succeeded", None)


@pytest.mark.parametrize("end", [None, AttemptState.INTERRUPTED])
def test_a_crash_between_delivery_and_removal_changes_nothing(
    database: Engine, outage: Outage, victim: Victim, end: AttemptState | None, tmp_path: Path
) -> None:
    spool = victim.die(outage, end=end)
    copy = shutil.copy(spool, tmp_path / "copy")
    deliver(database, victim)
    before = everything(database)
    shutil.copy(copy, spool)
    deliver(database, victim)
    assert everything(database) == before
    assert files(victim.folder) == []


def test_a_line_that_was_cut_off_is_dropped(database: Engine, outage: Outage, victim: Victim) -> None:
    spool = victim.die(outage)
    lines = spool.read_bytes().splitlines(keepends=True)
    spool.write_bytes(b"".join(lines[:-2]) + lines[-2][:-1])
    deliver(database, victim)
    assert steps(database) == [(1, 1), (1, 2)]
    assert files(victim.folder) == []


def test_a_damaged_line_stops_the_delivery_and_the_file_is_kept(
    database: Engine, outage: Outage, victim: Victim
) -> None:
    spool = victim.die(outage)
    lines = spool.read_bytes().splitlines(keepends=True)
    spool.write_bytes(b"".join([*lines[:2], b"damaged\n", *lines[2:]]))
    deliver(database, victim)
    assert steps(database) == [(1, 1), (1, 2)]
    assert files(victim.folder) == [".refused"]


def test_a_file_without_a_header_holds_up_nobody(database: Engine, trial: Registration, folder: Path) -> None:
    folder.mkdir()
    (folder / "attempt-0001.jsonl").write_bytes(b'{"revision": "00')
    said: list[str] = []
    assert deliver_left_behind(database, folder, trial_id=trial.trial_ids[0], say=said.append) is None
    assert "cannot be delivered" in said[0]


def test_what_a_killed_process_left_is_refused_once_a_later_attempt_exists(
    database: Engine, outage: Outage, victim: Victim
) -> None:
    victim.die(outage)
    later = take_over(database, victim.trial)
    deliver_left_behind(database, victim.folder, trial_id=later.trial_id, say=print)
    assert steps(database) == [(1, 1)]
    assert files(victim.folder) == [".refused"]


class DeliveredMeanwhile(type(Path())):  # type: ignore[misc]
    """A folder in which, between the look and the opening, another process delivers what was found."""

    def glob(self, pattern: str) -> list[Path]:  # type: ignore[override]
        found = [Path(path) for path in super().glob(pattern)]
        for path in found:
            path.unlink()
        return found


def test_a_file_that_another_process_delivers_first_is_none_of_ours(
    database: Engine, outage: Outage, victim: Victim
) -> None:
    victim.die(outage)
    said: list[str] = []
    meanwhile = DeliveredMeanwhile(victim.folder)
    assert deliver_left_behind(database, meanwhile, trial_id=victim.trial.trial_ids[0], say=said.append) is None
    assert said == []


def test_of_many_processes_that_deliver_at_once_one_does_and_none_fails(
    database: Engine, outage: Outage, victim: Victim
) -> None:
    PlanStore(database).declare_lost(victim.trial.sweep_id, is_dead=is_dead)
    spool = victim.die(outage)
    PlanStore(database).declare_lost(victim.trial.sweep_id, is_dead=is_dead)
    kept, context = spool.read_bytes(), multiprocessing.get_context("forkserver")
    for _ in range(3):
        spool.write_bytes(kept)
        ready = context.Barrier(4)
        processes = [context.Process(target=_deliver_at_once, args=(victim, ready)) for _ in range(4)]
        for process in processes:
            process.start()
        for process in processes:
            process.join(60)
        assert [process.exitcode for process in processes] == [0] * 4
        assert files(victim.folder) == []
    assert steps(database) == [(1, 1), (1, 2), (1, 3)]


def _deliver_at_once(victim: Victim, ready: Any) -> None:
    engine = open_database(victim.url, create=False)
    ready.wait()
    for _ in range(20):
        deliver_left_behind(engine, victim.folder, trial_id=victim.trial.trial_ids[0], say=print)
    engine.dispose()


def test_what_is_left_waits_while_its_attempt_may_be_alive(database: Engine, outage: Outage, victim: Victim) -> None:
    victim.die(outage)
    deliver_left_behind(database, victim.folder, trial_id=victim.trial.trial_ids[0], say=print)
    assert steps(database) == [(1, 1)]
    assert files(victim.folder) == [".jsonl"]


def test_what_a_living_process_keeps_is_not_taken_from_it(
    database: Engine, attempt: SpoolingAttemptStore, outage: Outage, folder: Path
) -> None:
    with outage():
        attempt.record_step(step(1))
    deliver_left_behind(database, folder, trial_id=attempt.trial_id, say=print)
    assert steps(database) == []
    attempt.renew()
    assert steps(database) == [(1, 1)]


def test_what_was_left_for_another_database_stays(
    database: Engine, outage: Outage, victim: Victim, tmp_path: Path
) -> None:
    spool = victim.die(outage)
    shutil.copytree(spool.parent, tmp_path / "other")
    other = Victim(victim.url, tmp_path / "other", victim.trial)
    deliver(database, victim)
    with begin_write(database) as connection:  # the same numbers, but another process
        connection.execute(update(Attempt).values(pid=1))
    before = everything(database)
    deliver(database, other)
    assert everything(database) == before
    assert files(other.folder) == [".jsonl"]


def test_two_threads_lose_nothing_while_the_database_comes_and_goes(
    database: Engine, trial: Registration, outage: Outage, folder: Path
) -> None:
    last = 150
    said: list[str] = []
    attempt = start(database, trial, folder, said.append)
    trained = threading.Event()

    def keep_lease() -> None:
        while not trained.wait(0.02) or attempt.is_away:
            attempt.renew()

    def train() -> None:
        for number in range(1, last + 1):
            attempt.record_step(step(number))
            attempt.record_evaluation(evaluation(number, number / 1000))
            time.sleep(0.01)
        attempt.end(AttemptState.SUCCEEDED)
        trained.set()

    threads = [threading.Thread(target=keep_lease), threading.Thread(target=train)]
    for thread in threads:
        thread.start()
    for _ in range(2):
        time.sleep(0.3)
        with outage():
            time.sleep(0.5)
    for thread in threads:
        thread.join()
    assert any("does not answer" in each for each in said)
    assert steps(database) == [(1, number) for number in range(1, last + 1)]
    with database.connect() as connection:
        scored = connection.scalars(select(Evaluation.step).order_by(Evaluation.id)).all()
    assert scored == list(range(1, last + 1))
    (row,) = Reader(database).trials(attempt.sweep_id)
    assert (row.state, row.step, row.last_loss) == ("succeeded", last, 1 - last / 1000)
