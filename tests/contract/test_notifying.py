"""Receivers are told what happens to a sweep, on both databases: once each, in order, and never in the sweep's way."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import get_args

import pytest
from sqlalchemy import Engine

from db.states import AttemptState
from db.store import AttemptStore, PlanStore, Registration, SteeringStore, claim
from db.store.webhooks import WebhookStore
from db.sweep_events import SweepEvents
from orchestrator.notifying.delivery import SIGNATURE, signature
from orchestrator.notifying.receivers import Receiver
from orchestrator.notifying.telling import Pace, notifying
from orchestrator.sweepfile.notify import EventName
from tests.records import HERE, SWEEP, planned
from tests.webhook_receiver import WebhookReceiver, webhook_receiver

AT_ONCE = Pace(look=0.02, settled=0.0, first_pause=0.02, longest_pause=0.05, tries=5, last=30.0)
ALL: frozenset[str] = frozenset(get_args(EventName))
SECRET = b"s3cret"
DOCS = Path(__file__).parents[2] / "docs" / "notifications.md"


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with webhook_receiver() as started:
        yield started


@pytest.fixture
def sweep(database: Engine) -> Registration:
    return PlanStore(database).register(SWEEP, [planned(number) for number in (1, 2, 3)])


class Driver:
    """What a driver that tells one receiver does, and what it said."""

    def __init__(self, database: Engine, sweep: Registration, receiver: WebhookReceiver) -> None:
        self.database, self.sweep = database, sweep
        self.receiver = Receiver(receiver.host, ALL, receiver.url, SECRET)
        self.said: list[str] = []
        self.why_stopped: str | None = "Ctrl-C."

    def drives(self, pace: Pace = AT_ONCE) -> AbstractContextManager[None]:
        return notifying(
            self.database,
            self.sweep.sweep_id,
            [self.receiver],
            why_stopped=lambda: self.why_stopped,
            say=self.said.append,
            pace=pace,
        )

    def attempt(self, place: int) -> AttemptStore:
        trial = self.sweep.trial_ids[place]
        return claim(self.database, trial_id=trial, sweep_id=self.sweep.sweep_id, process=HERE)


@pytest.fixture
def driver(database: Engine, sweep: Registration, receiver: WebhookReceiver) -> Driver:
    return Driver(database, sweep, receiver)


def test_every_end_is_told_once_and_in_order(driver: Driver, receiver: WebhookReceiver) -> None:
    with driver.drives():
        driver.attempt(0).end(AttemptState.SUCCEEDED)
        receiver.wait_for(1)
        driver.attempt(1).end(AttemptState.FAILED, failure_class="nccl", message="x" * 5000)
        receiver.wait_for(3)
        SteeringStore(driver.database).cancel([driver.sweep.trial_ids[2]])
        receiver.wait_for(5)
    names = ["trial_succeeded", "attempt_failed", "trial_failed", "trial_cancelled", "sweep_finished"]
    assert receiver.names == names
    assert driver.said == []
    failed = receiver.events[2]
    assert (failed["sweep"], failed["trial"], failed["attempt"]) == ("s", driver.sweep.trial_ids[1], 1)
    assert (failed["state"], failed["class"], len(failed["message"])) == ("failed", "nccl", 1000)
    assert failed["text"].startswith(f"s: trial {driver.sweep.trial_ids[1]} (m, seed 2) has failed (nccl): xxx")
    assert receiver.events[4]["trials"] == {"cancelled": 1, "failed": 1, "succeeded": 1}
    assert len({event["id"] for event in receiver.events}) == 5


def test_the_snippet_of_the_documentation_tells_a_message_of_ours_from_any_other(
    driver: Driver, receiver: WebhookReceiver
) -> None:
    with driver.drives():
        driver.attempt(0).end(AttemptState.SUCCEEDED)
        receiver.wait_for(1)
    headers, body = receiver.came[0]
    snippet: dict[str, object] = {}
    exec(DOCS.read_text().split("```python\n")[1].split("```")[0], snippet)
    is_from_rlsweep = snippet["is_from_rlsweep"]
    assert callable(is_from_rlsweep)
    assert is_from_rlsweep(body, headers[SIGNATURE], SECRET)
    assert not is_from_rlsweep(body, headers[SIGNATURE], b"another")
    assert not is_from_rlsweep(body + b" ", headers[SIGNATURE], SECRET)
    assert not is_from_rlsweep(body, signature(SECRET, body, timestamp=1_700_000_000), SECRET), "it was sent long ago"


def test_the_next_driver_tells_what_was_not_confirmed_and_nothing_else(
    driver: Driver, receiver: WebhookReceiver
) -> None:
    driver.attempt(0).end(AttemptState.SUCCEEDED)
    driver.why_stopped = None
    with driver.drives():
        driver.attempt(1).end(AttemptState.SUCCEEDED)
        receiver.wait_for(1)
    assert receiver.names == ["trial_succeeded"], "nobody asked to be told of what was before"
    receiver.answer = lambda: 503
    with driver.drives():
        driver.attempt(2).end(AttemptState.STOPPED, outcome="kl_blow_up", message="It grew.")
        receiver.wait_for(2)
    receiver.answer = lambda: 204
    with driver.drives():
        receiver.wait_for(len(receiver.came) + 2)
    told = [event["id"] for event in receiver.events if event["trial"] == driver.sweep.trial_ids[2]]
    assert len(told) >= 2
    assert len(set(told)) == 1, "by which a receiver knows it again"
    number = len(receiver.came)
    with driver.drives():
        pass
    assert receiver.names[-1] == "sweep_finished"
    assert len(receiver.came) == number


def test_a_receiver_that_is_away_is_tried_again_and_complained_of_once(
    driver: Driver, receiver: WebhookReceiver
) -> None:
    answers = iter([500, 429, 503])
    receiver.answer = lambda: next(answers, 200)
    with driver.drives():
        driver.attempt(0).end(AttemptState.SUCCEEDED)
        receiver.wait_for(4)
        driver.attempt(1).end(AttemptState.SUCCEEDED)
        receiver.wait_for(5)
        driver.why_stopped = None
    assert receiver.names == ["trial_succeeded"] * 5
    assert driver.said == [
        f"{receiver.host} was not told what happened: it answers 500; it is tried again, by the next driver too."
    ]


@pytest.mark.parametrize("status", [404, 302, 307])
def test_what_is_refused_is_not_sent_again_and_no_redirection_is_followed(
    driver: Driver, receiver: WebhookReceiver, status: int
) -> None:
    answers = iter([status])
    receiver.answer = lambda: next(answers, 200)
    with driver.drives():
        driver.attempt(0).end(AttemptState.SUCCEEDED)
        receiver.wait_for(1)
        driver.attempt(1).end(AttemptState.FAILED, failure_class="code")
        receiver.wait_for(3)
        driver.why_stopped = None
    assert receiver.names == ["trial_succeeded", "attempt_failed", "trial_failed"]
    assert driver.said == [f"{receiver.host} was not told what happened: it answers {status}, and is not asked again."]


def test_an_event_that_is_never_taken_is_given_up_in_the_end(driver: Driver, receiver: WebhookReceiver) -> None:
    receiver.answer = lambda: 500 if receiver.names[-1] == "trial_succeeded" else 200
    with driver.drives():
        driver.attempt(0).end(AttemptState.SUCCEEDED)
        receiver.wait_for(AT_ONCE.tries)
        driver.attempt(1).end(AttemptState.FAILED, failure_class="code")
        receiver.wait_for(AT_ONCE.tries + 2)
        driver.why_stopped = None
    assert receiver.names == ["trial_succeeded"] * AT_ONCE.tries + ["attempt_failed", "trial_failed"]


def test_a_driver_that_leaves_trials_behind_says_why(driver: Driver, receiver: WebhookReceiver) -> None:
    driver.why_stopped = "limits.flops: 2 of 2 spent"
    with driver.drives():
        driver.attempt(0).end(AttemptState.SUCCEEDED)
    assert receiver.names == ["trial_succeeded", "sweep_stopped"]
    assert receiver.events[1]["text"] == (
        "s: nothing launches its trials any more (2 planned, 1 succeeded). limits.flops: 2 of 2 spent"
    )
    driver.why_stopped = None
    with driver.drives():
        pass
    assert len(receiver.came) == 2, "another driver has taken over, or nothing has happened"


def test_a_failure_that_is_tried_again_is_no_failure_of_the_trial(driver: Driver, receiver: WebhookReceiver) -> None:
    driver.why_stopped = None
    slow = Pace(look=0.02, settled=5.0, last=30.0)
    with driver.drives(slow):
        driver.attempt(0).end(AttemptState.FAILED, failure_class="nccl")
        PlanStore(driver.database).recover(driver.sweep.trial_ids[0])
    assert receiver.names == ["attempt_failed"]


def test_a_receiver_that_does_not_answer_holds_up_nothing(driver: Driver, receiver: WebhookReceiver) -> None:
    is_over = threading.Event()

    def answer() -> int:
        is_over.wait(60)
        return 200

    receiver.answer = answer
    with driver.drives(Pace(look=0.02, settled=0.0, last=0.2)):
        driver.attempt(0).end(AttemptState.SUCCEEDED)
        receiver.wait_for(1)
    assert driver.said == [
        f"{receiver.host} was not told what happened: it does not answer in time; it is tried again by the next driver."
    ]
    is_over.set()


def test_only_the_events_that_were_asked_for_are_told(driver: Driver, receiver: WebhookReceiver) -> None:
    driver.receiver = Receiver(receiver.host, frozenset({"sweep_finished"}), receiver.url, None)
    with driver.drives():
        for place in range(3):
            driver.attempt(place).end(AttemptState.SUCCEEDED)
        receiver.wait_for(1)
    assert receiver.names == ["sweep_finished"]
    assert SIGNATURE not in receiver.came[0][0]


def test_nothing_of_a_url_or_a_secret_is_in_the_database_or_said(driver: Driver, receiver: WebhookReceiver) -> None:
    receiver.answer = lambda: 400
    with driver.drives():
        driver.attempt(0).end(AttemptState.SUCCEEDED)
        receiver.wait_for(1)
    store = WebhookStore(driver.database, driver.sweep.sweep_id, receiver.host)
    told = f"{driver.said} {driver.receiver} {store.told_through()}"
    assert receiver.host in told
    assert "T0KEN" not in told
    assert SECRET.decode() not in told


def test_events_of_one_moment_are_told_apart(database: Engine, sweep: Registration) -> None:
    events = SweepEvents(database, sweep.sweep_id)
    began = events.now()
    SteeringStore(database).cancel(sweep.trial_ids)
    found = events.after((began, ""), settled_seconds=0.0)
    assert [event.name for event in found] == ["trial_cancelled"] * 3 + ["sweep_finished"]
    assert [len(events.after(event.place, settled_seconds=0.0)) for event in found] == [3, 2, 1, 0]
