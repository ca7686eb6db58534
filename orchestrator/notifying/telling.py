"""Telling the receivers of a sweep what happens, from threads of its driver.

Each receiver has a thread, which reads from the database what has happened and tells it in order, one event after the
other, noting in the database how far it has come. So a driver that takes over misses nothing and repeats no more than
what was not confirmed; a receiver that is away is waited for, and neither it nor an outage holds up the sweep.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from threading import Event, Thread

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from db.connection.outage import is_outage, wait_for_database
from db.errors import DatabaseError, RlsweepError
from db.store import WebhookStore
from db.sweep_events import SweepEvent, SweepEvents
from orchestrator.notifying.delivery import Refused, Unreachable, deliver
from orchestrator.notifying.messages import body_of
from orchestrator.notifying.receivers import Receiver


@dataclass(frozen=True)
class Pace:
    """All in seconds. The pause after a try that failed doubles from the first to the longest."""

    look: float = 2.0
    settled: float = 10.0  # enough for a driver to take up again what has failed
    seen: float = 1.0  # enough for a row to be seen, where nobody will take anything up
    first_pause: float = 1.0
    longest_pause: float = 300.0
    last: float = 15.0  # how long a driver that ends waits for what is left to be told


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

    `why_stopped` is asked at the end, should trials be left without an end and no error tell why: a sentence, or None
    where another driver has taken over, which tells the rest. `say` is told once of each receiver that does not take
    what it is sent.
    """
    events = SweepEvents(engine, sweep_id)
    tellers = [_Teller(events, WebhookStore(engine, sweep_id, each.name), each, say, pace) for each in receivers]
    for teller in tellers:
        wait_for_database(teller.read_what_was_left, say=say)
        teller.thread.start()
    error: BaseException | None = None
    try:
        yield
    except BaseException as raised:
        error = raised
        raise
    finally:
        deadline, reason = time.monotonic() + pace.last, why_stopped()
        for teller in tellers:
            teller.finish(reason and (_told_of(error) or reason), deadline)
        for teller in tellers:
            teller.join()


def _told_of(error: BaseException | None) -> str | None:
    """What an error tells everybody; None: nothing. Of one that nobody expected, no more than its name."""
    if error is None or isinstance(error, KeyboardInterrupt):
        return None
    return str(error) if isinstance(error, RlsweepError) else f"A {type(error).__name__}; see what its driver printed."


class _Teller:
    """One receiver's thread."""

    def __init__(
        self, events: SweepEvents, store: WebhookStore, receiver: Receiver, say: Callable[[str], None], pace: Pace
    ) -> None:
        self._events = events
        self._store = store
        self._receiver = receiver
        self._say = say
        self._pace = pace
        self._left: deque[SweepEvent] = deque()  # read, and still to be told
        self._pause = 0.0  # after a try that failed
        self._has_complained = False
        self._is_over = Event()
        self.thread = Thread(target=self._run, name=f"tell {receiver.name}", daemon=True)

    def read_what_was_left(self) -> None:
        """Read what the driver before this one has not told, before this one takes up again what has failed."""
        self._read_through = self._store.told_through()
        self._read(self._pace.seen)

    def finish(self, reason: str | None, deadline: float) -> None:
        """Tell what is left, until the deadline on the clock of `time.monotonic`; nothing if there is no reason."""
        self._reason, self._deadline = reason, deadline
        self._is_over.set()

    def join(self) -> None:
        """Wait until that is done, or the deadline."""
        self.thread.join(max(self._deadline - time.monotonic(), 0.0))
        if self.thread.is_alive():
            self._complain("it does not answer in time; it is told by the next driver")

    def _run(self) -> None:
        while not self._is_over.wait(self._pause or self._pace.look):
            self._try(self._look)
        if self._reason is None:
            return
        time.sleep(self._pace.seen)
        self._pause = 0.0
        for step in (partial(self._read_the_rest, self._reason), self._tell_what_is_left):
            while not self._try(step) and time.monotonic() + self._pause < self._deadline:
                time.sleep(self._pause)

    def _try(self, step: Callable[[], None]) -> bool:
        """Whether it could be done; if not, it is to be tried again after a pause."""
        try:
            step()
        except Unreachable as error:
            self._complain(f"{error}; it is tried again, by the next driver too")
        except (SQLAlchemyError, DatabaseError) as error:
            if not is_outage(error):
                raise
        else:
            self._pause = 0.0
            return True
        self._pause = min(2 * self._pause, self._pace.longest_pause) or self._pace.first_pause
        return False

    def _look(self) -> None:
        self._read(self._pace.settled)
        self._tell_what_is_left()

    def _read(self, settled_seconds: float) -> None:
        for event in self._events.after(self._read_through, settled_seconds=settled_seconds):
            self._left.append(event)
            self._read_through = event.place

    def _read_the_rest(self, reason: str) -> None:
        self._read(self._pace.seen)
        stop = self._events.stop(reason)
        if stop:
            self._left.append(stop)

    def _tell_what_is_left(self) -> None:
        while self._left:
            self._tell(self._left[0])
            self._left.popleft()

    def _tell(self, event: SweepEvent) -> None:
        if event.name in self._receiver.events:
            try:
                deliver(self._receiver, body_of(event))
            except Refused as error:
                self._complain(f"{error}, and is not asked again")
        self._store.confirm(event.place)

    def _complain(self, what: str) -> None:
        if not self._has_complained:
            self._has_complained = True
            self._say(f"{self._receiver.name} was not told what happened: {what}.")
