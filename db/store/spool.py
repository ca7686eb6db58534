"""The worker's side of the store while the database may be away: nothing that was computed is lost.

While the database answers, every record goes straight to it. When it does not, records go to a file on this machine
and the trial goes on; from then on every record takes that way, so that their order stays, until the lease's thread
has delivered them all. Delivering twice is delivering once, so a crash at any point costs nothing.

What a process leaves behind when it dies during an outage is delivered before the trial is claimed again. Fencing
holds for it too: once a later attempt exists, it is refused and set aside.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from db.connection.engines import begin_write
from db.connection.outage import is_outage, outage_reason, repeat_on_conflict
from db.errors import DatabaseError, StaleAttemptError
from db.records import AttemptEnd, AttemptRecord, Phase, Process
from db.states import AttemptState, Directive
from db.store.attempts import AttemptStore
from db.store.leases import new_attempt
from db.store.spool_file import SUFFIX, Batch, Owner, SpoolFile
from db.store.standing import Standing, claimed_by, standing
from db.store.writing import write_records

T = TypeVar("T")
Say = Callable[[str], None]


def claim_with_spool(
    engine: Engine, *, trial_id: int, sweep_id: int, process: Process, folder: Path, say: Say
) -> SpoolingAttemptStore:
    """As `claim`, for a process that claims the trial once; it may try again when the answer was lost.

    Records wait in `folder` during an outage. `say` is told when one begins and ends.
    """
    with begin_write(engine) as connection:
        number = claimed_by(connection, trial_id=trial_id, process=process)
        if number is None:
            number = new_attempt(connection, trial_id=trial_id, sweep_id=sweep_id, process=process)
    spool = SpoolFile(folder, Owner(trial_id, number, process))
    return SpoolingAttemptStore(engine, spool=spool, sweep_id=sweep_id, say=say)


class SpoolingAttemptStore(AttemptStore):
    """An AttemptStore that outlasts an outage. One thread records; another renews, which delivers what waits."""

    def __init__(self, engine: Engine, *, spool: SpoolFile, sweep_id: int, say: Say) -> None:
        super().__init__(engine, trial_id=spool.owner.trial_id, number=spool.owner.number, sweep_id=sweep_id)
        self._spool = spool
        self._say = say
        # Never held while the database is asked again: training must not wait for a server that is known to be away.
        self._changing = threading.Condition()
        self._is_away = False
        self._has_ended = False
        self._refusal: Exception | None = None
        self._directive = Directive.CONTINUE
        self._phase: Phase | None = None

    @property
    def is_away(self) -> bool:
        """Whether the database does not have everything yet that was recorded."""
        return self._is_away

    def record(self, *records: AttemptRecord) -> Directive:
        """As in AttemptStore; during an outage they are safe on this machine, and the last directive holds.

        Raises what the database said when it refused an earlier record that had waited.
        """
        with self._changing:
            if self._has_ended and not records:
                return self._directive
            if self._refusal is not None and records and not _ends(records):
                raise self._refusal
            if not self._is_away:
                try:
                    self._directive = self._tell(records)
                    self._has_ended = self._has_ended or _ends(records)
                except SQLAlchemyError as error:
                    if not is_outage(error):
                        raise
                    self._is_away = True
                    self._say(f"The database does not answer ({outage_reason(error)}); results wait on this machine.")
            if self._is_away:
                self._keep(records)
            return self._directive

    def renew(self) -> Directive:
        """Say that the attempt is alive, and deliver what waits; not for the thread that trains."""
        return self.catch_up() if self._is_away else self.record()

    def catch_up(self) -> Directive:
        """Deliver what waits, in order, as far as the database answers.

        Raises StaleAttemptError if the attempt was replaced, and whatever the database, its driver or the store refuses
        a record with; what is left then is set aside.
        """
        try:
            while self._is_away:
                self._deliver_batch()
        except StaleAttemptError:
            self._leave_to_others()
            raise
        except Exception as error:
            if is_outage(error):
                return self._directive
            if _is_refusal(error):
                self._refuse(error)
            raise
        return self._directive

    def wait_until_delivered(self, limit_seconds: float) -> bool:
        """Wait for the thread that renews to deliver everything; False if it could not in time."""
        with self._changing:
            if self._is_away:
                self._say(f"Waiting for the database, at most {limit_seconds:.0f} s: {self._spool.path}")
            delivered = self._changing.wait_for(lambda: not self._is_away, limit_seconds)
            if self._refusal is not None and not self._has_ended:
                raise self._refusal
            return delivered

    def _keep(self, records: Sequence[AttemptRecord]) -> None:
        """Of phases only the last one matters; it is lost with the process."""
        self._spool.append([record for record in records if not isinstance(record, Phase)])
        self._phase = next((record for record in reversed(records) if isinstance(record, Phase)), self._phase)

    def _deliver_batch(self) -> None:
        with self._changing:
            batch, phase = self._spool.next_batch(), self._phase
        directive = _one_by_one_if_refused(self._tell, batch.records if phase is None else (phase, *batch.records))
        with self._changing:
            self._directive = directive
            self._has_ended = self._has_ended or _ends(batch.records)
            self._spool.mark_delivered(batch)
            self._phase = None if self._phase is phase else self._phase
            if self._spool.is_empty and self._phase is None:
                self._come_back("The database answers again, and has everything.")

    def _tell(self, records: Sequence[AttemptRecord]) -> Directive:
        write = super().record
        return repeat_on_conflict(lambda: write(*records))

    def _leave_to_others(self) -> None:
        """Set the spool aside if there is a later attempt. If there is none, the next one delivers it."""
        with self._changing, begin_write(self._engine) as connection:
            if not self._spool.is_empty and standing(connection, **vars(self._spool.owner)) is Standing.REPLACED:
                self._say(f"What waited was refused: {self._spool.set_aside()}")

    def _refuse(self, error: Exception) -> None:
        with self._changing:
            self._refusal, self._phase = error, None
            self._come_back(f"The database refuses what waited, which is now in {self._spool.set_aside()}: {error}")

    def _come_back(self, message: str) -> None:
        self._spool.remove()
        self._is_away = False
        self._say(message)
        self._changing.notify_all()


def deliver_left_behind(engine: Engine, folder: Path, *, trial_id: int, say: Say) -> AttemptState | None:
    """Deliver what processes of earlier attempts left in `folder`; returns how the attempt ended, if it said so.

    May be repeated after an outage. Left where they are: files of processes that live or may live, files that this
    code cannot read, and files of attempts that this database does not know.
    """
    ended: AttemptState | None = None
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            spool = SpoolFile.left_behind(path)
        except DatabaseError as error:
            say(str(error))
            continue
        if spool is not None:
            try:
                ended = _deliver_posthumously(engine, spool, trial_id=trial_id, say=say) or ended
            finally:
                spool.close()
    return ended


def _deliver_posthumously(engine: Engine, spool: SpoolFile, *, trial_id: int, say: Say) -> AttemptState | None:
    end: AttemptState | None = None
    now = Standing.UNKNOWN
    try:
        while spool.owner.trial_id == trial_id:
            batch = spool.next_batch()
            now = _write_posthumously(engine, spool.owner, batch)
            if now is not Standing.SILENT:
                break
            spool.mark_delivered(batch)
            end = next((record.state for record in batch.records if isinstance(record, AttemptEnd)), end)
            if spool.is_empty:
                break
    except Exception as error:
        if not _is_refusal(error):
            raise
        say(f"The database refuses what attempt {spool.owner.number} left, now in {spool.set_aside()}: {error}")
        return end
    if now in (Standing.SILENT, Standing.ENDED):
        say(f"What attempt {spool.owner.number} left in {spool.path} was delivered.")
        spool.remove()
    elif now is Standing.REPLACED:
        say(f"What attempt {spool.owner.number} left comes too late, and is now in {spool.set_aside()}.")
    else:
        say(f"{spool.path} is not delivered: the database does not know its attempt as one that is dead.")
    return end


def _write_posthumously(engine: Engine, owner: Owner, batch: Batch) -> Standing:
    """Write records of an attempt whose process is gone, if nobody went on from what the database had of it."""

    def write(records: Sequence[AttemptRecord]) -> Standing:
        with begin_write(engine) as connection:
            now = standing(connection, **vars(owner))
            if now is Standing.SILENT:
                write_records(connection, trial_id=owner.trial_id, number=owner.number, records=records)
            return now

    return _one_by_one_if_refused(write, batch.records)


def _one_by_one_if_refused(write: Callable[[Sequence[AttemptRecord]], T], records: Sequence[AttemptRecord]) -> T:
    """Write records in one transaction; if the database refuses one of them, at least those before it are written."""
    try:
        return write(records)
    except Exception as error:
        if not _is_refusal(error) or len(records) <= 1:
            raise
    *before, last = records
    for record in before:
        write([record])
    return write([last])


def _is_refusal(error: Exception) -> bool:
    """Whether a record was refused for good, so that it cannot be waited for.

    Anything that is no outage: a driver says what it cannot send in exceptions of its own, or of Python's. Only trouble
    of this machine with the spool's file says nothing of the record.
    """
    return not is_outage(error) and not isinstance(error, (StaleAttemptError, OSError, MemoryError))


def _ends(records: Sequence[AttemptRecord]) -> bool:
    return bool(records) and isinstance(records[-1], AttemptEnd)
