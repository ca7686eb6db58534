"""The driver's side: registering sweeps, alone and at once, queueing, draining, giving trials up."""

from __future__ import annotations

from dataclasses import replace
from threading import Thread

import pytest
from sqlalchemy import Engine, event, select

from db.errors import SpecError
from db.reader import Reader
from db.records import PlannedTrial, SweepRecord
from db.states import AttemptState, Directive, TrialState
from db.store import AttemptStore, PlanStore, Registration, claim
from db.tables import Sweep, SweepTrial, Trial
from tests.contract.steering import again, contents, count
from tests.records import HERE, SWEEP, planned, step

OTHER = replace(SWEEP, name="other")


def test_registering_a_sweep_again_changes_nothing_but_the_time(database: Engine) -> None:
    trials = [planned(number) for number in range(3)]
    first = PlanStore(database).register(SWEEP, trials)
    before = contents(database)
    second = PlanStore(database).register(SWEEP, trials)
    assert (first.new, first.unchanged) == (first.trial_ids, ())
    assert (second.new, second.unchanged, second.removed) == ((), first.trial_ids, ())
    after = contents(database)
    assert after.pop("sweep") != before.pop("sweep")
    assert after == before


def test_a_changed_sweep_keeps_what_it_shares_and_says_what_left(database: Engine) -> None:
    first = PlanStore(database).register(SWEEP, [planned(1), planned(2)])
    second = PlanStore(database).register(SWEEP, [planned(3), planned(2, budget_last=20.0)])
    assert second.unchanged == first.trial_ids[1:]
    assert second.removed == first.trial_ids[:1]
    assert second.trial_ids == (*second.new, *second.unchanged)
    rows = Reader(database).trials(second.sweep_id)
    assert [(row.trial_id, row.position, row.budget_last) for row in rows] == [
        (second.trial_ids[0], 0, 10.0), (second.trial_ids[1], 1, 20.0),
    ]  # fmt: skip
    assert count(database, Trial) == 3


def test_sweeps_share_trials(database: Engine) -> None:
    first = PlanStore(database).register(SWEEP, [planned(1), planned(2)])
    second = PlanStore(database).register(OTHER, [planned(2), planned(3)])
    assert first.trial_ids[1] == second.trial_ids[0]
    assert (second.new, second.sweep_id == first.sweep_id) == (second.trial_ids, False)
    assert count(database, Trial) == 3


