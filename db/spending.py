"""What a sweep has paid so far: every attempt that it launched, whether its steps still count or were lost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, bindparam, select

from db.states import AttemptState
from db.tables import Attempt
from db.types import database_now
from db.views import flop_ledger


@dataclass(frozen=True)
class Spending:
    """Model FLOPs of generation, training and evaluation; GPU-hours from an attempt's claim to its end, or to now."""

    flops: float = 0.0
    gpu_hours: float = 0.0

    def __add__(self, other: Spending) -> Spending:
        return Spending(self.flops + other.flops, self.gpu_hours + other.gpu_hours)


class SpendingReader:
    """Adds up a sweep again and again; an attempt that has ended is summed up once."""

    def __init__(self, engine: Engine, sweep_id: int) -> None:
        self._engine = engine
        self._attempts = _ATTEMPTS.where(Attempt.sweep_id == sweep_id)
        self._ended: dict[int, Spending] = {}

    def read(self) -> Spending:
        """What all attempts have paid. What nobody counted, as the GPUs of one that only begins, adds nothing."""
        living: list[Spending] = []
        with self._engine.connect() as connection:
            for attempt in connection.execute(self._attempts):
                if attempt.id in self._ended:
                    continue
                flops = sum(each or 0.0 for each in connection.execute(_PAID, attempt._asdict()).one())
                seconds = _seconds(
                    attempt.state, attempt.started_at, attempt.ended_at or attempt.now, attempt.lease_expires_at
                )
                spent = Spending(flops, (attempt.num_gpus or 0.0) * seconds / 3600)
                if attempt.state == AttemptState.RUNNING:
                    living.append(spent)
                else:
                    self._ended[attempt.id] = spent
        return sum([*self._ended.values(), *living], Spending())


def _seconds(state: str, started_at: datetime, until: datetime, lease_expires_at: datetime | None) -> float:
    """How long it had its place. Nobody has seen a lost one after its lease, however late it was declared so."""
    if state in (AttemptState.RUNNING, AttemptState.LOST) and lease_expires_at is not None:
        until = min(until, lease_expires_at)
    return max((until - started_at).total_seconds(), 0.0)


_ATTEMPTS = select(
    Attempt.id,
    Attempt.trial_id,
    Attempt.number,
    Attempt.state,
    Attempt.num_gpus,
    Attempt.started_at,
    Attempt.ended_at,
    Attempt.lease_expires_at,
    database_now().label("now"),
)
_PAID = select(flop_ledger.c.paid_flops, flop_ledger.c.evaluation_flops).where(
    flop_ledger.c.trial_id == bindparam("trial_id"), flop_ledger.c.attempt == bindparam("number")
)
