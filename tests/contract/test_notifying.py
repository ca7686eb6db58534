"""Receivers are told what happens to a sweep, on both databases: once each, in order, and never in the sweep's way."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import get_args

import pytest
from sqlalchemy import Engine, text

from db.errors import EnvironmentProblem
from db.states import AttemptState
from db.store import AttemptStore, PlanStore, Registration, SteeringStore, WebhookStore, claim
from db.sweep_events import SweepEvents
from orchestrator.notifying.delivery import SIGNATURE, signature
from orchestrator.notifying.receivers import Receiver
from orchestrator.notifying.telling import Pace, notifying
from orchestrator.sweepfile.notify import EventName
from tests.postgresql import PostgresqlServer
from tests.records import HERE, SWEEP, planned
from tests.webhook_receiver import WebhookReceiver, webhook_receiver

AT_ONCE = Pace(look=0.02, settled=0.0, seen=0.0, first_pause=0.02, longest_pause=0.05, last=30.0)
MUCH_LATER = Pace(look=0.02, settled=600.0, seen=0.0, first_pause=0.02, last=30.0)
ALL: frozenset[str] = frozenset(get_args(EventName))
OF_TRIALS = ALL - {"sweep_stopped"}
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
    """What drivers of one sweep that tell one receiver do, one after the other, and what they said."""

    def __init__(self, database: Engine, sweep: Registration, receiver: WebhookReceiver) -> None:
        self.database, self.sweep = database, sweep
        self.said: list[str] = []
        self.why_stopped: str | None = "Its driver has ended."
        self.tell(receiver, OF_TRIALS)

    def tell(self, receiver: WebhookReceiver, events: frozenset[str]) -> None:
        self.receiver = Receiver(receiver.host, events, receiver.url, SECRET)

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
    trial = driver.sweep.trial_ids[1]
    attempt, failed, end = receiver.events[1], receiver.events[2], receiver.events[4]
    assert (failed["sweep"], failed["trial"], failed["attempt"]) == ("s", trial, 1)
    assert (failed["state"], failed["class"], len(failed["message"])) == ("failed", "nccl", 1000)
    assert failed["text"].startswith(f"s: trial {trial} (m, seed 2) has failed (nccl): xxx")
    assert attempt["text"].startswith(f"s: attempt 1 of trial {trial} (m, seed 2) has failed (nccl): xxx")
    assert end["trials"] == {"cancelled": 1, "failed": 1, "succeeded": 1}
    assert end["text"] == "s: every trial has an end (1 cancelled, 1 failed, 1 succeeded)."
    assert len({event["id"] for event in receiver.events}) == 5


def test_an_attempt_that_was_lost_is_told_as_lost(driver: Driver, receiver: WebhookReceiver) -> None:
    with driver.drives():
        driver.attempt(0)
        PlanStore(driver.database).declare_lost(driver.sweep.sweep_id, is_dead=lambda _: True)
    assert receiver.events[0]["text"] == (
        f"s: attempt 1 of trial {driver.sweep.trial_ids[0]} (m, seed 1) was lost: No sign of life; see its log."
    )


def test_the_snippet_of_the_documentation_tells_a_message_of_ours_from_any_other(
    driver: Driver, receiver: WebhookReceiver
) -> None:
    with driver.drives():
        driver.attempt(0).end(AttemptState.SUCCEEDED)
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
    time.sleep(0.01)  # the clock of SQLite counts milliseconds
    with driver.drives():
        driver.attempt(1).end(AttemptState.SUCCEEDED)
    assert receiver.names == ["trial_succeeded"], "nobody asked to be told of what was before"
    receiver.answer = lambda: 503
    with driver.drives():
        driver.attempt(2).end(AttemptState.STOPPED, outcome="kl_blow_up", message="It grew.")
        receiver.wait_for(3)
        driver.why_stopped = None
    receiver.answer = lambda: 204
    driver.why_stopped = "Its driver has ended."
    with driver.drives():
        pass
    assert receiver.names[-2:] == ["trial_stopped", "sweep_finished"]
    told = [event["id"] for event in receiver.events if event["event"] == "trial_stopped"]
    assert len(told) >= 3
    assert len(set(told)) == 1, "by which a receiver knows it again"
    number = len(receiver.came)
    with driver.drives():
        pass
    assert len(receiver.came) == number


def test_a_failure_that_the_next_driver_takes_up_again_is_told_all_the_same(
    driver: Driver, receiver: WebhookReceiver
) -> None:
    driver.why_stopped = None
    with driver.drives(MUCH_LATER):
        driver.attempt(0).end(AttemptState.FAILED, failure_class="nccl")
    assert receiver.names == [], "a driver that was replaced, or killed, tells nothing more"
    driver.why_stopped = "Its driver has ended."
    with driver.drives():
        PlanStore(driver.database).queue(driver.sweep.trial_ids, sweep_id=driver.sweep.sweep_id)
    assert receiver.names == ["attempt_failed", "trial_failed"]


def test_a_failure_that_is_tried_again_is_no_failure_of_the_trial(driver: Driver, receiver: WebhookReceiver) -> None:
    with driver.drives(MUCH_LATER):
        driver.attempt(0).end(AttemptState.FAILED, failure_class="nccl")
        PlanStore(driver.database).recover(driver.sweep.trial_ids[0])
    assert receiver.names == ["attempt_failed"]


def test_the_same_end_of_a_trial_that_was_tried_again_is_another_event(
    driver: Driver, receiver: WebhookReceiver
) -> None:
    steering, trials = SteeringStore(driver.database), driver.sweep.trial_ids
    with driver.drives():
        steering.cancel(trials)
        receiver.wait_for(4)
        steering.retry(trials)
        time.sleep(0.01)
        steering.cancel(trials)
        receiver.wait_for(8)
    assert receiver.names == (["trial_cancelled"] * 3 + ["sweep_finished"]) * 2
    assert len({event["id"] for event in receiver.events}) == 8


def test_a_receiver_that_is_away_is_tried_again_until_it_is_back_and_complained_of_once(
    driver: Driver, receiver: WebhookReceiver
) -> None:
    answers = iter([500, 429, 503, 408, 502, 500, 500, 500])
    receiver.answer = lambda: next(answers, 200)
    with driver.drives():
        driver.attempt(0).end(AttemptState.SUCCEEDED)
        receiver.wait_for(9)
        driver.attempt(1).end(AttemptState.STOPPED)
    assert receiver.names == ["trial_succeeded"] * 9 + ["trial_stopped"]
    assert driver.said == [
        f"{receiver.host} was not told what happened: it answers 500; it is tried again, by the next driver too."
    ]


def test_a_driver_that_ends_tries_again_for_a_while(driver: Driver, receiver: WebhookReceiver) -> None:
    answers = iter([500, 500])
    receiver.answer = lambda: next(answers, 200)
    with driver.drives(MUCH_LATER):
        driver.attempt(0).end(AttemptState.SUCCEEDED)
    assert receiver.names == ["trial_succeeded"] * 3


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
    assert receiver.names == ["trial_succeeded", "attempt_failed", "trial_failed"]
    assert driver.said == [f"{receiver.host} was not told what happened: it answers {status}, and is not asked again."]


def test_nobody_at_all_at_a_receivers_address_is_said_in_a_sentence(driver: Driver) -> None:
    with webhook_receiver() as gone:
        driver.tell(gone, ALL)
    with driver.drives(Pace(look=0.02, settled=0.0, seen=0.0, first_pause=0.02, last=0.5)):
        driver.attempt(0).end(AttemptState.SUCCEEDED)
    assert driver.said == [
        f"{gone.host} was not told what happened: Connection refused; it is tried again, by the next driver too."
    ]


def test_a_driver_that_leaves_trials_behind_says_why(driver: Driver, receiver: WebhookReceiver) -> None:
    driver.tell(receiver, ALL)
    with driver.drives():
        driver.attempt(0).end(AttemptState.SUCCEEDED)
        driver.why_stopped = "limits.flops: 2 of 2 spent"
    assert receiver.names == ["trial_succeeded", "sweep_stopped"]
    assert receiver.events[1]["text"] == (
        "s: nothing launches its trials any more (2 planned, 1 succeeded). limits.flops: 2 of 2 spent"
    )


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (EnvironmentProblem("Ray did not start."), "Ray did not start."),
        (KeyboardInterrupt(), "Its driver has ended."),
        (ZeroDivisionError("what it says may be anything"), "A ZeroDivisionError; see what its driver printed."),
    ],
)
def test_a_driver_that_an_error_ends_says_which(
    driver: Driver, receiver: WebhookReceiver, error: BaseException, reason: str
) -> None:
    driver.tell(receiver, ALL)
    with suppress(type(error)), driver.drives():
        raise error
    assert [(event["event"], event["message"]) for event in receiver.events] == [("sweep_stopped", reason)]


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
        f"{receiver.host} was not told what happened: it does not answer in time; it is told by the next driver."
    ]
    is_over.set()


def test_an_outage_of_the_database_only_delays(
    postgresql_server: PostgresqlServer, postgresql_database: Engine, receiver: WebhookReceiver
) -> None:
    sweep = PlanStore(postgresql_database).register(SWEEP, [planned(1)])
    driver = Driver(postgresql_database, sweep, receiver)
    with driver.drives():
        postgresql_server.stop()
        time.sleep(0.1)  # it looks every 20 ms
        postgresql_server.start()
        postgresql_database.dispose()
        driver.attempt(0).end(AttemptState.SUCCEEDED)
    assert receiver.names == ["trial_succeeded", "sweep_finished"]


def test_only_the_events_that_were_asked_for_are_told(driver: Driver, receiver: WebhookReceiver) -> None:
    driver.receiver = Receiver(receiver.host, frozenset({"sweep_finished"}), receiver.url, None)
    with driver.drives():
        for place in range(3):
            driver.attempt(place).end(AttemptState.SUCCEEDED)
    assert receiver.names == ["sweep_finished"]
    assert SIGNATURE not in receiver.came[0][0]


def test_nothing_of_a_url_or_a_secret_is_in_the_database_or_said(driver: Driver, receiver: WebhookReceiver) -> None:
    receiver.answer = lambda: 400
    with driver.drives():
        driver.attempt(0).end(AttemptState.SUCCEEDED)
    with driver.database.connect() as connection:
        kept = connection.execute(text("SELECT * FROM webhook")).all()
    told = f"{driver.said} {driver.receiver} {kept}"
    assert told.count(receiver.host) == 3
    assert "T0KEN" not in told
    assert SECRET.decode() not in told


def test_events_of_one_moment_are_told_apart(driver: Driver) -> None:
    before = WebhookStore(driver.database, driver.sweep.sweep_id, "example.org").told_through()
    SteeringStore(driver.database).cancel(driver.sweep.trial_ids)
    events = SweepEvents(driver.database, driver.sweep.sweep_id)
    found = events.after(before, settled_seconds=0.0)
    assert [event.name for event in found] == ["trial_cancelled"] * 3 + ["sweep_finished"]
    assert [len(events.after(event.place, settled_seconds=0.0)) for event in found] == [3, 2, 1, 0]


def test_a_driver_that_was_replaced_takes_nothing_back(driver: Driver) -> None:
    store = WebhookStore(driver.database, driver.sweep.sweep_id, "example.org")
    first = store.told_through()
    time.sleep(0.01)
    SteeringStore(driver.database).cancel(driver.sweep.trial_ids)
    last = SweepEvents(driver.database, driver.sweep.sweep_id).after(first, settled_seconds=0.0)[-1].place
    store.confirm(last)
    store.confirm(first)
    assert store.told_through() == last