def _register_at_once(database: Engine, *submissions: tuple[SweepRecord, list[PlannedTrial]]) -> list[Registration]:
    done: list[Registration] = []
    threads = [Thread(target=lambda one=one: done.append(PlanStore(database).register(*one))) for one in submissions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == len(submissions)
    return done


def test_a_sweep_that_is_registered_twice_at_once_is_one_sweep(database: Engine) -> None:
    trials = [planned(number) for number in range(200)]
    first, *others = _register_at_once(database, *[(SWEEP, trials)] * 4)
    assert {each.sweep_id for each in others} == {first.sweep_id}
    assert {each.trial_ids for each in others} == {first.trial_ids}
    assert sorted(len(each.new) for each in (first, *others)) == [0, 0, 0, 200]
    assert [count(database, table) for table in (Sweep, Trial, SweepTrial)] == [1, 200, 200]


def test_overlapping_sweeps_that_are_registered_at_once_share_their_trials(database: Engine) -> None:
    these, those = [planned(number) for number in range(200)], [planned(number) for number in range(299, 99, -1)]
    _register_at_once(database, (SWEEP, these), (OTHER, those), (replace(SWEEP, name="third"), these[::-1]))
    assert [count(database, table) for table in (Sweep, Trial, SweepTrial)] == [3, 300, 600]
    with database.connect() as connection:
        hashes = connection.scalars(select(Trial.science_hash)).all()
    assert set(hashes) == {f"v1:{number}" for number in range(300)}


def test_2000_trials_are_registered_in_few_statements(database: Engine) -> None:
    trials = [planned(number, spec={"seed": number, "text": "x" * 2000}) for number in range(2_000)]
    statements: list[str] = []
    event.listen(database, "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))
    PlanStore(database).register(SWEEP, trials)
    registration = PlanStore(database).register(SWEEP, trials)
    assert 0 < len(statements) < 100
    assert registration.unchanged == registration.trial_ids
    assert len(set(registration.trial_ids)) == 2_000


def test_more_trials_than_a_statement_has_places_for_are_queued(database: Engine, attempt: AttemptStore) -> None:
    PlanStore(database).queue(range(70_000), sweep_id=attempt.sweep_id)
    assert Reader(database).trial(attempt.trial_id)["state"] == TrialState.RUNNING


def test_queueing_leaves_running_trials_alone_and_takes_finished_ones_up_again(database: Engine) -> None:
    plan = PlanStore(database)
    sweep = plan.register(SWEEP, [planned(number) for number in range(3)])
    running, finished, _ = sweep.trial_ids
    claim(database, trial_id=running, sweep_id=sweep.sweep_id, process=HERE)
    claim(database, trial_id=finished, sweep_id=sweep.sweep_id, process=HERE).end(AttemptState.FAILED)
    plan.queue(sweep.trial_ids, sweep_id=sweep.sweep_id)
    assert [Reader(database).trial(each)["state"] for each in sweep.trial_ids] == ["running", "queued", "queued"]
    assert Reader(database).trial(finished)["finished_at"] is None
    claim(database, trial_id=finished, sweep_id=sweep.sweep_id, process=HERE).end(AttemptState.SUCCEEDED)
    plan.unqueue(sweep.trial_ids)
    assert [Reader(database).trial(each)["state"] for each in sweep.trial_ids] == ["running", "succeeded", "planned"]


def test_a_trial_that_another_driver_has_finished_meanwhile_is_not_taken_up_again(
    database: Engine, attempt: AttemptStore
) -> None:
    plan = PlanStore(database)
    attempt.record_step(step(10))
    attempt.end(AttemptState.SUCCEEDED)
    before = contents(database)
    plan.queue([attempt.trial_id], sweep_id=attempt.sweep_id)
    plan.unqueue([attempt.trial_id])
    assert contents(database) == before


def test_a_finished_trial_is_taken_up_again_for_a_sweep_that_wants_more_of_it(
    database: Engine, attempt: AttemptStore
) -> None:
    plan = PlanStore(database)
    attempt.record_step(step(10))
    attempt.end(AttemptState.SUCCEEDED)
    other = plan.register(OTHER, [planned(1, budget_last=20.0)])
    plan.queue([attempt.trial_id], sweep_id=attempt.sweep_id)
    assert Reader(database).trial(attempt.trial_id)["state"] == TrialState.SUCCEEDED
    plan.queue([attempt.trial_id], sweep_id=other.sweep_id)
    assert Reader(database).trial(attempt.trial_id)["state"] == TrialState.QUEUED


def test_a_drain_reaches_the_trial_with_its_next_write(database: Engine, attempt: AttemptStore) -> None:
    plan = PlanStore(database)
    assert attempt.record_step(step(1)) is Directive.CONTINUE
    plan.request_drain(attempt.sweep_id)
    assert plan.is_draining(attempt.sweep_id)
    assert attempt.record_step(step(2)) is Directive.DRAIN
    assert attempt.renew() is Directive.DRAIN
    plan.clear_drain(attempt.sweep_id)
    assert attempt.renew() is Directive.CONTINUE


def test_another_sweeps_drain_is_none_of_the_trials_business(database: Engine, attempt: AttemptStore) -> None:
    other = PlanStore(database).register(OTHER, [planned(1)])
    PlanStore(database).request_drain(other.sweep_id)
    assert attempt.renew() is Directive.CONTINUE


def test_a_failure_ends_the_trial_with_its_reason(database: Engine, attempt: AttemptStore) -> None:
    attempt.end(AttemptState.FAILED, message="loss became nan", failure_class="numerical", traceback="Traceback")
    (row,) = Reader(database).trials(attempt.sweep_id)
    assert (row.state, row.failure_class, row.message) == ("failed", "numerical", "loss became nan")
    assert Reader(database).trial(attempt.trial_id)["finished_at"] is not None


@pytest.mark.parametrize(
    ("end", "state", "is_final"),
    [
        (AttemptState.SUCCEEDED, TrialState.SUCCEEDED, True),
        (AttemptState.FAILED, TrialState.FAILED, True),
        (AttemptState.INTERRUPTED, TrialState.PAUSED, False),
    ],
)
def test_a_trial_stands_where_its_attempt_ended(
    database: Engine, attempt: AttemptStore, end: AttemptState, state: TrialState, is_final: bool
) -> None:
    attempt.end(end)
    trial = Reader(database).trial(attempt.trial_id)
    assert (trial["state"], trial["finished_at"] is not None) == (state, is_final)
    assert not PlanStore(database).has_living_attempts(attempt.sweep_id)


def test_a_trial_whose_attempts_keep_dying_is_given_up(database: Engine, attempt: AttemptStore) -> None:
    plan = PlanStore(database)
    again(database, attempt)
    plan.declare_lost(attempt.sweep_id, is_dead=lambda _: True)
    plan.explain_loss(attempt.trial_id, failure_class="died", message="its process was killed")
    plan.explain_loss(attempt.trial_id, failure_class="code", message="said too late")
    plan.fail(attempt.trial_id, message="it died twice")
    first, last = Reader(database).attempts(attempt.trial_id)
    assert (first["state"], first["failure_class"]) == ("lost", None)
    assert (last["state"], last["failure_class"], last["message"]) == ("lost", "died", "it died twice")
    assert Reader(database).trial(attempt.trial_id)["state"] == TrialState.FAILED


def test_a_finished_trial_is_not_given_up(database: Engine, attempt: AttemptStore) -> None:
    attempt.end(AttemptState.SUCCEEDED)
    before = contents(database)
    PlanStore(database).fail(attempt.trial_id, message="it died")
    assert contents(database) == before


def test_a_sweep_cannot_take_the_name_of_imported_runs(database: Engine) -> None:
    PlanStore(database).register(replace(SWEEP, source=None, source_sha256=None), [])
    with pytest.raises(SpecError, match="taken by imported runs"):
        PlanStore(database).register(SWEEP, [planned(1)])
    assert count(database, Trial) == 0
