"""Telling the receivers of a sweep what happens, from threads of the driver, until it ends.

Each receiver has a thread, which reads what has happened from the database and tells it in order, one event after the
other, noting in the database how far it has come. So a driver that takes over misses nothing and repeats what was not
confirmed; a receiver that is away is waited for, and neither it nor an error of ours holds up the sweep.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from db.connection.outage import wait_for_database
from db.errors import DatabaseError
from db.store import WebhookStore
from db.sweep_events import SETTLED_SECONDS, SweepEvent, SweepEvents
from orchestrator.notifying.delivery import Refused, Unreachable, deliver
from orchestrator.notifying.messages import body_of
from orchestrator.notifying.receivers import Receiver


@dataclass(frozen=True)
class Pace:
    """How often is looked and tried, in seconds: the pause after a failed try doubles from the first to the longest.

    `last` is how long a driver that ends waits for what is left to be told.
    """

    look: float = 2.0
    settled: float = SETTLED_SECONDS
    first_pause: float = 1.0
    longest_pause: float = 300.0
    tries: int = 12
    last: float = 15.0


PACE = Pace()


@contextmanager
def notifying(
    engine: Engine,
    sweep_id: int,
    receivers: Sequence[Receiver],
    *,
    why_stopped: Callable[[], str | None],
    say: Callable[[str], None],
    pace: Pace = PACE,
) -> Iterator[None]:
    """Tell the receivers what happens to the sweep while the block runs, and at its end what is left to be told.

    `why_stopped` is asked at the end, should trials be left without an end: a sentence, or None where nobody is to be
    told, as when another driver has taken over. `say` is told once of each receiver that does not take what it is sent.
    """
    events = SweepEvents(engine, sweep_id)
    tellers = [_Teller(events, WebhookStore(engine, sweep_id, each.name), each, say, pace) for each in receivers]
    began_at = wait_for_database(events.now, say=say) if tellers else None
    for teller in tellers:
        teller.start(wait_for_database(teller.store.told_through, say=say))
    try:
        yield
    finally:
        deadline = time.monotonic() + pace.last
        reason = why_stopped() if tellers else None
        for teller in tellers:
            teller.finish(reason, began_at)
        for teller in tellers:
            teller.join(deadline)


@dataclass
class _Teller:
    """One receiver's thread."""

    events: SweepEvents
    store: WebhookStore
    receiver: Receiver
    say: Callable[[str], None]
    pace: Pace
    is_over: threading.Event = field(default_factory=threading.Event)
    tries: int = 0  # of the event that is to be told next
    not_before: float = 0.0
    has_complained: bool = False
    why_stopped: str | None = None
    began_at: datetime | None = None

    def start(self, place: tuple[datetime, str]) -> None:
        self.place = place
        self.thread = threading.Thread(target=self._run, name=f"tell {self.receiver.name}", daemon=True)
        self.thread.start()

    def finish(self, why_stopped: str | None, began_at: datetime | None) -> None:
        self.why_stopped, self.began_at = why_stopped, began_at
        self.is_over.set()

    def join(self, deadline: float) -> None:
        self.thread.join(max(deadline - time.monotonic(), 0.0))
        if self.thread.is_alive():
            self._complain("it does not answer in time; it is tried again by the next driver")

    def _run(self) -> None:
        while not self.is_over.wait(self.pace.look):
            self._look(self.events_left)
        self.not_before = 0.0
        self._look(self.last_events)

    def events_left(self) -> list[SweepEvent]:
        return self.events.after(self.place, settled_seconds=self.pace.settled)

    def last_events(self) -> list[SweepEvent]:
        """All that has happened: no driver is left that could take up again what has failed."""
        found = self.events.after(self.place, settled_seconds=0.0)
        if self.why_stopped is not None and self.began_at is not None:
            stop = self.events.stop(self.why_stopped, since=self.began_at)
            found += [stop] if stop else []
        return found

    def _look(self, read: Callable[[], list[SweepEvent]]) -> None:
        if time.monotonic() < self.not_before:
            return
        try:
            for event in read():
                if not self._tell(event):
                    return
        except (SQLAlchemyError, DatabaseError):  # an outage, most likely, of which the driver itself tells
            return

    def _tell(self, event: SweepEvent) -> bool:
        """Whether the next one may follow: it knows of this one, or never will."""
        if event.name in self.receiver.events:
            if not self._deliver(event):
                return False
            self.tries = 0
            self.store.confirm(*event.place)
        self.place = event.place
        return True

    def _deliver(self, event: SweepEvent) -> bool:
        try:
            deliver(self.receiver, body_of(event))
        except Refused as error:
            self._complain(f"{error}, and is not asked again")
        except Unreachable as error:
            self.tries += 1
            self._complain(f"{error}; it is tried again, by the next driver too")
            pause = min(self.pace.first_pause * 2 ** (self.tries - 1), self.pace.longest_pause)
            self.not_before = time.monotonic() + pause
            return self.tries >= self.pace.tries
        return True

    def _complain(self, what: str) -> None:
        if not self.has_complained:
            self.has_complained = True
            self.say(f"{self.receiver.name} was not told what happened: {what}.")
